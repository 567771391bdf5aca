"""Adapters at addresses: of a server and of fsspec's own memory they give what they give of the same files on disk."""

from __future__ import annotations

import functools
import http.server
import io
import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import fsspec
import pytest
from tables import pairs, png, write_arrow, write_parquet
from tars import write_tar

from imagejudge.errors import UsageError
from imagejudge.evaluate.datasets import load_dataset
from imagejudge.evaluate.labels import Item, Reading
from imagejudge.images import remote
from imagejudge.images.read import Limits, Source
from imagejudge.images.ref import source_of

LABELS = ["unsafe", "safe", "unsafe"]
IMAGES = [png(number) for number in range(3)]


class Handler(http.server.SimpleHTTPRequestHandler):
    """Gives parts of files, too."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def send_head(self) -> Any:
        """As a server does that knows ranges; pages of folders are as they always are."""
        file = Path(self.translate_path(self.path))
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked is None or not file.is_file():
            return super().send_head()
        data = file.read_bytes()
        start, end = int(asked[1]), int(asked[2] or len(data)) + 1
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {start}-{min(end, len(data)) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data[start:end])))
        self.end_headers()
        return io.BytesIO(data[start:end])


@pytest.fixture(params=["http", "memory"])
def publish(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Puts what lies in a folder at an address."""
    monkeypatch.setattr(remote, "_PAUSES", ())
    if request.param == "memory":
        system = fsspec.filesystem("memory")

        def put(folder: Path) -> str:
            for file in (each for each in folder.rglob("*") if each.is_file()):
                system.pipe(f"/{file.relative_to(folder.parent).as_posix()}", file.read_bytes())
            return f"memory://{folder.name}"

        yield put
        system.store.clear()
        return
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=str(tmp_path))
    ) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield lambda folder: f"http://127.0.0.1:{running.server_port}/{folder.name}"
        running.shutdown()


def put_images(folder: Path, *names: str) -> None:
    for name, image in zip(names, IMAGES, strict=True):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(image)


def rows(column: str, *names: str) -> list[dict[str, str]]:
    return [{column: name, "label": label} for name, label in zip(names, LABELS, strict=True)]


def folders(folder: Path) -> None:
    put_images(folder, "unsafe/a.png", "safe/deeper/b.png", "unsafe/c.png")


def label_folders(folder: Path) -> None:
    put_images(folder, "test/unsafe/a.png", "test/safe/b.png", "test/unsafe/c.png")


def parquet_files(folder: Path) -> None:
    (folder / "data").mkdir()
    write_parquet(folder / "data" / "test-0.parquet", {"image": pairs(*IMAGES), "label": LABELS}, row_group_size=2)
    write_parquet(folder / "data" / "train-0.parquet", {"image": pairs(*IMAGES), "label": LABELS})


def arrow_file(folder: Path) -> None:
    write_arrow(folder / "data-0.arrow", {"image": pairs(*IMAGES), "label": LABELS}, 2)


def unsafebench_files(folder: Path) -> None:
    columns = {
        "image": pairs(*IMAGES),
        "safety_label": ["Unsafe", "Safe", "Unsafe"],
        "category": ["Spam"] * 3,
        "source": ["Lexica"] * 3,
    }
    write_parquet(folder / "train-0.parquet", columns)


def external_files(folder: Path) -> None:
    (folder / "mmhs" / "data").mkdir(parents=True)
    columns = {"image": pairs(*IMAGES), "label": [1, 0, 1], "index": [0, 1, 2], "image_fname": ["a", "b", "c"]}
    write_parquet(folder / "mmhs" / "data" / "test-0.parquet", columns)


