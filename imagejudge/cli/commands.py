"""The program's commands. Each is imported when it is called, so that help need not wait for what commands import."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import Any

import typer
from typer.main import get_command, get_group

from imagejudge.cli.help import Command

SUMMARIES: Mapping[str, str] = MappingProxyType(
    {
        "scan": "Judge images: one verdict a line, with its reasons.",
        "merge": "Check the blocks of a scan by many processes, and put their verdicts together.",
        "embed": "Write what a model's image encoder makes of images, as vectors: for duplicates, maps and search.",
        "distill": "Fit probes to verdicts of a full scan, by which later scans need not ask about every rule.",
        "explain": "Show every question about one image, and what decided it.",
        "rejudge": "Judge recorded answers again: by new thresholds, changed rules or another constitution.",
        "show": "Write finished verdicts again: other formats, or only some of them.",
        "report": "Make one page of verdicts, on which a person looks at what was found and decides.",
        "review": "Serve the page of `report` on this machine, until Ctrl-C.",
        "apply": "Move, copy, link, delete or censor what was found, and take that back.",
        "filter": "Write new shards that hold only the samples all of whose images passed.",
        "stats": "Count what verdicts say: by verdict, rule, category, folder, question and score.",
        "convert": "Write verdicts for other tools, which read them as labels or predictions.",
        "evaluate": "Measure how often verdicts are right, against labels.",
        "compare": "Show evaluations side by side, best first, with intervals and paired differences.",
        "calibrate": "Choose thresholds by labels, and measure them on others.",
        "check": "Validate constitutions, and give advice on them.",
        "constitution": "Look at rule files, begin, draft, test and compare them.",
        "baseline": "Accept findings, so that they are recorded but fail no scan.",
        "cache": "Look at the answers that are kept, or forget them.",
        "models": "Fetch models, check them, choose one.",
        "config": "Show which settings are in force, and where each comes from.",
        "doctor": "Show what can run here, and try a model.",
    }
)
"""Of each command, in the order of the help, what its own help begins with."""


class Commands(Mapping[str, Any]):
    """By name: `x` is the function `x` of the module `imagejudge.cli.x`, or its `app` of further commands."""

    def __getitem__(self, name: str) -> Any:
        if name not in SUMMARIES:
            raise KeyError(name)
        return _load(name)

    def __iter__(self) -> Iterator[str]:
        return iter(SUMMARIES)

    def __len__(self) -> int:
        return len(SUMMARIES)


@cache
def _load(name: str) -> Any:
    module = import_module(f"imagejudge.cli.{name}")
    if hasattr(module, "app"):
        return get_group(module.app)
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(name, cls=Command)(getattr(module, name))
    return get_command(app)
