"""What is read of tars: every image in them by its name, and every break told where it is."""

from __future__ import annotations

import os
import sys
import tarfile
from pathlib import Path

import pytest
from tars import packed, tar_of, write_tar
from videos import needs_pyav

from imagejudge.common.extras import how_to_install
from imagejudge.images.find import find_images
from imagejudge.images.names import Unread
from imagejudge.images.read import Limits
from imagejudge.images.ref import ImageRef
from imagejudge.images.shards import expand, tar

LIMITS = Limits()
ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.zst")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(*paths: str, limits: Limits = LIMITS, done: frozenset[str] = frozenset()) -> list[ImageRef]:
    return list(expand(find_images(paths), limits, done=done))


def told(*paths: str) -> dict[str, bytes | tuple[str, str] | None]:
    """By path, bytes or kind and message of the trouble."""
    refs = read(*paths)
    found = {ref.path: (ref.trouble.kind, ref.trouble.message) if ref.trouble else ref.data for ref in refs}
    assert len(found) == len(refs)
    return found


@pytest.mark.parametrize("ending", ENDINGS)
def test_images_come_in_the_order_of_the_tar_under_the_name_of_both(ending: str) -> None:
    write_tar(Path(f"a{ending}"), {"b.png": b"1", "a/x.v1.JPG": b"2", "a/x.txt": b"no", "./c.png": b"", "d": b""})
    assert told(".") == {f"./a{ending}::b.png": b"1", f"./a{ending}::a/x.v1.JPG": b"2", f"./a{ending}::./c.png": b""}
    assert told(f"a{ending}") == {f"a{ending}::b.png": b"1", f"a{ending}::a/x.v1.JPG": b"2", f"a{ending}::./c.png": b""}


def test_shards_lie_among_files_in_their_order() -> None:
    Path("a.png").write_bytes(b"1")
    write_tar(Path("b.tar"), {"x.png": b"2"})
    Path("c.png").write_bytes(b"3")
    assert list(told(".")) == ["./a.png", "./b.tar::x.png", "./c.png"]


@pytest.mark.parametrize("ending", ENDINGS)
def test_where_a_tar_is_cut_off_is_told_and_what_comes_before_stands(ending: str) -> None:
    whole = tar_of([("a.png", os.urandom(3000)), ("b.png", os.urandom(3000))])
    Path(f"a{ending}").write_bytes(packed(whole[:6000], ending))
    first, last = told(f"a{ending}").items()
    assert first[0] == f"a{ending}::a.png"
    assert last == (f"a{ending}::@3584", ("shard", "the tar is cut off within b.png"))


@pytest.mark.parametrize("ending", ENDINGS[1:])
def test_compressed_data_that_is_cut_off_is_told(ending: str) -> None:
    data = packed(tar_of([("a.png", os.urandom(3000)), ("b.png", os.urandom(300_000))]), ending)
    Path(f"a{ending}").write_bytes(data[:200_000])
    (name, (kind, message)) = list(told(f"a{ending}").items())[-1]  # type: ignore[misc]
    assert (name, kind) == (f"a{ending}::@3584", "shard")
    assert message.startswith(("the tar cannot be read on: ", "the tar is cut off"))


def test_one_member_can_be_named() -> None:
    write_tar(Path("a.tar"), {"x.png": b"1", "y.png": b"2"})
    assert told("a.tar::y.png") == {"a.tar::y.png": b"2"}
    assert told("a.tar::z.png") == {
        "a.tar::z.png": ("missing", "no image of this name is in the shard; check its name")
    }
    Path("a.tar::z.png").write_bytes(b"a file of its own")
    assert told("a.tar::z.png") == {"a.tar::z.png": None}


def test_members_that_are_named_side_by_side_are_read_in_one_go(monkeypatch: pytest.MonkeyPatch) -> None:
    write_tar(Path("a.tar.gz"), {f"{number}.png": b"%d" % number for number in range(50)})
    opened = []
    real = tar.members
    monkeypatch.setattr(tar, "members", lambda shard, *rest: opened.append(shard) or real(shard, *rest))
    names = [f"a.tar.gz::{number}.png" for number in (40, 99, 3)]
    missing = ("missing", "no image of this name is in the shard; check its name")
    assert told(*names, "b.png") == {names[2]: b"3", names[0]: b"40", names[1]: missing, "b.png": None}
    assert opened == ["a.tar.gz"]


