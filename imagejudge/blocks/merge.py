"""Whether all blocks of a scan are done and whole, and their verdicts put together."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from imagejudge.blocks.manifest import Manifest
from imagejudge.blocks.parts import Parts, add_line
from imagejudge.blocks.plan import Block
from imagejudge.blocks.work import GIVEN_UP
from imagejudge.common.atomic_write import write_atomically
from imagejudge.common.text import printable
from imagejudge.errors import UsageError
from imagejudge.images.names import SEPARATOR, is_shard
from imagejudge.output.stats import Stats
from imagejudge.output.writing import writing
from imagejudge.verdict import Outcome, RuleStatus

SUMMARY: Final = "summary.json"
SUCCESS: Final = "_SUCCESS"
_FAILURE: Final = f'"error":{{"kind":"{GIVEN_UP}",'.encode()


@dataclass(slots=True)
class Checked:
    """What was found of a scan's blocks."""

    missing: list[int] = field(default_factory=list)
    """Blocks that are not done, ascending."""
    wrong: dict[int, str] = field(default_factory=dict)
    """Blocks whose file is not what it should be, ascending, and why."""
    given_up: list[int] = field(default_factory=list)
    """Blocks that are done only in so far as runs died in them too often, ascending."""
    stats: Stats = field(default_factory=Stats)
    """Of all blocks that are done."""

    @property
    def complete(self) -> bool:
        """Whether every input has its verdicts."""
        return not self.missing and not self.wrong


def check(manifest: Manifest, folder: Path, parts: Parts) -> Checked:
    """Read every block's file: whether all are there, each with the verdicts on its own images, in order, once.

    Raises `UsageError` for files that do not belong there, or cannot be read.
    """
    found = Checked()
    done = parts.done()
    for block in manifest.plan_in(folder):
        if block.number not in done:
            found.missing.append(block.number)
        elif fault := _take(block, parts, found):
            found.wrong[block.number] = fault
    for number in done:
        if number >= manifest.blocks:
            raise UsageError(f"{parts.path(number)} is of no block in the plan", "take it away")
    return found


def _take(block: Block, parts: Parts, found: Checked) -> str | None:
    """Count the verdicts of a block; what is wrong with them, if anything is."""
    expected = iter(block.inputs)
    members = f"{block.inputs[0]}{SEPARATOR}" if is_shard(block.inputs[0]) else None
    failed = False
    try:
        for line in parts.lines(block.number):
            path = add_line(found.stats, line)
            failed = failed or _FAILURE in line
            if not (members and path.startswith(members)) and path != next(expected, None):
                return f"the verdict on {printable(path)} is not where it should be"
    except UsageError as error:
        return error.message
    if failed:
        found.given_up.append(block.number)
    lacking = None if members else next(expected, None)  # a shard may hold no image
    return None if lacking is None else f"{printable(lacking)} has no verdict"


def merged(manifest: Manifest, parts: Parts) -> Iterator[bytes]:
    """The lines of all blocks, in their order."""
    return (line for number in range(manifest.blocks) for line in parts.lines(number))


def write_summary(manifest: Manifest, folder: Path, found: Checked) -> None:
    """Say beside the blocks that they are complete, and what they amount to. Raises `OutputError`."""
    rules = defaultdict[str, dict[str, int]](dict)
    for (rule, status), count in sorted(found.stats.rules.items()):
        if status is not RuleStatus.CLEAR:  # which was not counted in every line
            rules[rule][status] = count
    summary = {
        "schema": 1,
        "blocks": manifest.blocks,
        "inputs": manifest.images,
        "verdicts": {outcome: found.stats.outcomes[outcome] for outcome in Outcome},
        "rules": rules,
        "given_up": found.given_up,
    }
    write_atomically(folder / SUMMARY, json.dumps(summary, indent=1) + "\n")
    write_atomically(folder / SUCCESS, "")


def withdraw_summary(folder: Path) -> None:
    """Take away what says that the blocks are complete, as soon as they are not. Raises `OutputError`."""
    for name in (SUCCESS, SUMMARY):
        with writing(folder / name):
            (folder / name).unlink(missing_ok=True)
