"""Which files are found, and in which order."""

from __future__ import annotations

import inspect
import io
import os
import re
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from make_images import unprivileged

from imagejudge.errors import UsageError
from imagejudge.images.find import find_images, read_list
from imagejudge.images.names import EXTENSIONS
from imagejudge.images.read import Limits, Unreadable, read_image
from imagejudge.images.ref import ImageRef


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test stands in an empty folder of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(*names: str, text: str = "") -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)


def found(*paths: str, exclude: Sequence[str] = (), gitignore: bool = True, force: bool = False) -> list[str]:
    refs = find_images(paths, exclude=exclude, respect_gitignore=gitignore, force_exclude=force)
    return [ref.path for ref in refs]


def test_named_files_are_taken_as_they_are() -> None:
    make("notes.txt", ".hidden.png")
    paths = ["./notes.txt", "missing.png", ".hidden.png", "", "a\0b"]
    assert found(*paths) == paths


def test_folders_are_walked_in_byte_order() -> None:
    make("d/b.png", "d/B.png", "d/a/z.png", "d/a.png", "d/c/1.png", "d/é.png", "d/a/b/y.png")
    assert found("d") == ["d/B.png", "d/a/b/y.png", "d/a/z.png", "d/a.png", "d/b.png", "d/c/1.png", "d/é.png"]


@pytest.mark.parametrize(
    ("given", "out"), [("d", "d/a.png"), ("d/", "d/a.png"), ("./d", "./d/a.png"), (".", "./d/a.png")]
)
def test_paths_keep_the_folder_as_it_was_given(given: str, out: str) -> None:
    make("d/a.png")
    assert found(given) == [out]


def test_only_images_by_name_and_nothing_hidden() -> None:
    make("d/a.txt", "d/png", "d/.png", "d/.b.png", "d/.git/c.png", "d/x.PNG", "d/y.JpEg", "d/z.svg", "d/w.gz")
    assert found("d") == ["d/x.PNG", "d/y.JpEg"]
    assert found("d/.git") == ["d/.git/c.png"]


def test_every_extension_is_found() -> None:
    make(*(f"d/a{extension}" for extension in EXTENSIONS))
    assert found("d") == sorted(f"d/a{extension}" for extension in EXTENSIONS)


def test_the_documentation_lists_every_extension() -> None:
    page = (Path(__file__).parents[2] / "docs" / "images.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^    (\.png .*)$", page, re.M)[0].split()) == EXTENSIONS


def test_nothing_found_is_no_error() -> None:
    Path("empty").mkdir()
    assert found("empty") == []
    assert found() == []


def test_duplicates_come_once_where_they_are_named_first() -> None:
    make("d/a.png", "d/b.png", "e.png")
    assert found("e.png", "./e.png", str(Path("e.png").absolute())) == ["e.png"]
    assert found("d/b.png", "d") == ["d/b.png", "d/a.png"]
    assert found("d", "./d//b.png") == ["d/a.png", "./d//b.png"]
    assert found("d", "./d", "d/") == ["d/a.png", "d/b.png"]


def test_a_folder_in_a_folder_is_walked_once() -> None:
    make("d/e/a.png", "d/b.png")
    assert found("d", "d/e") == ["d/b.png", "d/e/a.png"]
    assert found("d/e", "d") == ["d/e/a.png", "d/b.png"]


def test_two_dots_are_not_folded_through_links() -> None:
    make("a/x.png", "b/c/y.png", "b/x.png")
    Path("link").symlink_to("b/c")
    assert found("link/../x.png", "x.png", "b/x.png") == ["link/../x.png", "x.png", "b/x.png"]


def test_links_are_followed_and_loops_end() -> None:
    make("d/a/x.png", "elsewhere/y.png")
    Path("d/a/up").symlink_to("..")
    Path("d/self").symlink_to("self")
    Path("d/there").symlink_to("../elsewhere")
    Path("d/file.png").symlink_to("../elsewhere/y.png")
    Path("d/gone.png").symlink_to("nowhere")
    Path("d/loop.png").symlink_to("loop.png")
    assert found("d") == ["d/a/x.png", "d/file.png", "d/gone.png", "d/loop.png", "d/there/y.png"]


def test_a_folder_is_searched_in_its_own_place_before_any_link_to_it() -> None:
    make("d/real/g.png", "d/real/h.jpg", "d/z.png", "e/f/i.png")
    Path("d/alias").symlink_to("real")
    Path("d/other").symlink_to("../e/f")
    real = ["d/real/g.png", "d/real/h.jpg", "d/z.png"]
    assert found("d") == [*real, "d/other/i.png"]
    assert found("d", "e") == [*real, "e/f/i.png"]
    assert found("d", exclude=["alias/*.png"]) == [*real, "d/other/i.png"]
    assert found("d", "e", exclude=["other/*.png"]) == [*real, "e/f/i.png"]
    assert found("d", exclude=["real/"]) == ["d/z.png", "d/alias/g.png", "d/alias/h.jpg", "d/other/i.png"]


