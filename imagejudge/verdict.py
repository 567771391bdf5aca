"""The verdict line, which is written about each image, and its JSON Schema: shapes alone; `judge` fills them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from operator import attrgetter
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from imagejudge.common.field_docs import describe
from imagejudge.common.json_line import from_json_line, json_line
from imagejudge.constitution import Severity

SCHEMA_VERSION: Final = 1

Probability = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0)]
Ground = Literal["white", "grey"]


class _QuickValue:
    """A line's words are read some 80 times when it is written; this takes half the time of `Enum.value`."""

    value = property(attrgetter("_value_"))


class Outcome(_QuickValue, StrEnum):
    """What is said of a whole image."""

    SAFE = "safe"
    UNSURE = "unsure"
    UNSAFE = "unsafe"
    ERROR = "error"


class RuleStatus(_QuickValue, StrEnum):
    """What became of a rule."""

    VIOLATED = "violated"
    CLEAR = "clear"
    EXCEPTED = "excepted"
    UNSURE = "unsure"


class StepStatus(_QuickValue, StrEnum):
    """What became of a statement."""

    SATISFIED = "satisfied"
    NOT_SATISFIED = "not_satisfied"
    UNSURE = "unsure"
    NOT_ASKED = "not_asked"


class By(_QuickValue, StrEnum):
    """Which part of the method decided a statement."""

    PRIOR = "prior"
    CENTRIC = "centric"
    REASONING = "reasoning"
    THRESHOLD = "threshold"


class Steps(_QuickValue, StrEnum):
    """Which steps a line has."""

    ALL = "all"
    ASKED = "asked"
    """Those of statements that were asked."""
    FOUND = "found"
    """All those of rules that are not clear."""
    NONE = "none"


STEPS: Final = "steps"
"""Among a line's settings: which steps it has, where that is not all."""


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True, allow_inf_nan=False)


class WholeAnswer(_Row):
    """What the model answered of the whole picture, where a step tells what it answered of a crop."""

    gap: float
    """logit(Yes) - logit(No), in nats."""
    off_mass: Probability
    """Probability of every first token that is neither Yes nor No."""


class Step(_Row):
    """One statement of a rule and what the model made of it."""

    ask: str
    """The statement, in the words of the constitution."""
    item: Annotated[int, Field(ge=1)] | None
    """Which precondition of the chain it belongs to, from 1; null for an exception (`unless`)."""
    status: StepStatus
    by: By | None
    """What decided it; null when it was not asked or stayed unsure."""
    p_yes: Probability | None
    """p(Yes) / (p(Yes) + p(No)) with the image; null when not asked."""
    gap: float | None
    """logit(Yes) - logit(No) with the image, in nats."""
    prior: Probability | None
    """p_yes of the same words with no image; null when not used."""
    centric: Probability | None
    """p_yes with the central region removed; null when that was not tried or no region was found."""
    off_mass: Probability | None
    """Probability of every first token that is neither Yes nor No."""
    rationale: str | None
    """The model's own sentence, when it reasoned."""
    whole: WholeAnswer | None = None
    """Of the whole picture, where its region was so small that `p_yes`, `gap` and `off_mass` are of a crop; null where
    they are of the whole picture themselves, and in lines of versions that did not say."""

    @classmethod
    def not_asked(cls, ask: str, item: int | None) -> Self:
        """A statement that nothing depended on any more."""
        blank = dict.fromkeys(("by", "p_yes", "gap", "prior", "centric", "off_mass", "rationale"))
        return cls(ask=ask, item=item, status=StepStatus.NOT_ASKED, **blank)


class Region(_Row):
    """Where the model saw what a statement is about, in fractions of the upright picture's sides."""

    ask: str
    """The statement."""
    left: Probability
    top: Probability
    right: Probability
    bottom: Probability


class ProbeScore(_Row):
    """What a rule's probe made of the picture: log odds of a violation, and `p`, the same calibrated."""

    p: Probability
    log_odds: float
    threshold: float | None
    """Log odds below which the rule is not asked; null where it always is: too few of its violations are known."""
    digest: str | None = None
    """First 12 digits of a SHA-256 over all that decides whether the rule is violated, as it was when the probe was
    made; null in lines of versions that did not say."""

    @property
    def certainly_not(self) -> bool:
        """Whether the rule need not be asked."""
        return self.threshold is not None and self.log_odds < self.threshold


class RuleResult(_Row):
    """One rule applied to one image; of several frames, to the one in which most speaks for a violation."""

    rule: str
    status: RuleStatus
    steps: tuple[Step, ...]
    regions: tuple[Region, ...] = ()
    """Where things were found that its statements are about; they are looked for only where that can decide."""
    accepted: bool = False
    """Someone looked at what this rule found in this image and accepted it (a baseline): it does not count."""
    frame: Annotated[int, Field(ge=0)] | None = None
    """Index of that frame of an animation or a video; null for still images, and where a line of a version that did not
    say is about one frame alone."""
    time: Seconds | None = None
    """When that frame of a video is shown, in seconds; null for images."""
    by: Literal["probe"] | None = None
    """`probe`: it is called clear by its probe alone, and nothing was asked for its sake. Else null."""
    probe: ProbeScore | None = None
    """Null where the rule has no probe, or none was used."""


class Span(_Row):
    """A part of a video in which a rule is violated in every sampled frame."""

    start: Seconds
    """Time of the first of these frames. What violates the rule may have come up to `step` earlier."""
    end: Seconds
    """Time of the next sampled frame, or of the video's end. What violates the rule may have gone up to `step` earlier,
    or, in frames that were not sampled, come and gone in between."""
    peak: Seconds
    """Time of the frame in which most speaks for a violation."""
    step: Seconds
    """Seconds between sampled frames, at most."""
    score: Probability | None
    """What speaks for a violation in that frame, as `evaluate` ranks images; null where nothing was measured."""
    frames: Annotated[int, Field(ge=1)]
    """How many sampled frames it has."""


