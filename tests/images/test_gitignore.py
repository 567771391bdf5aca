"""What is found in a work tree is what git does not ignore there, tree by random tree; and what git may not do."""

from __future__ import annotations

import os
import random
import stat
import subprocess
import time
import tracemalloc
import warnings
from pathlib import Path
from typing import Any

import pytest

from imagejudge.images.find import find_images
from imagejudge.images.gitignore import GitFailed, list_with_git, patterns

FOLDERS = ["a", "b", "a/b", "a/c", "b/a", "a/b/c", "x1", "x1/a"]
FILES = ["p.png", "q.png", "1.png", "12.png", "a.png", "[.png", "b c.png", "!q.png", "#q.png", "\udcff.png", "Q.png"]
RULES = [
    *(
        "*.png",
        "!p.png",
        "!*.png",
        "/p.png",
        "a/",
        "/a/",
        "!a/",
        "!a",
        "b",
        "a/*",
        "!a/b/",
        "!a/b",
        "**/b",
        "a/**",
        "a/**/p.png",
    ),
    *(
        "**",
        "!**/",
        "*/",
        "!*/",
        "[[:digit:]].png",
        "[[:digit:]]*",
        "![[:digit:]].png",
        "[[:upper:]].png",
        "[!p].png",
        "[^q].png",
    ),
    *(
        "?.png",
        "\\!q.png",
        "\\#q.png",
        "# q.png",
        "q.png ",
        "b\\ c.png",
        "b c.png",
        "[.png",
        "\\[.png",
        "x[0-9]",
        "x[[:alnum:]]/",
        "",
    ),
    *(
        "p.png\r",
        "/*",
        "!/a",
        "a/b/c",
        "!a/b/c/p.png",
        "/**/c",
        "c/**",
        "*.[pq]ng",
        "[a-",
        "[[:nonsense:]].png",
        "a//b",
        "./p.png",
        "!",
    ),
]


def git(folder: Path, *arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, check=True).stdout


def plant(root: Path, seed: int) -> None:
    """A work tree with random files, ignore files, tracked files and now and then a repository within it."""
    draw = random.Random(seed)
    root.mkdir()
    git(root, "init", "--quiet")
    for folder in draw.sample(FOLDERS, draw.randint(2, len(FOLDERS))):
        (root / folder).mkdir(parents=True, exist_ok=True)
    folders = [root, *(path for path in root.rglob("*") if path.is_dir() and ".git" not in path.parts)]
    for folder in folders:
        for name in draw.sample(FILES, draw.randint(0, 5)):
            (folder / name).touch()
        if folder == root or draw.random() < 0.4:
            lines = draw.choices(RULES, k=draw.randint(1, 6))
            (folder / ".gitignore").write_bytes("\n".join(lines).encode())
    if draw.random() < 0.3:
        (root / ".git" / "info" / "exclude").write_text(draw.choice(RULES) + "\n")
    if draw.random() < 0.3:
        images = [path for path in root.rglob("*.png") if ".git" not in path.relative_to(root).parts[:-1]]
        for image in draw.sample(images, min(3, len(images))):
            git(root, "add", "--force", "--", os.fspath(image.relative_to(root)))
    elif draw.random() < 0.2 and len(folders) > 1:
        git(draw.choice(folders[1:]), "init", "--quiet")


def by_git(root: Path) -> set[str]:
    """What git lists, in repositories within the repository too."""
    listed = git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split(b"\0")
    names = {os.fsdecode(name) for name in listed if name}
    within = {name for name in names if name.endswith("/")}
    return (names - within) | {f"{name}{below}" for name in within for below in by_git(root / name)}


def check_trees(tmp_path: Path, seeds: range) -> None:
    for seed in seeds:
        root = tmp_path / f"tree{seed}"
        plant(root, seed)
        found = {os.path.relpath(ref.path, root) for ref in find_images([str(root)], warn=pytest.fail)}
        assert found == {name for name in by_git(root) if name.endswith(".png")}, f"tree {seed}"


@pytest.fixture(autouse=True)
def no_warnings() -> None:
    warnings.simplefilter("error")


@pytest.mark.slow
def test_random_trees_are_searched_as_git_lists_them(tmp_path: Path) -> None:
    check_trees(tmp_path, range(60))


@pytest.mark.exhaustive
@pytest.mark.parametrize("first", range(60, 5060, 500))
def test_thousands_of_random_trees(tmp_path: Path, first: int) -> None:
    check_trees(tmp_path, range(first, first + 500))


def test_posix_classes_are_read_in_given_patterns() -> None:
    spec = patterns(["[[:digit:]].png", "[![:upper:]a]x", "[]-[:alpha:]]y"])
    assert [name for name in ("1.png", "d.png", ":.png", "Ax", "ax", "bx") if spec.match_file(name)] == ["1.png", "bx"]
    with pytest.raises(ValueError, match="no character class"):
        patterns(["[[:nonsense:]]"])


