"""Counts in words."""

from __future__ import annotations

import ast
import itertools
import re
from pathlib import Path

import imagejudge
from imagejudge.common.text import counted, without_secrets

PACKAGE = Path(imagejudge.__file__).parent
PLURAL = re.compile(r" (images|verdicts|decisions|files|lines|rows|answers|paths|blocks|videos|labels|rules)\b")


def test_one_is_one() -> None:
    assert [counted(number, "image") for number in (0, 1, 2, 1000)] == [
        "0 images", "1 image", "2 images", "1,000 images"]  # fmt: skip
    assert [counted(number, "entry is", "entries are") for number in (1, 2)] == ["1 entry is", "2 entries are"]


def test_addresses_in_a_text_lose_what_may_be_secret() -> None:
    told = {
        "https://h/a.png?X-Amz-Signature=s: cannot be read": "https://h/a.png?...: cannot be read",
        "no 'https://h/a?id=1&sig=s' and none at HTTPS://h?s": "no 'https://h/a?...' and none at HTTPS://h?...",
        "https://h/a.tar?sig=s::b/1.png: gone": "https://h/a.tar?...::b/1.png: gone",
        "https:/h/a.jsonl?s cannot be read": "https:/h/a.jsonl?... cannot be read",  # what a Path makes of it
        "--model=https://h/m.gguf?s": "--model=https://h/m.gguf?...",
        "s3://name:word@h/a.png": "s3://...@h/a.png",
        "is it at https://h/a? yes, or a.png?b at e@h": "is it at https://h/a? yes, or a.png?b at e@h",
    }
    assert [without_secrets(text) for text in told] == list(told.values())


def test_a_long_text_takes_no_longer_than_its_length() -> None:
    for part in ("a.", "a:/", "a:/b@", "a::", "x:/y?"):
        assert len(without_secrets(part * 200_000)) > 4  # by the square of its length it would take minutes


def test_no_message_has_a_plural_behind_a_number_that_may_be_one() -> None:
    found = []
    for path in PACKAGE.rglob("*.py"):
        if path.is_relative_to(PACKAGE / "builtin"):
            continue
        for text in ast.walk(ast.parse(path.read_text("utf-8"))):
            for number, words in itertools.pairwise(text.values if isinstance(text, ast.JoinedStr) else ()):
                counts = isinstance(number, ast.FormattedValue) and ast.unparse(number).endswith(":,}")
                constant = counts and ast.unparse(number.value).isupper()  # type: ignore[attr-defined]
                if counts and not constant and isinstance(words, ast.Constant) and PLURAL.match(words.value):
                    found.append(f"{path.relative_to(PACKAGE)}:{text.lineno}: {ast.unparse(text)}")
    assert not found
