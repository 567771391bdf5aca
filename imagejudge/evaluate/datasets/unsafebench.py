"""UnsafeBench (arXiv 2405.03486) as Hugging Face gives it: Parquet files with its four columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imagejudge.errors import UsageError
from imagejudge.evaluate.datasets import parquet
from imagejudge.evaluate.labels import Dataset, Reading
from imagejudge.evaluate.place import Place

VALUES = {
    "safety_label": ("Safe", "Unsafe"),
    "category": (
        "Hate",
        "Harassment",
        "Violence",
        "Self-harm",
        "Sexual",
        "Shocking",
        "Illegal activity",
        "Deception",
        "Political",
        "Public and personal health",
        "Spam",
    ),
    "source": ("Laion5B", "Lexica"),
}
"""What each column may say. A safe image's category is the one it was searched under."""


def load(path: Place, reading: Reading) -> Dataset:
    """All its images, or those of `train` or `test`."""
    if reading.columns or reading.unsafe:
        raise UsageError(
            "UnsafeBench's columns and labels are known", "leave out `column` and `unsafe`, or use huggingface"
        )
    # The category says under which word an image was found, not which rule it violates.
    names = {"label": "safety_label", "category": "category", "source": "source"}
    return parquet.load(path, {}, Reading({"image": "image", **names}, split=reading.split), _check)


def _check(row: Mapping[str, Any], name: str) -> None:
    for column, known in VALUES.items():
        if row[column] not in known:
            raise UsageError(f"{name}: {column!r} is {row[column]!r}", f"UnsafeBench has: {', '.join(known)}")
