"""The constitutions that come with imagejudge: where they lie, and finding one by name.

Knows nothing of what stands in them.
"""

from __future__ import annotations

from pathlib import Path

from imagejudge.common.suggest import did_you_mean
from imagejudge.errors import ConstitutionError

_PACKAGE = Path(__file__).parents[1]
# A wheel carries the folder inside the package; in a checkout, editable or not, it lies beside the package.
_PLACES = (_PACKAGE / "constitutions", _PACKAGE.parent / "constitutions")


def shipped_constitutions() -> list[Path]:
    """The files that come with imagejudge, sorted by name; a file's name without `.toml` is what `find` takes."""
    folder = next((place for place in _PLACES if place.is_dir()), None)
    return sorted(folder.glob("*.toml")) if folder else []


def find_constitution(name_or_path: str | Path) -> Path:
    """The file meant: an existing one, or else the shipped constitution of that name.

    A folder can be no constitution, so one that happens to have a shipped name does not hide it.
    Raises `ConstitutionError`, with the nearest shipped names as its hint, when there is neither.
    """
    path = Path(name_or_path)
    try:
        exists, folder = path.exists(), path.is_dir()
    except OSError:
        return path  # reading it says what is wrong; so for a folder below
    if exists and not folder:
        return path
    named = next((file for file in shipped_constitutions() if file.stem == str(name_or_path)), None)
    if named or folder:
        return named or path
    raise ConstitutionError(f"no constitution {str(name_or_path)!r}: neither a file nor a shipped name", offer(path))


def offer(path: Path) -> str:
    """A hint where a named file cannot be a constitution: the shipped ones, the nearest first."""
    names = [file.stem for file in shipped_constitutions()]
    if not names:
        return "give the path of a TOML file"
    return f"{did_you_mean(path.stem, names)} shipped: {', '.join(names)}".lstrip()
