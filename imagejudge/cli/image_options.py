"""Command-line options about how files become pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from imagejudge.images.read import Limits


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
            help="Judge so many frames of a video instead, evenly spread. [default: by --every]",
            rich_help_panel="Images",
        ),
    ] = None
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
        return Limits(self.max_bytes, self.max_pixels, self.frames, self.every, self.video_frames)
