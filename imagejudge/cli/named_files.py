"""What a command is told to read and to write: nothing is lost by naming one file for two purposes."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable
from pathlib import Path

from imagejudge.common.existing import exists, is_file, is_same
from imagejudge.errors import UsageError


def refuse_to_overwrite(read: Iterable[str | Path | None], **written: Path | None) -> None:
    """Raise `UsageError` where what is written, by the name of its option, is read, or is written by two options."""
    inputs = [each for each in read if each is not None and is_file(each)]
    outputs = {_option(name): file for name, file in written.items() if file is not None}
    for option, file in outputs.items():
        if any(is_same(file, each) for each in inputs):
            raise UsageError(f"{option} names a file that is read", "name another one")
    for (one, file), (other, another) in itertools.combinations(outputs.items(), 2):
        if is_same(file, another) or os.path.realpath(file) == os.path.realpath(another):
            raise UsageError(f"{one} and {other} name the same place", "name another one")


def refuse_existing(file: Path, option: str = "output", *, overwrite: bool | None = None) -> None:
    """Raise `UsageError` where something is there already. `overwrite`: what the option of that name says, if any."""
    if not overwrite and (exists(file) or file.is_symlink()):
        replaced = "" if overwrite is None else ", or replace it with --overwrite"
        raise UsageError(f"{file} is there already", f"name another file with {_option(option)}{replaced}")


def _option(name: str) -> str:
    return "-o" if name == "output" else f"--{name.replace('_', '-')}"
