"""What becomes of a write that fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from imagejudge.errors import OutputError


@contextmanager
def writing(name: object, hint: str) -> Iterator[None]:
    """Make an `OutputError` with this hint of what goes wrong while `name` is written.

    A reader that went away is no such failure: `BrokenPipeError` passes.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"{name} cannot be written: {error.strerror or error}", hint) from error