class Sampling(_Row):
    """Which frames of a video were looked at."""

    method: Literal["every", "spread", "scenes"]
    """`every`: the frame on the screen at each multiple of a step; `spread`: those in the middle of equal parts;
    `scenes`: those in the middle of each scene, and of each part of a long one."""
    seconds: Seconds
    """The step, the longest time between two of them: what is shown for as long is in a frame that was looked at."""
    frames: Annotated[int, Field(ge=1)]
    """How many were looked at."""


class Violation(_Row):
    """A violated rule, with what a reader needs to act on it."""

    rule: str
    category: str
    severity: Severity
    rationale: str
    accepted: bool = False
    """As in its rule's result."""
    spans: tuple[Span, ...] | None = None
    """When the rule is violated in a video, in order; null for images."""


class ImageFacts(_Row):
    """What the file turned out to be."""

    width: Annotated[int, Field(ge=1)]
    height: Annotated[int, Field(ge=1)]
    format: str
    frames: Annotated[int, Field(ge=1)]
    ground: Ground | None = None
    """What was laid below the frame this line is about: white, or grey where it could not be seen in white; null when
    nothing of it is transparent."""
    tokens: Annotated[int, Field(ge=1)] | None = None
    """What that frame took in the model, all its tiles and the marks between them included; null when the model was not
    shown it, and in lines of versions that did not say."""
    duration: Seconds | None = None
    """Of a video, in seconds from its first frame to the end of its last; null for images."""
    codec: str | None = None
    """How a video is compressed, as FFmpeg calls it; null for images."""


class Timing(_Row):
    """Wall-clock seconds spent on one image; answers that were known already cost nothing."""

    decode: Seconds = 0.0
    view: Seconds = 0.0
    ask: Seconds = 0.0
    reason: Seconds = 0.0


class Failure(_Row):
    """Why an image could not be judged."""

    kind: str
    message: str


class Probing(_Row):
    """What probes left out, over all frames that were looked at."""

    audited: bool
    """The image was drawn to be asked in full: nothing was left out."""
    asked: Annotated[int, Field(ge=0)]
    """Questions about the whole picture that were asked, in this run or an earlier one."""
    spared: Annotated[int, Field(ge=0)]
    """Questions that were not, at least: those with which the chains of the rules that were left out begin."""


class FileStamp(_Row):
    """What a file system says of a file's content, at the time it was read."""

    size: Annotated[int, Field(ge=0)]
    modified: int
    """Time of the last change of its content, in nanoseconds since 1970 (`st_mtime_ns`); programs can set it."""
    changed: int
    """Time of the last change of anything about it (`st_ctime_ns`); only the system sets it."""


class Verdict(_Row):
    """One line of output: one image file, judged by one constitution, one model and one method."""

    schema_: Annotated[Literal[1], Field(alias="schema")] = SCHEMA_VERSION
    path: str
    """As it was given or found. Bytes that are not UTF-8 stand as lone surrogates (PEP 383) in JSON escapes."""
    sha256: str | None
    """Of the file's bytes; null when they could not be read."""
    file: FileStamp | None = None
    """Tells whether the file is still the one that was read; null where it could not, or had just been written."""
    frame: Annotated[int, Field(ge=0)] | None = None
    """Index of the worst sampled frame of an animation or a video; null for still images."""
    verdict: Outcome
    rationale: str
    violations: tuple[Violation, ...] = ()
    rules: tuple[RuleResult, ...] = ()
    image: ImageFacts | None = None
    time: Seconds | None = None
    """When the frame of a video that this line is about is shown, in seconds from the first frame; null for images."""
    sampled: Sampling | None = None
    """Which frames of a video were looked at; null for images."""
    fields: Mapping[str, Any] | None = None
    """What lies beside the image in its shard and was asked for, by name; null where nothing was, and for what cannot
    be carried."""
    score: Probability | None = None
    """What speaks for a violation, as `evaluate` ranks images, in lines without the steps that tell it; else null."""
    probing: Probing | None = None
    out_of_world: Probability | None = None
    """How far the picture lies from what the model was made for; from 0.5 on nothing was asked about it, and every rule
    is unsure. Null for models that cannot tell."""
    model: str
    constitution: str
    method: str
    settings: Mapping[str, str | int] | None = None
    """All else that decides a verdict: options and versions by name; and `steps`, where the line has not all of them.
    Null in lines of versions that did not say."""
    imagejudge: str
    seconds: Timing = Timing()
    error: Failure | None = None


def steps_in(verdict: Verdict) -> Steps:
    """Which steps a line has."""
    told = (verdict.settings or {}).get(STEPS, Steps.ALL)
    return next((steps for steps in Steps if steps == told), Steps.NONE)


def has_all_steps(verdict: Verdict) -> bool:
    """Whether a line has the steps of all statements."""
    return steps_in(verdict) is Steps.ALL


def line_of(verdict: Verdict) -> bytes:
    """A verdict as one line of JSON, newline included. It may be shown on a terminal, whatever files are called."""
    return json_line(verdict)


def verdict_of(line: bytes) -> Verdict:
    """What `line_of` wrote. Raises `ValueError` or `RecursionError` for anything else."""
    return from_json_line(Verdict, line)


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) that every verdict line follows."""
    schema = Verdict.model_json_schema(mode="serialization")
    describe(schema, _Row.__subclasses__())
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