def metadata(name: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        names = ("a.png", "sub/b.png", "c d.png")
        put_images(folder, *names)
        found = rows("file_name", *names)
        if name.endswith("parquet"):
            write_parquet(folder / name, {key: [row[key] for row in found] for key in found[0]})
        elif name.endswith("jsonl"):
            (folder / name).write_text("".join(json.dumps(row) + "\n" for row in found))
        else:
            (folder / name).write_text("file_name,label\n" + "".join(",".join(row.values()) + "\n" for row in found))

    return make


def table(name: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        put_images(folder, "a.png", "sub/b.png", "c.png")
        found = rows("path", "a.png", "sub\\b.png", "c.png")
        if name.endswith("jsonl"):
            (folder / name).write_text("".join(json.dumps(row) + "\n" for row in found))
        else:
            (folder / name).write_text("path;label\n" + "".join(";".join(row.values()) + "\n" for row in found))

    return make


def ratings(folder: Path) -> None:
    put_images(folder, "a.png", "sub/b.png", "c.png")
    found = rows("image", "a.png", "sub/b.png", "c.png")
    (folder / "test.json").write_text(
        json.dumps(
            [{"image": row["image"], "rating": row["label"].title(), "category": "O2: Violence"} for row in found]
        )
    )


def tars(folder: Path) -> None:
    members = {}
    for number, image in enumerate(IMAGES):
        members |= {f"{number}.png": image, f"{number}.cls": LABELS[number].encode()}
    write_tar(folder / "test-0.tar", members)


SETS: dict[str, tuple[str, Callable[[Path], None], str, dict[str, Any]]] = {
    "folders": ("folder", folders, "", {}),
    "folders of a split": ("huggingface", label_folders, "", {"split": "test"}),
    "parquet": ("huggingface", parquet_files, "", {"split": "test"}),
    "one parquet file": ("huggingface", parquet_files, "/data/train-0.parquet", {}),
    "arrow": ("huggingface", arrow_file, "", {}),
    "unsafebench": ("unsafebench", unsafebench_files, "", {"split": "train"}),
    "external": ("unsafebench-external", external_files, "", {}),
    "metadata.jsonl": ("huggingface", metadata("metadata.jsonl"), "", {}),
    "metadata.csv": ("huggingface", metadata("metadata.csv"), "", {}),
    "metadata.parquet": ("huggingface", metadata("metadata.parquet"), "", {}),
    "csv": ("csv", table("labels.csv"), "/labels.csv", {}),
    "jsonl": ("jsonl", table("labels.jsonl"), "/labels.jsonl", {}),
    "llavaguard": ("llavaguard", ratings, "/test.json", {}),
    "tars": ("webdataset", tars, "", {}),
}


@pytest.mark.parametrize("name", SETS)
def test_a_data_set_at_an_address_is_that_on_disk(tmp_path: Path, publish: Callable[[Path], str], name: str) -> None:
    adapter, make, below, reading = SETS[name]
    (folder := tmp_path / "set").mkdir()
    make(folder)
    address = publish(folder)
    here = read(str(folder) + below, adapter, str(folder), **reading)
    assert sorted(data for _, _, data in here) == sorted(IMAGES)
    assert read(address + below, adapter, address, **reading) == here


def read(path: str, adapter: str, root: str, **reading: Any) -> list[tuple[str, bool, bytes]]:
    """Of each image its name below the root, its label and its bytes."""
    dataset = load_dataset(path, adapter, Reading(**reading))
    found = list(dataset.items)
    assert len(found) == dataset.count
    return [(unquote(item.label.name).removeprefix(root), item.label.unsafe, data_of(item)) for item in found]


def data_of(item: Item) -> bytes:
    source = source_of(item, Limits())
    assert isinstance(source, Source), source.message
    return source.data


def test_what_tables_name_elsewhere_is_not_fetched(tmp_path: Path, publish: Callable[[Path], str]) -> None:
    (folder := tmp_path / "set").mkdir()
    put_images(tmp_path, "a.png", "b.png", "c.png")
    cells = [{"bytes": None, "path": name} for name in (str(tmp_path / "a.png"), "../a.png", "https://example.org/a")]
    write_parquet(folder / "a.parquet", {"image": cells, "label": LABELS})
    found = list(load_dataset(publish(folder), "huggingface", Reading()).items)
    assert [item.trouble is not None and item.trouble.kind for item in found] == ["missing"] * 3
    folder = tmp_path / "images"
    put_images(folder, "1.png", "2.png", "3.png")
    named = rows("path", str(tmp_path / "a.png"), "1.png", "2.png")
    (folder / "metadata.jsonl").write_text(
        "".join(json.dumps(row | {"file_name": row["path"]}) + "\n" for row in named)
    )
    dataset = load_dataset(publish(folder), "huggingface", Reading())
    assert (dataset.count, "left out: 1 of 3 rows" in dataset.notes[0]) == (2, True)


@pytest.mark.parametrize(
    ("adapter", "below", "words"),
    [
        ("folder", "", "has no folder 'safe'; found: more, notes.txt, unsafe"),
        ("folder", "/none", "nothing is at"),
        ("huggingface", "/none.parquet", "nothing is at this address"),
        ("webdataset", "", "has no *.tar file; found: more, notes.txt, unsafe"),
        ("csv", "/none.csv", "nothing is at this address"),
        ("vlguard", "", "'vlguard' reads files alone"),
    ],
)
def test_what_is_not_there_is_told(
    tmp_path: Path, publish: Callable[[Path], str], adapter: str, below: str, words: str
) -> None:
    put_images(tmp_path / "set", "unsafe/a.png", "unsafe/b.png", "more/deep/c.png")
    (tmp_path / "set" / "notes.txt").write_text("notes")
    with pytest.raises(UsageError) as error:
        load_dataset(publish(tmp_path / "set") + below, adapter, Reading())
    assert words in f"{error.value.message}"


def test_a_data_set_of_which_a_folder_cannot_be_listed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(Handler):
        def send_head(self) -> Any:
            if "deeper" not in self.path:
                return super().send_head()
            self.send_error(500)
            return None

    monkeypatch.setattr(remote, "_PAUSES", ())
    (tmp_path / "set").mkdir()
    folders(tmp_path / "set")
    handler = functools.partial(Failing, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{running.server_port}/set"
        with pytest.raises(UsageError) as error:
            load_dataset(address, "folder", Reading())
        assert error.value.message == f"{address}/safe/deeper/ cannot be listed: the server answers with 500"
        running.shutdown()


@pytest.mark.parametrize("adapter", ["folder", "huggingface", "webdataset"])
@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("https://me:secret@example.org/a", "an address has the name of a user in it"),
        ("s3://bucket/a", "s3://bucket/a is an address that needs one more package"),
        ("nope://bucket/a", "nope://bucket/a is an address of an unknown kind"),
        ("http://127.0.0.1:9/a", "http://127.0.0.1:9/a cannot be listed: ClientConnectorError"),
    ],
)
def test_why_an_address_is_not_listed_is_told(
    monkeypatch: pytest.MonkeyPatch, adapter: str, address: str, words: str
) -> None:
    monkeypatch.setattr(remote, "_PAUSES", ())
    with pytest.raises(UsageError) as error:
        load_dataset(address, adapter, Reading())
    told = f"{error.value.message} {error.value.hint}"
    assert "secret" not in told
    assert words in told


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("https://me:secret@example.org/a.csv", "an address has the name of a user in it"),
        ("s3://bucket/a.csv", "s3://bucket/a.csv: is an address that needs one more package"),
        ("http://127.0.0.1:9/a.csv", "http://127.0.0.1:9/a.csv: cannot be read: ClientConnectorError"),
    ],
)
def test_why_a_table_at_an_address_is_not_read_is_told(
    monkeypatch: pytest.MonkeyPatch, address: str, words: str
) -> None:
    monkeypatch.setattr(remote, "_PAUSES", ())
    with pytest.raises(UsageError) as error:
        load_dataset(address, "csv", Reading())
    assert "secret" not in f"{error.value.message} {error.value.hint}"
    assert error.value.message.startswith(words)