def test_members_of_a_broken_tar_say_so() -> None:
    whole = write_tar(Path("a.tar"), {"1.png": b"1", "2.png": bytes(3000)}).read_bytes()
    Path("a.tar").write_bytes(whole[:2000])
    assert told("a.tar::1.png", "a.tar::2.png") == {
        "a.tar::1.png": b"1",
        "a.tar::2.png": ("shard", "the tar is cut off within 2.png"),
    }


def test_what_is_done_is_left_out() -> None:
    write_tar(Path("a.tar"), {"x.png": b"1", "y.png": b"2"})
    assert [ref.path for ref in read("a.tar", done=frozenset(["a.tar::x.png"]))] == ["a.tar::y.png"]


def test_the_stamp_is_that_of_the_tar() -> None:
    write_tar(Path("a.tar"), {"x.png": b"1"})
    assert [ref.stamp for ref in read("a.tar")] == [None]  # it was only just written


def test_members_that_are_no_plain_files_of_their_own_name_are_refused() -> None:
    def special(name: str, type_: bytes) -> tuple[tarfile.TarInfo, bytes]:
        header = tarfile.TarInfo(name)
        header.type, header.linkname = type_, "a.png"
        return header, b""

    members = [
        ("a.png", b"1"),
        special("hard.png", tarfile.LNKTYPE),
        special("soft.png", tarfile.SYMTYPE),
        special("pipe.png", tarfile.FIFOTYPE),
        special("device.png", tarfile.CHRTYPE),
        special("folder.png", tarfile.DIRTYPE),
        special("unknown.png", b"Q"),
        ("a.png", b"2"),
        ("../up.png", b"3"),
        ("/root.png", b"4"),
        ("b.png", b"5"),
    ]
    write_tar(Path("a.tar"), members)
    found = told("a.tar")
    assert {path.removeprefix("a.tar::"): data for path, data in found.items() if isinstance(data, bytes)} == {
        "a.png": b"1",
        "b.png": b"5",
    }
    assert [path.removeprefix("a.tar::") for path, data in found.items() if isinstance(data, tuple)] == [
        *("hard.png", "soft.png", "pipe.png", "device.png", "unknown.png", "@4096", "../up.png", "/root.png"),
    ]
    assert {data[0] for data in found.values() if isinstance(data, tuple)} == {"member"}


def test_a_member_that_is_too_large_is_not_read() -> None:
    write_tar(Path("a.tar"), {"x.png": bytes(1001), "y.png": bytes(1000)})
    large, small = read("a.tar", limits=Limits(bytes=1000))
    assert large.trouble is not None
    assert large.trouble.kind == "too-large"
    assert small.data == bytes(1000)


def test_what_is_passed_over_is_told() -> None:
    write_tar(Path("a.tar"), {"x.txt": b"", ".y.png": b"", "__meta__/z.png": b"", "b.tar": b"", "c.png": b""})
    write_tar(Path("e.tar"), {})
    heard: list[tuple[str, Unread]] = []
    list(expand(find_images(["."]), Limits(), passed_over=lambda path, what: heard.append((path, what))))
    assert heard == [
        ("./a.tar::.y.png", Unread.OTHER),
        ("./a.tar::__meta__/z.png", Unread.OTHER),
        ("./a.tar::x.txt", Unread.OTHER),
        ("./a.tar::b.tar", Unread.NESTED),
        ("./e.tar", Unread.EMPTY),
    ]


