"""The public way to judge: a model that stays loaded, and whatever is to be judged by it."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from imagejudge.constitution import Constitution, find_constitution, load_constitution, select_rules
from imagejudge.engine.process import EngineProcess
from imagejudge.engine.process import Limits as EngineLimits
from imagejudge.errors import ModelError, UsageError
from imagejudge.images.encode import as_png
from imagejudge.images.find import find_images
from imagejudge.images.names import HOW_TO_JUDGE, Unread, is_shard
from imagejudge.images.read import Limits as ImageLimits
from imagejudge.images.ref import ImageRef
from imagejudge.images.shards import expand
from imagejudge.images.signed import name_of
from imagejudge.judge.answer_cache import Cache, default_folder
from imagejudge.judge.clue import Method
from imagejudge.judge.engines import ModelChoice, hashed_files, model_digest, model_label, world_of
from imagejudge.judge.gate import Gate, usable
from imagejudge.judge.plan import Plan, judging_settings
from imagejudge.judge.probe import Probes
from imagejudge.judge.probe_file import read_probes
from imagejudge.judge.scanner import Scanner
from imagejudge.verdict import Verdict

if TYPE_CHECKING:
    from imagejudge.images.encode import PillowImage

_LOG = logging.getLogger("imagejudge")


class Judge:
    """Judges images by one constitution with one model, which is loaded at the first question and then kept.

    Use it in a `with` statement, or call `close`: its engines are processes. It does one thing at a time: a scan must
    have ended, or its iterator be closed, before the next call. Raises `ConstitutionError` for rules that are wrong,
    `ModelError` for a model that is not there or does not load or answer, `UsageError` for a call that makes no sense.
    """

    def __init__(
        self,
        constitution: Constitution | str | os.PathLike[str],
        *,
        model: ModelChoice | str | None = None,
        select: Sequence[str] = (),
        ignore: Sequence[str] = (),
        method: Method = Method(),  # noqa: B008 - frozen
        image_limits: ImageLimits = ImageLimits(),  # noqa: B008 - frozen
        engine_limits: EngineLimits = EngineLimits(),  # noqa: B008 - frozen
        keep_answers: bool = True,
        cache_folder: str | os.PathLike[str] | None = None,
        probe: Probes | str | os.PathLike[str] | None = None,
        skip_below: float | None = None,
        audit: float = 0.0,
        ignored: Callable[[str], Collection[str]] = lambda path: (),
        settings: Mapping[str, str | int] | None = None,
        warn: Callable[[str], None] = _LOG.warning,
        notify: Callable[[str], None] = _LOG.info,
    ) -> None:
        """Read the rules and find the model's files; the model is not loaded yet.

        The constitution is one that was loaded, a TOML file, or the name of a shipped one; `select` and `ignore` name
        rules or categories of it. `ignored` gives rules, by id or category, that are not applied to the file at a path;
        `settings` says so in verdicts. Answers are kept in `cache_folder` (None: the user's cache folder), or with
        `keep_answers=False` nowhere. With the probes of `probe`, or of the file it names, a rule is not asked about an
        image where its probe says "certainly not": so rarely wrongly that `skip_below`, in (0, 1), of what is violated
        is still asked about. The share `audit` of images, in [0, 1], is asked in full all the same. `warn` hears what
        may be wrong, `notify` that loading takes long.
        """
        self.choice = model if isinstance(model, ModelChoice) else ModelChoice(model)
        self._limits = engine_limits
        self._warn, self._notify = warn, notify
        self._busy = threading.Lock()
        self._running: Generator[Verdict, None, None] | None = None
        self._closed = False
        whole = _loaded(constitution)
        rules = select_rules(whole, select, ignore)
        self.files = self.choice.files()
        self.cache = Cache(_folder(cache_folder) if keep_answers else None, warn)
        try:
            self.hashed = hashed_files(self.files, self.cache)
            digest = model_digest(self.hashed)
            self.spec = self.choice.spec(self.files, digest)
            label = model_label(self.files, digest)
            world = world_of(self.files, self.hashed)
            gate = None
            if probe is not None:
                probes = probe if isinstance(probe, Probes) else read_probes(Path(probe))
                probes.check_model(label, digest, self.spec.settings)
                probes.check_method(method)
                probes, remarks = usable(probes, rules, whole)
                for remark in remarks:
                    warn(remark)
                gate = Gate.of(probes, skip_below, audit)
            elif skip_below is not None or audit:
                raise UsageError(
                    "there are no probes to leave rules to",
                    "name the file that `imagejudge distill` wrote with `probe`",
                )
            self.plan = Plan(
                constitution=rules,
                method=method,
                model=label,
                answers=self.spec.key,
                limits=image_limits,
                abilities=self.spec.abilities,
                settings={
                    **self.spec.settings,
                    "frames": image_limits.frames,
                    **image_limits.video_settings,
                    **judging_settings(settings or {}),
                    **(world.settings if world else {}),
                    **(gate.settings if gate else {}),
                },
                gate=gate,
                world=world,
                ignored=ignored,
            )
            self.engines = self._new_engines()
            self._scanner = Scanner(self.plan, self.cache, self.engines)
        except BaseException:
            self.cache.close()
            raise

    @property
    def constitution(self) -> Constitution:
        """The rules that are judged by."""
        return self.plan.constitution

    def judge(
        self, image: str | os.PathLike[str] | bytes | bytearray | memoryview | PillowImage, *, name: str | None = None
    ) -> Verdict:
        """The verdict on one image: a file, the bytes of one, or a picture of Pillow's, which is judged as PNG.

        A file that cannot be judged gives a verdict too, `error`. Bytes and pictures have no path: their verdict's
        `path` is `name`.
        """
        ref = _ref(image, name)
        if ref.data is None and is_shard(ref.path):
            raise UsageError(
                f"{ref.path} holds many images", "use `scan`, or name one of them: the path, `::`, its name"
            )
        (verdict,) = self.judge_all([ref])
        return verdict

    def scan(
        self,
        paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
        *,
        exclude: Sequence[str] = (),
        respect_gitignore: bool = True,
        force_exclude: bool = False,
        keep_fields: Collection[str] = (),
    ) -> Iterator[Verdict]:
        """One verdict for each image in files, folders and shards, in a stable order, as the command `scan` finds them.

        Close the iterator to stop early: what the engines are at is given up, and the next call loads the model again.
        """
        given = [paths] if isinstance(paths, str | os.PathLike) else paths

        def passed_over(path: str, what: Unread) -> None:
            if what is not Unread.OTHER:
                self._warn(f"{path}: {what} passed over; {HOW_TO_JUDGE[what]}")

        refs = find_images(
            [os.fspath(path) for path in given],
            exclude=exclude,
            respect_gitignore=respect_gitignore,
            force_exclude=force_exclude,
            warn=self._warn,
            passed_over=passed_over,
        )
        return self.judge_all(expand(refs, self.plan.limits, passed_over=passed_over, keep_fields=keep_fields))

    def judge_all(self, refs: Iterable[ImageRef]) -> Generator[Verdict, None, None]:
        """One verdict for each image, those in shards included, in order.

        Members of one shard that are named one after another come in that of the shard, and each of them once.
        """
        if self._closed:
            raise UsageError("this Judge is closed", "make another one")
        if not self._busy.acquire(blocking=False):
            raise UsageError(
                "this Judge is at work on another scan",
                "take all verdicts of that first, or close its iterator, or use a second Judge",
            )
        try:
            if self._scanner.closed:  # by a scan that was stopped early
                self.engines = self._new_engines()
                self._scanner = Scanner(self.plan, self.cache, self.engines)
            self._running = self._scanner.run(expand(refs, self.plan.limits))
            try:
                yield from self._running
            except ModelError:
                if not self._closed:  # a closed engine neither loads nor answers without an image
                    raise
            if self._closed:
                raise UsageError("this Judge was closed before its scan had ended", "take all verdicts first")
        finally:
            self._running = None
            self._busy.release()

    def _new_engines(self) -> list[EngineProcess]:
        return self.choice.engines(self.spec, self.hashed, self._limits, self._notify)

    def close(self) -> None:
        """End the engines, and a scan that is under way; may be called twice."""
        self._closed = True
        try:
            if self._running is not None:
                with contextlib.suppress(ValueError):  # another thread waits in it, and gets what closed engines give
                    self._running.close()
            self._scanner.close()
        finally:
            self.cache.close()

    def __enter__(self) -> Judge:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _loaded(constitution: Constitution | str | os.PathLike[str]) -> Constitution:
    if isinstance(constitution, Constitution):
        return constitution
    if isinstance(constitution, str):
        return load_constitution(find_constitution(constitution))
    return load_constitution(Path(constitution))


def _folder(folder: str | os.PathLike[str] | None) -> Path:
    return default_folder() if folder is None else Path(folder)


def _ref(image: object, name: str | None) -> ImageRef:
    if isinstance(image, str | os.PathLike):
        if name is not None:
            raise UsageError("a file has its path for a name", "leave `name` out, or give the file's bytes")
        return ImageRef(name_of(os.fspath(image)))
    if isinstance(image, bytes | bytearray | memoryview):
        return ImageRef("<bytes>" if name is None else name, bytes(image))
    return ImageRef("<image>" if name is None else name, as_png(image))
