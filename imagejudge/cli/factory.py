"""From options to everything a scan needs."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from imagejudge import models
from imagejudge.cli.console import beside_progress, warn
from imagejudge.cli.options import CacheOptions, ImageOptions, ModelOptions, RuleOptions, WriterOptions
from imagejudge.cli.settings_file import Settings
from imagejudge.common import system
from imagejudge.constitution import (
    Constitution,
    find_constitution,
    load_constitution,
    select_rules,
    shipped_constitutions,
)
from imagejudge.engine.base import Engine
from imagejudge.engine.process import EngineProcess, Limits
from imagejudge.engine.spec import CONTEXT, EngineSpec
from imagejudge.errors import UsageError
from imagejudge.images.decode import DECODE_VERSION
from imagejudge.images.read import Limits as SourceLimits
from imagejudge.judge.answer_cache import Cache, default_folder
from imagejudge.judge.clue import ARITHMETIC
from imagejudge.judge.plan import Plan
from imagejudge.prompts import DIRECT

ENGINE = "imagejudge.engine.llama:load_engine"
IMAGE_TOKENS = 1024


@dataclass(frozen=True, slots=True)
class Setup:
    """A plan, where its answers are kept, and the engines to answer with."""

    plan: Plan
    cache: Cache
    engines: list[EngineProcess]
    spec: EngineSpec
    """What the engines are."""


@contextlib.contextmanager
def prepared(
    rules: RuleOptions,
    model: ModelOptions,
    images: ImageOptions,
    cache_options: CacheOptions,
    settings: Settings = Settings(),  # noqa: B008 - frozen
    *,
    quiet: bool = False,
) -> Iterator[Setup]:
    """Set up a scan; nothing is loaded yet but the rules. Unless `quiet`, says what the model is for."""
    constitution = load_rules(rules)
    files = model_files(model)
    if files.name == models.BUILTIN and not quiet:
        warn(models.BUILTIN_NOTE)
    with open_cache(cache_options) as cache:
        digest = model_digest(files, cache)
        spec = engine_spec(files, digest, model)
        plan = Plan(
            constitution=constitution,
            method=rules.as_method(),
            model=model_label(files, digest),
            answers=spec.key,
            limits=SourceLimits(bytes=images.max_bytes, pixels=images.max_pixels, frames=images.frames),
            abilities=spec.abilities,
            settings={**spec.settings, "frames": images.frames, **rule_settings(settings)},
            ignored=settings.ignored,
        )
        yield Setup(plan, cache, make_engines(spec, model, quiet=quiet), spec)


def rule_settings(settings: Settings) -> dict[str, str | int]:
    """What decides verdicts on given answers, besides constitution and method, for the verdict line."""
    ignores = {"per_path_ignores": settings.ignores_digest} if settings.ignores else {}
    return {"arithmetic": ARITHMETIC, **ignores}


def load_rules(rules: RuleOptions) -> Constitution:
    """The constitution, with the rules that were chosen."""
    if rules.constitution is None:
        names = ", ".join(path.stem for path in shipped_constitutions())
        raise UsageError(
            "no constitution was chosen", f"name a TOML file or a shipped one with --constitution: {names}"
        )
    whole = load_constitution(find_constitution(rules.constitution))
    return select_rules(whole, rules.select, rules.ignore)


@contextlib.contextmanager
def open_cache(options: CacheOptions) -> Iterator[Cache]:
    """The answers cache; whatever goes wrong with it is said at once."""
    cache = Cache(None if options.no_cache else options.cache_dir or default_folder(), warn)
    try:
        yield cache
    finally:
        cache.close()


def model_files(options: ModelOptions) -> models.ModelFiles:
    """The files of the model that was chosen."""
    return models.resolve_model(options.model, options.mmproj, options.box_style, options.prompt_style)


def model_label(files: models.ModelFiles, digest: str) -> str:
    """What verdicts name the model by: its name, the start of its digest, and in whose words it is asked."""
    style = "" if files.prompt_style == DIRECT else f"+{files.prompt_style}"
    return f"{files.name}@{digest[:12]}{style}"


def engine_spec(files: models.ModelFiles, digest: str, options: ModelOptions) -> EngineSpec:
    """The model as these options run it: each of them resolved, here and nowhere else."""
    return EngineSpec(
        model=str(files.model),
        mmproj=str(files.mmproj),
        digest=digest,
        box_style=files.box_style,
        prompt_style=files.prompt_style,
        image_max_tokens=options.image_max_tokens or files.image_tokens or IMAGE_TOKENS,
        ctx=options.ctx or CONTEXT,
        gpu_layers=options.gpu_layers,
        main_gpu=options.main_gpu,
        threads=options.threads,
        extra_bufts=options.extra_bufts,
        decoder=DECODE_VERSION,
    )


def model_digest(files: models.ModelFiles, cache: Cache) -> str:
    """The model's digest."""
    return models.whole_digest(file_digests(files, cache))


def file_digests(files: models.ModelFiles, cache: Cache) -> list[str]:
    """Of text model and image encoder; a large file is read once and then known by its size and time of change."""
    digests = []
    for path in (files.model, files.mmproj):
        digest = cache.file_digest(path)
        if digest is None:
            digest = models.file_digest(path)
            cache.keep_file_digest(path, digest)
        digests.append(digest)
    return digests


def make_engines(spec: EngineSpec, options: ModelOptions, *, quiet: bool = False) -> list[EngineProcess]:
    """One engine for each GPU named, or as many as asked for on one device. Unless `quiet`, says if loading is slow."""
    limits = Limits(
        seconds=options.timeout,
        memory=_bytes(options.memory_limit),
        pictures=options.recycle,
        load_seconds=options.load_timeout,
    )
    gpus = _gpus(options)
    notify = _silent if quiet else beside_progress
    threads = spec.threads
    if threads is None and len(gpus) > 1:
        threads = max(1, system.threads() // len(gpus))
    each = (dataclasses.replace(spec, main_gpu=gpu, threads=threads) for gpu in gpus)
    return [EngineProcess(ENGINE, one.options, limits, notify) for one in each]


def make_writer(options: WriterOptions) -> Engine:
    """An engine that writes text and sees nothing."""
    engine = {
        "model": str(models.resolve_writer(options.model)),
        "gpu_layers": options.gpu_layers,
        "main_gpu": options.main_gpu,
        "threads": options.threads,
        "ctx": options.ctx,
        "extra_bufts": options.extra_bufts,
    }
    limits = Limits(seconds=options.timeout, memory=_bytes(options.memory_limit), load_seconds=options.load_timeout)
    return EngineProcess(ENGINE, engine, limits, beside_progress)


def _silent(message: str) -> None:
    """Say nothing."""


def _bytes(gigabytes: float | None) -> int | None:
    return None if gigabytes is None else int(gigabytes * 1e9)


def _gpus(options: ModelOptions) -> list[int]:
    if options.gpus is None:
        return [options.main_gpu] * options.workers
    try:
        numbers = [int(number) for number in options.gpus.split(",")]
        if min(numbers) < 0:
            raise ValueError
    except ValueError as error:
        raise UsageError(
            f"--gpus {options.gpus} is not a list of numbers from 0 on", "write for example --gpus 0,1"
        ) from error
    return numbers
