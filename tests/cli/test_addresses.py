"""`scan` of what a server has: the real program, and a real server that knows no ranges."""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from conftest_cli import Run
from tables import png
from tars import write_tar

pytestmark = pytest.mark.usefixtures("brightness")


class Handler(http.server.SimpleHTTPRequestHandler):
    """Gives what is called signed only to those who name a signature, and no list of what is called locked."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def copyfile(self, source: Any, outputfile: Any) -> None:
        if "late" in self.path:  # replaced while it is sent, which stays what it was
            file = Path(self.translate_path(self.path))
            file.unlink()
            file.write_bytes(png(2, 99))
        super().copyfile(source, outputfile)

    def send_head(self) -> Any:
        if "signed" in self.path and "secret" not in self.path:
            self.send_error(403)
            return None
        if self.path == "/locked/":
            self.send_error(403)
            return None
        return super().send_head()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of a folder, `tmp_path / "served"`."""
    (tmp_path / "served").mkdir()
    handler = functools.partial(Handler, directory=str(tmp_path / "served"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_a_server_is_scanned_and_resumed(run: Run, base: Sequence[str], tmp_path: Path, server: str) -> None:
    (tmp_path / "served" / "b.png").write_bytes(png(1))
    write_tar(tmp_path / "served" / "a.tar", {f"{number}.png": png(number) for number in range(3)})
    done = run("scan", server, f"{server}/none.png", *base, "-o", "v.jsonl")
    assert done.returncode == 2, done.stderr
    whole = (tmp_path / "v.jsonl").read_bytes()
    lines = [json.loads(line) for line in whole.splitlines()]
    paths = [*(f"a.tar::{number}.png" for number in range(3)), "b.png", "none.png"]
    assert [line["path"] for line in lines] == [f"{server}/{path}" for path in paths]
    assert [line["error"]["kind"] for line in lines if line["error"]] == ["missing"]
    assert lines[0]["file"]["size"] == (tmp_path / "served" / "a.tar").stat().st_size
    (tmp_path / "v.jsonl").write_bytes(b"".join(whole.splitlines(keepends=True)[:2]))  # killed
    run("scan", server, f"{server}/none.png", *base, "-o", "v.jsonl")
    again = [json.loads(line)["path"] for line in (tmp_path / "v.jsonl").read_bytes().splitlines()]
    assert again == [line["path"] for line in lines]


def test_a_folder_that_cannot_be_listed_is_an_error(run: Run, base: Sequence[str], tmp_path: Path, server: str) -> None:
    for name in ("a.png", "locked/b.png"):
        (tmp_path / "served" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "served" / name).write_bytes(png(1))
    done = run("scan", server, *base)
    assert done.returncode == 2, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["path"] for line in lines] == [f"{server}/a.png", f"{server}/locked/"]
    assert lines[1]["error"]["kind"] == "permission"


def test_an_image_that_was_replaced_as_it_was_read_is_judged_again(
    run: Run, base: Sequence[str], tmp_path: Path, server: str
) -> None:
    file = tmp_path / "served" / "late.png"
    file.write_bytes(png(1))
    digests = []
    for _ in range(2):
        run("scan", f"{server}/late.png", *base, "-o", "v.jsonl")
        digests.append(json.loads((tmp_path / "v.jsonl").read_bytes().splitlines()[-1])["sha256"])
    assert digests == [hashlib.sha256(data).hexdigest() for data in (png(1), png(2, 99))]


def test_signatures_are_used_and_not_written(run: Run, base: Sequence[str], tmp_path: Path, server: str) -> None:
    write_tar(tmp_path / "served" / "signed.tar", {f"{number}.png": png(number) for number in range(3)})
    (tmp_path / "served" / "signed").write_bytes(png(7))

    def named(secret: str) -> list[str]:
        image = f"{server}/signed?id=7&sig={secret}"
        return [f"{server}/signed.tar?X-Amz-Expires=60&X-Amz-Signature={secret}", image]

    done = run("scan", *named("secret1"), *base, "-o", "v.jsonl")
    assert done.returncode < 2, done.stderr
    whole = (tmp_path / "v.jsonl").read_bytes()
    paths = [*(f"{server}/signed.tar::{number}.png" for number in range(3)), f"{server}/signed?id=7"]
    assert [json.loads(line)["path"] for line in whole.splitlines()] == paths
    (tmp_path / "v.jsonl").write_bytes(b"".join(whole.splitlines(keepends=True)[:2]))  # killed
    again = run("scan", *named("secret2"), *base, "-o", "v.jsonl")
    assert [json.loads(line)["path"] for line in (tmp_path / "v.jsonl").read_bytes().splitlines()] == paths
    member = f"{server}/signed.tar?X-Amz-Signature=secret3::1.png"
    one = run("scan", member, *base)
    assert json.loads(one.stdout)["path"] == paths[1]
    blocks = run("scan", *named("secret4"), *base, "--shard", "0/1", "-o", "blocks")
    assert blocks.returncode == done.returncode, blocks.stderr
    written = b"".join(file.read_bytes() for file in (tmp_path / "blocks").rglob("*") if file.is_file())
    for told in (done.stderr, again.stderr, whole, one.stdout, one.stderr, blocks.stderr, written):
        assert b"secret" not in told
    gone = run("scan", f"{server}/signed.tar", *base)
    assert json.loads(gone.stdout)["error"]["kind"] == "permission"
    twice = run("scan", f"{server}/a.png?w=1", f"{server}/a.png?w=2", *base)
    assert (twice.returncode, b"is named with two queries" in twice.stderr) == (2, True)
    on_ray = run("scan", *named("secret5"), *base, "--ray", "local", "-o", "rayed")
    assert (on_ray.returncode, b"scan without --ray" in on_ray.stderr) == (2, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("explain",),
        ("show",),
        ("merge",),
        ("doctor",),  # takes no argument
        ("check",),
        ("scan", "x", "-c", "stickers", "--model"),
        ("scan", "x", "-c", "stickers", "--model", "builtin", "--files-from"),
        ("scan", "x", "-c", "stickers", "--model", "builtin", "-o"),
        ("scan", "x", "-c", "stickers", "--model", "builtin", "--frames"),
    ],
)
def test_complaints_have_no_signatures(run: Run, base: Sequence[str], arguments: Sequence[str]) -> None:
    more = base if arguments == ("explain",) else ()
    done = run(*arguments, "http://127.0.0.1:9/a.png?X-Amz-Signature=secret", *more)
    assert (done.returncode, b"secret" in done.stdout + done.stderr) == (2, False), done.stderr


