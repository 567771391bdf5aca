from __future__ import annotations

import pytest

from imagejudge.common.unseen import described, unseen

SEEN = [
    "",
    "A person is visible.",
    'The words "\u00c7a va ?" can be read.',
    "\u041a\u043e\u0442 \u0432\u0438\u0434\u0435\u043d.",
    "\u732b\u304c\u898b\u3048\u307e\u3059\u3002",
    # Persian, before a suffix behind letters, a digit and Latin ones.
    "\u0622\u062f\u0645\u200c\u0647\u0627 \u062f\u06cc\u062f\u0647 \u0645\u06cc\u200c\u0634\u0648\u0646\u062f.",
    "\u06f1\u06f0\u200c\u0633\u0627\u0644\u0647",
    "PDF\u200c\u0647\u0627",
    "\u0915\u094d\u200d\u0937 \u0926\u093f\u0916\u0924\u093e \u0939\u0948\u0964",  # Hindi, half a letter
    "\u0d05\u0d35\u0d28\u0d4d\u200d \u0d35\u0d28\u0d4d\u0d28\u0d41.",  # Malayalam, at the end of a word
    "\u1820\u182f\u180e\u1820",  # Mongolian
    "\u2764\ufe0f \u2764\ufe0f\u200d\U0001f525 \U0001f469\U0001f3fd\u200d\U0001f680 \U0001f3f3\ufe0f\u200d\U0001f308",
    "\U0001faf8 \U0001fae9",  # newer than some Pythons, which do not know them
]
UNSEEN = [
    ("A he\u00adart is visible.", "\u00ad"),
    ("A per\u200bson is visible.", "\u200b"),
    ("A\u00a0heart is visible.", "\u00a0"),
    ("A\u202fheart is visible.", "\u202f"),
    ("A\u3000heart is visible.", "\u3000"),
    ("A heart\u2060 is visible.", "\u2060"),
    ("\ufeffA heart is visible.", "\ufeff"),
    ("A \u202etraeh is visible.", "\u202e"),
    ("A heart\U000e0065\U000e0067 is visible.", "\U000e0065"),
    ("A heart\u3164is visible.", "\u3164"),
    ("A heart\u2800is visible.", "\u2800"),
    ("A he\u200dart is visible.", "\u200d"),
    ("A heart \u200c is visible.", "\u200c"),
    ("\u0622\u062f\u0645\u200c\u200c\u0647\u0627", "\u200c"),
    ("\u17a2\u200b\u1780", "\u200b"),
    ("A heart\ue000 is visible.", "\ue000"),
    ("A\theart\nis visible.", "\t"),
    ("A\u2028heart.", "\u2028"),
    ("A\x1b[2Jheart.", "\x1b"),
]


@pytest.mark.parametrize("text", SEEN, ids=ascii)
def test_what_can_be_seen_or_shapes_what_is_seen_passes(text: str) -> None:
    assert unseen(text) == ""


@pytest.mark.parametrize(("text", "char"), UNSEEN, ids=ascii)
def test_the_first_that_cannot_be_seen_is_found(text: str, char: str) -> None:
    assert ascii(unseen(text)) == ascii(char)


@pytest.mark.parametrize(
    ("char", "words"),
    [
        ("\u00ad", "the character '\\xad' (SOFT HYPHEN)"),
        ("\u3164", "the character '\\u3164' (HANGUL FILLER)"),
        ("\ue000", "the character '\\ue000'"),
        ("\n", "the control character '\\n'"),
        ("\u2028", "the control character '\\u2028'"),
    ],
)
def test_each_is_called_by_its_escape_and_its_name(char: str, words: str) -> None:
    assert described(char) == words
