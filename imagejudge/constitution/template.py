"""The text of a first constitution, for a person to fill in.

Knows how the file format is explained in a few comments; it writes no files.
"""

from __future__ import annotations

from imagejudge.common.toml_table import is_id

_NAME = "my-rules"
_TEXT = """\
# A constitution: rules about what images should not show. Replace the two examples by rules of your own, then
#     imagejudge check THIS-FILE
# says what is wrong with them and what a model may answer badly.
schema = 1
name = "{name}"
version = "1.0"
description = "What these rules are for"

# A rule is violated when all of its preconditions hold and none of its exceptions. Each statement is one thing that
# is there to be seen, in a short sentence with a full stop, without "and", "or" and "not".
[[rules]]
id = "alcohol-near-child"
category = "alcohol"             # for `select` and `ignore`; several rules may share it
severity = "high"                # "low", "medium" or "high"
text = "Should not show an alcoholic drink in the same picture as a child."
preconditions = [
  # The most general first, and in the same words in all rules: they are asked once, for all.
  "A child is visible.",
  # Where one of several things is enough:
  {{ any = ["A glass of wine is visible.", "A glass of beer is visible.", "A bottle of spirits is visible."] }},
]

[[rules]]
id = "fire-on-person"
category = "violence"
text = "Should not show a person whose body or clothes are on fire."
preconditions = [
  "A person is visible.",
  # What a statement is about. A model that can point at things looks there before it decides.
  {{ any = [
    {{ ask = "A body is on fire.", objects = ["body"] }},
    {{ ask = "Clothes on a body are on fire.", objects = ["clothes"] }},
  ] }},
]
# Exceptions. One of them is enough to clear the rule.
unless = ["A fire-fighter's suit is visible."]
# thresholds = {{ satisfied = 0.7 }}  # in place of the usual ones, where labels say that it helps
# enabled = false                # keeps a rule in the file without judging by it
"""


def template(name: str) -> str:
    """A commented constitution that passes every check; a `name` that cannot be one is replaced."""
    return _TEXT.format(name=name if is_id(name) else _NAME)