def test_labelled_tars_are_evaluated(run: Run, base: Sequence[str], tmp_path: Path, server: str) -> None:
    for split in ("train", "test"):
        members = {
            f"{number}.{end}": data for number in range(3) for end, data in (("png", png(number)), ("cls", b"1"))
        }
        write_tar(tmp_path / "served" / f"signed-{split}.tar", members)
    (tmp_path / "served" / "other.txt").write_bytes(b"")
    address = f"{server}/signed-test.tar?X-Amz-Signature=secret"
    how = ("--adapter", "webdataset", "--unsafe", "1", "--json", "f.json", "-o", "p.jsonl")
    base = [each for each in base if each != "--no-reasoning"]
    done = run("evaluate", address, *base, *how)
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "f.json").read_bytes())
    assert (figures["dataset"]["path"], figures["dataset"]["images"]) == (f"{server}/signed-test.tar", 3)
    assert b"secret" not in (tmp_path / "f.json").read_bytes() + (tmp_path / "p.jsonl").read_bytes() + done.stderr
    for name, more, words in (
        ("/none.tar", (), b"none.tar: nothing is at this address"),
        ("", ("--split", "val"), b"has no split 'val'"),
        ("", ("--adapter", "vlguard"), b"'vlguard' reads files alone"),
    ):
        refused = run("evaluate", server + name, *base, *how, *more)
        assert (refused.returncode, words in b" ".join(refused.stderr.split())) == (2, True), refused.stderr


def test_labelled_folders_are_evaluated(run: Run, base: Sequence[str], tmp_path: Path, server: str) -> None:
    for name in ("unsafe/a b.png", "safe/c.png"):
        (tmp_path / "served" / name).parent.mkdir()
        (tmp_path / "served" / name).write_bytes(png(len(name)))
    base = [each for each in base if each != "--no-reasoning"]
    done = run("evaluate", server, *base, "--adapter", "folder", "-o", "p.jsonl", "--html", "p.html")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (tmp_path / "p.jsonl").read_bytes().splitlines()]
    assert [line["name"] for line in lines] == [f"{server}/unsafe/a%20b.png", f"{server}/safe/c.png"]
    assert all(line["verdicts"]["clue"]["verdict"] != "error" for line in lines), lines
    (tmp_path / "served" / "labels.csv").write_text("path,label\nunsafe/a b.png,unsafe\nsafe/c.png,safe\n")
    done = run("evaluate", f"{server}/labels.csv", *base, "--adapter", "csv", "-o", "q.jsonl")
    assert done.returncode == 0, done.stderr
    again = [json.loads(line) for line in (tmp_path / "q.jsonl").read_bytes().splitlines()]
    assert [line["sha256"] for line in again] == [line["sha256"] for line in lines]
