"""Views around other views: with a text beside the picture, with answers contrasted, with what is asked counted."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace

from imagejudge.engine.base import Abilities, Answer, Reasoning, View
from imagejudge.engine.embedding import Embedding, EncodedTokens
from imagejudge.evaluate.metrics import Cost
from imagejudge.images.picture import Box
from imagejudge.judge.cached_view import ImageAnswers, Stopwatch
from imagejudge.prompts import Question, beside


class WrappedView(View):
    """Hands everything on to the view inside."""

    @property
    @abstractmethod
    def inner(self) -> View:
        """What it is around."""

    @property
    def tokens(self) -> int | None:
        """Of the same picture."""
        return self.inner.tokens

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer yes/no questions together, in their order."""
        return self.inner.ask(questions)

    def reason(self, questions: Sequence[Question]) -> list[Reasoning | None]:
        """Let the model think aloud, then decide."""
        return self.inner.reason(questions)

    def embedding(self) -> Embedding:
        """Of the same picture."""
        return self.inner.embedding()

    def encoded(self) -> EncodedTokens:
        """Of the same picture."""
        return self.inner.encoded()

    def locate(self, objects: Sequence[str]) -> Box | None:
        """One box around all of `objects`."""
        return self.inner.locate(objects)

    def without(self, box: Box) -> View:
        """A view of the picture with the box filled."""
        return self.inner.without(box)

    def crop(self, box: Box) -> View:
        """A view of the box alone."""
        return self.inner.crop(box)


class _Fixed(WrappedView):
    """Always around the same view."""

    def __init__(self, inner: View) -> None:
        self._inner = inner

    @property
    def inner(self) -> View:
        return self._inner


class CaptionedView(_Fixed):
    """A picture that comes with a text: every question is asked about both."""

    def __init__(self, inner: View, text: str) -> None:
        super().__init__(inner)
        self._text = text

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer with the text below each question."""
        return self.inner.ask([self._worded(question) for question in questions])

    def reason(self, questions: Sequence[Question]) -> list[Reasoning | None]:
        """Think with the text below each question."""
        return self.inner.reason([self._worded(question) for question in questions])

    def without(self, box: Box) -> View:
        """The edited picture with the same text."""
        return CaptionedView(self.inner.without(box), self._text)

    def crop(self, box: Box) -> View:
        """The cut-out with the same text."""
        return CaptionedView(self.inner.crop(box), self._text)

    def _worded(self, question: Question) -> Question:
        return beside(question, self._text)


class Contrast(_Fixed):
    """Visual contrastive decoding (arXiv 2311.16922): (1 + a) * gap(x) - a * gap(x noised), in nats."""

    def __init__(self, inner: View, noised: View, weight: float) -> None:
        super().__init__(inner)
        self._noised = noised
        self._weight = weight

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer about both pictures, and move away from what the noised one suggests."""
        pairs = zip(self.inner.ask(questions), self._noised.ask(questions), strict=True)
        return [
            replace(clean, gap=(1 + self._weight) * clean.gap - self._weight * noised.gap)
            if noised.measured
            else clean  # noise that drowns Yes and No suggests neither
            for clean, noised in pairs
        ]


class TextContrast(_Fixed):
    """The gap with a rule's text less the gap of the same question without it, after CoCA (arXiv 2409.11365)."""

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer, and take off what the model answers when it is not told the rule."""
        bare = [question._replace(subject="") for question in questions]
        answers = self.inner.ask([*questions, *bare])
        told, untold = answers[: len(questions)], answers[len(questions) :]
        return [
            replace(with_, gap=with_.gap - without.gap) if without.measured else with_
            for with_, without in zip(told, untold, strict=True)
        ]


class PriorContrast(_Fixed):
    """The gap less the gap of the same question with no picture, as in contextual calibration (arXiv 2102.09690)."""

    def __init__(self, inner: View, blank: View) -> None:
        super().__init__(inner)
        self._blank = blank

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer, and take off what the words alone suggest."""
        pairs = zip(self.inner.ask(questions), self._blank.ask(questions), strict=True)
        return [
            replace(seen, gap=seen.gap - prior.gap) if prior.measured else seen  # else the prior is taken as even
            for seen, prior in pairs
        ]


