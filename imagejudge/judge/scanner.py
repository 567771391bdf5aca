"""The loop: from image files to verdicts, in order, one each. The only module that knows all the others.

Files are read and decoded ahead in threads; each engine has a thread that judges; whoever iterates gets the verdicts
and is the only writer.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, TypeAlias

from imagejudge import __version__
from imagejudge.common.crash_log import CrashLog
from imagejudge.common.prefetch import made_ahead, prefetch
from imagejudge.engine.allowance import room_hint
from imagejudge.engine.base import Answer, Engine, View
from imagejudge.errors import EngineFailure, ImageJudgeError, ModelError
from imagejudge.images.decode import DECODE_VERSION, Decoded, decode_image
from imagejudge.images.find import ImageRef
from imagejudge.images.picture import Picture
from imagejudge.images.read import Source, Stamp, Unreadable, given_image, read_image, stamp_now
from imagejudge.judge.answer_cache import Cache
from imagejudge.judge.answering import PROVED, check_answers, check_verdicts
from imagejudge.judge.cached_view import AnswerKey, CachedView, ImageAnswers, Stopwatch, frame_part
from imagejudge.judge.clue import Inquiry, inquire, questions_of
from imagejudge.judge.plan import Plan
from imagejudge.judge.summary import Summary, summarise
from imagejudge.prompts import Question
from imagejudge.verdict import Failure, FileStamp, Ground, ImageFacts, Outcome, RuleResult, Timing, Verdict

_BLANK = "blank"
"""Stands for the image where there is none, in the answers cache."""
_WAITING = 400_000_000  # bytes of the pictures that wait for an engine
_RANK = {Outcome.SAFE: 0, Outcome.UNSURE: 1, Outcome.UNSAFE: 2}


@dataclass(frozen=True, slots=True)
class _Frame:
    """One sampled frame; `picture` decodes it, if that was not done yet."""

    index: int
    picture: Callable[[], Picture]
    ground: Ground | None


_Look: TypeAlias = Callable[[_Frame, Sequence[Question]], View]
"""Opens a view of a frame, with what it will be asked first."""


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A file that can be judged."""

    ref: ImageRef
    sha256: str
    stamp: Stamp | None
    facts: ImageFacts
    frames: tuple[_Frame, ...]
    memory: ImageAnswers
    seconds: float
    held: int
    """Bytes of the frames that are decoded already."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A file about which nothing is left to ask: what follows from the answers is worked out while engines go on."""

    item: _Prepared
    inquiries: Mapping[int, Inquiry]
    """By the index of the frame."""
    watch: Stopwatch
    failure: EngineFailure | None


@dataclass(frozen=True, slots=True)
class _FrameResult:
    index: int
    rules: tuple[RuleResult, ...]
    summary: Summary

    @property
    def badness(self) -> tuple[int, int]:
        return _RANK[self.summary.outcome], len(self.summary.violations)


