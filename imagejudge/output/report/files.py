"""What pages are made of: the files in `page/`, and how a page names what it allows of them."""

from __future__ import annotations

import base64
import hashlib
import html
import string
from pathlib import Path
from typing import Final

from imagejudge.common.text import printable

_HERE: Final = Path(__file__).parent / "page"


def text_of(name: str) -> str:
    """The text of one file."""
    return (_HERE / name).read_text("utf-8")


def head_of(title: str, kind: str, *, policy: str, style: str) -> str:
    """What a page begins with, up to its body. `title` may be any text; `kind` says what sort of page it is."""
    return string.Template(text_of("head.html")).substitute(
        title=html.escape(printable(title)), kind=kind, policy=policy, style=style
    )


def digest_of(text: str) -> str:
    """A script or style as a content security policy names it."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
