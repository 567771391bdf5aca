"""`imagejudge cache`: look at the kept answers, or forget them."""

from __future__ import annotations

import typer

from imagejudge.cli.factory import open_cache
from imagejudge.cli.help import Command
from imagejudge.cli.options import CacheDir, CacheOptions
from imagejudge.common.text import counted, printable
from imagejudge.errors import OutputError

app = typer.Typer(
    help="Look at the answers that are kept, or forget them.", no_args_is_help=True, rich_markup_mode=None
)


@app.command("info", cls=Command)
def info(cache_dir: CacheDir = None) -> None:
    """Where answers are kept, and how many."""
    with open_cache(CacheOptions(cache_dir=cache_dir)) as opened:
        known = opened.info()
    typer.echo(f"path     {printable(known.path)}")
    typer.echo(f"size     {known.bytes / 1e6:,.1f} MB")
    typer.echo(f"answers  {known.answers:,}")
    typer.echo(f"images   {known.images:,}")
    typer.echo(f"models   {known.models:,}")


@app.command("clear", cls=Command)
def clear(cache_dir: CacheDir = None) -> None:
    """Forget all answers. Verdicts that were written stay as they are."""
    with open_cache(CacheOptions(cache_dir=cache_dir)) as opened:
        answers = opened.info().answers
        cleared = opened.clear()
    if not cleared:
        raise OutputError("the answers cache could not be cleared", "wait for other scans, or delete its folder")
    typer.echo(f"forgot {counted(answers, 'answer')}")
