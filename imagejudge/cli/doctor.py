"""`imagejudge doctor`: what can run here."""

from __future__ import annotations

import platform
import sys
import time
from importlib.metadata import version

from rich.table import Table

from imagejudge import __version__, models
from imagejudge.cli.config_options import Config, Isolated
from imagejudge.cli.console import beside_progress, console
from imagejudge.cli.factory import engine_limits, model_choice, open_cache
from imagejudge.cli.options import CacheOptions, ModelOptions, grouped
from imagejudge.errors import EngineFailure, ModelError
from imagejudge.images.picture import Picture
from imagejudge.judge.answering import check_answers
from imagejudge.judge.engines import model_digest, model_label
from imagejudge.prompts import visible

_PROBES = ("A person is visible.", "An animal is visible.", "A knife is visible.")
"""What is asked without an image."""
_LIBRARIES = ("llama-cpp-python", "pillow", "numpy", "pydantic", "typer")


@grouped
def doctor(*, model: ModelOptions, cache: CacheOptions, isolated: Isolated = False, config: Config = None) -> None:
    """Show what can run here, and time a question.

    Versions, what llama.cpp finds on this machine and what was decided from it; with --model, the model's digests and
    how long it takes to look and to answer.
    """
    from imagejudge.engine import llama

    del isolated, config  # they have had their effect

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("imagejudge", __version__)
    table.add_row("Python", f"{platform.python_version()} on {platform.platform()}")
    table.add_row("libraries", ", ".join(f"{name} {version(name)}" for name in _LIBRARIES))
    for title, text in llama.describe().items():
        table.add_row(title, text)
    try:
        if model.model is not None:
            _add_model(table, model, cache)
    finally:  # what was found out by then helps to see what is wrong
        console(sys.stdout, wrap=True).print(table)


def _add_model(table: Table, options: ModelOptions, cache_options: CacheOptions) -> None:
    choice = model_choice(options)
    files = choice.files()
    with open_cache(cache_options) as cache:
        digest = model_digest(files, cache)
    table.add_row("model", model_label(files, digest))
    table.add_row("asked in the style", files.prompt_style)
    table.add_row("boxes in the style", files.box_style or "none: it is not asked where things are")
    for title, path in (("text model", files.model), ("image encoder", files.mmproj)):
        table.add_row(title, f"{path} ({path.stat().st_size / 1e6:,.1f} MB, SHA-256 {models.file_digest(path)})")
    with choice.engines(choice.spec(files, digest), engine_limits(options), beside_progress)[0] as engine:
        try:
            started = time.perf_counter()
            view = engine.view(Picture(64, 64, bytes(64 * 64 * 3)))
            seen = time.perf_counter()
            first = view.ask([visible("A person is visible.")])[0]
            again = time.perf_counter()
            answers = [first, *view.ask([visible("An animal is visible.")])]
            ended = time.perf_counter()
            blank = engine.view(None).ask([visible(words) for words in _PROBES])
        except EngineFailure as failure:
            raise ModelError(f"the model failed its first question: {failure.message}") from failure
    table.add_row("load and first look", f"{seen - started:.2f} s, at a black square")
    said = f"p(Yes) {first.p_yes:.2f}" if first.measured else "unmeasured"
    table.add_row("first question", f"{again - seen:.3f} s, {said}, off-mass {first.off_mass:.3f}")
    table.add_row("next question", f"{ended - again:.3f} s")
    try:
        check_answers(blank, "without an image")
        check_answers(answers, "about a black square")
    except ModelError as error:
        table.add_row("answers", error.message)
        raise
    table.add_row("answers", "Yes or No, with an image and without")