def test_links_to_folders_come_last_in_the_order_in_which_they_are_found() -> None:
    make("d/b/x.png", "d/z.png", "e/c/y.png", "e/y.png", "f/u.png")
    Path("d/a").symlink_to("../e")
    Path("d/b/l").symlink_to("../../f")
    Path("e/b").symlink_to("c")
    assert found("d") == ["d/b/x.png", "d/z.png", "d/a/c/y.png", "d/a/y.png", "d/b/l/u.png"]


def test_a_web_of_links_is_walked_once() -> None:
    for level in range(40):  # 2 ** 40 ways to the image
        Path(f"web/{level}").mkdir(parents=True)
        Path(f"web/{level}/left").symlink_to(f"../{level + 1}")
        Path(f"web/{level}/right").symlink_to(f"../{level + 1}")
    make("web/40/a.png")
    assert len(found("web/0")) == 1


def test_folders_deeper_than_calls_may_go() -> None:
    make("d/" * 200 + "x.png")
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + 100)
    try:
        assert found(".") == ["./" + "d/" * 200 + "x.png"]
    finally:
        sys.setrecursionlimit(before)


@pytest.mark.parametrize("name", [b"a b.png", b"new\nline.png", b"-rf.png", b"\xff\xfe.png", b"\r.png", b"'\".png"])
def test_any_name_works(name: bytes) -> None:
    make(os.fsdecode(b"d/" + name))
    (path,) = found("d")
    assert os.fsencode(path) == b"d/" + name
    assert list(find_images([path])) == [ImageRef(path)]
    Path("d").rename(os.fsdecode(b"\xff"))
    assert [os.fsencode(path) for path in found(os.fsdecode(b"\xff"))] == [b"\xff/" + name]


def test_pipes_with_an_image_name_are_left_to_decoding() -> None:
    Path("d").mkdir()
    os.mkfifo("d/pipe.png")
    os.mkfifo("d/pipe")
    os.mkfifo("d/.gitignore")
    Path("d/.git").mkdir()
    assert found("d") == ["d/pipe.png"]


