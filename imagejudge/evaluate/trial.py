"""Labelled images judged by several methods at once, then once more for each perturbation.

Methods share what is seen of an image and what is answered about it. Knows nothing of figures.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from imagejudge.constitution import Constitution
from imagejudge.engine.base import Engine
from imagejudge.engine.embedding import Embedding
from imagejudge.errors import EngineFailure
from imagejudge.evaluate.attack_search import search
from imagejudge.evaluate.attacks import Attack
from imagejudge.evaluate.image_views import EngineState, ImageViews, OnDemandView
from imagejudge.evaluate.known_category import KNOWN, of_category
from imagejudge.evaluate.labels import Item
from imagejudge.evaluate.methods import METHODS, WITHOUT_RULES, not_asked
from imagejudge.evaluate.metrics import Case, Cost
from imagejudge.evaluate.perturbations import Perturbation, random_of
from imagejudge.evaluate.robustness import Perturbed, found_rules, perturbed
from imagejudge.evaluate.views import cost_of_bill
from imagejudge.images.read import Unreadable
from imagejudge.judge.answer_cache import Cache
from imagejudge.judge.cached_view import Stopwatch
from imagejudge.judge.conclusion import Found, Trouble, error_verdict, verdict_on
from imagejudge.judge.loop import Loop
from imagejudge.judge.opened_image import OpenedImage, SampledFrame
from imagejudge.judge.plan import Plan
from imagejudge.judge.scores import WHOLE, rule_score
from imagejudge.judge.turn import Turn
from imagejudge.judge.world import is_outside
from imagejudge.verdict import Outcome, RuleResult


@dataclass(frozen=True, slots=True)
class TrialResult:
    """One image: a case for each method, what its changes did to each, and what searches for others came to."""

    cases: Mapping[str, Case]
    perturbed: tuple[Perturbed, ...] = ()
    attacks: tuple[Attack, ...] = ()
    vectors: tuple[Embedding, ...] = ()
    """Of each sampled frame, where they were asked for."""


class Trial(Loop[Item, TrialResult, TrialResult]):
    """Judges labelled images by one plan, but with several methods; with `embed`, gives the vectors of each as well."""

    def __init__(
        self,
        plan: Plan,
        cache: Cache,
        engines: Sequence[Engine],
        methods: Sequence[str],
        perturbations: Sequence[Perturbation] = (),
        seed: int = 0,
        attack_budget: int = 0,
        *,
        known_category: bool = False,
        embed: bool = False,
    ) -> None:
        super().__init__(plan, cache, engines)
        self._methods = [name for name in METHODS if name in methods]
        self.names = list(self._methods)
        """Of what each image has a case for: methods, and those that are also told its category."""
        if known_category:
            self.names += [name + KNOWN for name in self._methods if name not in WITHOUT_RULES]
        self._perturbations = perturbations
        self._seed = seed
        self._budget = attack_budget
        self._embed = embed

    def ask(self, image: OpenedImage[Item], turn: Turn) -> TrialResult:
        """Judge by all methods, and then the changed image by those that could judge it."""
        state = EngineState(turn)
        blank = self.model.blank(turn, lambda _: OnDemandView(state, lambda: None, Stopwatch()))
        clean = ImageViews(image, state, blank, self.plan.abilities)
        frames = image.frames if self._embed else ()
        vectors = tuple(clean.look(frame, set()).view.embedding() for frame in frames)
        cases = {name: self._case(name, clean, state) for name in self.names}
        judged = [name for name in self._methods if cases[name].verdict.verdict is not Outcome.ERROR]
        changed = partial(ImageViews, image, state, blank, self.plan.abilities, seed=self._seed)
        found = []
        for change in self._perturbations if judged else ():
            views = changed(change)
            found += [perturbed(name, change.label, cases[name], self._case(name, views, state)) for name in judged]
        attacks = [
            self._attack(cases[name], name, result, changed, state)
            for name in (judged if self._budget else ())
            for result in found_rules(cases[name])
        ]
        return TrialResult(cases, tuple(found), tuple(attacks), vectors)

    def _attack(
        self,
        case: Case,
        name: str,
        target: RuleResult,
        changed: Callable[[Perturbation], ImageViews],
        state: EngineState,
    ) -> Attack:
        """Search for a change under which one rule, judged alone, is no longer violated; then ask all of them."""
        rules = self.plan.constitution_for(case.label.name)
        alone = replace(rules, rules=tuple(rule for rule in rules.rules if target.rule in (rule.id, WHOLE)))

        def ask(change: Perturbation) -> RuleResult | None:
            verdict = self._case(name, changed(change), state, alone).verdict
            return None if verdict.verdict is Outcome.ERROR else verdict.rules[0]

        chance = random_of(f"{self._seed}:{case.verdict.sha256}:{name}:{target.rule}")
        found = search(ask, self._budget, chance, case.label.boxes)
        under = self._case(name, changed(found.best), state).verdict.verdict if found.past and found.best else None
        return Attack(name, case.label, target.rule, rule_score(target), found, under)

    def conclude(self, image: OpenedImage[Item], found: TrialResult) -> TrialResult:
        """What was tried, once it is known that the model answers."""
        self.model.check_first((case.verdict for case in found.cases.values()), image.ref.label.name)
        return found

    def fail(self, ref: Item, why: Trouble, image: OpenedImage[Item] | None) -> TrialResult:
        """An error for every method, which names the file where the label does not."""
        if isinstance(why, Unreadable) and ref.data is None and ref.path != ref.label.name:
            why = replace(why, message=f"{ref.path}: {why.message}")
        return TrialResult({name: self._failed(name, ref, why, image) for name in self.names})

    def _look(
        self, name: str, constitution: Constitution, views: ImageViews, bill: set[Hashable], frame: SampledFrame
    ) -> Found:
        """What a method says of one frame; nothing is asked about one that the model was not made for."""
        look, world = views.look(frame, bill), self.plan.world
        distance = None if world is None else views.out_of_world(frame, world)
        if distance is not None and is_outside(distance):
            return not_asked(name, constitution, look, distance)
        return replace(METHODS[name](constitution, look), out_of_world=distance)

    def _failed(self, name: str, ref: Item, why: Trouble, image: OpenedImage[Item] | None) -> Case:
        return Case(ref.label, error_verdict(ref, why, image, self.plan, name), Cost(0, 0, None))

    def _case(self, name: str, views: ImageViews, state: EngineState, constitution: Constitution | None = None) -> Case:
        """What a method says; by all rules of the plan where no others are given."""
        image, bill = views.image, set[Hashable]()
        label = image.ref.label
        constitution = constitution or self.plan.constitution_for(label.name)
        if name.endswith(KNOWN):
            constitution = of_category(constitution, label.category, label.name)
        look_into = partial(self._look, name.removesuffix(KNOWN), constitution, views, bill)
        try:
            found = {frame.index: look_into(frame) for frame in image.frames}
        except EngineFailure as failure:
            state.shown = None
            return self._failed(name, image.ref, failure, image)
        verdict = verdict_on(image, found, self.plan, name)
        return Case(label, verdict, cost_of_bill(bill, views.meter))
