"""`imagejudge report`: verdicts as one page, on which a person looks and decides."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated, TypeVar
from urllib.parse import quote

import typer
from tqdm import tqdm

from imagejudge.cli.console import say, warn
from imagejudge.cli.named_files import PAGE, refuse_foreign, refuse_to_overwrite
from imagejudge.cli.options import grouped
from imagejudge.cli.verdict_file import ChoiceOptions, Verdicts, name_of, opened
from imagejudge.common.atomic_write import replacing
from imagejudge.common.text import counted
from imagejudge.constitution import find_constitution, load_constitution, shipped_constitutions
from imagejudge.errors import UsageError
from imagejudge.images.read import Limits
from imagejudge.output.report.page import Origin, Pictures, page
from imagejudge.output.report.records import Records, records
from imagejudge.output.report.thumbnails import MOST, MOST_LINKED, inlined, linked, made
from imagejudge.output.writing import writing

T = TypeVar("T")

Rules = Annotated[
    str | None,
    typer.Option(
        "--constitution",
        "-c",
        metavar="NAME|FILE",
        help="What the verdicts are by, for texts and thresholds of its rules. Those that are shipped are known.",
    ),
]

NoImages = Annotated[bool, typer.Option("--no-images", help="No pictures: no image is opened.")]


@grouped
def report(
    verdicts: Verdicts,
    *,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Write the page here.")],
    choice: ChoiceOptions,
    thumbnails: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write thumbnails here, up to 50,000, instead of into the page."),
    ] = None,
    no_images: NoImages = False,
    constitution: Rules = None,
) -> None:
    """Make one page of verdicts, on which a person looks at what was found and decides.

    It needs nothing but a browser. The worst images come first; up to 5,000 thumbnails, or 50 MB of them, are in it.
    Decisions are kept in the browser, and downloaded as JSON Lines.
    """
    if thumbnails is not None and no_images:
        raise UsageError("--thumbnails and --no-images contradict each other", "leave out one of them")
    refuse_to_overwrite([verdicts, constitution], output=output, thumbnails=thumbnails)
    refuse_foreign(output, PAGE)
    found, digest = gathered(verdicts, choice, constitution)
    here = output.resolve().parent
    folder = "" if thumbnails is None else _address(thumbnails.resolve(), here)
    origin = Origin(name_of(verdicts), digest, root=_address(Path.cwd(), here), folder=folder)
    pictures = Pictures.NONE if no_images else Pictures.INLINE if thumbnails is None else Pictures.LINKED
    shown: Counter[bool] = Counter()
    with (
        writing(output, "name another file with `output`"),
        replacing(output) as fresh,
        fresh.open("w", encoding="utf-8") as file,
        closing(_thumbnails(found, pictures, thumbnails)) as lines,
    ):
        file.writelines(page(found, origin, pictures, _counted(lines, shown)))
    say("written", f"{counted(len(found.rows), 'image')} in {output}", "bold green")
    if found.left_out:
        left_out = counted(found.left_out, "image is", "images are")
        warn(f"it holds the worst; {left_out} left out: choose some with --only")
    if missing := shown[False]:
        warn(f"{counted(missing, 'image')} without a thumbnail: the page says why")
    if not no_images and (beyond := len(found.rows) - shown.total()):
        hint = "" if thumbnails else ": --thumbnails DIR has room for 50,000"
        warn(f"the worst have thumbnails, {counted(beyond, 'image is', 'images are')} left out{hint}")


def gathered(verdicts: str, choice: ChoiceOptions, constitution: str | None) -> tuple[Records, str]:
    """What a page tells of a file of verdicts, and the file's SHA-256."""
    named = [find_constitution(constitution)] if constitution else []
    written = [load_constitution(path) for path in (*named, *shipped_constitutions())]
    with opened(verdicts) as lines:
        found = records(_progress(lines, "verdict"), choice=choice.choice(lines), constitutions=written)
        digest = lines.sha256()
    if not found.overview.images:
        warn(f"there are no verdicts in {verdicts}")
    if named and not any(rule.get("text") == each.text for rule in found.rules for each in written[0].rules):
        warn(f"the verdicts are not by {constitution} as it is now: it tells nothing about them")
    return found, digest


def _thumbnails(found: Records, pictures: Pictures, folder: Path | None) -> Generator[str, None, None]:
    """Lines for the page; closing ends the threads that make them."""
    if pictures is Pictures.NONE:
        return
    with closing(made(found.subjects, Limits(), MOST if folder is None else MOST_LINKED)) as each:
        shown = _progress(each, "thumbnail", len(found.subjects))
        if folder is None:
            yield from inlined(shown)
        else:
            with writing(folder, "name another folder with --thumbnails"):
                folder.mkdir(parents=True, exist_ok=True)
                yield from linked(shown, found.subjects, folder)


def _counted(lines: Iterable[str], shown: Counter[bool]) -> Iterator[str]:
    for line in lines:
        shown[not line.startswith("!")] += 1
        yield line


def _progress(items: Iterable[T], unit: str, total: int | None = None) -> Iterator[T]:
    return iter(tqdm(items, unit=unit, total=total, disable=not sys.stderr.isatty(), dynamic_ncols=True, leave=False))


def _address(path: Path, page: Path) -> str:
    """Of a folder, as seen from the page's folder; empty for that folder itself."""
    try:
        way = os.path.relpath(path, page)
    except ValueError:  # on another drive
        return f"{path.as_uri()}/"
    return "" if way == "." else f"{quote(os.fsencode(Path(way).as_posix()))}/"
