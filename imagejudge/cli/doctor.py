"""`imagejudge doctor`: what can run here."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from importlib.metadata import version

from rich.table import Table

from imagejudge import __version__
from imagejudge.cli.config_options import Config, Isolated
from imagejudge.cli.console import beside_progress, console
from imagejudge.cli.factory import engine_limits, model_choice, open_cache
from imagejudge.cli.options import CacheOptions, ModelOptions, grouped
from imagejudge.common.text import printable
from imagejudge.errors import ModelError
from imagejudge.judge.acceptance import Acceptance, accept
from imagejudge.judge.answering import HINT
from imagejudge.judge.engines import hashed_files, model_digest, model_label

_LIBRARIES = ("llama-cpp-python", "pillow", "numpy", "pydantic", "typer")


@grouped
def doctor(*, model: ModelOptions, cache: CacheOptions, isolated: Isolated = False, config: Config = None) -> None:
    """Show what can run here, and try a model.

    Versions, what llama.cpp finds on this machine and what was decided from it. With --model, the model is tried: how
    it is asked, how it answers about a red heart and without an image, a box, a reasoning, the seconds and the memory
    of it all. Exits with 2 when it cannot judge.
    """
    from imagejudge.engine import llama

    del isolated, config  # they have had their effect

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("imagejudge", __version__)
    table.add_row("Python", f"{platform.python_version()} on {platform.platform()}")
    table.add_row("libraries", ", ".join(f"{name} {version(name)}" for name in _LIBRARIES))
    _add_rows(table, llama.describe())
    try:
        if model.model is not None:
            _add_model(table, model, cache)
    finally:  # what was found out by then helps to see what is wrong
        console(sys.stdout, wrap=True).print(table)


def _add_model(table: Table, options: ModelOptions, cache_options: CacheOptions) -> None:
    choice = model_choice(options)
    files = choice.files()
    with open_cache(cache_options) as cache:
        hashed = hashed_files(files, cache)
    digest = model_digest(hashed)
    template = "its file's own" if files.chat_template is None else f"{len(files.chat_template):,} characters, given"
    *text, encoder = (f"{file.path} ({file.state.stamp.size / 1e6:,.1f} MB, SHA-256 {file.digest})" for file in hashed)
    rows = {
        "model": model_label(files, digest),
        "asked in the style": files.prompt_style.label,
        "chat template": template,
        "boxes in the style": files.box_style or "none: it is not asked where things are",
        "text model": "; ".join(text),
        "image encoder": encoder,
    }
    _add_rows(table, rows)
    spec = choice.spec(files, digest)
    found = Acceptance()
    try:
        with choice.engines(spec, hashed, engine_limits(options), beside_progress)[0] as engine:
            for step in accept(engine, spec.abilities):
                found = step
    finally:  # what was found out by then helps to see what is wrong
        _add_rows(table, found.findings)
    fit = "it can judge: it answers Yes or No, and sees what it is shown"
    _add_rows(table, {"verdict": "; ".join(found.troubles) or fit})
    if found.troubles:
        raise ModelError(found.troubles[0], HINT)


def _add_rows(table: Table, rows: Mapping[str, str]) -> None:
    for title, text in rows.items():
        table.add_row(title, printable(text))
