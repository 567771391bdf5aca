"""`imagejudge convert`: verdicts for other tools."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from imagejudge.cli.console import say, warn
from imagejudge.cli.named_files import refuse_existing, refuse_to_overwrite
from imagejudge.cli.options import grouped
from imagejudge.cli.verdict_file import ChoiceOptions, Verdicts, opened
from imagejudge.common.atomic_write import replacing
from imagejudge.common.text import counted
from imagejudge.errors import UsageError
from imagejudge.output.interchange import LOCAL_FILES, LeftOut, fiftyone, labelling_view, metadata, tasks
from imagejudge.output.recalled import recalled
from imagejudge.output.writing import writing
from imagejudge.verdict import Verdict


class Tool(StrEnum):
    """What reads the result."""

    HUGGINGFACE = "huggingface"
    LABEL_STUDIO = "label-studio"
    FIFTYONE = "fiftyone"


@grouped
def convert(
    verdicts: Verdicts,
    *,
    tool: Annotated[Tool, typer.Option("--to", help="What reads it.")],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="huggingface: metadata.jsonl in the images' folder; label-studio: a .json file; fiftyone: a folder.",
        ),
    ],
    image_prefix: Annotated[
        str, typer.Option(metavar="ADDRESS", help="For label-studio: what an image's address begins with.")
    ] = LOCAL_FILES,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that are there.")] = False,
    choice: ChoiceOptions,
) -> None:
    """Write verdicts for other tools, which read them as labels or predictions.

    \b
    imagejudge convert verdicts.jsonl --to huggingface -o photos/metadata.jsonl
    imagejudge convert verdicts.jsonl --to label-studio -o tasks.json
    imagejudge convert verdicts.jsonl --to fiftyone -o labels
    """
    refuse_to_overwrite([verdicts], output=output)
    left_out = LeftOut()
    with opened(verdicts) as lines:
        takes = choice.choice(lines).takes

        def chosen() -> Iterable[Verdict]:
            return filter(takes, lines)

        if tool is Tool.HUGGINGFACE:
            if output.name != "metadata.jsonl":
                raise UsageError("datasets reads a file of this name alone", "name it metadata.jsonl")
            files: dict[Path, Iterator[str]] = {output: metadata(chosen(), output.absolute().parent, left_out)}
        elif tool is Tool.LABEL_STUDIO:
            if output.suffix == ".xml":
                raise UsageError(f"{output} is where the view goes", "name a .json file for the tasks")
            view = labelling_view(rule.id for rule in recalled(lines).rules)
            files = {output: tasks(chosen(), image_prefix, left_out), output.with_suffix(".xml"): iter([view])}
        else:
            with writing(output, "name another folder with -o"):
                output.mkdir(parents=True, exist_ok=True)
            files = {output / name: parts for name, parts in fiftyone(chosen, left_out).items()}
        for path in files:
            refuse_to_overwrite([verdicts], output=path)
            refuse_existing(path, overwrite=overwrite)
        for path, parts in files.items():
            with (
                writing(path, "name another place with -o"),
                replacing(path) as fresh,
                fresh.open("w", encoding="utf-8") as stream,
            ):
                stream.writelines(parts)
            say("written", str(path), "bold green")
    for why, count in left_out.items():
        warn(f"{counted(count, 'image')} {why} left out")
