"""`imagejudge review`: the page of `report`, served while it is needed."""

from __future__ import annotations

import contextlib
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from imagejudge.cli.console import say
from imagejudge.cli.named_files import refuse_to_overwrite
from imagejudge.cli.options import grouped
from imagejudge.cli.report import NoImages, Rules, gathered
from imagejudge.cli.signals import Stopped
from imagejudge.cli.verdict_file import STDIN, ChoiceOptions, Verdicts, name_of
from imagejudge.common.existing import is_file
from imagejudge.common.text import counted
from imagejudge.errors import UsageError
from imagejudge.images.read import Limits
from imagejudge.output.decision_file import DecisionFile
from imagejudge.output.report.page import Origin, Pictures
from imagejudge.output.report.server import HOST, ReviewServer


@grouped
def review(
    verdicts: Verdicts,
    *,
    choice: ChoiceOptions,
    decisions: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write decisions here, after those that are there. [default: for verdicts.jsonl, "
            "verdicts.decisions.jsonl]",
        ),
    ] = None,
    port: Annotated[int, typer.Option(metavar="N", min=0, max=65535, help="Port; 0: any that is free.")] = 0,
    open_: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    no_images: NoImages = False,
    constitution: Rules = None,
) -> None:
    """Serve the page of `report` on this machine, until Ctrl-C.

    Its address, which only who started it knows, goes to standard output. Pictures are made when they come into view,
    and each decision is on the disk before the page calls it saved.
    """
    if decisions is None and verdicts == STDIN:
        raise UsageError("decisions about standard input need a file", "name it with --decisions")
    file = decisions or decisions_beside(verdicts)
    refuse_to_overwrite([verdicts, constitution], decisions=file)
    found, digest = gathered(verdicts, choice, constitution)
    with contextlib.closing(DecisionFile(file)) as made:
        pictures = Pictures.NONE if no_images else Pictures.SERVED
        origin = Origin(name_of(verdicts), digest, served=True)
        try:
            server = ReviewServer(port, found, origin, pictures, made, Limits())
        except OSError as error:
            raise UsageError(f"port {port} of {HOST} cannot be used: {error.strerror}", "choose another") from error
        with server:
            typer.echo(server.address)
            if open_:
                webbrowser.open(server.address)
            say("serving", f"until Ctrl-C; decisions go to {file}", "bold cyan")
            try:
                server.serve_forever()
            except Stopped:
                raise
            except KeyboardInterrupt:
                say("ended", f"{counted(len(made), 'decision')} in {file}", "bold green")


def decisions_beside(verdicts: str) -> Path:
    """Where decisions about a file of verdicts are kept if nobody says; the page gives its downloads the same name."""
    before = Path(f"{verdicts}.decisions.jsonl")  # as it was called once: what is there goes on
    return before if is_file(before) else Path(f"{verdicts.removesuffix('.jsonl')}.decisions.jsonl")
