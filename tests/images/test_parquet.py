"""What is read of Parquet and Arrow files: every image in them by its row, and every break told where it is."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from random import Random

import psutil
import pyarrow as pa
import pytest
from damaged_files import mutated
from pyarrow import parquet
from tables import PAIR, pairs, png, write_arrow, write_parquet

from imagejudge.images.find import find_images
from imagejudge.images.names import Unread
from imagejudge.images.read import Limits
from imagejudge.images.ref import ImageRef
from imagejudge.images.shards import expand, table
from imagejudge.images.shards.parquet import members

LIMITS = Limits()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Every test stands in a folder of its own, and leaves no process that reads."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    assert not [
        each for each in psutil.Process().children() if "imagejudge.images.shards.table_child" in each.cmdline()
    ]


def read(*paths: str, limits: Limits = LIMITS, done: frozenset[str] = frozenset()) -> list[ImageRef]:
    return list(expand(find_images(paths), limits, done=done))


def told(*paths: str, limits: Limits = LIMITS) -> dict[str, bytes | tuple[str, str] | None]:
    """By path, bytes or kind and message of the trouble."""
    refs = read(*paths, limits=limits)
    found = {ref.path: (ref.trouble.kind, ref.trouble.message) if ref.trouble else ref.data for ref in refs}
    assert len(found) == len(refs)
    assert all(ref.trouble.message.isprintable() for ref in refs if ref.trouble)
    return found


def test_images_come_by_row_over_all_row_groups() -> None:
    images = [png(number) for number in range(5)]
    write_parquet(Path("a.parquet"), {"label": range(5), "image": pairs(*images)}, row_group_size=2)
    assert told("a.parquet") == {f"a.parquet::{row}": data for row, data in enumerate(images)}
    assert list(told(".")) == [f"./a.parquet::{row}" for row in range(5)]


@pytest.mark.parametrize(
    "type_", [pa.binary(), pa.large_binary(), pa.binary_view(), pa.dictionary(pa.int8(), pa.binary())]
)
def test_a_column_of_bytes_is_found_by_what_the_bytes_begin_with(type_: pa.DataType) -> None:
    hashes = pa.array([os.urandom(32), os.urandom(32)], pa.binary())
    jpg = pa.array([png(1), png(2)]).cast(type_)
    write_parquet(Path("a.parquet"), {"sha256": hashes, "key": ["a", "b"], "jpg": jpg})
    assert told("a.parquet") == {"a.parquet::0": png(1), "a.parquet::1": png(2)}


@pytest.mark.parametrize("indexed", [False, True])
def test_arrow_files_are_read_as_parquet_is(indexed: bool) -> None:
    columns = {"n": range(5), "image": pairs(*map(png, range(5)))}
    write_arrow(Path("a.arrow"), columns, 2, indexed=indexed)
    assert told(".") == {f"./a.arrow::{row}": png(row) for row in range(5)}
    assert told("a.arrow::4") == {"a.arrow::4": png(4)}


def test_a_record_batch_with_offsets_that_lead_out_of_it_is_told_and_the_others_stand() -> None:
    data = write_arrow(Path("a.arrow"), {"image": pairs(*map(png, range(6)))}, 2).read_bytes()
    size = len(png(0))
    right, wrong = (b"".join(each.to_bytes(4, "little") for each in (0, size, end)) for end in (2 * size, 2**31 - 1))
    head, first, second, third = data.split(right)  # one in each batch
    Path("a.arrow").write_bytes(head + right + first + wrong + second + right + third)
    assert [path.rpartition("::")[2] for path in told("a.arrow")] == ["0", "1", "record batch 1", "4", "5"]


def test_an_arrow_file_that_is_cut_off_is_told() -> None:
    data = write_arrow(Path("a.arrow"), {"image": pairs(*map(png, range(6)))}, 2).read_bytes()
    Path("a.arrow").write_bytes(data[:-700])
    assert [path.rpartition("::")[2] for path in told("a.arrow")] == ["0", "1", "2", "3", "record batch 2"]


def test_further_columns_and_lists_have_names_of_their_own() -> None:
    lists = pa.array([[{"bytes": png(3), "path": None}, {"bytes": png(4), "path": "x"}], []], pa.list_(PAIR))
    write_parquet(Path("a.parquet"), {"image": pairs(png(1), png(2)), "more": lists, "mask": pairs(png(5), None)})
    assert told("a.parquet") == {
        "a.parquet::0": png(1),
        "a.parquet::0/more/0": png(3),
        "a.parquet::0/more/1": png(4),
        "a.parquet::0/mask": png(5),
        "a.parquet::1": png(2),
    }


def test_columns_that_the_note_of_hugging_face_calls_images_come_first() -> None:
    columns = {
        "a": pairs(png(1)),
        "b": pairs(b"no image"),
        "c": pa.array([[{"bytes": png(2), "path": None}]], pa.list_(PAIR)),
    }
    image = {"_type": "Image"}
    write_parquet(
        Path("a.parquet"), columns, features={"b": image, "c": {"_type": "List", "feature": image}, "z": image}
    )
    found = {"a.parquet::0": b"no image", "a.parquet::0/c/0": png(2), "a.parquet::0/a": png(1)}
    assert list(told("a.parquet").items()) == list(found.items())
    write_parquet(Path("a.parquet"), columns, features={"c": [image], "a": {"_type": "Value"}})
    assert told("a.parquet") == {"a.parquet::0/c/0": png(2), "a.parquet::0/a": png(1)}


@pytest.mark.parametrize("kind", ["Image", "Audio", "Value", None])
def test_no_note_hides_a_column_of_images(kind: str | None) -> None:
    Path("a.png").write_bytes(png(5))
    columns = {
        "shown": pairs(png(1)),
        "pair": pairs(png(2)),
        "bytes": [png(3)],
        "late": pa.array([{"photo": png(4)}]),
        "sound": pairs(b"RIFF\x24\0\0\0WAVEfmt "),
        "hash": [b"\1\2"],
        "file": ["a.png"],
    }
    others = {} if kind is None else {name: {"_type": kind} for name in ("pair", "bytes", "late")}
    write_parquet(Path("a.parquet"), columns, features={"shown": {"_type": "Image"}, **others})
    names = {"": 1, "/pair": 2, "/bytes": 3, "/late/photo": 4}
    assert told("a.parquet") == {f"a.parquet::0{name}": png(number) for name, number in names.items()}
    texts = {"caption": ["a.png"], "file": ["a.png"]}
    write_parquet(Path("b.parquet"), texts, features={"caption": {"_type": "Image"}, "file": {"_type": "Value"}})
    assert told("b.parquet") == {"b.parquet::0": png(5), "b.parquet::0/file": png(5)}
    write_parquet(Path("c.parquet"), {**texts, "bytes": [png(3)]}, features={"caption": {"_type": "Image"}})
    assert told("c.parquet") == {"c.parquet::0": png(5), "c.parquet::0/bytes": png(3)}


def test_a_path_in_place_of_bytes_is_followed_from_the_folder_of_the_file(tmp_path: Path) -> None:
    Path("sub/img").mkdir(parents=True)
    Path("sub/img/a.png").write_bytes(png(1))
    paths = ["img/a.png", str(tmp_path / "sub/img/a.png"), "img/b.png", "https://x.org/a.png", "/etc/passwd", "", None]
    write_parquet(
        Path("sub/a.parquet"),
        {"image": pairs(*[None] * len(paths), paths=paths)},
        features={"image": {"_type": "Image"}},
    )
    assert told("sub/a.parquet") == {
        "sub/a.parquet::0": png(1),
        "sub/a.parquet::1": png(1),
        "sub/a.parquet::2": ("missing", "img/b.png: no such file; check its name"),
        "sub/a.parquet::3": ("missing", "is an address, and only files are read; copy it to a file first"),
        "sub/a.parquet::4": ("missing", "names a file that is not called as an image, which is not opened"),
        "sub/a.parquet::5": ("missing", "the row has no bytes and no path of an image"),
        "sub/a.parquet::6": ("missing", "the row has no bytes and no path of an image"),
    }
    assert read("sub/a.parquet")[0].stamp is None  # that of the table says nothing of another file


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_path_of_a_pipe_is_not_waited_for() -> None:
    os.mkfifo("a.png")
    write_parquet(Path("a.parquet"), {"image": ["a.png"]})
    (trouble,) = told("a.parquet").values()
    assert isinstance(trouble, tuple)
    assert trouble[0] == "not-a-file"


def test_texts_are_paths_or_base64_where_no_column_has_bytes() -> None:
    Path("a.png").write_bytes(png(1))
    texts = ["a.png", base64.b64encode(png(2)).decode()]
    write_parquet(Path("a.parquet"), {"caption": ["a cat", "hell"], "file": texts, "url": ["http://x/a.png"] * 2})
    assert told("a.parquet") == {"a.parquet::0": png(1), "a.parquet::1": png(2)}


def test_a_table_of_addresses_is_told_once() -> None:
    write_parquet(Path("a.parquet"), {"caption": ["a", "b"], "url": ["http://x/a.png", "https://x/b"]})
    message = "column 'url' has addresses of images, which are not fetched; download them first"
    assert told("a.parquet") == {"a.parquet::columns": ("shard", message)}


def test_a_table_without_images_is_told_with_its_columns() -> None:
    write_parquet(Path("a.parquet"), {"n": [1], "hash": [b"\1\2"], "text": ["x"]})
    message = "no column holds images; there are: n, hash, text"
    assert told("a.parquet") == {"a.parquet::columns": ("shard", message)}


@pytest.mark.parametrize("arrow", [False, True])
def test_a_table_without_a_row_is_a_shard_without_an_image(arrow: bool) -> None:
    columns = {
        "pairs": pa.array([], PAIR),
        "image": pa.array([], pa.binary()),
        "JPG": pa.array([], pa.string()),
        "photos": pa.array([], pa.list_(pa.binary())),
    }
    write = (lambda path, columns: write_arrow(path, columns, 1)) if arrow else write_parquet
    paths = []
    for name, column in columns.items():
        path = write(
            Path(f"{name}.{'arrow' if arrow else 'parquet'}"), {"label": pa.array([], pa.int64()), name: column}
        )
        paths.append(str(path))
    write_parquet(Path("noted.parquet"), {"x": pa.array([], PAIR)}, features={"x": {"_type": "Image"}})
    paths.append("noted.parquet")
    heard: list[tuple[str, Unread]] = []
    assert list(expand(find_images(paths), LIMITS, passed_over=lambda *what: heard.append(what))) == []
    assert heard == [(path, Unread.EMPTY) for path in paths]


def test_rows_without_any_image_are_told_one_by_one() -> None:
    missing = ("missing", "the row has no bytes and no path of an image")
    for number, column in enumerate((pairs(None, None), pa.array([None] * 2, pa.binary()), [""] * 2)):
        write_parquet(Path(f"{number}.parquet"), {"label": [1, 2], "image": column})
        assert told(f"{number}.parquet") == {f"{number}.parquet::{row}": missing for row in range(2)}
    write_parquet(Path("a.parquet"), {"label": [1], "hash": pa.array([None], pa.binary())})
    message = "no column holds images; there are: label, hash"
    assert told("a.parquet") == {"a.parquet::columns": ("shard", message)}


def test_names_in_a_table_cannot_forge_lines() -> None:
    write_parquet(Path("a.parquet"), {"x\n\x1b[31m": [1]})
    write_parquet(Path("b.parquet"), {"image": ["a.png", "\n\x1b[31m.png"]})
    told("a.parquet", "b.parquet")  # all messages are printable


def test_verdicts_are_passed_over_and_metadata_of_a_folder_is_no_shard() -> None:
    Path("a.png").write_bytes(png(1))
    parquet.write_table(pa.table({"path": ["a.png"]}, metadata={"imagejudge": "{}"}), "v.parquet")
    write_parquet(Path("metadata.parquet"), {"file_name": ["a.png"]})
    passed: list[tuple[str, Unread]] = []
    refs = list(expand(find_images(["."]), LIMITS, passed_over=lambda *what: passed.append(what)))
    assert [ref.path for ref in refs] == ["./a.png"]
    assert passed == [("./v.parquet", Unread.EMPTY)]


def test_rows_without_an_image_and_large_ones_are_errors() -> None:
    write_parquet(Path("a.parquet"), {"image": pa.array([png(1), None, b"", b"\x89PNG" * 1000])})
    assert told("a.parquet", limits=Limits(bytes=2000)) == {
        "a.parquet::0": png(1),
        "a.parquet::1": ("missing", "the row has no bytes and no path of an image"),
        "a.parquet::2": b"",
        "a.parquet::3": ("too-large", "the file is larger than 2,000 bytes; raise the limit with `max_bytes`"),
    }


def test_one_row_can_be_named() -> None:
    write_parquet(Path("a.parquet"), {"image": pairs(*map(png, range(9)))}, row_group_size=4)
    assert told("a.parquet::7") == {"a.parquet::7": png(7)}
    missing = ("missing", "no image of this name is in the shard; check its name")
    assert told("a.parquet::9") == {"a.parquet::9": missing}
    assert told("a.parquet::1/x") == {"a.parquet::1/x": missing}


def test_what_is_done_is_left_out() -> None:
    write_parquet(Path("a.parquet"), {"image": pairs(png(1), png(2))})
    assert [ref.path for ref in read("a.parquet", done=frozenset(["a.parquet::0"]))] == ["a.parquet::1"]


def test_columns_are_carried_as_json_has_them() -> None:
    columns = {
        "image": pairs(png(1), png(2)),
        "caption": ["x" * 100_001, "a cat"],
        "label": [1, 7],
        "scores": [[0.5, float("nan")], []],
        "raw": [b"abc", b""],
        "URL": ["u", "v"],
    }
    label = {"_type": "ClassLabel", "names": ["safe", "unsafe"]}
    write_parquet(Path("a.parquet"), columns, features={"image": {"_type": "Image"}, "label": label})
    keep = ("url", "caption", "label", "scores", "raw", "none")
    refs = list(members("a.parquet", LIMITS, lambda path: True, lambda *what: None, keep))
    assert [ref.fields for ref in refs] == [
        {"caption": None, "label": "unsafe", "scores": [0.5, None], "raw": None, "URL": "u"},
        {"caption": "a cat", "label": 7, "scores": [], "raw": None, "URL": "v"},
    ]


def test_a_cut_off_file_is_told() -> None:
    data = write_parquet(Path("a.parquet"), {"image": pairs(png(1))}).read_bytes()
    Path("a.parquet").write_bytes(data[:-20])
    ((path, trouble),) = told("a.parquet").items()
    assert path == "a.parquet::schema"
    assert trouble is not None
    assert trouble[0] == "shard"


@pytest.mark.parametrize("compression", ["snappy", "zstd"])
def test_a_damaged_row_group_is_told_and_the_others_stand(compression: str) -> None:
    path = write_parquet(
        Path("a.parquet"),
        {"image": pa.array([png(n, 40) for n in range(12)])},
        row_group_size=3,
        compression=compression,
    )
    chunk = parquet.ParquetFile(path).metadata.row_group(2).column(0)
    data = bytearray(path.read_bytes())
    start = chunk.dictionary_page_offset
    data[start : start + chunk.total_compressed_size] = b"\xff" * chunk.total_compressed_size
    path.write_bytes(data)
    found = told("a.parquet")
    rows = [0, 1, 2, 3, 4, 5, 9, 10, 11]
    assert [name for name, data in found.items() if isinstance(data, bytes)] == [f"a.parquet::{row}" for row in rows]
    kind, message = found["a.parquet::row group 2"]  # type: ignore[misc]
    assert kind == "shard"
    assert str(message).startswith("row group 2 cannot be read to its end: ")


@pytest.mark.skipif(sys.platform == "win32", reason="kills by a signal")
def test_a_reader_that_dies_is_started_again_behind_the_row_group(monkeypatch: pytest.MonkeyPatch) -> None:
    """As pyarrow would at a file that breaks it: the child is replaced by one that ends itself at row group 1."""
    Path("dying.py").write_text(
        textwrap.dedent("""
            import os, signal, sys
            from imagejudge.images.shards import table_child
            read = table_child._Parquet._batches
            def dies(self, number, *rest):
                if number == 1:
                    os.kill(os.getpid(), signal.SIGSEGV)
                yield from read(self, number, *rest)
            table_child._Parquet._batches = dies
            table_child.main()
        """)
    )
    start = subprocess.Popen

    def instead(command: list[str], **how: object) -> object:
        at = command.index("-P")
        return start([*command[:at], "dying.py", command[-1]], **how)  # type: ignore[call-overload]

    monkeypatch.setattr(table.subprocess, "Popen", instead)
    write_parquet(Path("a.parquet"), {"image": pairs(*map(png, range(6)))}, row_group_size=2)
    found = told("a.parquet")
    assert list(found) == [f"a.parquet::{place}" for place in (0, 1, "row group 1", 4, 5)]
    message = "row group 1 cannot be read to its end: what reads it ended by SIGSEGV"
    assert found["a.parquet::row group 1"] == ("shard", message)


def test_a_changing_file_is_told() -> None:
    write_parquet(Path("a.parquet"), {"image": pairs(*map(png, range(3)))})
    refs = expand([ImageRef("a.parquet")], LIMITS)
    assert next(refs).path == "a.parquet::0"
    os.utime("a.parquet", (1, 1))
    (last,) = refs
    assert last.path == "a.parquet::changed"
    assert last.trouble is not None


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_no_damage_ends_more_than_its_own_file(kind: str) -> None:
    columns = {"image": pairs(*map(png, range(20))), "caption": [f"c{n}" for n in range(20)]}
    path = Path(f"a.{kind}")
    if kind == "arrow":
        write_arrow(path, columns, 5)
    else:
        write_parquet(path, columns, row_group_size=5)
    whole = path.read_bytes()
    for seed in range(300):
        path.write_bytes(mutated(whole, Random(seed), [whole]))
        told(str(path))