def test_an_ignored_folder_that_is_named_is_searched(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "out" / "deep").mkdir(parents=True)
    (tmp_path / ".gitignore").write_text("out/\n")
    (tmp_path / "out" / "deep" / "a.png").touch()
    assert [*find_images([str(tmp_path)])] == []
    for named in ("out", "out/deep"):
        assert [Path(ref.path).name for ref in find_images([str(tmp_path / named)])] == ["a.png"]


def test_settings_of_a_repository_start_no_program(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    for key in ("core.fsmonitor", "core.pager", "core.editor", "core.sshCommand", "alias.ls-files"):
        git(tmp_path, "config", key, str(program))
    (tmp_path / "a.png").touch()
    assert [Path(ref.path).name for ref in find_images([str(tmp_path)], warn=pytest.fail)] == ["a.png"]
    assert not (tmp_path / "started").exists()


def test_settings_of_a_repository_hide_nothing(tmp_path: Path) -> None:
    """Its work tree would lie elsewhere, and what is here would be no part of it."""
    git(tmp_path, "init", "--quiet")
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a.png").touch()
    (tmp_path / ".gitignore").write_text("b.png\n")
    (tmp_path / "b.png").touch()
    for elsewhere in ("/", str(tmp_path / "d"), "/nowhere"):
        git(tmp_path, "config", "core.worktree", elsewhere)
        for named in (tmp_path, tmp_path / "d"):
            assert names(named, told=[])[-1:] == [os.path.relpath(tmp_path / "d" / "a.png", named)]


def test_a_broken_repository_is_no_part_of_the_one_around_it(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    (tmp_path / ".gitignore").write_text("*.png\n")
    (tmp_path / "d" / ".git").mkdir(parents=True)
    (tmp_path / "d" / "a.png").touch()
    told: list[str] = []
    assert names(tmp_path / "d", told=told) == ["a.png"]
    assert "not a git repository" in told[0]


@pytest.mark.parametrize("size", [1000, 3_000_000_000])
def test_hostile_ignore_files_cost_little_without_git(tmp_path: Path, size: int) -> None:
    (tmp_path / ".git").mkdir()
    deep = tmp_path / ("a/" * 60)
    deep.mkdir(parents=True)
    (deep / f"{'a' * 100}.png").touch()
    (tmp_path / ".gitignore").write_text("*a*a*a*a*a*a*a*a*a*a*b\n**/a/**/a/**/a/**/a/**/a/**/b\n*.png\n!*a.png\n")
    os.truncate(tmp_path / ".gitignore", size)
    start = time.monotonic()
    assert len(names(tmp_path, told=[])) == 1
    assert time.monotonic() - start < 5


def test_variables_of_an_outer_git_do_not_lead_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(tmp_path, "init", "--quiet")
    (tmp_path / ".gitignore").write_text("a.png\n")
    (tmp_path / "a.png").touch()
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.setenv(name, "/nowhere")
    assert [*find_images([str(tmp_path)], warn=pytest.fail)] == []


@pytest.mark.parametrize("trouble", ["no git", "no repository", "a pipe"])
def test_without_git_the_user_is_told_and_ignore_files_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    git(tmp_path, "init", "--quiet")
    (tmp_path / ".gitignore").write_text("a.png\n")
    (tmp_path / "a.png").touch()
    (tmp_path / "b.png").touch()
    if trouble == "no git":
        monkeypatch.setenv("PATH", "/nowhere")
    elif trouble == "no repository":
        (tmp_path / ".git" / "HEAD").write_text("nonsense")
    else:
        monkeypatch.setattr("imagejudge.images.gitignore._SECONDS", 0.5)
        (tmp_path / "d").mkdir()
        os.mkfifo(tmp_path / ".git" / "info" / "pipe")
        git(tmp_path, "config", "core.excludesFile", str(tmp_path / ".git" / "info" / "pipe"))
    told: list[str] = []
    assert [Path(ref.path).name for ref in find_images([str(tmp_path)], warn=told.append)] == ["b.png"]
    assert len(told) == 1
    assert ".gitignore files are read without git" in told[0]


def test_git_failing_is_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(GitFailed, match="not a git repository"):
        list_with_git(str(tmp_path), [""])


def test_what_git_does_not_know_of_is_not_passed_over(tmp_path: Path) -> None:
    """Git lists files and links, never pipes, so that it does not list one says nothing."""
    git(tmp_path, "init", "--quiet")
    for name in ("pipe.png", "unwanted.png"):
        os.mkfifo(tmp_path / name)
    (tmp_path / "a.png").touch()
    found = find_images([str(tmp_path)], exclude=["unwanted.png"])
    assert [Path(ref.path).name for ref in found] == ["a.png", "pipe.png"]


@pytest.mark.parametrize(
    ("place", "named"),
    [(".gitignore", ["a/b", "c"]), ("a/.gitignore", ["a"]), ("a/b/.gitignore", [""]), (".git/index", ["a", "c"])],
)
def test_an_ignore_file_without_end_is_not_waited_for(tmp_path: Path, place: str, named: list[str]) -> None:
    git(tmp_path, "init", "--quiet")
    for folder in ("a/b", "c"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "x.png").touch()
    (tmp_path / place).unlink(missing_ok=True)
    os.mkfifo(tmp_path / place)
    told: list[str] = []
    start = time.monotonic()
    found = {ref.path for ref in find_images([str(tmp_path / folder) for folder in named], warn=told.append)}
    assert time.monotonic() - start < 5
    below = ["a/b"] if named == ["a"] else ["a/b", "c"]
    assert found == {str(tmp_path / folder / "x.png") for folder in below}
    assert len(told) == 1
    assert f"{tmp_path / place} is a pipe or a device" in told[0]


@pytest.mark.skipif(not Path("/proc/self/wchan").exists(), reason="the kernel does not say what a process waits for")
def test_no_setting_that_is_a_pipe_is_waited_for(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "a.png").touch()
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / ".git" / "config").open("a") as config:
        config.write(f"[include]\npath = {tmp_path / 'pipe'}\n")
    told: list[str] = []
    start = time.monotonic()
    assert names(tmp_path, told=told) == ["a.png"]
    assert time.monotonic() - start < 5
    assert "a file that git's settings name is a pipe or a device" in told[0]


def counted(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Commands of the processes that are started from now on."""
    started: list[list[str]] = []
    real = subprocess.Popen.__init__

    def init(self: Any, command: list[str], *arguments: Any, **more: Any) -> None:
        started.append(command)
        real(self, command, *arguments, **more)

    monkeypatch.setattr(subprocess.Popen, "__init__", init)
    return started


def test_git_is_asked_once_for_each_work_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for tree in ("one", "two"):
        git(tmp_path, "init", "--quiet", tree)
        (tmp_path / tree / ".gitignore").write_text("bad*.png\nout\n")
        for folder in ("a", "b/c", "*", "-d", "out"):
            (tmp_path / tree / folder).mkdir(parents=True)
            (tmp_path / tree / folder / "good.png").touch()
            (tmp_path / tree / folder / "bad.png").touch()
        (tmp_path / tree / "a" / "link").symlink_to("../b")
    folders = [
        str(tmp_path / tree / folder) for tree in ("one", "two") for folder in ("a", "b", "b/c", "*", "-d", "out")
    ]
    started = counted(monkeypatch)
    found = [os.path.relpath(ref.path, tmp_path) for ref in find_images(folders, warn=pytest.fail)]
    assert sorted(found) == sorted(
        [
            *(f"{tree}/{name}.png" for tree in ("one", "two") for name in ("*/good", "-d/good", "out/good", "out/bad")),
            *(f"{tree}/{name}.png" for tree in ("one", "two") for name in ("a/good", "b/c/good")),
        ]
    )
    assert len(started) == 4  # whether folders are ignored is another question
    started.clear()
    assert len(list(find_images([str(tmp_path / "one"), str(tmp_path / "one" / "a")], warn=pytest.fail))) == 4
    assert len(started) == 2
    started.clear()
    assert len(list(find_images([str(tmp_path / "one")], warn=pytest.fail))) == 4
    assert len(started) == 1


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AUTHOR_NAME", "AUTHOR_EMAIL", "COMMITTER_NAME", "COMMITTER_EMAIL"):
        monkeypatch.setenv(f"GIT_{name}", "nobody")
    for at, (key, value) in enumerate({"protocol.file.allow": "always", "commit.gpgSign": "false"}.items()):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{at}", key)
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{at}", value)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "2")


def repository(root: Path, rule: str) -> Path:
    git(root.parent, "init", "--quiet", root.name)
    (root / ".gitignore").write_text(f"{rule}\n")
    for name in ("a.png", "b.png", "c.png"):
        (root / name).touch()
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "Begin")
    return root


def names(*folders: Path, told: list[str] | None = None) -> list[str]:
    warn = pytest.fail if told is None else told.append
    return sorted(os.path.relpath(ref.path, folders[0]) for ref in find_images(list(map(str, folders)), warn=warn))


@pytest.mark.usefixtures("commits")
def test_submodules_have_rules_of_their_own(tmp_path: Path) -> None:
    inner, outer = repository(tmp_path / "inner", "b.png"), repository(tmp_path / "outer", "c.png")
    git(outer, "submodule", "--quiet", "add", str(inner), "sub")
    git(outer, "commit", "--quiet", "--message", "More")
    for folder in (outer, outer / "sub"):
        (folder / "b.png").touch()
        (folder / "c.png").touch()
    (outer / "sub" / "new.png").touch()
    assert names(outer) == ["a.png", "b.png", "sub/a.png", "sub/c.png", "sub/new.png"]
    assert names(outer / "sub") == ["a.png", "c.png", "new.png"]
    assert names(outer, outer / "sub") == names(outer)
    clone = tmp_path / "clone"  # in which the submodule is an empty folder
    git(tmp_path, "clone", "--quiet", str(outer), "clone")
    assert names(clone) == ["a.png", "b.png"]
    (clone / ".gitignore").write_text("sub\n")  # what is tracked is not ignored
    git(clone, "submodule", "--quiet", "update", "--init")
    assert names(clone) == ["a.png", "b.png", "sub/a.png", "sub/c.png"]


@pytest.mark.usefixtures("commits")
def test_a_submodule_that_lost_its_repository(tmp_path: Path) -> None:
    """As where only the work tree was copied, or mounted into a container."""
    inner, outer = repository(tmp_path / "inner", "b.png"), repository(tmp_path / "outer", "c.png")
    git(outer, "submodule", "--quiet", "add", str(inner), "sub")
    (outer / "sub" / "b.png").touch()
    (outer / "sub" / ".git").write_text("gitdir: ../nowhere\n")
    told: list[str] = []
    assert names(outer, told=told) == ["a.png", "b.png", "sub/a.png", "sub/c.png"]
    assert [message.split(":")[0] for message in told] == [str(outer / "sub")]


@pytest.mark.usefixtures("commits")
@pytest.mark.parametrize("ignored", [False, True])
def test_linked_worktrees(tmp_path: Path, ignored: bool) -> None:
    main = repository(tmp_path / "main", "/trees" if ignored else "c.png")
    git(main, "worktree", "add", "--quiet", "trees/one")
    linked = main / "trees" / "one"
    (linked / ".gitignore").write_text("new*.png\n")
    for folder in (main, linked):
        (folder / "new.png").touch()
        (folder / "c.png").touch()
    assert names(linked) == ["a.png", "b.png", "c.png"]
    inside = [] if ignored else ["trees/one/a.png", "trees/one/b.png", "trees/one/c.png"]
    assert names(main) == ["a.png", "b.png", *["c.png"] * ignored, "new.png", *inside]
    (main / ".git" / "info").mkdir(exist_ok=True)
    (main / ".git" / "info" / "exclude").write_text("d.png\n")  # which all work trees share
    (linked / "d.png").touch()
    assert names(linked) == ["a.png", "b.png", "c.png"]


def test_a_partial_clone_fetches_nothing_and_starts_no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An ignore file that is neither checked out nor there would be fetched, by a program that the settings name."""
    for name in ("AUTHOR_NAME", "AUTHOR_EMAIL", "COMMITTER_NAME", "COMMITTER_EMAIL"):
        monkeypatch.setenv(f"GIT_{name}", "nobody")
    origin, clone, program = tmp_path / "origin", tmp_path / "clone", tmp_path / "program"
    (origin / "d").mkdir(parents=True)
    git(origin, "init", "--quiet")
    git(origin, "config", "uploadpack.allowFilter", "true")
    (origin / "d" / ".gitignore").write_text("*.bmp\n")
    git(origin, "add", ".")
    git(origin, "commit", "--quiet", "--message", "Ignore")
    git(tmp_path, "clone", "--quiet", "--no-checkout", "--filter=blob:none", origin.as_uri(), "clone")
    git(clone, "read-tree", "HEAD")
    git(clone, "update-index", "--skip-worktree", "d/.gitignore")
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    git(clone, "config", "remote.origin.uploadpack", str(program))
    (clone / "d").mkdir()
    (clone / "d" / "a.png").touch()
    assert [Path(ref.path).name for ref in find_images([str(clone)], warn=lambda message: None)] == ["a.png"]
    assert not (tmp_path / "started").exists()


@pytest.mark.slow
def test_a_hundred_thousand_files_are_listed_in_bounded_memory(tmp_path: Path) -> None:
    """Of each there is a name, and a name more where git was asked; no contents, no objects."""
    for folder in range(100):
        (tmp_path / f"{folder}").mkdir()
        for number in range(1000):
            (tmp_path / f"{folder}" / f"{number}.png").touch()
    (tmp_path / ".gitignore").write_text("*9.png\n")
    for repository, count in ((False, 100_000), (True, 90_000)):
        if repository:
            git(tmp_path, "init", "--quiet")
        tracemalloc.start()
        assert sum(1 for _ in find_images([str(tmp_path)], warn=pytest.fail)) == count
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < (50_000_000 if repository else 5_000_000), peak
