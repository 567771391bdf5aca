"""Settings files: which one counts, and what is said of mistakes in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagejudge.cli.settings_file import Option, find_settings, load_settings
from imagejudge.errors import SettingsError

OPTIONS = {
    "constitution": Option(str, '"..."', is_file=True),
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
        'threads = 3\nexit-zero = true\nexclude = ["a", "b/"]',
    )
    assert load_settings(file, OPTIONS).values == {
        "constitution": str(rules),
        "fail-on": "unsure",
        "timeout": 2,
        "threads": 3,
        "exit-zero": True,
        "exclude": ["a", "b/"],
    }


def test_a_name_that_is_no_file_stays_a_name(tmp_path: Path) -> None:
    file = write(tmp_path / "imagejudge.toml", 'constitution = "stickers"')
    assert load_settings(file, OPTIONS).values == {"constitution": "stickers"}


def test_rules_can_be_ignored_below_a_path(tmp_path: Path) -> None:
    text = '[per-path-ignores]\n"icons/**" = ["faces"]\n"*.gif" = ["motion", "faces"]'
    settings = load_settings(write(tmp_path / "imagejudge.toml", text), OPTIONS)
    assert settings.ignored(str(tmp_path / "icons" / "a" / "b.png")) == {"faces"}
    assert settings.ignored(str(tmp_path / "c.gif")) == {"faces", "motion"}
    assert settings.ignored(str(tmp_path / "c.png")) == frozenset()
    assert settings.ignored(str(tmp_path.parent / "icons" / "b.png")) == frozenset()


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
