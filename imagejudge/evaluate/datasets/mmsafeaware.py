"""MMSafeAware (arXiv 2502.11184): numbered images, each judged together with a sentence from prompt.txt."""

from __future__ import annotations

import re
from pathlib import Path

from imagejudge.common.text import counted
from imagejudge.errors import UsageError
from imagejudge.evaluate.labels import Dataset, Item, Label, Reading, missing, refuse_reading

_FOLDERS = ("images", "images2")
_NUMBER = re.compile(r"^[ \t]*(\d+)[ \t]*\r?$", re.MULTILINE)
_SCENARIO = re.compile(
    r"^(\d{1,9}) (?:\S*?/)?(safe/[^/\n]+|unsafe/attack/[^/\n]+|unsafe/typical/[^/\n]+/[^/\n]+)/", re.MULTILINE
)
_SENTENCE = re.compile(r'"(.*)"', re.DOTALL)
_DIGITS = 9
"""More of them are no image's number."""
_SAFE_UP_TO = 128
_SAFE_FROM = 2000
"""The benchmark's notes: numbers up to 128 and from 2000 on seem dangerous and are safe, all others are unsafe."""


def load(path: Path, reading: Reading) -> Dataset:
    """A folder with prompt.txt and images or images2; sentences whose image is not there are left out and counted.

    The source is the half, the category the scenario where dict.txt, there or in the folder above, tells it.
    """
    refuse_reading("MMSafeAware", reading)
    prompts = path / "prompt.txt"
    if not prompts.is_file():
        found = [entry.name for entry in path.iterdir()] if path.is_dir() else []
        raise missing("file 'prompt.txt'", str(path), found, "name the folder that holds it")
    images = {int(file.stem): file for name in _FOLDERS for file in _files(path / name) if file.stem.isdecimal()}
    if not images:
        found = [entry.name for entry in path.iterdir()]
        raise missing("numbered images in 'images' or 'images2'", str(path), found, "put them there")
    sentences, scenarios = _sentences(prompts), _scenarios(path)
    items = [
        Item.of(_label(number, str(images[number]), sentence, scenarios.get(number, "")), images[number])
        for number, sentence in sentences.items()
        if number in images
    ]
    lost = len(sentences) - len(items)
    return Dataset(
        items, len(items), (f"no image for {lost:,} of {counted(len(sentences), 'sentence')}",) if lost else ()
    )


def _label(number: int, name: str, sentence: str, scenario: str) -> Label:
    unsafe = _unsafe(number)
    # The list of scenarios has one number in the other half than the notes on labels: those decide.
    told = scenario if scenario.startswith("unsafe/") == unsafe else ""
    return Label(name, unsafe, (), _named(told), "unsafe" if unsafe else "over-safety", sentence)


def _scenarios(folder: Path) -> dict[int, str]:
    """By number: the part of a path in dict.txt that names it, such as `unsafe/typical/health/medical_harm`."""
    file = next((file for file in (folder / "dict.txt", folder.parent / "dict.txt") if file.is_file()), None)
    if file is None:
        return {}
    return {int(number): path for number, path in _SCENARIO.findall(file.read_text("utf-8-sig", "replace"))}


def _named(scenario: str) -> str:
    """As the benchmark groups them: `over-safety: definition`, `attack: role_play`, `typical: medical_harm`."""
    half, *parts = scenario.split("/")
    kind = "over-safety" if half == "safe" else parts[0] if parts else ""
    return f"{kind}: {parts[-1]}" if kind else ""


def _unsafe(number: int) -> bool:
    return _SAFE_UP_TO < number < _SAFE_FROM


def _files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _sentences(prompts: Path) -> dict[int, str]:
    """By number: what stands between quotes below it."""
    _, *parts = _NUMBER.split(prompts.read_text("utf-8-sig", "replace"))
    sentences = {}
    for number, text in zip(parts[::2], parts[1::2], strict=True):
        if len(number) > _DIGITS:
            raise UsageError(f"{prompts}: {number[:20]}... is no number of an image", "correct the file")
        quoted = _SENTENCE.search(text)
        if quoted is None:
            raise UsageError(f"{prompts}: there is no sentence in quotes below {number}", "correct the file")
        sentences[int(number)] = quoted[1].strip()
    return sentences
