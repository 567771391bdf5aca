"""A model that answers neither Yes nor No stops the run before it says anything of an image."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gguf_pairs
import pytest
from conftest_cli import Run, images, program_server, rules, run  # noqa: F401 - fixtures here
from PIL import Image

from imagejudge.constitution import Constitution, Precondition, Rule, Statement
from imagejudge.engine.base import Answer
from imagejudge.engine.scripted import Scripted, certain
from imagejudge.engine.thought import open_thought
from imagejudge.errors import ModelError
from imagejudge.images.picture import Box, Picture
from imagejudge.images.read import Limits
from imagejudge.images.ref import ImageRef
from imagejudge.judge.answer_cache import Cache
from imagejudge.judge.clue import Method, inquire
from imagejudge.judge.plan import Plan
from imagejudge.judge.scanner import Scanner
from imagejudge.judge.summary import summarise
from imagejudge.prompts import Question, visible
from imagejudge.verdict import By, Outcome, RuleStatus

__all__ = ["images", "rules", "run"]

RULES = Constitution("t", "1", (Rule("a", "No A.", preconditions=(Precondition((Statement("A", ("thing",)),)),)),))


@pytest.fixture
def refs(tmp_path: Path) -> list[ImageRef]:
    for name, colour in (("1.png", "red"), ("2.png", "green"), ("3.png", "blue")):
        Image.new("RGB", (8, 8), colour).save(tmp_path / name)
    return [ImageRef(str(tmp_path / name)) for name in ("1.png", "2.png", "3.png")]


def scan(
    refs: list[ImageRef], off_mass: Callable[[Picture | None], float], cache: Cache | None = None, **method: object
) -> list[Outcome]:
    engine = Scripted(lambda picture, question: certain(0.05 if picture else 0.5, off_mass(picture)))
    plan = Plan(constitution=RULES, method=Method(**method), model="m@1", answers="m", limits=Limits())  # type: ignore[arg-type]
    return [verdict.verdict for verdict in Scanner(plan, cache or Cache(None), [engine]).run(refs)]


def colour(picture: Picture | None) -> str:
    return "" if picture is None else ("red", "green", "blue")[picture.rgb[:3].index(max(picture.rgb[:3]))]


def test_questions_without_image_tell(refs: list[ImageRef]) -> None:
    with pytest.raises(ModelError, match="1 of 1 questions without an image are unmeasured"):
        scan(refs, lambda picture: 0.0 if picture else 0.98)


@pytest.mark.parametrize("method", [{}, {"debias": False}, {"name": "threshold"}])
def test_the_first_image_tells(refs: list[ImageRef], method: dict[str, object]) -> None:
    with pytest.raises(ModelError, match="1 of 1 questions about the first image") as stopped:
        scan(refs, lambda picture: 0.98 if picture else 0.0, **method)
    assert "Instruct" in stopped.value.hint


def test_a_later_image_is_unsure(refs: list[ImageRef]) -> None:
    found = scan(refs, lambda picture: 0.98 if colour(picture) == "green" else 0.0)
    assert found == [Outcome.SAFE, Outcome.UNSURE, Outcome.SAFE]


def test_a_run_that_goes_on_may_begin_with_it(refs: list[ImageRef], tmp_path: Path) -> None:
    """The model answered about an image in the first run; in the second, the odd one happens to be the first."""
    off = lambda picture: 0.98 if colour(picture) == "green" else 0.0  # noqa: E731
    with pytest.raises(ModelError):
        scan(refs[1:], off)
    cache = Cache(tmp_path / "cache")
    assert scan(refs[:1], off, cache) == [Outcome.SAFE]
    assert scan(refs[1:], off, cache) == [Outcome.UNSURE, Outcome.SAFE]


# --- what is not measured is no figure ----------------------------------------------------------------------------


def judged(answer: Callable[[Picture | None, Question], Answer | float], **more: object) -> tuple[object, str]:
    engine = Scripted(answer, **more)  # type: ignore[arg-type]
    picture = Picture(20, 10, bytes([200, 0, 0]) * 100 + bytes([0, 0, 200]) * 100)
    priors = dict(zip([visible("A")], engine.view(None).ask([visible("A")]), strict=True))
    (result,) = inquire(RULES, engine.view(picture), priors, Method(reasoning=False)).results()
    return result, summarise(RULES, [result]).rationale


@pytest.mark.parametrize(("p_yes", "status"), [(0.6, RuleStatus.UNSURE), (0.3, RuleStatus.CLEAR)])
def test_a_prior_of_noise_is_even(p_yes: float, status: RuleStatus) -> None:
    for noise in (0.001, 0.999):
        result, _ = judged(lambda picture, _, noise=noise: p_yes if picture else certain(noise, 0.9999))
        assert result.status is status  # type: ignore[attr-defined]
        assert result.steps[0].prior is None  # type: ignore[attr-defined]


@pytest.mark.parametrize(("off_mass", "status"), [(0.95, RuleStatus.UNSURE), (0.0, RuleStatus.VIOLATED)])
def test_a_masked_image_of_noise_decides_nothing(off_mass: float, status: RuleStatus) -> None:
    whole = bytes([200, 0, 0]) * 100 + bytes([0, 0, 200]) * 100

    def answer(picture: Picture | None, _: Question) -> Answer | float:
        return 0.5 if picture is None else 0.7 if picture.rgb == whole else certain(0.01, off_mass)

    result, words = judged(answer, locate=lambda *_: Box(0.0, 0.0, 1.0, 0.5, 0.9))
    step = result.steps[0]  # type: ignore[attr-defined]
    assert result.status is status  # type: ignore[attr-defined]
    assert (step.centric, step.by) == ((None, None) if off_mass else (pytest.approx(0.01), By.CENTRIC))
    assert off_mass or words == "a: A (0.70; 0.01 without its region)."


def test_an_unmeasured_step_says_so() -> None:
    _, words = judged(lambda picture, _: certain(0.97, 0.98 if picture else 0.0))
    assert words == "a: not sure that A (unmeasured)."


# --- prompts that end inside a thought ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prompt", "mark"),
    [
        ("<|im_start|>assistant\n<think>\n", "<think>"),
        ("<|im_start|>assistant\n<think>\n\n</think>\n\n", None),
        ("[/INST][THINK]", "[THINK]"),
        ("[/INST][THINK][/THINK]", None),
        ("<|start|>assistant<|channel|>analysis<|message|>", "<|channel|>analysis"),
        ("<|start|>assistant<|channel|>analysis<|message|><|end|><|start|>assistant<|channel|>final<|message|>", None),
        ("<|CHATBOT_TOKEN|><|START_THINKING|>", "<|START_THINKING|>"),
        ("<|CHATBOT_TOKEN|><|START_THINKING|><|END_THINKING|>", None),
        ("<seed:think>", "<seed:think>"),
        ("\u25c1think\u25b7", "\u25c1think\u25b7"),
        ("\u25c1think\u25b7\u25c1/think\u25b7", None),
        ("<|turn>model\n<|channel>thought\n", "<|channel>thought"),
        ("<|turn>model\n<|channel>thought\n<channel|>", None),
        ("<|begin_of_thought|>", "<|begin_of_thought|>"),
        ("<|begin_of_thought|><|end_of_thought|>", None),
        ('<|open|>message role="assistant"<|sep|><|open|>think<|sep|>', "<|open|>think<|sep|>"),
        ("<|open|>think<|sep|><|close|>think<|sep|>", None),
        ("<|begin_assistant|>\nHere are my reasoning steps:\n", "Here are my reasoning steps:"),
        ("<|im_start|>assistant\n", None),
        ("ASSISTANT:", None),
    ],
)
def test_open_thoughts(prompt: str, mark: str | None) -> None:
    assert open_thought(prompt) == mark


def test_the_program_says_what_to_do(run: Run, rules: list[str], images: Path, tmp_path: Path) -> None:
    """A template that opens a thought, and one whose model says anything but Yes and No."""
    for name, more, words in (
        ("thinks", "<think>\n", b"ends inside a thought (<think>)"),
        ("noise", "", b"does not answer"),
    ):
        template = gguf_pairs.CHATML.replace("assistant\n{% endif %}", f"assistant\n{more}{{% endif %}}")
        pair = gguf_pairs.tiny_pair(tmp_path / name, template=template)
        model = ("--model", pair.model, "--mmproj", pair.mmproj)
        done = run("scan", images, *model, *rules)
        assert (done.returncode, done.stdout) == (2, b"")
        assert words in done.stderr
        assert b"Instruct" in done.stderr
        doctor = run("doctor", *model)
        assert doctor.returncode == 2
        assert words in doctor.stderr
