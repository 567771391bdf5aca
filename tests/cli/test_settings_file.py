"""Settings files: which one counts, and what is said of mistakes in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imagejudge.cli.settings_file import Option, find_settings, load_settings
from imagejudge.common.existing import is_file, is_folder
from imagejudge.errors import SettingsError

OPTIONS = {
    "constitution": Option(str, '"..."', is_there=is_file),
    "cache-dir": Option(str, '"..."', is_there=is_folder),
    "fail-on": Option(str, '"unsure"', ("unsure", "unsafe")),
    "timeout": Option(float, "1.5"),
    "threads": Option(int, "1"),
    "exit-zero": Option(bool, "true"),
    "exclude": Option(list, '["..."]'),
}


def write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_the_nearest_file_counts_alone(tmp_path: Path) -> None:
    above = write(tmp_path / "imagejudge.toml", "threads = 1")
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    assert find_settings(deep) == above
    write(tmp_path / "a" / "pyproject.toml", "[project]\nname = 'x'")
    assert find_settings(deep) == above
    project = write(tmp_path / "a" / "pyproject.toml", "[tool.imagejudge]\ntimeout = 3")
    assert find_settings(deep) == project
    assert load_settings(project, OPTIONS).values == {"timeout": 3}
    named = write(tmp_path / "a" / "imagejudge.toml")
    assert find_settings(deep) == named
    hidden = write(tmp_path / "a" / ".imagejudge.toml")
    assert find_settings(deep) == hidden


def test_values_of_every_kind(tmp_path: Path) -> None:
    rules = write(tmp_path / "rules.toml")
    file = write(
        tmp_path / "imagejudge.toml",
        'constitution = "rules.toml"\nfail-on = "unsure"\ntimeout = 2\n'
        'threads = 3\nexit-zero = true\nexclude = ["a", "b/", "9.41\\u202fAM.png"]',
    )
    assert load_settings(file, OPTIONS).values == {
        "constitution": str(rules),
        "fail-on": "unsure",
        "timeout": 2,
        "threads": 3,
        "exit-zero": True,
        "exclude": ["a", "b/", "9.41\u202fAM.png"],
    }


def test_a_name_that_is_no_file_stays_a_name(tmp_path: Path) -> None:
    file = write(tmp_path / "imagejudge.toml", 'constitution = "stickers"')
    assert load_settings(file, OPTIONS).values == {"constitution": "stickers"}


def test_only_what_can_be_meant_is_looked_for_beside_the_file(tmp_path: Path) -> None:
    file = write(tmp_path / "imagejudge.toml", 'constitution = "stickers"\ncache-dir = "answers"')
    for name in ("stickers", "answers"):
        (tmp_path / name).mkdir()
    assert load_settings(file, OPTIONS).values == {"constitution": "stickers", "cache-dir": str(tmp_path / "answers")}
    for name in ("stickers", "answers"):
        (tmp_path / name).rmdir()
        (tmp_path / name).write_text("")
    assert load_settings(file, OPTIONS).values == {"constitution": str(tmp_path / "stickers"), "cache-dir": "answers"}


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="needs users")
def test_a_folder_that_may_not_be_entered_has_no_settings(tmp_path: Path) -> None:
    here = tmp_path / "closed" / "open"
    here.mkdir(parents=True)
    write(tmp_path / "closed" / "imagejudge.toml")
    user = os.geteuid()
    (tmp_path / "closed").chmod(0)
    try:
        if user == 0:
            os.seteuid(65534)
        assert find_settings(here) is None
    finally:
        os.seteuid(user)
        (tmp_path / "closed").chmod(0o755)


def test_rules_can_be_ignored_below_a_path(tmp_path: Path) -> None:
    text = '[per-path-ignores]\n"icons/**" = ["faces"]\n"*.gif" = ["motion", "faces"]'
    settings = load_settings(write(tmp_path / "imagejudge.toml", text), OPTIONS)
    assert settings.ignored(str(tmp_path / "icons" / "a" / "b.png")) == {"faces"}
    assert settings.ignored(str(tmp_path / "c.gif")) == {"faces", "motion"}
    assert settings.ignored(str(tmp_path / "c.png")) == frozenset()
    assert settings.ignored(str(tmp_path.parent / "icons" / "b.png")) == frozenset()


def test_a_path_through_a_link_is_seen_from_the_folder_of_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real" / "icons").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "real" / "more").symlink_to("../elsewhere")
    (tmp_path / "real" / "icons" / "l.png").symlink_to("../more/x.png")
    text = '[per-path-ignores]\n"icons/**" = ["faces"]\n"more/**" = ["motion"]\n"*.gif" = ["noise"]'
    file = write(tmp_path / "real" / "imagejudge.toml", text)
    for folder, named in (("real", file), (".", tmp_path / "link" / file.name), (".", Path("link", file.name))):
        monkeypatch.chdir(tmp_path / folder)
        settings = load_settings(named, OPTIONS)
        for way in (tmp_path / "link", tmp_path / "real", Path("." if folder == "real" else "link")):
            assert settings.ignored(f"{way}/icons/x.png") == {"faces"}
            assert settings.ignored(f"{way}/icons/l.png") == {"faces"}
            assert settings.ignored(f"{way}/more/../icons/x.png") == frozenset()
        assert settings.ignored(str(tmp_path / "real" / "more" / "x.png")) == {"motion"}
        assert settings.ignored(str(tmp_path / "elsewhere" / "x.gif")) == {"noise"}


@pytest.mark.parametrize("shard", ["t.parquet", "t.tar", "data/t.tar.gz"])
def test_members_of_shards_are_ignored_by_the_path_of_their_shard(tmp_path: Path, shard: str) -> None:
    text = '[per-path-ignores]\n"icons/**" = ["faces"]\n"*.png" = ["faces"]\n"/data/" = ["motion"]'
    settings = load_settings(write(tmp_path / "imagejudge.toml", text), OPTIONS)
    rules = {"motion"} if shard.startswith("data/") else frozenset()
    for member in ("0/../icons/x", "../icons/x.png", "../../icons/x.png", "icons/x.png", "/icons/x.png"):
        assert settings.ignored(f"{tmp_path}/{shard}::{member}") == rules
    assert settings.ignored(f"{tmp_path}/icons/{shard}::x.png") == {"faces"}


def test_the_steps_upwards_in_an_address_lead_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = '[per-path-ignores]\n"icons/**" = ["faces"]\n"*.gif" = ["motion"]'
    settings = load_settings(write(tmp_path / "imagejudge.toml", text), OPTIONS)
    assert settings.ignored("https://x.org/a/../../../icons/x.png") == frozenset()
    assert settings.ignored("https://x.org/a/x.gif") == {"motion"}


@pytest.mark.parametrize(
    ("text", "complaints"),
    [
        ('fail_on = "unsure"', [":1: unknown key 'fail_on' in the settings; did you mean 'fail-on'?"]),
        ('\nfail-on = "never"', [":2: 'fail-on' is 'never'; write one of unsure, unsafe"]),
        ("threads = 'two'", [":1: 'threads' in the settings must be a whole number, not a string; write 1"]),
        ("exclude = [1]", [":1: an item of 'exclude' must be a string, not a whole number"]),
        ("threads = 1.5\ntimeout = ''", [":1: 'threads'", ":2: 'timeout'"]),
        ("[per-path-ignores]\n'a' = 'b'", [":2: 'a' in [per-path-ignores] must be a list, not a string"]),
        ("[per-path-ignores]\na = ['b']\n'!' = ['b']", [":3: '!' in [per-path-ignores] is no pattern"]),
        ("[per-path-ignores]\n'a\\' = ['b']", [":2: 'a\\\\' in [per-path-ignores] is no pattern"]),
        ("[per-path-ignores]\n'[z-a]' = ['b']", [":2: '[z-a]' in [per-path-ignores] is no pattern"]),
        ("[per-path-ignores]\n'[[:number:]]' = ['b']", [":2: '[[:number:]]' in [per-path-ignores] is no pattern"]),
        ("threads = ", [":1: not TOML at column 11"]),
    ],
)
def test_every_mistake_is_named_with_its_line(tmp_path: Path, text: str, complaints: list[str]) -> None:
    file = write(tmp_path / "imagejudge.toml", text)
    with pytest.raises(SettingsError) as error:
        load_settings(file, OPTIONS)
    said = error.value.message.splitlines()
    assert len(said) == len(complaints)
    for line, words in zip(said, complaints, strict=True):
        assert line.startswith(f"{file}{words}")


@pytest.mark.parametrize("content", [b"\xff", b"x" * 1_000_001])
def test_a_file_that_cannot_be_read(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "imagejudge.toml").write_bytes(content)
    with pytest.raises(SettingsError):
        load_settings(tmp_path / "imagejudge.toml", OPTIONS)
    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings(tmp_path, OPTIONS)


def test_a_project_without_settings_says_so(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no \[tool.imagejudge\]"):
        load_settings(write(tmp_path / "pyproject.toml", "[tool.other]"), OPTIONS)


def test_patterns_read_classes_as_git_does(tmp_path: Path) -> None:
    file = write(tmp_path / "imagejudge.toml", '[per-path-ignores]\n"a[[:digit:]].png" = ["faces"]')
    settings = load_settings(file, OPTIONS)
    ignored = [bool(settings.ignored(str(tmp_path / name))) for name in ("a7.png", "ad.png", "a:.png")]
    assert ignored == [True, False, False]
