from __future__ import annotations

from pathlib import Path

import pytest

from imagejudge.constitution import shipped as finder
from imagejudge.constitution.file import load_constitution
from imagejudge.constitution.shipped import find_constitution, shipped_constitutions
from imagejudge.errors import ConstitutionError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for the shipped folder, and an empty current one."""
    place = tmp_path / "shipped"
    place.mkdir()
    for name in ("stickers.toml", "assets.toml", "README.md"):
        (place / name).touch()
    monkeypatch.setattr(finder, "_PLACES", (tmp_path / "absent", place))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return place


def test_every_shipped_constitution_is_found_by_name_and_says_where_it_is_from() -> None:
    beside = Path(finder.__file__).parents[2] / "constitutions"
    assert {file.name for file in shipped_constitutions()} >= {file.name for file in beside.glob("*.toml")}
    for file in shipped_constitutions():
        assert find_constitution(file.stem) == file
        constitution = load_constitution(file)
        assert constitution.name == file.stem
        assert constitution.source
        assert constitution.licence


def test_only_toml_files_are_shipped_in_a_stable_order(folder: Path) -> None:
    assert shipped_constitutions() == [folder / "assets.toml", folder / "stickers.toml"]


def test_a_name_finds_the_shipped_file(folder: Path) -> None:
    assert find_constitution("stickers") == folder / "stickers.toml"


def test_an_existing_file_wins(folder: Path) -> None:
    Path("stickers").touch()
    assert find_constitution("stickers") == Path("stickers")
    assert find_constitution(folder / "assets.toml") == folder / "assets.toml"


def test_a_folder_does_not_hide_a_shipped_name(folder: Path) -> None:
    Path("stickers").mkdir()
    Path("other").mkdir()
    assert find_constitution("stickers") == folder / "stickers.toml"
    assert find_constitution("other") == Path("other")


@pytest.mark.parametrize("name", ["stikers", "stickers.toml", "sub/stickers"])
def test_an_unknown_name_is_answered_with_the_nearest(folder: Path, name: str) -> None:
    with pytest.raises(ConstitutionError) as caught:
        find_constitution(name)
    assert caught.value.message == f"no constitution {name!r}: neither a file nor a shipped name"
    assert caught.value.hint == "did you mean 'stickers'? shipped: assets, stickers"


def test_a_name_like_none_lists_them_all(folder: Path) -> None:
    with pytest.raises(ConstitutionError) as caught:
        find_constitution("zzz")
    assert caught.value.hint == "shipped: assets, stickers"


def test_a_path_that_cannot_be_looked_at_is_left_to_the_reader(folder: Path) -> None:
    assert find_constitution("a" * 300) == Path("a" * 300)


def test_without_shipped_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finder, "_PLACES", (tmp_path / "absent",))
    assert shipped_constitutions() == []
    with pytest.raises(ConstitutionError) as caught:
        find_constitution("stickers")
    assert caught.value.hint == "give the path of a TOML file"