@pytest.mark.parametrize("keep_fields", [[], ["txt"]])
def test_what_belongs_to_an_image_is_not_told_of(keep_fields: list[str]) -> None:
    names = ["1.txt", "1.png", "1.json", "2.txt", "d/1.cls", "3.png", "3.txt", "3.jpg", "3.cls", "read", "4.x", "4.v"]
    write_tar(Path("a.tar"), dict.fromkeys([*names, "4.tar"], b"7"))
    heard: list[str] = []
    how = {"passed_over": lambda path, what: heard.append(path), "keep_fields": keep_fields}
    refs = list(expand([ImageRef("a.tar")], Limits(), **how))  # type: ignore[arg-type]
    assert len(refs) == 3
    assert heard == [f"a.tar::{name}" for name in ("2.txt", "d/1.cls", "read", "4.tar", "4.x", "4.v")]
    heard.clear()
    assert list(expand([ImageRef("a.tar")], Limits(), done={ref.path for ref in refs}, **how)) == []  # type: ignore[arg-type]
    assert len(heard) == 6


def test_what_only_has_the_name_of_a_tar_is_told() -> None:
    Path("a.tar").write_bytes(b"no tar" * 1000)
    Path("empty.tar").write_bytes(b"")
    os.mkfifo("pipe.tar")
    Path("zero.tar").symlink_to("/dev/zero")
    with Path("zeros.tar").open("wb") as file:
        file.truncate(10**12)
    more = "the tar goes on for more than 1,048,576 bytes after the mark that ends an archive"
    assert told("a.tar", "empty.tar", "pipe.tar", "zero.tar", "zeros.tar", "/dev/zero.tar") == {
        "a.tar::@0": ("shard", "the tar is no tar"),
        "empty.tar::@0": ("shard", "the tar is empty, without even the mark that ends an archive"),
        "pipe.tar": ("not-a-file", "is a pipe, socket or device, not a file; save the image to a file first"),
        "zero.tar": ("not-a-file", "is a pipe, socket or device, not a file; save the image to a file first"),
        "zeros.tar::@0": ("shard", more),
        "/dev/zero.tar": ("missing", "no such file; check its name"),
    }


@pytest.mark.parametrize("ending", ENDINGS)
def test_rubbish_behind_a_tar_is_told(ending: str) -> None:
    write_tar(Path(f"a{ending}"), {"1.png": b"1"})
    with Path(f"a{ending}").open("ab") as file:
        file.write(b"rubbish" * 10)
    first, (place, trouble) = told(f"a{ending}").items()
    assert first == (f"a{ending}::1.png", b"1")
    assert (place, trouble[0]) == (f"a{ending}::@1024", "shard")  # type: ignore[index]


@needs_pyav
def test_videos_are_members_where_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    write_tar(Path("a.tar"), {"1.mp4": b"v", "2.ts": (b"G" + bytes(187)) * 6, "3.ts": b"let x = 1"})
    heard: list[Unread] = []
    refs = expand([ImageRef("a.tar")], Limits(), passed_over=lambda path, what: heard.append(what))
    assert [ref.path for ref in refs] == ["a.tar::1.mp4", "a.tar::2.ts"]
    assert heard == [Unread.OTHER]
    heard.clear()
    monkeypatch.setattr("imagejudge.images.shards.tar.pyav", lambda: None)
    assert list(expand([ImageRef("a.tar")], Limits(), passed_over=lambda path, what: heard.append(what))) == []
    assert heard == [Unread.VIDEO, Unread.OTHER, Unread.OTHER, Unread.EMPTY]


def test_without_zstandard_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    write_tar(Path("a.tar.zst"), {"1.png": b"1"})
    Path("b.tar").write_bytes(Path("a.tar.zst").read_bytes())
    monkeypatch.setitem(sys.modules, "zstandard", None)
    assert told("b.tar") == {"b.tar::@0": ("shard", f"the tar is compressed with zstd: {how_to_install('shards')}")}
    monkeypatch.setattr("imagejudge.images.shards.find_spec", lambda name: None)
    assert told("a.tar.zst") == {
        "a.tar.zst": ("shard", f"cannot be read without its library: {how_to_install('shards')}")
    }
    heard: list[tuple[str, Unread]] = []
    refs = find_images(["."], passed_over=lambda path, what: heard.append((path, what)))
    assert [ref.path for ref in refs] == ["./b.tar"]
    assert heard == [("./a.tar.zst", Unread.SHARD)]
