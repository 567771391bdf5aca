"""Command-line options about scans that many processes share."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Annotated

import typer

from imagejudge.blocks.plan import IMAGES, Listed, Shard, listed, shard
from imagejudge.errors import UsageError


@dataclass(frozen=True, slots=True)
class BlockOptions:
    """Which part of a scan this process does, into the folder of -o."""

    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            help="Judge part I of N (from 0 on) into the folder of -o. auto: as a SLURM array says.",
            rich_help_panel="Many machines",
        ),
    ] = None
    blocks: Annotated[
        str | None,
        typer.Option(
            metavar="3,17,40-52",
            help="Judge these blocks into the folder of -o; with --overwrite also those that are done.",
            rich_help_panel="Many machines",
        ),
    ] = None
    block_size: Annotated[
        int,
        typer.Option(metavar="N", min=1, max=1_000_000, help="Images of a block.", rich_help_panel="Many machines"),
    ] = IMAGES

    @property
    def wanted(self) -> bool:
        """Whether the scan is one of blocks."""
        return self.shard is not None or self.blocks is not None

    def part(self) -> Shard | Listed:
        """Which blocks this process does. Raises `UsageError` for what is no choice."""
        if self.shard is not None and self.blocks is not None:
            raise UsageError("--shard and --blocks both say which blocks are judged", "leave out one of them")
        return listed(self.blocks) if self.blocks is not None else shard(self.shard or "", os.environ)
