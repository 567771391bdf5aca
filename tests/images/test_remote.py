"""Files at addresses: found, read and told apart from those that are not there, without a word of what is secret."""

from __future__ import annotations

import contextlib
import functools
import http.server
import io
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import fsspec
import fsspec.implementations.memory
import pytest
from tables import pairs, png, write_arrow, write_parquet
from tars import tar_of, write_tar

from imagejudge.common.extras import how_to_install
from imagejudge.errors import UsageError
from imagejudge.images import remote, remote_folder
from imagejudge.images.find import find_images
from imagejudge.images.read import Limits, Source, read_image, stamp_now
from imagejudge.images.shards import expand


@pytest.fixture
def memory() -> Iterator[fsspec.AbstractFileSystem]:
    system = fsspec.filesystem("memory")
    yield system
    system.store.clear()


class Handler(http.server.SimpleHTTPRequestHandler):
    """Gives files as a whole, as it knows no ranges."""

    asked: ClassVar[list[str]] = []

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def send_head(self) -> Any:
        """Refuse what is called private, fail at what is called broken, hang up on what is short, drip what is slow.

        Say nothing at all to who asks for what is called deaf.
        """
        self.asked.append(f"{self.command} {self.path}")
        if "deaf" in self.path:
            self.close_connection = True
            return None
        if "slow" in self.path and self.command == "GET":
            return self.drip()
        status = 403 if "private" in self.path else 500 if "broken" in self.path else None
        if status is None and "short" in self.path and self.command == "GET":
            self.send_response(200)
            self.send_header("Content-Length", "10000000")
            self.end_headers()
            return io.BytesIO(Path(self.translate_path(self.path)).read_bytes()[:-600])
        if status is None:
            return super().send_head()
        self.send_error(status)
        return None

    def drip(self) -> None:
        """Send a byte now and then, for as long as somebody listens."""
        self.send_response(200)
        self.end_headers()
        with contextlib.suppress(OSError):
            while True:
                self.wfile.write(b"a")
                time.sleep(0.01)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a folder, `tmp_path`."""
    monkeypatch.setattr(remote, "_PAUSES", (0,))
    Handler.asked.clear()
    handler = functools.partial(Handler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def found(*addresses: str, **how: object) -> list[str]:
    return [ref.path for ref in find_images(addresses, **how)]  # type: ignore[arg-type]


class Replaced(fsspec.implementations.memory.MemoryFileSystem):
    """Has another file in the place of each that is opened, as many times as `left` says."""

    protocol = "replaced"
    left: ClassVar[int] = 0

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return super()._strip_protocol(path.removeprefix("replaced://"))  # type: ignore[no-any-return]

    def _open(self, path: str, mode: str = "rb", **more: Any) -> Any:
        file = super()._open(path, mode, **more)
        if Replaced.left and mode == "rb":
            Replaced.left -= 1
            data = self.store.pop(path).getvalue()
            self.pipe(path, data[::-1] if data in (png(1), png(1)[::-1]) else data)
        return file


fsspec.register_implementation("replaced", Replaced)


def read(address: str, limits: Limits = Limits()) -> bytes | tuple[str, str]:  # noqa: B008 - frozen
    image = read_image(address, limits)
    return image.data if isinstance(image, Source) else (image.kind, image.message)


def test_a_folder_is_listed_in_order(memory: fsspec.AbstractFileSystem) -> None:
    for name in ("b.png", "a/c.JPG", "a/d.txt", ".hidden/e.png", "x/f.png", "g.tar", "metadata.parquet"):
        memory.pipe(f"/data/{name}", b"1")
    assert found("memory://data") == [f"memory://data/{name}" for name in ("a/c.JPG", "b.png", "g.tar", "x/f.png")]
    assert found("memory://data/", exclude=["x/", "*.JPG"]) == ["memory://data/b.png", "memory://data/g.tar"]
    assert found("memory://data/a/d.txt") == ["memory://data/a/d.txt"]  # as it is named
    assert found("memory://none") == ["memory://none"]


def troubles(*addresses: str, **how: object) -> dict[str, tuple[str, str] | None]:
    refs = find_images(addresses, **how)  # type: ignore[arg-type]
    return {ref.path: ref.trouble and (ref.trouble.kind, ref.trouble.message) for ref in refs}


def test_folders_that_cannot_be_listed_are_tried_again_and_told(server: str, tmp_path: Path) -> None:
    for folder in ("broken", "deaf", "ok/deep", "private"):
        (tmp_path / "pics" / folder).mkdir(parents=True)
        (tmp_path / "pics" / folder / "a.png").write_bytes(png(1))
    (tmp_path / "pics" / "index.html").write_text(
        "".join(f'<a href="{name}/">' for name in ("ok", "gone", "broken", "deaf", "private", ".broken"))
    )
    told = troubles(f"{server}/pics")
    assert list(told) == sorted(told)
    assert {path.removeprefix(f"{server}/pics/"): why for path, why in told.items()} == {
        "broken/": ("io", "cannot be listed: the server answers with 500"),
        "deaf/": ("io", "cannot be listed: ServerDisconnectedError"),
        "gone/": ("missing", "nothing is at this address; check it"),
        "ok/deep/a.png": None,
        "private/": ("permission", "may not list this folder; give yourself the right to read it"),
    }
    for name, times in (("broken", 2), ("deaf", 2), ("private", 1)):
        assert sum(each == f"GET /pics/{name}/" for each in Handler.asked) >= times
    assert list(troubles(f"{server}/pics", exclude=["broken/", "deaf", "gone/", "private/"])) == [
        f"{server}/pics/ok/deep/a.png"
    ]


def test_links_in_a_circle_end(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pics" / "sub").mkdir(parents=True)
    for name in ("a.png", "sub/b.png"):
        (tmp_path / "pics" / name).write_bytes(png(1))
    links = ["./", "../", "../pics/", "/pics/", f"{server}/pics/", "sub/", "sub/./", "?sort=/", "#/", "a.png"]
    (tmp_path / "pics" / "index.html").write_text("".join(f'<a href="{link}">' for link in links))
    assert troubles(f"{server}/pics/") == dict.fromkeys([f"{server}/pics/a.png", f"{server}/pics/sub/b.png"])
    monkeypatch.setattr(remote_folder, "_DEEPEST", 2)
    (tmp_path / "pics" / "sub" / "loop").symlink_to(".")
    told = troubles(f"{server}/pics/sub")
    deepest = f"{server}/pics/sub/loop/loop/loop/"
    assert told == {
        **dict.fromkeys(f"{server}/pics/sub/{'loop/' * depth}b.png" for depth in range(3)),
        deepest: ("io", "cannot be listed: lies below 2 folders, maybe in a circle of links"),
    }
    monkeypatch.setattr(remote_folder, "_LONGEST", -1)
    address = f"{server}/pics/sub"
    assert troubles(address) == {address: ("io", "cannot be listed: no end within -1 seconds")}


def test_an_image_is_read_within_bounds(memory: fsspec.AbstractFileSystem) -> None:
    memory.pipe("/a.png", png(1))
    assert read("memory://a.png") == png(1)
    assert read("memory://a.png", Limits(bytes=10))[0] == "too-large"
    assert read("memory://b.png") == ("missing", "nothing is at this address; check it")
    before = stamp_now("memory://a.png")
    assert before is not None
    assert before.size == len(png(1))
    memory.pipe("/a.png", png(2))
    assert stamp_now("memory://a.png") != before


def test_a_stamp_is_that_of_the_bytes_and_of_no_later_ones(server: str, tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(png(1))
    image = read_image(f"{server}/a.png", Limits())
    assert image.stamp == stamp_now(f"{server}/a.png") is not None

    class Late(Handler):
        def end_headers(self) -> None:
            self.send_header("etag", f'"{file.stat().st_size}"')
            super().end_headers()

        def copyfile(self, source: Any, outputfile: Any) -> None:
            file.unlink()  # what is being sent stays what it was
            file.write_bytes(png(2, 99))
            super().copyfile(source, outputfile)

    handler = functools.partial(Late, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{running.server_port}/a.png"
        before = stamp_now(address)
        Handler.asked.clear()
        image = read_image(address, Limits())
        assert isinstance(image, Source)
        assert image.data == png(1)
        assert Handler.asked == ["HEAD /a.png", "GET /a.png"]  # none for the stamp, which the answer has
        assert image.stamp == before != stamp_now(address)
        running.shutdown()


@pytest.fixture
def replaced(memory: fsspec.AbstractFileSystem) -> Iterator[fsspec.AbstractFileSystem]:
    yield memory
    Replaced.left = 0


def test_an_image_that_changes_meanwhile_is_read_again(replaced: fsspec.AbstractFileSystem) -> None:
    replaced.pipe("/a.png", png(1))
    Replaced.left = 1
    image = read_image("replaced://a.png", Limits())
    assert isinstance(image, Source)
    assert image.data == png(1)[::-1]
    assert image.stamp == stamp_now("replaced://a.png")
    Replaced.left = 9
    assert read("replaced://a.png") == ("io", "the file changed while it was read; wait until it is written")


@pytest.mark.parametrize(("name", "place"), [("a.tar", "@2048"), ("a.parquet", "changed")])
def test_a_shard_that_changes_meanwhile_is_told(
    replaced: fsspec.AbstractFileSystem, tmp_path: Path, name: str, place: str
) -> None:
    if name.endswith("tar"):
        write_tar(tmp_path / name, {"a.png": png(1), "b.png": png(2)})
    else:
        write_parquet(tmp_path / name, {"image": pairs(png(1), png(2))})
    replaced.pipe(f"/{name}", (tmp_path / name).read_bytes())
    before = stamp_now(f"replaced://{name}")
    assert len(list(expand(find_images([f"replaced://{name}"]), Limits()))) == 2
    Replaced.left = 1
    *images, last = expand(find_images([f"replaced://{name}"]), Limits())
    assert [ref.data for ref in images] == [png(1), png(2)]
    assert {ref.stamp for ref in (*images, last)} == {before}
    assert last.path == f"replaced://{name}::{place}"
    assert last.trouble is not None
    assert last.trouble.kind == "shard"
    assert last.trouble.message.endswith("changed while it was read; wait until it is written")


@pytest.mark.parametrize("ending", [".tar", ".tar.gz", ".tar.zst"])
def test_a_tar_is_read_as_a_stream(server: str, tmp_path: Path, ending: str) -> None:
    images = {f"{number}.png": png(number, 200) for number in range(4)}
    write_tar(tmp_path / f"a{ending}", {"big.txt": b"x" * 300_000, **images})
    refs = list(expand(find_images([server]), Limits()))
    assert {ref.path: ref.data for ref in refs} == {
        f"{server}/a{ending}::{name}": data for name, data in images.items()
    }
    assert len({ref.stamp for ref in refs}) == 1
    assert refs[0].stamp == stamp_now(f"{server}/a{ending}") is not None
    (one,) = expand(find_images([f"{server}/a{ending}::2.png"]), Limits())
    assert one.data == png(2, 200)


def test_a_tar_that_is_cut_off_is_told(server: str, tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(tar_of([("a.png", png(1)), ("b.png", png(2))])[:1600])
    first, last = expand(find_images([f"{server}/a.tar"]), Limits())
    assert (first.data, last.path) == (png(1), f"{server}/a.tar::@1024")
    assert last.trouble is not None


def test_a_server_that_hangs_up_at_once_costs_one_tar(server: str, tmp_path: Path) -> None:
    for name in ("a-short.tar", "b.tar"):
        write_tar(tmp_path / name, {"a.png": png(1)})
    (tmp_path / "a-short.tar").write_bytes(bytes(600))
    broken, image = expand(find_images([f"{server}/a-short.tar", f"{server}/b.tar"]), Limits())
    assert broken.path == f"{server}/a-short.tar::@0"
    assert broken.trouble is not None
    assert broken.trouble.message == "the tar cannot be read on: ClientPayloadError"
    assert image.data == png(1)


@pytest.mark.parametrize(("ending", "whole"), [(".tar", 4), (".tar.gz", 4), (".tar.zst", 3)])
def test_members_that_arrived_before_a_server_hung_up_are_judged(
    server: str, tmp_path: Path, ending: str, whole: int
) -> None:
    images = {f"{number}.png": Random(number).randbytes(100_000) for number in range(5)}
    write_tar(tmp_path / f"short{ending}", images)
    with (tmp_path / f"short{ending}").open("r+b") as file:
        file.truncate(450_000)
    *before, broken = expand(find_images([f"{server}/short{ending}"]), Limits())
    assert [ref.data for ref in before] == list(images.values())[:whole]
    assert broken.path == f"{server}/short{ending}::@{whole * 100_864}"
    assert broken.trouble is not None
    assert broken.trouble.message == "the tar cannot be read on: ClientPayloadError"


def test_a_server_that_drips_is_given_up(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_WINDOW", 0.2)
    kind, message = read(f"{server}/slow.png")
    assert kind == "io"
    assert "bytes arrived in 0 seconds" in str(message)
    (ref,) = expand(find_images([f"{server}/slow.tar"]), Limits())
    assert ref.trouble is not None
    assert "is no tar" in ref.trouble.message or "bytes arrived" in ref.trouble.message


def test_a_server_that_begins_no_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_PAUSES", ())
    monkeypatch.setattr(remote, "_ANSWER", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip() -> None:
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=lines, args=(listening.accept()[0],), daemon=True).start()

        def lines(connection: socket.socket) -> None:
            with connection, contextlib.suppress(OSError):
                head = connection.recv(1000).startswith(b"HEAD")
                connection.sendall(b"HTTP/1.1 200 OK\r\n" + b"Content-Length: 9\r\n\r\n" * head)
                while not head:
                    connection.sendall(b"a")
                    time.sleep(0.05)

        threading.Thread(target=drip, daemon=True).start()
        kind, message = read(f"http://127.0.0.1:{listening.getsockname()[1]}/a.png")
    assert (kind, message) == ("io", "cannot be read: TimeoutError")


def test_a_server_that_does_not_answer_is_tried_again_and_not_taken_for_one_without_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(remote, "_PAUSES", (0, 0))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        tried = 0

        def hang_up() -> None:
            nonlocal tried
            with contextlib.suppress(OSError):
                while True:
                    listening.accept()[0].close()
                    tried += 1

        threading.Thread(target=hang_up, daemon=True).start()
        kind, message = read(f"http://127.0.0.1:{listening.getsockname()[1]}/a.png?signature=secret")
    assert kind == "io"
    assert message in ("cannot be read: ServerDisconnectedError", "cannot be read: ClientOSError")
    assert tried >= 3


def test_images_come_by_http(server: str, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a.png").write_bytes(png(1))
    assert found(server) == [f"{server}/d/a.png"]
    assert read(f"{server}/d/a.png") == png(1)
    assert read(f"{server}/d/b.png") == ("missing", "nothing is at this address; check it")
    kind, message = read(f"{server}/private.png?signature=secret")
    assert (kind, "secret" in str(message)) == ("permission", False)
    kind, message = read(f"{server}/broken.png?signature=secret")
    assert (kind, message) == ("io", "cannot be read: the server answers with 500")


def test_what_is_missing_for_an_address_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read("s3://bucket/a.png") == (
        "missing",
        "is an address that needs one more package: Install s3fs to access S3",
    )
    assert read("nope://x/a.png") == ("missing", "is an address of an unknown kind")
    assert read("file:///etc/passwd") == ("missing", "is the address of a local file; give its path")
    monkeypatch.setitem(__import__("sys").modules, "fsspec", None)
    assert read("s3://x/a.png") == ("missing", f"is an address; to read it: {how_to_install('remote')}")


def test_an_address_with_a_password_is_refused_before_anything_is_written() -> None:
    with pytest.raises(UsageError) as error:
        found("https://me:secret@example.org/a.png")
    assert "secret" not in f"{error.value.message} {error.value.hint}"


def test_a_table_is_read_by_its_parts(memory: fsspec.AbstractFileSystem, tmp_path: Path) -> None:
    images = [png(number) for number in range(7)]
    columns = {"caption": ["x" * 1000] * 7, "image": pairs(*images)}
    memory.pipe("/a.parquet", write_parquet(tmp_path / "a.parquet", columns, row_group_size=3).read_bytes())
    memory.pipe("/b.arrow", write_arrow(tmp_path / "b.arrow", columns, 3).read_bytes())
    for name in ("a.parquet", "b.arrow"):
        refs = list(expand(find_images([f"memory://{name}"]), Limits()))
        assert {ref.path: ref.data for ref in refs} == {
            f"memory://{name}::{row}": data for row, data in enumerate(images)
        }
        (one,) = expand(find_images([f"memory://{name}::5"]), Limits())
        assert (one.data, one.stamp) == (images[5], stamp_now(f"memory://{name}"))


def test_a_table_of_a_server_that_gives_no_parts_is_told(server: str, tmp_path: Path) -> None:
    noise = pairs(*(png(number, 400) for number in range(40)))
    write_parquet(tmp_path / "a.parquet", {"image": noise}, compression="none")
    (ref,) = expand(find_images([f"{server}/a.parquet"]), Limits())
    assert ref.path == f"{server}/a.parquet::schema"
    assert ref.trouble is not None
    assert ref.trouble.message == "cannot be read: the server gives no parts of files, which tables are read by"


@pytest.mark.parametrize("name", ["metadata.jsonl", "metadata.csv", "metadata.parquet"])
def test_what_metadata_says_of_a_folder_is_carried(server: str, tmp_path: Path, name: str) -> None:
    (tmp_path / "d" / "sub").mkdir(parents=True)
    named = {"a.png": "one", "sub/b c.png": "two"}
    for image in (*named, "z.png"):
        (tmp_path / "d" / image).write_bytes(png(1))
    columns = {"file_name": list(named), "caption": list(named.values())}
    if name.endswith("parquet"):
        write_parquet(tmp_path / "d" / name, columns)
    elif name.endswith("csv"):
        lines = [",".join(row) for row in (columns, *named.items())]
        (tmp_path / "d" / name).write_text("\n".join(lines))
    else:
        lines = [json.dumps(dict(zip(columns, row, strict=True))) for row in named.items()]
        (tmp_path / "d" / name).write_text("\n".join(lines))

    def fields() -> list[Any]:
        return [ref.fields for ref in expand(find_images([f"{server}/d"]), Limits(), keep_fields=["caption"])]

    assert fields() == [{"caption": "one"}, {"caption": "two"}, {}]
    (tmp_path / "d" / name).unlink()
    assert fields() == [None, None, None]
    (tmp_path / "d" / name).write_bytes(b"\xff")
    assert fields() == [{"caption": None}] * 3
