"""`imagejudge filter`: new shards with only what passed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from imagejudge.cli.console import say, warn
from imagejudge.cli.outcomes import outcomes
from imagejudge.cli.verdict_file import Verdicts, opened
from imagejudge.common.atomic_write import replacing
from imagejudge.common.existing import is_folder, is_same
from imagejudge.common.text import counted, printable
from imagejudge.errors import UsageError
from imagejudge.images.find import find_images
from imagejudge.images.names import ARROW_ENDINGS, INSTALL_SHARDS, PARQUET_ENDINGS, is_shard
from imagejudge.images.remote import is_address
from imagejudge.images.shards import can_read
from imagejudge.output.filtering.outcome import OTHER, Filtered, Records, made_of
from imagejudge.output.filtering.table import filter_table
from imagejudge.output.filtering.tar import filter_tar
from imagejudge.output.filtering.told import ToldOfShards
from imagejudge.output.packing import Packing
from imagejudge.output.writing import writing
from imagejudge.verdict import Outcome

_INSTEAD = "name another folder with -o"


def filter(  # noqa: A001 - the name of the command
    verdicts: Verdicts,
    paths: Annotated[list[str], typer.Argument(metavar="SHARD", help="Shards, and folders that hold some.")],
    *,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="DIR", help="A folder for the new shards: same names, in the same subfolders."
        ),
    ],
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="VERDICT",
            help="What passes: safe, unsure, unsafe. Repeatable, or with commas between. [default: safe]",
        ),
    ] = None,
    allow_unjudged: Annotated[
        bool, typer.Option("--allow-unjudged", help="Leave out images without a verdict, and do not fail for them.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace shards made of other verdicts.")] = False,
) -> None:
    """Write new shards that hold only the samples all of whose images passed.

    Every member keeps its bytes, and each sample gets what is said of it as KEY.verdict.json. An image passes if its
    bytes are those that were judged. Run the same command again after it was stopped: shards that are done stay.

    \b
    imagejudge scan shards -c stickers --model builtin -o verdicts.jsonl
    imagejudge filter verdicts.jsonl shards -o passed
    """
    wanted = sorted(set(outcomes(only or ()) or [Outcome.SAFE]))
    if Outcome.ERROR in wanted:
        raise UsageError("images that could not be judged do not pass", "leave out --only error")
    shards = _shards(paths, output)
    with writing(output, _INSTEAD):
        output.mkdir(parents=True, exist_ok=True)
    records = Records(output)
    total, broken = Filtered(), 0
    with opened(verdicts) as lines, tempfile.TemporaryFile() as file:
        told = ToldOfShards(lines, list(shards), file)
        for shard, name in shards.items():
            found = _one(shard, name, output, told, wanted, records, allow_unjudged=allow_unjudged, overwrite=overwrite)
            _add(total, found)
            if found.broken:
                broken += 1
                taken = "nothing" if shard.lower().endswith(PARQUET_ENDINGS) else "what comes before"
                warn(f"{printable(shard)} is broken at {found.broken}; {taken} was taken")
    _sum_up(total, allow_unjudged=allow_unjudged)
    if broken:
        raise typer.Exit(2)


def _shards(paths: Sequence[str], output: Path) -> dict[str, str]:
    """The shards that are named or found, and where in `output` each new one goes.

    Raises `UsageError` where they cannot be filtered, or not into `output`.
    """
    if any(map(is_address, paths)):
        raise UsageError(
            "what lies in a network cannot be filtered", "download the shards, and scan them there: answers are kept"
        )
    found = [ref.path for ref in find_images(paths, warn=warn)]
    others = [path for path in found if not is_shard(path)]
    if others:
        raise UsageError(
            _no_shards(others),
            "name the shards alone; `imagejudge apply VERDICTS --copy DIR --only safe` copies files that passed",
        )
    root, made = _common_folder(paths), os.path.abspath(output)  # noqa: PTH100 - keeps links, as below
    shards: dict[str, str] = {}
    for shard in found:
        name = os.path.relpath(shard, root)
        if is_same(shard, output / name):
            raise UsageError(f"{printable(shard)} would be written over", "name another folder with -o")
        if shard not in paths and Path(os.path.abspath(shard)).is_relative_to(made):  # noqa: PTH100
            continue  # an earlier run made it
        if shard.lower().endswith(ARROW_ENDINGS):
            raise UsageError(f"{printable(shard)} cannot be filtered", "save the data set as Parquet")
        if not can_read(shard):
            raise UsageError(f"{printable(shard)} cannot be read", INSTALL_SHARDS)
        shards[shard] = name
    if not shards:
        raise UsageError("no shards were found", "name tars, or a folder that holds some")
    return shards


def _no_shards(files: Sequence[str]) -> str:
    if len(files) == 1:
        return f"{printable(files[0])} is no shard"
    return f"{printable(files[0])} and {len(files) - 1:,} more of what is named or found are no shards"


def _common_folder(paths: Sequence[str]) -> str:
    """The deepest folder that holds all that is named; a folder that is named may be this itself."""
    named = map(os.path.abspath, paths)
    try:
        return os.path.commonpath([path if is_folder(path) else os.path.dirname(path) for path in named])  # noqa: PTH120
    except ValueError:  # drives of Windows
        raise UsageError("the shards have no folder in common", "filter them drive by drive") from None


def _one(
    shard: str,
    name: str,
    output: Path,
    told: ToldOfShards,
    only: Sequence[Outcome],
    records: Records,
    *,
    allow_unjudged: bool,
    overwrite: bool,
) -> Filtered:
    target = output / name
    try:
        ingredients = made_of(shard, told.digest(shard), only)
    except OSError as error:
        raise UsageError(f"{printable(shard)} cannot be read: {error.strerror}", "check its name") from error
    if (done := _done(name, target, ingredients, records, overwrite=overwrite)) is not None:
        return done
    with writing(target.parent, _INSTEAD):
        target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with writing(printable(target), _INSTEAD), records.open(name) as record:
            if (done := _done(name, target, ingredients, records, overwrite=overwrite)) is not None:
                return done  # another process made it meanwhile
            with replacing(target, locked=True) as fresh:
                if shard.lower().endswith(PARQUET_ENDINGS):
                    found = filter_table(shard, fresh, told.of(shard), only)
                else:
                    found = filter_tar(shard, fresh, Packing.named(target), told.of(shard), only)
                if (found.unjudged and not allow_unjudged) or (found.broken and not found.samples):
                    raise _NotWritten(found)
                record.keep(ingredients, found, fresh)
    except _NotWritten as refused:
        if refused.found.unjudged:
            say(
                "not written",
                f"{printable(name)}: {counted(refused.found.unjudged, 'image')} without a verdict",
                "bold red",
            )
        return refused.found
    say("written", f"{printable(name)}: {_kept(found)}", "bold green")
    return found


def _done(name: str, target: Path, ingredients: str, records: Records, *, overwrite: bool) -> Filtered | None:
    """What became of a shard that need not be filtered again. Raises `UsageError` where another one has its place."""
    if (done := records.find(name, ingredients)) is not None:
        say("done", f"{printable(name)} already: {_kept(done)}", "bold cyan")
    elif target.exists() and not overwrite:
        raise UsageError(
            f"{printable(target)} was not made of these verdicts and this shard",
            "name another folder with -o, or replace it with --overwrite",
        )
    return done


class _NotWritten(Exception):  # noqa: N818 - takes back one shard
    def __init__(self, found: Filtered) -> None:
        super().__init__()
        self.found = found


def _kept(found: Filtered) -> str:
    return f"{found.kept:,} of {found.samples:,} samples kept"


def _add(total: Filtered, found: Filtered) -> None:
    total.samples += found.samples
    total.kept += found.kept
    total.left_out += found.left_out
    total.unjudged += found.unjudged


def _sum_up(total: Filtered, *, allow_unjudged: bool) -> None:
    for why, count in total.left_out.most_common():
        say(
            "left out",
            f"{count:,} members of no sample" if why == OTHER else f"{counted(count, 'sample')} {why}",
            "yellow",
        )
    say("filtered", _kept(total), "bold green")
    if total.unjudged and not allow_unjudged:
        raise UsageError(
            f"{counted(total.unjudged, 'image')} without a verdict, and shards that hold one are not written",
            "scan them with -o, or leave them out with --allow-unjudged",
        )
