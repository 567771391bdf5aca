"""The methods that are compared: each a function from rules and a look at a picture to what was found.

The first group is CLUE (arXiv 2501.00192) and CLUE with a part taken out, the second asks once about everything, the
third removes bias in other ways. Knows nothing of labels, files or models.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from imagejudge.constitution import Constitution, Precondition, Rule, Statement
from imagejudge.engine.base import View
from imagejudge.evaluate.views import Contrast, PriorContrast, TextContrast
from imagejudge.judge.claims import questions_of
from imagejudge.judge.clue import EVEN, Inquiry, Method, judge
from imagejudge.judge.conclusion import Found
from imagejudge.judge.scores import WHOLE
from imagejudge.judge.summary import Summary, summarise
from imagejudge.prompts import Kind, Question, direct, rules_subject
from imagejudge.verdict import By, Outcome, RuleResult, RuleStatus, Step, StepStatus

CONTRAST = 1.0
"""How strongly the noised picture counts against the clean one; 1 is what arXiv 2311.16922 takes."""
NOISE = 0.15
"""Deviation of the noise as a share of the range (ours): a person still sees what is there, but no detail."""


@dataclass(frozen=True, slots=True)
class FrameViews:
    """One picture as methods see it; every view is opened when it is first used."""

    view: View
    noised: View
    """The same picture under noise of `NOISE`."""
    blank: View
    """No picture: for priors."""


Contender: TypeAlias = Callable[[Constitution, FrameViews], Found]


# --- CLUE and its parts -------------------------------------------------------------------------------------------


def clue(constitution: Constitution, look: FrameViews) -> Found:
    """As `scan` judges."""
    return _by_rules(constitution, look, Method())


def clue_no_debias(constitution: Constitution, look: FrameViews) -> Found:
    """With an even prior for every statement, and no central regions."""
    return _by_rules(constitution, look, Method(debias=False))


def clue_no_preconditions(constitution: Constitution, look: FrameViews) -> Found:
    """Each rule asked whole, in the words of its text; exceptions stay statements."""
    return _by_rules(_whole_rules(constitution), look, Method())


def clue_no_centric(constitution: Constitution, look: FrameViews) -> Found:
    """Without central regions: the step beta of the paper."""
    return _by_rules(_edited(constitution, lambda statement: replace(statement, objects=())), look, Method())


def clue_no_reasoning(constitution: Constitution, look: FrameViews) -> Found:
    """What arithmetic cannot decide stays unsure."""
    return _by_rules(constitution, look, Method(reasoning=False))


def threshold(constitution: Constitution, look: FrameViews) -> Found:
    """Every statement holds from a probability of one half on; nothing else is done."""
    return _by_rules(constitution, look, Method("threshold"))


# --- one question about everything --------------------------------------------------------------------------------


def direct_public(constitution: Constitution, look: FrameViews) -> Found:
    """No rules at all: what the model itself thinks may be shown to the public."""
    del constitution
    return _direct(Question(Kind.PUBLIC, ""), look)


def cot_public(constitution: Constitution, look: FrameViews) -> Found:
    """The same, after thinking aloud."""
    del constitution
    return _thought_through(Question(Kind.PUBLIC, ""), look)


def direct_rules(constitution: Constitution, look: FrameViews) -> Found:
    """The texts of all rules in one question."""
    return _direct(_all_rules(constitution), look)


def cot_rules(constitution: Constitution, look: FrameViews) -> Found:
    """The same, after thinking aloud."""
    return _thought_through(_all_rules(constitution), look)


# --- other ways to remove bias ------------------------------------------------------------------------------------


def vcd(constitution: Constitution, look: FrameViews) -> Found:
    """Visual contrastive decoding of every statement, which holds from a probability of one half on."""
    contrasted = replace(look, view=Contrast(look.view, look.noised, CONTRAST))
    return _by_rules(constitution, contrasted, Method("threshold"))


def prior_logit(constitution: Constitution, look: FrameViews) -> Found:
    """Every statement holds where its gap is at least that of its prior; needs no thresholds and no labels."""
    contrasted = replace(look, view=PriorContrast(look.view, look.blank))
    return _by_rules(constitution, contrasted, Method("threshold"))


def rule_text(constitution: Constitution, look: FrameViews) -> Found:
    """Each rule asked whole, less the same question without its text; violated from a probability of one half on."""
    return _by_rules(_whole_rules(constitution), replace(look, view=TextContrast(look.view)), Method("threshold"))


METHODS: dict[str, Contender] = {
    "clue": clue,
    "clue-no-debias": clue_no_debias,
    "clue-no-preconditions": clue_no_preconditions,
    "clue-no-centric": clue_no_centric,
    "clue-no-reasoning": clue_no_reasoning,
    "threshold": threshold,
    "direct-public": direct_public,
    "cot-public": cot_public,
    "direct-rules": direct_rules,
    "cot-rules": cot_rules,
    "prior-logit": prior_logit,
    "rule-text": rule_text,
    "vcd": vcd,  # last, as it is the one that looks at another picture
}

WITHOUT_RULES = frozenset({"direct-public", "cot-public"})
"""Those that are told no rule, and so find the same by whichever rules."""
SEVERAL_RULES = frozenset({"direct-rules", "cot-rules"})
"""Those that put all rules into one question, for which a guard may have no words."""
ALOUD = frozenset({"cot-public", "cot-rules"})
"""Those that have the model think aloud and do nothing else, which a guard may not have learnt."""


def not_asked(name: str, constitution: Constitution, look: FrameViews, distance: float) -> Found:
    """What a method says of a picture that lies too far from what the model was made for."""
    if name in WITHOUT_RULES | SEVERAL_RULES:
        results: tuple[RuleResult, ...] = (RuleResult(rule=WHOLE, status=RuleStatus.UNSURE, steps=()),)
    else:
        results = Inquiry(constitution, look.view, {}, Method()).results()
    return Found(results, summarise(constitution, results, distance), distance)


def _by_rules(constitution: Constitution, look: FrameViews, method: Method) -> Found:
    questions = questions_of(constitution) if method.needs_priors else []
    priors = dict(zip(questions, look.blank.ask(questions), strict=True)) if questions else {}
    results = judge(constitution, look.view, priors, method)
    return Found(results, summarise(constitution, results))


def _whole_rules(constitution: Constitution) -> Constitution:
    return replace(constitution, rules=tuple(replace(rule, preconditions=()) for rule in constitution.rules))


def _edited(constitution: Constitution, edit: Callable[[Statement], Statement]) -> Constitution:
    def edited(rule: Rule) -> Rule:
        chain = tuple(Precondition(tuple(map(edit, item.any))) for item in rule.preconditions)
        return replace(rule, preconditions=chain, unless=tuple(map(edit, rule.unless)))

    return replace(constitution, rules=tuple(map(edited, constitution.rules)))


def _all_rules(constitution: Constitution) -> Question:
    return Question(Kind.RULES, rules_subject([rule.text for rule in constitution.rules if rule.enabled]))


def _direct(question: Question, look: FrameViews) -> Found:
    (answer,) = look.view.ask([question])
    if not answer.measured:
        status, by, figure = StepStatus.UNSURE, None, "unmeasured"
    else:
        status = StepStatus.SATISFIED if answer.p_yes >= EVEN else StepStatus.NOT_SATISFIED
        by, figure = By.THRESHOLD, f"{answer.p_yes:.2f}"
    step = Step.not_asked(direct(question), 1).model_copy(
        update={"status": status, "by": by, "p_yes": answer.p_yes, "gap": answer.gap, "off_mass": answer.off_mass}
    )
    return _at_once(step, f"one question about everything ({figure}).")


def _thought_through(question: Question, look: FrameViews) -> Found:
    (reasoning,) = look.view.reason([question])
    step = Step.not_asked(direct(question), 1)
    if reasoning is None:
        return _at_once(step.model_copy(update={"status": StepStatus.UNSURE}), "the model's summary could not be read.")
    status = StepStatus.SATISFIED if reasoning.yes else StepStatus.NOT_SATISFIED
    said = {"status": status, "by": By.REASONING, "rationale": reasoning.rationale}
    return _at_once(step.model_copy(update=said), reasoning.rationale)


_AT_ONCE = {
    StepStatus.SATISFIED: (RuleStatus.VIOLATED, Outcome.UNSAFE),
    StepStatus.NOT_SATISFIED: (RuleStatus.CLEAR, Outcome.SAFE),
    StepStatus.UNSURE: (RuleStatus.UNSURE, Outcome.UNSURE),
}


def _at_once(step: Step, rationale: str) -> Found:
    status, outcome = _AT_ONCE[step.status]
    return Found((RuleResult(rule=WHOLE, status=status, steps=(step,)),), Summary(outcome, rationale, ()))
