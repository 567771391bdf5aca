"""What a command is told to read and to write: nothing is lost by naming one file for two purposes, or a wrong one."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from imagejudge.common.existing import exists, is_file, is_folder, is_same
from imagejudge.errors import UsageError

PAGE: Final = re.compile(rb'<!doctype html>.{,200}<meta name="generator" content="imagejudge">', re.DOTALL)
"""How every page begins."""
FIGURES: Final = re.compile(rb'\{\s*"schema": \d+,\s*"made": "')
"""How the figures of an evaluation begin."""
PREDICTIONS: Final = re.compile(rb'\{"name": "(?:[^"\\]|\\.)*", "unsafe": (?:true|false), "rules": \[')
"""How what an evaluation says of each image begins."""
DISTILLED: Final = re.compile(rb'\{\s*"origin": \{\s*"model": "')
"""How the figures of probes begin."""
_BEGINNING: Final = 2**16
"""Bytes of a file that are looked at: more than a path in JSON takes."""


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


def refuse_foreign(file: Path | None, own: re.Pattern[bytes], option: str = "output") -> None:
    """Raise `UsageError` where a file is there already, unless it is empty or begins as the command's `own` do.

    Those are made again. What goes into a pipe or a device replaces nothing.
    """
    if file is None or not is_file(file):
        return
    with suppress(OSError), file.open("rb") as there:
        beginning = there.read(_BEGINNING)
        if not beginning or own.match(beginning):
            return
    refuse_existing(file, option)


def refuse_pipe(name: str | None, why: str = "") -> None:
    """Raise `UsageError` for what gives its content once, before it is read; `why` says what needs it again."""
    if name is not None and exists(name) and not (is_file(name) or is_folder(name)):
        problem = f"{name} is no file, and is read more than once {why}".rstrip()
        raise UsageError(problem, "save what it holds to a file, and name that file")


def _option(name: str) -> str:
    return "-o" if name == "output" else f"--{name.replace('_', '-')}"
