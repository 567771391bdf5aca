"""`imagejudge scan` by blocks: this process judges some of them into a folder that many processes share."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from tqdm import tqdm

from imagejudge.blocks.manifest import Asked, Manifest, agree
from imagejudge.blocks.merge import withdraw_summary
from imagejudge.blocks.parts import Parts
from imagejudge.blocks.plan import IMAGES, Block, Listed, as_list, cut
from imagejudge.blocks.work import Done, Work
from imagejudge.cli.block_options import BlockOptions, PartFormat
from imagejudge.cli.console import say
from imagejudge.cli.output import STDOUT, OutputOptions
from imagejudge.cli.signals import watch_preemption
from imagejudge.common.text import printable
from imagejudge.errors import UsageError
from imagejudge.images.names import Unread, is_shard, shard_of
from imagejudge.images.ref import ImageRef
from imagejudge.judge.judge import Judge
from imagejudge.output.resume import Identity
from imagejudge.output.stats import Stats


def asked_by(
    identity: Identity,
    named: Sequence[str],
    patterns: Mapping[str, Any],
    how: BlockOptions,
    keep_fields: Sequence[str],
    output: OutputOptions,
) -> Asked:
    """What this process was asked to scan; `patterns` are arguments of `find_images`."""
    words = [f"--exclude {printable(pattern)}" for pattern in patterns["exclude"]]
    words += [] if patterns["respect_gitignore"] else ["--no-respect-gitignore"]
    words += ["--force-exclude"] if patterns["force_exclude"] else []
    words += [f"--block-size {how.block_size}"] if how.block_size != IMAGES else []
    words += [f"--part-format {how.part_format}"] if how.part_format is not PartFormat.JSONL else []
    words += [f"--keep-field {printable(name)}" for name in keep_fields]
    words += ["--no-timing"] if output.no_timing else []
    inputs = hashlib.sha256()
    for each in (json.dumps(words), *named):
        inputs.update(each.encode("utf-8", "surrogateescape") + b"\0")
    shown = " ".join([*map(printable, named[:3]), *(["..."] if len(named) > 3 else []), *words])
    relative = not all(map(os.path.isabs, named))
    here = os.getcwd() if relative else None  # noqa: PTH109
    return Asked(identity, inputs.hexdigest(), shown, how.part_format, here)


def folder_for(how: BlockOptions, output: OutputOptions, *, retry_errors: bool) -> Path:
    """The folder that the options name. Raises `UsageError` where they name none, or ask for what blocks do not do."""
    folder = output.output
    if folder is None or str(folder) == STDOUT or folder.is_file():
        raise UsageError("blocks are written into a folder that all processes share", "name one with -o")
    if output.overwrite and how.blocks is None:
        raise UsageError("--overwrite would undo what other processes did", "name the blocks with --blocks")
    defaults = OutputOptions()
    names = ("format", "only", "print0", "mix", "baseline")
    refused = [name for name in names if getattr(output, name) != getattr(defaults, name)]
    refused += ["retry-errors"] if retry_errors else []
    for name in refused:
        raise UsageError(
            f"--{name} is not for scans by blocks", "leave it out: it is for the file that `imagejudge merge` makes"
        )
    return folder


Judging: TypeAlias = Callable[[Manifest, Sequence[Block], Parts, "tqdm[Any]"], Generator[Done, None, None]]
"""Judges blocks, and gives each as soon as it is done or left to others; may show on the bar what is under way."""


def here(judge: Judge, work: Work, unread: Counter[Unread]) -> Judging:
    """Judge blocks in this process, one after another."""

    def judged(
        manifest: Manifest, blocks: Sequence[Block], parts: Parts, bar: tqdm[Any]
    ) -> Generator[Done, None, None]:
        del manifest, bar
        for block in blocks:
            yield Done(block.number, work.do(block, parts, judge, lambda _, what: unread.update((what,))))

    return judged


def scan_blocks(
    folder: Path,
    asked: Asked,
    find: Callable[[], Iterable[ImageRef]],
    how: BlockOptions,
    judging: Judging,
    output: OutputOptions,
) -> tuple[Stats, bool]:
    """Judge the chosen blocks, but for those that are done; gives what all of them amount to, and whether all are done.

    Those that other runs are at, as many as may be, are left to these. `find` lists the images; it is called where no
    other process did that before.
    """
    watch_preemption()
    part = how.part()
    manifest = agree(folder, asked, lambda: cut(_once([ref.path for ref in find()]), how.block_size))
    if isinstance(part, Listed) and part.last >= manifest.blocks:
        raise UsageError(f"there is no block {part.last}: there are {manifest.blocks:,}", "they are numbered from 0 on")
    mine = [block for block in manifest.plan_in(folder) if part.takes(block.number)]
    parts = Parts(folder, manifest.ending)
    parts.begin()
    if output.overwrite:
        withdraw_summary(folder)
        for block in mine:
            parts.forget(block.number)
    done = parts.done()
    left = [block for block in mine if block.number not in done]
    stats, count, others = Stats(), len(mine) - len(left), list[int]()
    if count:
        say("resumed", f"{count:,} of {_blocks(mine)} done already", "bold cyan")
        for block in mine:
            if block.number in done:
                stats.add_all(parts.count(block.number))
    hidden = output.quiet or not sys.stderr.isatty()
    try:
        with (
            tqdm(total=len(mine), initial=count, unit="block", disable=hidden, dynamic_ncols=True) as bar,
            contextlib.closing(judging(manifest, left, parts, bar)) as judged,
        ):
            for each in judged:
                if each.stats is None:
                    others.append(each.number)
                    continue
                stats.add_all(each.stats)
                count += 1
                bar.update()
    except KeyboardInterrupt:
        say("interrupted", f"{count:,} of {_blocks(mine)} done; run the same command again to go on", "bold yellow")
        raise
    done = parts.done()
    for number in done.intersection(others):  # they ended meanwhile
        stats.add_all(parts.count(number))
    if elsewhere := sorted(set(others) - done):
        words = f"blocks {as_list(elsewhere)}, which they are judging; `imagejudge merge` tells whether they did"
        say("left to other runs", words, "bold yellow")
    return stats, not elsewhere


def _once(paths: Sequence[str]) -> list[str]:
    """The paths without members whose shard is named as well: they are judged with it."""
    shards = set(filter(is_shard, paths))
    return [path for path in paths if not shards or shard_of(path) not in shards]


def _blocks(mine: Sequence[Block]) -> str:
    return f"{len(mine):,} block{'s' if len(mine) != 1 else ''} of this process"
