"""The protocol of UnsafeBench (arXiv 2405.03486): the judge knows an image's category, and decides on that alone.

Beside it stands ours, in which every image is judged by all rules, as a scan does.
"""

from __future__ import annotations

import re
from dataclasses import replace

from imagejudge.constitution import Constitution
from imagejudge.errors import UsageError

KNOWN = "+category"
"""Ends the name of a method that is applied in this way."""


def of_category(constitution: Constitution, category: str, name: str) -> Constitution:
    """The rules of a labelled category: those whose own category has no word that the label's has not.

    So `health` belongs to `Public and personal health`. Raises `UsageError`, naming the image, where there are none.
    """
    words = _words(category)
    enabled = [rule for rule in constitution.rules if rule.enabled]
    rules = tuple(rule for rule in enabled if rule.category and _words(rule.category) <= words)
    if not rules:
        known = ", ".join(dict.fromkeys(rule.category for rule in enabled if rule.category)) or "none"
        problem = f"{name}: no rule of {constitution.name!r} is of its category {category!r}; there are: {known}"
        hint = "judge by rules of the data set's categories, or leave out `known_category`"
        raise UsageError(problem, hint if category else "it has no category: leave out `known_category`")
    return replace(constitution, rules=rules)


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))
