"""A digest of words, by which answers to them are told from answers to others."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def digest_of(words: Any) -> str:
    """SHA-256, in hex, of what JSON can hold."""
    return hashlib.sha256(json.dumps(words, sort_keys=True).encode()).hexdigest()
