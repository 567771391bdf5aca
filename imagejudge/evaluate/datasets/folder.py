"""Labels told by folders: `unsafe` and `safe`; or one folder for each rule's id with `violating` and `borderline`."""

from __future__ import annotations

from collections.abc import Iterator

from imagejudge.errors import UsageError
from imagejudge.evaluate.examples import images_below
from imagejudge.evaluate.labels import Dataset, Item, Label, Reading, missing
from imagejudge.evaluate.place import Place

_WHOLE = ("unsafe", "safe")
_BY_RULE = ("violating", "borderline")
_HINT = "make unsafe/ and safe/, or a folder for each rule's id with violating/ and borderline/"


def load(path: Place, reading: Reading) -> Dataset:
    """Every image below the folders; the first of each pair of folders holds the unsafe ones."""
    if reading.columns or reading.unsafe or reading.split:
        raise UsageError("folders have no columns, label values or splits", "leave out `column`, `unsafe` and `split`")
    if not path.is_dir():
        raise UsageError(f"{path} is not a folder", _HINT)
    items = list(_items(path))
    return Dataset(items, len(items))


def _items(root: Place) -> Iterator[Item]:
    folders = _folders(root)
    if any(name in folders for name in _WHOLE):
        yield from _pair(root, _WHOLE, ())
        return
    if not folders:
        raise missing("folders 'unsafe' and 'safe'", str(root), (entry.name for entry in root.iterdir()), _HINT)
    for rule in folders:
        yield from _pair(root / rule, _BY_RULE, (rule,))


def _pair(root: Place, names: tuple[str, str], rules: tuple[str, ...]) -> Iterator[Item]:
    for name in names:
        if name not in _folders(root):
            raise missing(f"folder {name!r}", str(root), (entry.name for entry in root.iterdir()), _HINT)
        for path in images_below(str(root / name)):
            yield Item(path, label=Label(path, name == names[0], rules))


def _folders(root: Place) -> list[str]:
    return sorted(entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