@dataclass(slots=True)
class Meter:
    """What every request about one image cost when it was really made.

    Methods share answers, so a method's cost is the sum over the requests it made, whichever method made them first.
    """

    memory: ImageAnswers
    watch: Stopwatch
    abilities: Abilities = Abilities()  # noqa: RUF009 - frozen
    """What the model cannot be asked for costs nothing, and stands on no bill."""
    seconds: dict[Hashable, float | None] = field(default_factory=dict)
    """By request; None for one that was answered in an earlier run. Views are opened under their part's name."""


class Metered(_Fixed):
    """Notes on a bill what is requested. `part` names the picture and its edits."""

    def __init__(self, inner: View, part: str, meter: Meter, bill: set[Hashable]) -> None:
        super().__init__(inner)
        self._part = part
        self._meter = meter
        self._bill = bill

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer; questions asked together cost the same each."""
        with _Timed(self._meter, self._part, self._bill, [("ask", self._part, q) for q in questions]):
            return self.inner.ask(questions)

    def reason(self, questions: Sequence[Question]) -> list[Reasoning | None]:
        """Think aloud; questions that are thought about side by side cost the same each."""
        if not self._meter.abilities.thoughts:
            return self.inner.reason(questions)
        with _Timed(self._meter, self._part, self._bill, [("reason", self._part, q) for q in questions]):
            return self.inner.reason(questions)

    def locate(self, objects: Sequence[str]) -> Box | None:
        """Look for objects."""
        if not self._meter.abilities.boxes:
            return self.inner.locate(objects)
        with _Timed(self._meter, self._part, self._bill, [("locate", self._part, tuple(objects))]):
            return self.inner.locate(objects)

    def without(self, box: Box) -> View:
        """The edited picture, on the same bill."""
        return Metered(self.inner.without(box), f"{self._part}/without:{box}", self._meter, self._bill)

    def crop(self, box: Box) -> View:
        """The cut-out, on the same bill."""
        return Metered(self.inner.crop(box), f"{self._part}/crop:{box}", self._meter, self._bill)


class _Timed:
    """Around one call: times what it requests for the first time, and puts all of it on the bill."""

    def __init__(self, meter: Meter, part: str, bill: set[Hashable], requests: Sequence[Hashable]) -> None:
        self._meter = meter
        self._part = ("view", part)
        self._new = [request for request in dict.fromkeys(requests) if request not in meter.seconds]
        bill.update(requests)
        bill.add(self._part)

    def __enter__(self) -> None:
        self._fresh = self._asked()
        self._opened = self._meter.watch.view
        self._started = time.perf_counter()

    def __exit__(self, failed: type[BaseException] | None, *_: object) -> None:
        spent = time.perf_counter() - self._started
        opening = min(self._meter.watch.view - self._opened, spent)
        seconds = self._meter.seconds
        seconds[self._part] = (seconds.get(self._part) or 0.0) + opening
        if failed is None:
            made = self._asked() - self._fresh == len(self._new)
            seconds.update(dict.fromkeys(self._new, (spent - opening) / max(1, len(self._new)) if made else None))

    def _asked(self) -> int:
        """How many fresh replies there are to anything that was asked."""
        return sum(bool(key.prompt) for key in self._meter.memory.fresh)


def cost_of_bill(bill: set[Hashable], meter: Meter) -> Cost:
    """What a bill comes to."""
    kinds = [request[0] for request in bill if isinstance(request, tuple)]
    spent = [meter.seconds.get(request) for request in bill]
    known = [seconds for seconds in spent if seconds is not None]
    return Cost(
        questions=kinds.count("ask"),
        reasonings=kinds.count("reason"),
        seconds=sum(known) if len(known) == len(spent) else None,
    )
