"""From options to everything a scan needs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator
from functools import cache, partial
from typing import Any

from imagejudge import models
from imagejudge.cli.console import beside_progress, warn
from imagejudge.cli.image_options import ImageOptions
from imagejudge.cli.options import CacheOptions, ChosenRules, ModelOptions, RuleOptions, WriterOptions
from imagejudge.cli.probe_options import ProbeOptions
from imagejudge.cli.settings_file import Settings
from imagejudge.constitution import (
    Constitution,
    find_constitution,
    load_constitution,
    select_rules,
    shipped_constitutions,
)
from imagejudge.engine.base import Engine
from imagejudge.engine.process import EngineProcess
from imagejudge.engine.process import Limits as EngineLimits
from imagejudge.errors import UsageError
from imagejudge.images.read import Limits as ImageLimits
from imagejudge.judge.answer_cache import Cache, default_folder
from imagejudge.judge.embedder import Embedder, VectorSource, embedding_plan
from imagejudge.judge.engines import ENGINE, ModelChoice, hashed_files, model_digest, model_label
from imagejudge.judge.judge import Judge


@contextlib.contextmanager
def prepared(
    rules: RuleOptions,
    model: ModelOptions,
    images: ImageOptions,
    cache_options: CacheOptions,
    settings: Settings = Settings(),  # noqa: B008 - frozen
    *,
    probes: ProbeOptions = ProbeOptions(),  # noqa: B008 - frozen
    ignored: Callable[[str], Collection[str]] | None = None,
    quiet: bool = False,
) -> Iterator[Judge]:
    """Set up a scan; nothing is loaded yet but the rules. Unless `quiet`, says what the model is for.

    `ignored` gives rules that are not applied to the file at a path, in the place of the settings.
    """
    make = recipe(rules, model, images, cache_options, settings, probes)
    how: dict[str, Any] = {"ignored": ignored} if ignored else {}
    with make(warn=warn, notify=_silent if quiet else beside_progress, **how) as judge:
        if judge.files.name == models.BUILTIN and not quiet:
            warn(models.BUILTIN_NOTE)
        yield judge


def recipe(
    rules: RuleOptions,
    model: ModelOptions,
    images: ImageOptions,
    cache_options: CacheOptions,
    settings: Settings = Settings(),  # noqa: B008 - frozen
    probes: ProbeOptions = ProbeOptions(),  # noqa: B008 - frozen
) -> partial[Judge]:
    """What makes the `Judge` of a scan, here or in another process: it can be pickled."""
    return partial(
        Judge,
        _whole(rules, settings),
        select=rules.select,
        ignore=rules.ignore,
        model=model_choice(model),
        method=rules.as_method(),
        image_limits=images.limits(),
        engine_limits=engine_limits(model),
        keep_answers=not cache_options.no_cache,
        cache_folder=cache_options.cache_dir,
        ignored=settings.ignored,
        settings=ignore_settings(settings),
        **probes.for_judge(),
    )


def ignore_settings(settings: Settings) -> dict[str, str | int]:
    """For the verdict line: which rules are not applied to some files."""
    return {"per_path_ignores": settings.ignores_digest} if settings.ignores else {}


def load_rules(rules: ChosenRules, settings: Settings = Settings()) -> Constitution:  # noqa: B008 - frozen
    """The constitution, with the rules that were chosen; says where the settings name rules that it does not have."""
    return select_rules(_whole(rules, settings), rules.select, rules.ignore)


def _whole(rules: ChosenRules, settings: Settings) -> Constitution:
    if rules.constitution is None:
        names = ", ".join(path.stem for path in shipped_constitutions())
        raise UsageError(
            "no constitution was chosen", f"name a TOML file or a shipped one with --constitution: {names}"
        )
    constitution = load_constitution(find_constitution(rules.constitution))
    for remark in settings.unknown(constitution):
        _warn_once(remark)
    return constitution


@cache
def _warn_once(message: str) -> None:
    """Of rules that a command loads twice, and perhaps for another constitution: no mistake, but worth a look."""
    warn(message)


@contextlib.contextmanager
def open_cache(options: CacheOptions) -> Iterator[Cache]:
    """The answers cache; whatever goes wrong with it is said at once."""
    cache = Cache(None if options.no_cache else options.cache_dir or default_folder(), warn)
    try:
        yield cache
    finally:
        cache.close()


@contextlib.contextmanager
def prepared_embedder(
    model: ModelOptions, limits: ImageLimits, cache_options: CacheOptions, *, quiet: bool
) -> Iterator[tuple[Embedder, VectorSource]]:
    """What gives vectors, and what they come from; the model is not loaded before one is not known."""
    choice = model_choice(model)
    files = choice.files()
    with open_cache(cache_options) as kept:
        hashed = hashed_files(files, kept)
        digest = model_digest(hashed)
        spec = choice.spec(files, digest)
        label = model_label(files, digest)
        engines = choice.engines(spec, hashed, engine_limits(model), _silent if quiet else beside_progress)
        with contextlib.closing(Embedder(embedding_plan(label, spec.key, limits), kept, engines)) as embedder:
            yield embedder, VectorSource(label, digest, spec.settings)


def model_choice(options: ModelOptions) -> ModelChoice:
    """The model these options choose."""
    return ModelChoice(
        options.model,
        options.mmproj,
        options.box_style,
        options.prompt_style,
        options.chat_template,
        image_max_tokens=options.image_max_tokens,
        image_min_tokens=options.image_min_tokens,
        ctx=options.ctx,
        workers=options.workers,
        gpus=_gpus(options.gpus),
        main_gpu=options.main_gpu,
        gpu_layers=options.gpu_layers,
        threads=options.threads,
        extra_bufts=options.extra_bufts,
    )


def engine_limits(options: ModelOptions) -> EngineLimits:
    """What these options allow an engine."""
    return EngineLimits(
        seconds=options.timeout,
        memory=_bytes(options.memory_limit),
        pictures=options.recycle,
        load_seconds=options.load_timeout,
    )


def make_writer(options: WriterOptions) -> Engine:
    """An engine that writes text and sees nothing."""
    engine = {
        "model": str(models.resolve_writer(options.model)),
        "chat_template": options.chat_template and models.read_template(options.chat_template),
        "gpu_layers": options.gpu_layers,
        "main_gpu": options.main_gpu,
        "threads": options.threads,
        "ctx": options.ctx,
        "extra_bufts": options.extra_bufts,
    }
    limits = EngineLimits(
        seconds=options.timeout, memory=_bytes(options.memory_limit), load_seconds=options.load_timeout
    )
    return EngineProcess(ENGINE, engine, limits, beside_progress)


def _silent(message: str) -> None:
    """Say nothing."""


def _bytes(gigabytes: float | None) -> int | None:
    return None if gigabytes is None else int(gigabytes * 1e9)


def _gpus(option: str | None) -> tuple[int, ...] | None:
    if option is None:
        return None
    try:
        numbers = tuple(int(number) for number in option.split(","))
        if min(numbers) < 0:
            raise ValueError
    except ValueError as error:
        raise UsageError(
            f"--gpus {option} is not a list of numbers from 0 on", "write for example --gpus 0,1"
        ) from error
    return numbers
