"""Command-line options about which images are looked for, and the search that they ask for."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from imagejudge.cli.console import warn
from imagejudge.common.open_input import open_input
from imagejudge.common.text import printable
from imagejudge.common.text_file import reading
from imagejudge.errors import UsageError
from imagejudge.images.find import find_images, read_list
from imagejudge.images.names import HOW_TO_JUDGE, PLURALS, Unread, shard_of
from imagejudge.images.read import Limits
from imagejudge.images.ref import ImageRef
from imagejudge.images.shards import expand
from imagejudge.images.signed import name_of

STDIN = "-"

Paths = Annotated[
    list[str] | None,
    typer.Argument(metavar="PATH", help="Files, folders (searched recursively), or - for a list on stdin."),
]


@dataclass(frozen=True, slots=True)
class FindOptions:
    """Which images are looked for."""

    files_from: Annotated[
        Path | None,
        typer.Option(
            metavar="LIST", help="Read paths from this file (- for stdin), one a line.", rich_help_panel="Images"
        ),
    ] = None
    null: Annotated[
        bool,
        typer.Option("-0", "--null", help="Paths in the list end with NUL, not newline.", rich_help_panel="Images"),
    ] = False
    exclude: Annotated[
        list[str] | None,
        typer.Option(metavar="GLOB", help="Skip what matches, as in .gitignore. Repeatable.", rich_help_panel="Images"),
    ] = None
    respect_gitignore: Annotated[bool, typer.Option(help="Skip what git ignores.", rich_help_panel="Images")] = True
    force_exclude: Annotated[
        bool, typer.Option("--force-exclude", help="Also skip files that were named.", rich_help_panel="Images")
    ] = False
    allow_empty: Annotated[
        bool,
        typer.Option("--allow-empty", help="Finding no image is no failure.", rich_help_panel="Images"),
    ] = False


class Search:
    """The search for what was named, and what it passed over. Raises `UsageError` where nothing was named."""

    def __init__(self, paths: Sequence[str], options: FindOptions) -> None:
        if not paths and options.files_from is None:
            raise UsageError("no images were named", "give files or folders, or - for a list on standard input")
        if options.null and options.files_from is None and STDIN not in paths:
            raise UsageError(
                "-0 is about how a list ends its paths, and there is no list", "add - or --files-from LIST"
            )
        self._allow_empty = options.allow_empty
        # An endless list may be of one path.
        self.named = list(_by_name(_named(paths, options.files_from, options.null)))
        """Paths as given; addresses without their signatures."""
        self.patterns: dict[str, Any] = {
            "exclude": options.exclude or [],
            "respect_gitignore": options.respect_gitignore,
            "force_exclude": options.force_exclude,
        }
        """Arguments of `find_images`."""
        self.unread = Counter[Unread]()
        """What may hold images and was not looked at."""

    def pass_over(self, _: str, what: Unread) -> None:
        """Count what may hold images and is not looked at."""
        self.unread[what] += 1

    @property
    def passed_over(self) -> list[str]:
        """What was counted, in words."""
        return [
            f"{count:,} {PLURALS[what] if count > 1 else what}; {HOW_TO_JUDGE[what]}"
            for what, count in self.unread.items()
        ]

    def find(self) -> list[ImageRef]:
        """The files to open. Raises `UsageError` where there are none, unless that was allowed."""
        refs = list(find_images(self.named, **self.patterns, warn=warn, passed_over=self.pass_over))
        if not refs:
            self.expect_some(0)
            warn("no images were found")
        return refs

    def images(
        self,
        refs: Sequence[ImageRef],
        limits: Limits,
        *,
        done: AbstractSet[str] = frozenset(),
        keep_fields: Collection[str] = (),
    ) -> Iterator[ImageRef]:
        """Each image once: those in shards as well, but for members that are `done`. See `shards.expand`."""
        named_alone = {ref.path for ref in refs if shard_of(ref.path)}  # though their shard may be named, too
        return expand(refs, limits, done=done | named_alone, passed_over=self.pass_over, keep_fields=keep_fields)

    def expect_some(self, images: int) -> None:
        """Raise `UsageError` where there were none and that was not allowed: what was not looked at must not pass."""
        if not images and not self._allow_empty:
            for words in self.passed_over:
                warn(f"passed over: {words}")
            raise UsageError("no images were found", "check what was named, or allow it with --allow-empty")


def _by_name(paths: Iterable[str]) -> dict[str, str]:
    """What is named, without signatures. Raises `UsageError` where that makes one of two."""
    found: dict[str, str] = {}
    for path in paths:
        name = name_of(path)
        if found.setdefault(name, path) != path:
            problem = f"{printable(name)} is named with two queries (what follows ?), of which verdicts have none"
            raise UsageError(problem, "scan one after the other, into files of their own")
    return found


def _named(paths: Sequence[str], files_from: Path | None, null: bool) -> Iterator[str]:
    for path in paths:
        if path == STDIN:
            yield from read_list(sys.stdin.buffer, null)
        else:
            yield path
    if str(files_from) == STDIN:
        yield from read_list(sys.stdin.buffer, null)
    elif files_from is not None:
        problem = f"the list {files_from} cannot be read"
        with reading(files_from, UsageError, "check --files-from", problem=problem), open_input(files_from) as listed:
            yield from read_list(listed, null)
