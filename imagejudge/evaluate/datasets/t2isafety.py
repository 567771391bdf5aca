"""T2ISafety (arXiv 2501.12612): a JSON list of records, in which an assistant's turn says whether an image is safe.

The records about fairness say nothing of safety, and are refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imagejudge.errors import UsageError
from imagejudge.evaluate.datasets import table
from imagejudge.evaluate.labels import Dataset, Reading, missing, refuse_reading

_SAYS = re.compile(r"\W*(safe|unsafe)\b", re.IGNORECASE)


def load(path: Path, reading: Reading) -> Dataset:
    """One of its files, such as hf_test_toxicity_privacy_real.json; paths of images count from its folder."""
    refuse_reading("T2ISafety", reading)
    read = table.read_json(path)
    rows = table.Table([(where, _row(row, where)) for where, row in read.rows], read.lost)
    return table.dataset_of(path, rows, {"image": "image"}, Reading())


def _row(row: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    for name in ("image", "conversations"):
        if name not in row:
            raise missing(f"field {name!r}", where, row, "give the file as it is published")
    image = row["image"]
    answers = [
        str(turn.get("value"))
        for turn in (row["conversations"] if isinstance(row["conversations"], list) else ())
        if isinstance(turn, dict) and turn.get("from") == "assistant"
    ]
    says = _SAYS.match(answers[-1]) if answers else None
    if says is None:
        said = answers[-1][:80] if answers else "nothing"
        problem = f"{where}: the assistant says {said!r}, which begins with neither safe nor unsafe"
        raise UsageError(problem, "give a file about toxicity and privacy")
    return {
        "image": image[0] if isinstance(image, list) and len(image) == 1 else image,
        "label": says[1],
        "category": row.get("image_category"),
        "source": "real" if row.get("real") else "generated",
    }
