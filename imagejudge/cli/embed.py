"""`imagejudge embed`: images as vectors."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from imagejudge.cli.config_options import Config, Isolated
from imagejudge.cli.console import say, warn
from imagejudge.cli.factory import prepared_embedder
from imagejudge.cli.find_options import FindOptions, Paths, Search
from imagejudge.cli.image_options import ImageOptions
from imagejudge.cli.named_files import refuse_existing, refuse_to_overwrite
from imagejudge.cli.option_names import with_options
from imagejudge.cli.options import CacheOptions, ModelOptions, grouped
from imagejudge.common.text import counted
from imagejudge.images.names import is_shard
from imagejudge.judge.embedder import Embedded
from imagejudge.output.embeddings import check_name, write_embeddings


@grouped
def embed(
    paths: Paths = None,
    *,
    search: FindOptions,
    image_options: ImageOptions,
    model: ModelOptions,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write there, once all is there: a Parquet table (.parquet) or JSON Lines (.jsonl).",
            rich_help_panel="Output",
        ),
    ],
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file of -o.", rich_help_panel="Output")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress, no summary.", rich_help_panel="Output")
    ] = False,
    cache: CacheOptions,
    isolated: Isolated = False,
    config: Config = None,
) -> None:
    """Write what a model's image encoder makes of images, as vectors: for duplicates, maps and search.

    One vector for each sampled frame. No rules are needed, and the language model is asked nothing. Vectors are kept
    like answers, so that a run that was stopped continues where it was.
    """
    del isolated, config  # they have had their effect
    check_name(output)
    refuse_existing(output, overwrite=overwrite)
    refuse_to_overwrite([*(paths or []), search.files_from, *model.files], output=output)
    looking = Search(paths or [], search)
    refs = looking.find()
    count = None if any(is_shard(ref.path) for ref in refs) else len(refs)
    limits = image_options.limits()
    with prepared_embedder(model, limits, cache, quiet=quiet) as (embedder, source):
        source = dataclasses.replace(
            source, settings={**source.settings, "frames": limits.frames, **limits.video_settings}
        )
        with contextlib.closing(embedder.run(looking.images(refs, limits))) as images:
            tally = Tally()
            write_embeddings(tally.of(images, count, quiet=quiet), output, source)
    if refs:
        looking.expect_some(tally.images)
    tally.end(looking.passed_over, quiet=quiet)


@dataclasses.dataclass(slots=True)
class Tally:
    """How many images there were, and how many failed."""

    images: int = 0
    vectors: int = 0
    failed: int = 0

    def of(self, images: Iterable[Embedded], count: int | None, *, quiet: bool) -> Iterator[Embedded]:
        """The same images, counted, with a bar on a terminal and messages that name options."""
        for image in tqdm(images, total=count, unit="image", disable=quiet or None, dynamic_ncols=True, smoothing=0.1):
            self.images += 1
            self.vectors += len(image.frames)
            if image.error is None:
                yield image
                continue
            self.failed += 1
            message = with_options(image.error.message)
            yield dataclasses.replace(image, error=image.error.model_copy(update={"message": message}))

    def end(self, passed_over: Iterable[str], *, quiet: bool) -> None:
        """Say what was done, and leave with 2 where an image failed."""
        if not quiet:
            say(
                "embedded",
                f"{counted(self.images - self.failed, 'image')} in {counted(self.vectors, 'vector')}",
                "bold green",
            )
            for words in passed_over:
                say("passed over", words, "yellow")
        if self.failed:
            warn(f"{counted(self.failed, 'image')} could not be embedded: the column `error` says why")
            raise typer.Exit(2)
