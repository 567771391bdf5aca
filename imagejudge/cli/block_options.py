"""Command-line options about scans that many processes share."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import typer

from imagejudge.blocks.plan import IMAGES, Listed, Shard, listed, shard
from imagejudge.cli.options import ModelOptions
from imagejudge.errors import UsageError


class PartFormat(StrEnum):
    """How the verdicts of a block are written."""

    JSONL = "jsonl"
    GZIP = "jsonl.gz"
    ZSTD = "jsonl.zst"
    PARQUET = "parquet"


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

    part_format: Annotated[
        PartFormat, typer.Option(help="How blocks are written.", rich_help_panel="Many machines")
    ] = PartFormat.JSONL
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Judge all blocks on a Ray cluster: local (this machine), auto, or HOST:PORT.",
            rich_help_panel="Many machines",
        ),
    ] = None
    actors: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            max=100_000,
            help="With --ray: engines. [default: as many as there is room for]",
            rich_help_panel="Many machines",
        ),
    ] = None
    cpus_per_actor: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, max=512, help="With --ray: CPU threads of each.", rich_help_panel="Many machines"
        ),
    ] = 1
    gpus_per_actor: Annotated[
        float,
        typer.Option(
            metavar="N", min=0, max=64, help="With --ray: GPUs of each, such as 0.5.", rich_help_panel="Many machines"
        ),
    ] = 0.0

    @property
    def wanted(self) -> bool:
        """Whether the scan is one of blocks."""
        return self.shard is not None or self.blocks is not None or self.ray is not None

    def on_actor(self, model: ModelOptions) -> ModelOptions:
        """The model as an actor runs it: Ray shows it its own GPUs alone, but all cores."""
        if model.gpus is not None or model.main_gpu:
            raise UsageError("--gpus and --main-gpu are not for actors", "use --gpus-per-actor")
        return dataclasses.replace(model, threads=model.threads or self.cpus_per_actor)

    def part(self) -> Shard | Listed:
        """Which blocks this process does. Raises `UsageError` for what is no choice."""
        if self.shard is not None and (self.blocks is not None or self.ray is not None):
            other = "--ray" if self.blocks is None else "--blocks"
            raise UsageError(f"--shard and {other} both say which blocks are judged", "leave out one of them")
        if self.blocks is not None:
            return listed(self.blocks)
        return Shard(0, 1) if self.shard is None else shard(self.shard, os.environ)
