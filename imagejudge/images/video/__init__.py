"""Videos as sampled frames. FFmpeg, by way of PyAV (an extra), decodes them in a process of its own."""

from __future__ import annotations

from functools import cache
from typing import Final

from imagejudge.common.extras import how_to_install

INSTALL: Final = how_to_install("video")
"""What makes videos readable."""


@cache
def pyav() -> str | None:
    """The version of PyAV; None where the extra is not installed."""
    from importlib.metadata import PackageNotFoundError, version  # which takes a while, and most runs need it not

    try:
        return version("av")
    except PackageNotFoundError:
        return None