def test_a_folder_that_cannot_be_listed_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    make("d/a.png", "d/locked/b.png", "d/z.png")
    scandir = os.scandir

    def refuse(path: str) -> object:
        if path.endswith("locked"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert found("d") == ["d/a.png", "d/locked", "d/z.png"]


def test_exclude_counts_from_each_named_folder() -> None:
    make("d/a.png", "d/b.png", "d/raw/c.png", "d/deep/raw/d.png", "d/deep/keep.png", "e/raw/f.png")
    assert found("d", "e", exclude=["/raw", "b.*"]) == ["d/a.png", "d/deep/keep.png", "d/deep/raw/d.png"]
    assert found("d", exclude=["raw/"]) == ["d/a.png", "d/b.png", "d/deep/keep.png"]
    assert found("d", exclude=["deep/*.png"]) == ["d/a.png", "d/b.png", "d/deep/raw/d.png", "d/raw/c.png"]
    assert found("d", exclude=["*.png", "!keep.png"]) == ["d/deep/keep.png"]


def test_named_paths_are_excluded_only_by_force() -> None:
    make("d/a.png", "d/raw/b.png", "raw.png")
    here = str(Path.cwd())
    named = ["d/raw/b.png", "./raw.png", f"{here}/d/raw", "raw.png/x"]
    assert found(*named, exclude=["raw.png", "raw/"])[:2] == ["d/raw/b.png", "./raw.png"]
    assert found(*named, exclude=["raw.png", "raw/"], force=True) == []
    assert found("d/a.png", exclude=["/a.png"], force=True) == ["d/a.png"]
    assert found("d/a.png", exclude=["/d/*.png"], force=True) == []
    assert found(f"{here}-more/a.png", exclude=["/-more"], force=True) == [f"{here}-more/a.png"]


@pytest.mark.parametrize("pattern", ["!", "a\\", "[z-a]"])
def test_a_wrong_pattern_is_said_at_once(pattern: str) -> None:
    with pytest.raises(UsageError, match="exclude pattern"):
        find_images(["d"], exclude=[pattern])


def test_gitignore_counts_only_in_a_repository() -> None:
    make(".gitignore", "d/.gitignore", text="*.png\n")
    make("d/a.png", "d/b.jpg")
    assert found("d") == ["d/a.png", "d/b.jpg"]
    Path(".git").mkdir()
    assert found("d") == ["d/b.jpg"]
    assert found("d", gitignore=False) == ["d/a.png", "d/b.jpg"]
    assert found("d/a.png") == ["d/a.png"]


def test_gitignore_files_nest() -> None:
    Path(".git").mkdir()
    make(".gitignore", text="*.png\n/top.jpg\nbuild/\n")
    make("d/.gitignore", text="!keep.png\r\n/sub/*.jpg\r\n!\r\n# note\r\n")
    make("d/a.png", "d/keep.png", "d/sub/x.jpg", "d/sub/keep.png", "d/build/keep.png", "top.jpg", "d/top.jpg")
    assert found(".") == ["./d/keep.png", "./d/sub/keep.png", "./d/top.jpg"]
    assert found("d") == ["d/keep.png", "d/sub/keep.png", "d/top.jpg"]
    assert found("d/sub") == ["d/sub/keep.png"]


def test_an_ignored_folder_that_is_named_is_walked() -> None:
    Path(".git").mkdir()
    make(".gitignore", text="build\n*.gif\n")
    make("build/.gitignore", text="b.png\n")
    make("build/a.png", "build/b.png", "build/deep/c.png")
    assert found(".") == []
    assert found("build") == ["build/a.png", "build/deep/c.png"]
    assert found("build/deep") == ["build/deep/c.png"]


def test_a_repository_inside_starts_anew() -> None:
    Path(".git").mkdir()
    make(".gitignore", text="*.png\n")
    make("module/.git", text="gitdir: ../.git/modules/module\n")
    make("module/.gitignore", text="*.jpg\n")
    make("module/a.png", "module/b.jpg", "c.png")
    assert found(".") == ["./module/a.png"]
    assert found("module") == ["module/a.png"]


def test_gitignore_patterns_may_be_any_bytes() -> None:
    Path(".git").mkdir()
    Path(".gitignore").write_bytes(b"\xef\xbb\xbf\xff.png\n")
    Path("a.png").touch()
    Path(os.fsdecode(b"\xff.png")).touch()
    assert found(".") == ["./a.png"]


def test_a_link_to_a_repository_counts_from_where_it_leads() -> None:
    make("repo/.git/config", "repo/images/a.png", "repo/images/b.jpg")
    make("repo/.gitignore", text="/images/*.png\n")
    Path("link").symlink_to("repo/images")
    assert found("link") == ["link/b.jpg"]


@pytest.mark.skipif(sys.platform == "win32", reason="git as on Unix")
def test_agrees_with_git() -> None:
    make(
        ".gitignore",
        text="*.bmp\n/a/\n!a/x.png\nb/**/c.png\nd?.png\n[ef].png\n\\!g.png\nh/\n!h/\nsp ace.png\n*.gif\n!k.gif\n",
    )
    make("n/.gitignore", text="/x.png\n!*.bmp\ny/\n")
    make("a/x.png", "q/a/x.png", "b/c.png", "b/1/2/c.png", "d1.png", "d12.png", "e.png", "g.png", "!g.png", "h/x.png")
    make("sp ace.png", "k.gif", "l.gif", "x.bmp", "n/x.bmp", "n/x.png", "n/z/x.png", "n/y/x.png", "n/z/y/x.png")
    try:
        subprocess.run(["git", "init", "-q"], check=True)
    except FileNotFoundError:
        pytest.skip("git is not installed")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, check=True, capture_output=True).stdout.decode().split("\0")
    assert sorted(found(".")) == sorted(f"./{name}" for name in listed if Path(name).suffix.lower() in EXTENSIONS)


def test_lists_keep_every_byte() -> None:
    assert list(read_list(io.BytesIO(b"a.png\r\n\n b \nc\xff\n"), nul=False)) == ["a.png", " b ", "c\udcff"]
    assert list(read_list(io.BytesIO(b"a\nb\0\0c\r\0d"), nul=True)) == ["a\nb", "c\r", "d"]
    assert list(read_list(io.BytesIO(b""), nul=False)) == []


def test_a_folder_without_rights_is_given() -> None:
    make("d/a.png", "d/locked/b.png")
    Path("d/locked").chmod(0)
    with unprivileged():
        assert found("d") == ["d/a.png", "d/locked"]
    Path("d/locked").chmod(stat.S_IRWXU)


@pytest.mark.skipif(not Path("/proc/self/root").exists(), reason="no /proc here")
@pytest.mark.parametrize("target", ["/proc", "/proc/self/task", "/sys"])
def test_folders_that_the_kernel_makes_up_are_not_searched(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is a way through /proc to everything that the machine has."""
    if not Path(target).exists():
        pytest.skip(f"no {target} here")
    make("d/a.png", "d/z.png")
    Path("d/link").symlink_to(target)
    scandir, listed = os.scandir, []
    monkeypatch.setattr(os, "scandir", lambda path: (listed.append(path), scandir(path))[1])
    assert found("d") == ["d/a.png", "d/z.png", "d/link"]
    assert found(target) == [target]
    assert listed == ["d"]
    refused = read_image("d/link", Limits())
    assert isinstance(refused, Unreadable)
    assert refused.kind == "not-a-file"
