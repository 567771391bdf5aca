"""Command-line options about how files become pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from imagejudge.errors import UsageError
from imagejudge.images.read import Limits

_NEAREST = "sampling"
"""In a context's `meta`: which option decides the frames of videos, and where it was set."""


def _alone(ctx: typer.Context, parameter: typer.CallbackParam, value: Any) -> Any:
    """Let one of the options with this callback decide: the command line's; otherwise that of the settings file."""
    source = ctx.get_parameter_source(parameter.name or "")
    if source is None or source.name == "DEFAULT":
        return value
    name, where = f"--{(parameter.name or '').replace('_', '-')}", source.name
    other, there = ctx.meta.setdefault(_NEAREST, (name, where))  # the command line is read first
    if other == name:
        return value
    if there == where:
        raise UsageError(f"{other} and {name} exclude each other", "give one of them")
    return parameter.default


@dataclass(frozen=True, slots=True)
class ImageOptions:
    """How files become pictures."""

    frames: Annotated[
        int,
        typer.Option(metavar="N", min=1, max=64, help="Frames to sample from an animation.", rich_help_panel="Images"),
    ] = 4
    every: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            min=0.01,
            max=86_400,
            callback=_alone,
            help="Seconds between the frames that are judged of a video, at most 600.",
            rich_help_panel="Images",
        ),
    ] = 1.0
    video_frames: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            max=600,
            callback=_alone,
            help="Judge so many frames of a video instead, evenly spread. [default: by --every]",
            rich_help_panel="Images",
        ),
    ] = None
    scenes: Annotated[
        bool,
        typer.Option(
            "--scenes",
            callback=_alone,
            help="Judge a frame of each scene of a video instead, and one in 3 seconds of a long one.",
            rich_help_panel="Images",
        ),
    ] = False
    max_bytes: Annotated[
        int, typer.Option(metavar="N", min=1, help="Largest file to read, in bytes.", rich_help_panel="Images")
    ] = 100_000_000
    max_pixels: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, help="Largest picture to decode, width times height.", rich_help_panel="Images"
        ),
    ] = 100_000_000

    def limits(self) -> Limits:
        """What these options allow one file."""
        return Limits(self.max_bytes, self.max_pixels, self.frames, self.every, self.video_frames, self.scenes)
