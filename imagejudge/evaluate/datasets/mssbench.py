"""MSSBench (arXiv 2410.06172): pairs of situations, where a text is harmless beside one image but not beside another.

As published: combined.json with the lists `chat` and `embodied`, and a folder of images for each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from imagejudge.common.existing import is_folder
from imagejudge.errors import UsageError
from imagejudge.evaluate.datasets import table
from imagejudge.evaluate.labels import Dataset, Reading, missing, refuse_reading

_IMAGES = {"chat": ("safe_image_path", "unsafe_image_path"), "embodied": ("safe", "unsafe")}
_TEXTS = {"chat": ("queries", "queries"), "embodied": ("safe_instructions", "unsafe_instructions")}
_CATEGORY = {"chat": "Type", "embodied": "category"}


def load(path: Path, reading: Reading) -> Dataset:
    """Two images for each text, told to belong together; the source is the part, the category its kind of situation.

    `split` takes one part, `chat` or `embodied`.
    """
    refuse_reading("MSSBench", Reading(reading.columns, reading.unsafe))
    file = path / "combined.json" if is_folder(path) else path
    if not file.is_file():
        raise missing("file 'combined.json'", str(path), (entry.name for entry in path.iterdir()), "name its folder")
    document = table.read_document(file)
    if reading.split not in ("", *_IMAGES):
        raise missing(f"split {reading.split!r}", str(file), _IMAGES, "correct `split`")
    if not isinstance(document, dict) or not document.keys() & _IMAGES.keys():
        found = document if isinstance(document, dict) else [type(document).__name__]
        raise missing("list 'chat' or 'embodied'", str(file), found, "give the file as it is published")
    rows = [row for part in _IMAGES if reading.split in ("", part) for row in _rows(part, document.get(part), file)]
    return table.dataset_of(file, table.Table(rows), {"image": "image"}, Reading())


def _rows(part: str, entries: Any, file: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if not isinstance(entries, list | None):
        raise UsageError(f"{file}: {part} is no list", "give the file as it is published")
    for number, entry in enumerate(entries or ()):
        where = f"{file}, {part} {number}"
        for name in (*_IMAGES[part], *_TEXTS[part]):
            if not isinstance(entry, dict) or name not in entry:
                raise missing(f"field {name!r}", where, entry if isinstance(entry, dict) else (), "correct the file")
        texts = [entry[name] for name in _TEXTS[part]]
        if not all(isinstance(each, list) for each in texts) or len(texts[0]) != len(texts[1]):
            names = " and ".join(dict.fromkeys(_TEXTS[part]))
            raise UsageError(f"{where}: {names} are no lists of one length", "give the file as it is published")
        for label, image, of_image in zip(("safe", "unsafe"), _IMAGES[part], texts, strict=True):
            for place, text in enumerate(of_image):
                yield (
                    where,
                    {
                        "image": f"{part}/{entry[image]}",
                        "label": label,
                        "sentence": text,
                        "category": entry.get(_CATEGORY[part]),
                        "source": part,
                        "pair": f"{part} {number} {place}",
                    },
                )