class Scanner:
    """Judges images by one plan with one or more engines, which stay open for the next scan until `close`.

    An engine is only used for answers that the cache lacks. Raises `ModelError` when an engine cannot start.
    """

    def __init__(self, plan: Plan, cache: Cache, engines: Sequence[Engine]) -> None:
        self._plan = plan
        self._cache = cache
        self._engines = engines
        self.closed = False
        self._idle: queue.SimpleQueue[Engine] = queue.SimpleQueue()
        for engine in engines:
            self._idle.put(engine)
        self._priors: Mapping[Question, Answer] = {}
        self._crashes = CrashLog()
        self._blank = cache.load(plan.answers, _BLANK)
        """What is known of the model beside any image."""

    def scan(self, refs: Iterable[ImageRef]) -> Generator[Verdict, None, None]:
        """One verdict for each image, in order. To stop early, close the iterator, which closes the engines too."""
        workers = len(self._engines)
        decoding = ThreadPoolExecutor(max(2, workers), "decode")
        asking = ThreadPoolExecutor(workers, "ask")
        prepared = made_ahead(decoding, self._prepare, refs, 2 * workers + 2, _bytes_held, _WAITING)
        try:
            for asked in prefetch(lambda item: self._begin(asking, item), self._primed(prepared), workers):
                verdict = self._finished(asked) if isinstance(asked, _Asked) else asked
                self._check_first(verdict)
                yield verdict
        except BaseException:
            self.close()  # a thread that waits for an engine then gets its failure at once
            raise
        finally:
            prepared.close()  # its threads may wait for room
            for pool in (decoding, asking):
                pool.shutdown(wait=False, cancel_futures=True)

    def close(self) -> None:
        """Close the engines, also while they answer."""
        self.closed = True
        for engine in self._engines:
            engine.close()

    def _primed(self, prepared: Iterable[_Prepared | Verdict]) -> Iterator[_Prepared | Verdict]:
        """Measure the priors before the first image that can be judged."""
        for item in prepared:
            if isinstance(item, _Prepared) and not self._priors and self._plan.method.needs_priors:
                self._priors = self._measure_priors()
            yield item

    def _measure_priors(self) -> dict[Question, Answer]:
        """Ask every question with no image, all at once: the answers must not depend on which image came first."""
        questions = questions_of(self._plan.constitution)
        blank = CachedView(self._blank, _BLANK, partial(self._engines[0].view, None), Stopwatch(), self._plan.abilities)
        try:
            answers = blank.ask(questions)
        except EngineFailure as failure:
            raise ModelError(
                f"the model could not be asked without an image: {failure.message}",
                "`imagejudge doctor` shows what the machine can do",
            ) from failure
        self._cache.save(self._plan.answers, _BLANK, self._blank)
        check_answers(answers, "without an image")
        return dict(zip(questions, answers, strict=True))

    def _check_first(self, verdict: Verdict) -> None:
        """The first image about which anything was asked tells whether the model answers, once for all runs.

        Later ones do not: one image that nothing can be said of is unsure, also where a run goes on with it.
        """
        if PROVED not in self._blank.known and check_verdicts([verdict], f"about the first image, {verdict.path},"):
            self._blank.add(PROVED, True)
            self._cache.save(self._plan.answers, _BLANK, self._blank)

    def _prepare(self, ref: ImageRef) -> _Prepared | Verdict:
        """Make a file ready to be judged. Whatever goes wrong with it costs this file alone."""
        try:
            return self._read(ref)
        except ImageJudgeError:
            raise
        except Exception as error:
            return self._error(ref, None, self._internal(ref, error))

    def _internal(self, ref: ImageRef, error: Exception) -> EngineFailure:
        """What nobody foresaw, as a failure of one file."""
        if isinstance(error, MemoryError) or room_hint(str(error)) is not None:
            hint = room_hint() or "end other programs, or use a machine with more memory"
            return EngineFailure(
                "internal", f"there is not enough memory: {str(error) or type(error).__name__}; {hint}"
            )
        where = self._crashes.add(error, about=ref.path)
        return EngineFailure("internal", f"this is a bug in imagejudge, or something it should have foreseen; {where}")

    def _read(self, ref: ImageRef) -> _Prepared | Verdict:
        """Read a file, and decode it unless its answers are known already."""
        started = time.perf_counter()
        limits = self._plan.limits
        source = read_image(ref.path, limits) if ref.data is None else given_image(ref.path, ref.data, limits)
        if isinstance(source, Unreadable):
            return self._error(ref, source, source)
        memory = self._cache.load(self._plan.answers, source.sha256)
        about_file = AnswerKey(f"sampled@{DECODE_VERSION}:{limits.frames}:{limits.pixels}", b"")
        if about_file in memory.known:
            facts = ImageFacts(**memory.known[about_file]["facts"])
            sampled = memory.known[about_file]["sampled"]
            decoded_again = cache(partial(decode_image, source, limits))  # once for all frames that are wanted
            frames = tuple(_Frame(index, partial(_frame_of, decoded_again, index), ground) for index, ground in sampled)
            held = 0
        else:
            decoded = decode_image(source, limits)
            if isinstance(decoded, Unreadable):
                return self._error(ref, source, decoded)
            facts = decoded.facts
            frames = tuple(_Frame(each.index, partial(_itself, each.picture), each.ground) for each in decoded.frames)
            sampled = [(frame.index, frame.ground) for frame in frames]
            memory.add(about_file, {"facts": facts.model_dump(), "sampled": sampled})
            held = sum(len(frame.picture.rgb) for frame in decoded.frames)
        return _Prepared(ref, source.sha256, source.stamp, facts, frames, memory, time.perf_counter() - started, held)

    def _begin(self, pool: ThreadPoolExecutor, item: _Prepared | Verdict) -> Future[_Asked | Verdict]:
        """Start to ask about one image. A known image is done at once, which takes less than a thread's turn."""
        asked: _Asked | Verdict
        if isinstance(item, Verdict):
            asked = item
        else:
            try:
                asked = self._inquire(item, _nobody)
            except _EngineWanted:
                return pool.submit(self._ask, item)
        done: Future[_Asked | Verdict] = Future()
        done.set_result(asked)
        return done

    def _ask(self, item: _Prepared) -> _Asked:
        """Ask about one image as soon as an engine is idle."""
        engine, opened = self._idle.get(), 0

        def look(frame: _Frame, first: Sequence[Question]) -> View:
            nonlocal opened
            opened += 1
            return engine.view(frame.picture(), first, same_image=opened > 1)

        try:
            return self._inquire(item, look)
        finally:
            self._idle.put(engine)

    def _inquire(self, item: _Prepared, look: _Look) -> _Asked:
        """Find out all that matters about the sampled frames of one image."""
        inquiries: dict[int, Inquiry] = {}
        watch = Stopwatch()
        try:
            constitution = self._plan.constitution_for(item.ref.path)
            for frame in item.frames:
                part, abilities = frame_part(frame.index), self._plan.abilities
                view = CachedView(item.memory, part, partial(look, frame), watch, abilities)
                inquiries[frame.index] = inquire(constitution, view, self._priors, self._plan.method)
        except EngineFailure as failure:
            return _Asked(item, inquiries, watch, failure)
        except (_EngineWanted, ImageJudgeError):
            raise
        except Exception as error:
            return _Asked(item, inquiries, watch, self._internal(item.ref, error))
        return _Asked(item, inquiries, watch, None)

    def _finished(self, asked: _Asked) -> Verdict:
        """Keep what was answered about an image, and conclude."""
        item = asked.item
        try:
            self._cache.save(self._plan.answers, item.sha256, item.memory)
            return self._conclude(asked)
        except ImageJudgeError:
            raise
        except Exception as error:
            return self._error(item.ref, item, self._internal(item.ref, error), item.facts)

    def _conclude(self, asked: _Asked) -> Verdict:
        """The verdict of an image is that of its worst frame."""
        item = asked.item
        if asked.failure is not None:
            return self._error(item.ref, item, asked.failure, item.facts)
        constitution = self._plan.constitution_for(item.ref.path)
        frames = []
        for index, inquiry in asked.inquiries.items():
            rules = inquiry.results()
            frames.append(_FrameResult(index, rules, summarise(constitution, rules)))
        worst = max(frames, key=lambda frame: frame.badness)
        grounds = {frame.index: frame.ground for frame in item.frames}
        return self._verdict(
            path=item.ref.path,
            sha256=item.sha256,
            stamp=item.stamp,
            frame=worst.index if item.facts.frames > 1 else None,
            verdict=worst.summary.outcome,
            rationale=worst.summary.rationale,
            violations=worst.summary.violations,
            rules=worst.rules,
            image=item.facts.model_copy(update={"ground": grounds[worst.index]}),
            seconds=_timing(item.seconds, asked.watch),
        )

    def _error(
        self,
        ref: ImageRef,
        file: Source | Unreadable | _Prepared | None,
        why: Unreadable | EngineFailure,
        image: ImageFacts | None = None,
    ) -> Verdict:
        return self._verdict(
            path=ref.path,
            sha256=file.sha256 if file else None,
            stamp=file.stamp if file else stamp_now(ref.path) if ref.data is None else None,
            verdict=Outcome.ERROR,
            rationale=why.message,
            image=image,
            error=Failure(kind=why.kind, message=why.message),
        )

    def _verdict(self, *, stamp: Stamp | None, **fields: Any) -> Verdict:
        return Verdict(
            file=FileStamp(**stamp._asdict()) if stamp else None,
            model=self._plan.model,
            constitution=self._plan.constitution.label,
            method=self._plan.method.label,
            settings=self._plan.settings,
            imagejudge=__version__,
            **fields,
        )


class _EngineWanted(Exception):  # noqa: N818 - not an error: the image goes to an engine
    """Something about an image is not known."""


def _nobody(frame: _Frame, first: Sequence[Question]) -> View:
    raise _EngineWanted


def _timing(decoding: float, watch: Stopwatch) -> Timing:
    view, ask, reason = (round(seconds, 4) for seconds in (watch.view, watch.ask, watch.reason))
    return Timing(decode=round(decoding, 4), view=view, ask=ask, reason=reason)


def _bytes_held(item: _Prepared | Verdict) -> int:
    return item.held if isinstance(item, _Prepared) else 0


def _itself(picture: Picture) -> Picture:
    return picture


def _frame_of(decoded_again: Callable[[], Decoded | Unreadable], index: int) -> Picture:
    """One frame of a file that was decoded in an earlier run."""
    decoded = decoded_again()
    for frame in decoded.frames if isinstance(decoded, Decoded) else ():
        if frame.index == index:
            return frame.picture
    raise EngineFailure("changed-decoder", "the file could be decoded in an earlier run but not in this one")
