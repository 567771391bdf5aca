"""What is judged by what: rules, method and model of one run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from imagejudge.constitution import Constitution
from imagejudge.engine.base import Abilities
from imagejudge.images.read import Limits
from imagejudge.judge.clue import ARITHMETIC, Method
from imagejudge.judge.gate import Gate
from imagejudge.judge.world import World


@dataclass(frozen=True, slots=True)
class Plan:
    """What is judged by what: all that decides a verdict besides the image."""

    constitution: Constitution
    method: Method
    model: str
    """Name and digest, for the verdict line."""
    answers: str
    """Under what the model's answers are kept: everything about it that can change an answer."""
    limits: Limits
    abilities: Abilities = Abilities()  # noqa: RUF009 - frozen
    """What the model can be asked for besides yes and no."""
    settings: Mapping[str, str | int] | None = None
    """For the verdict line: all else that decides a verdict, by names that people know."""
    gate: Gate | None = None
    """Which rules need not be asked about a picture; None: all are."""
    world: World | None = None
    """Which pictures the model was not made for, so that they are not asked about; None: all are asked about."""
    ignored: Callable[[str], Collection[str]] = lambda path: ()
    """Rules, by id or category, that are not applied to the file at a path."""

    def constitution_for(self, path: str) -> Constitution:
        """The rules that are applied to one file."""
        names = self.ignored(path)
        if not names:
            return self.constitution
        rules = (rule for rule in self.constitution.rules if rule.id not in names and rule.category not in names)
        return dataclasses.replace(self.constitution, rules=tuple(rules))


def judging_settings(more: Mapping[str, str | int]) -> dict[str, str | int]:
    """For the verdict line: what decides verdicts on given answers, besides constitution and method."""
    return {"arithmetic": ARITHMETIC, **more}
