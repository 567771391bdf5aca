"""Videos through the loop: one line a file, that says when. The engine is scripted, the videos are real."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import jsonschema
import pytest
from PIL import Image
from videos import film, needs_pyav, plain, shades

from imagejudge.constitution import Constitution, Precondition, Rule, Severity, Statement
from imagejudge.engine.base import View
from imagejudge.engine.scripted import Scripted
from imagejudge.errors import EngineFailure
from imagejudge.images.picture import Picture
from imagejudge.images.read import Limits
from imagejudge.images.ref import ImageRef
from imagejudge.judge import opened_image
from imagejudge.judge.answer_cache import Cache
from imagejudge.judge.clue import Method
from imagejudge.judge.plan import Plan
from imagejudge.judge.scanner import Scanner
from imagejudge.output.findings import findings
from imagejudge.prompts import Question
from imagejudge.verdict import Outcome, RuleStatus, Span, Verdict, json_schema, line_of, verdict_of

pytestmark = needs_pyav

RULES = tuple(
    Rule(
        f"no-{name}",
        f"Nothing {name}.",
        category="colour",
        severity=Severity.HIGH,
        preconditions=(Precondition((Statement(f"It is {name}."),)),),
    )
    for name in ("red", "blue")
)
DARK, DIM, RED, REDDER, BLUE = (0, 0, 0), (140, 0, 0), (246, 0, 0), (255, 0, 0), (0, 0, 246)


class Eye(Scripted):
    """Says Yes the more strongly the more of the colour there is; counts what it is shown and asked."""

    def __init__(self, fails_at: tuple[int, int, int] | None = None) -> None:
        super().__init__(self._answer)
        self.shown: list[bool] = []
        self.asked = 0
        self._fails_at = fails_at

    def view(self, picture: Picture | None, first: Sequence[Question] = (), *, same_image: bool = False) -> View:
        if picture is not None:
            self.shown.append(same_image)
        return super().view(picture, first, same_image=same_image)

    def _answer(self, picture: Picture | None, question: Question) -> float:
        if picture is None:
            return 0.5
        self.asked += 1
        red, _, blue = picture.rgb[:3]
        if self._fails_at is not None and abs(red - self._fails_at[0]) < 10:
            raise EngineFailure("engine-crash", "the engine ended by SIGSEGV")
        return 0.05 + 0.9 * (red if "red" in question.subject else blue) / 255


def seconds(*colours: tuple[int, int, int], rate: int = 5) -> bytes:
    return film([plain(colour) for colour in colours for _ in range(rate)], rate=rate)


def scan(
    data: bytes,
    folder: Path,
    *,
    engine: Eye | None = None,
    cache: Cache | None = None,
    limits: Limits = Limits(),  # noqa: B008 - frozen
) -> Verdict:
    path = folder / "film.mp4"
    path.write_bytes(data)
    plan = Plan(Constitution("colours", "1", RULES), Method(reasoning=False), "fake@1", "fake", limits)
    scanner = Scanner(plan, cache or Cache(None), [engine or Eye()])
    (verdict,) = scanner.run([ImageRef(str(path))])
    scanner.close()
    jsonschema.validate(json.loads(line_of(verdict)), json_schema())
    assert verdict_of(line_of(verdict)) == verdict
    return verdict


def test_the_line_says_when_each_rule_is_violated(tmp_path: Path) -> None:
    verdict = scan(seconds(DARK, RED, REDDER, DARK, BLUE, DARK, RED), tmp_path)
    assert (verdict.verdict, verdict.frame, verdict.time) == (Outcome.UNSAFE, 10, 2.0)
    assert verdict.image is not None
    assert (verdict.image.frames, verdict.image.duration, verdict.image.codec) == (35, 7.0, "h264")
    assert verdict.sampled is not None
    assert verdict.sampled.model_dump() == {"method": "every", "seconds": 1.0, "frames": 7}
    red, blue = verdict.violations
    spans = [(span.start, span.end, span.peak, span.step, span.frames) for span in red.spans or ()]
    assert spans == [(1.0, 3.0, 2.0, 1.0, 2), (6.0, 7.0, 6.0, 1.0, 1)]
    assert [(span.start, span.end) for span in blue.spans or ()] == [(4.0, 5.0)]
    assert all(span.score and span.score > 0.8 for span in (*(red.spans or ()), *(blue.spans or ())))
    assert [(rule.status, rule.time) for rule in verdict.rules] == [
        (RuleStatus.VIOLATED, 2.0),
        (RuleStatus.VIOLATED, 4.0),
    ]
    assert verdict.rationale.startswith("no-red at 0:02: it is red (0.9")
    assert " no-blue at 0:04: it is blue" in verdict.rationale
    messages = [finding.message for finding in findings(verdict)]
    assert messages[0].startswith("From 0:01 to 0:03, 0:06 to 0:07: it is red")


def test_doubt_and_safety_have_their_times(tmp_path: Path) -> None:
    verdict = scan(seconds(DARK, DARK, DIM, DARK), tmp_path)
    assert (verdict.verdict, verdict.time) == (Outcome.UNSURE, 2.0)
    assert verdict.rationale.startswith("at 0:02: no-red: not sure")
    (finding,) = findings(verdict)
    assert finding.message.startswith("At 0:02: undecided: It is red.")
    safe = scan(seconds(DARK, DARK), tmp_path)
    assert (safe.verdict, safe.rationale, safe.frame, safe.violations) == (Outcome.SAFE, "", 0, ())


def test_a_second_run_asks_and_decodes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache, data = Cache(tmp_path / "cache"), seconds(DARK, RED, BLUE)
    first = Eye()
    verdict = scan(data, tmp_path, engine=first, cache=cache)
    assert first.shown == [False] * 3  # each with the time of an image of its own
    more = Eye()
    scan(data, tmp_path, engine=more, cache=cache, limits=Limits(every=0.5))
    assert more.shown == []  # other frames of the same pixels
    monkeypatch.setattr(opened_image, "sample_video", lambda *given: 1 / 0)
    again = Eye()
    second = scan(data, tmp_path, engine=again, cache=cache)
    assert (again.shown, again.asked) == ([], 0)
    assert second.model_copy(update={"seconds": verdict.seconds, "file": verdict.file}) == verdict


def test_what_looks_the_same_is_judged_once(tmp_path: Path) -> None:
    engine = Eye()
    verdict = scan(seconds(DARK, DARK, RED, RED, RED, DARK), tmp_path, engine=engine)
    assert len(engine.shown) < 6
    assert [(span.start, span.end, span.frames) for span in verdict.violations[0].spans or ()] == [(2.0, 5.0, 3)]
    assert verdict.sampled is not None
    assert verdict.sampled.frames == 6


def test_frames_in_equal_parts(tmp_path: Path) -> None:
    verdict = scan(seconds(DARK, RED, RED, RED), tmp_path, limits=Limits(video_frames=2))
    assert verdict.sampled is not None
    assert (verdict.sampled.method, verdict.sampled.seconds, verdict.sampled.frames) == ("spread", 2.0, 2)
    assert [(span.start, span.end) for span in verdict.violations[0].spans or ()] == [(1.0, 4.0)]


def test_a_frame_of_each_scene(tmp_path: Path) -> None:
    data = film([plain(color) for color, count in ((DARK, 21), (RED, 2), (BLUE, 35)) for _ in range(count)], rate=5)
    assert len(scan(data, tmp_path).violations) == 1  # the red part of 0.4 s lies between two seconds
    verdict = scan(data, tmp_path, limits=Limits(scenes=True))
    assert verdict.sampled is not None
    assert (verdict.sampled.method, verdict.sampled.frames) == ("scenes", 6)
    assert verdict.sampled.seconds == pytest.approx(7 / 3, abs=0.01)
    red, blue = verdict.violations
    (span,) = red.spans or ()
    assert (span.start, span.end, span.frames) == (4.4, 5.6, 1)
    assert span.step == verdict.sampled.seconds
    assert [(span.start, span.end) for span in blue.spans or ()] == [(5.6, 11.6)]


def test_what_fails_costs_the_video(tmp_path: Path) -> None:
    crashed = scan(seconds(DARK, DIM, RED), tmp_path, engine=Eye(fails_at=DIM))
    assert crashed.error is not None
    assert crashed.error.kind == "engine-crash"
    assert crashed.image is not None
    assert crashed.image.duration == 3.0
    broken = scan(shades()[:-100], tmp_path)
    assert broken.error is not None
    assert (broken.error.kind, broken.image) == ("truncated", None)


def test_a_worst_frame_whose_score_is_unknown(tmp_path: Path) -> None:
    span = Span(start=0.0, end=1.0, peak=0.0, step=1.0, score=None, frames=1)
    verdict = scan(seconds(RED), tmp_path)
    violation = verdict.violations[0].model_copy(update={"spans": (span,)})
    (finding,) = findings(verdict.model_copy(update={"violations": (violation,)}))
    assert finding.message.startswith("From 0:00 to 0:01: ")


def test_one_picture_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many are sampled; what waits is told to be of that size."""
    held: list[int] = []
    real = opened_image.open_image

    def opened(*given: object) -> object:
        image = real(*given)  # type: ignore[arg-type]
        held.append(image.pictures.held)  # type: ignore[union-attr]
        return image

    monkeypatch.setattr("imagejudge.judge.loop.open_image", opened)
    noise = [Image.effect_noise((64, 48), 60 + at).convert("RGB") for at in range(8)]
    engine = Eye()
    scan(film(noise, rate=1), tmp_path, engine=engine)
    assert held == [64 * 48 * 3]
    assert len(engine.shown) == 8
