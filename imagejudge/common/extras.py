"""What to do where something is missing that only an extra of the program installs."""

from __future__ import annotations


def how_to_install(extra: str) -> str:
    """A hint. The package is in no index, so that pip finds nothing by its name; some shells read bare brackets."""
    return f"pip install '.[{extra}]' in a clone of the repository (docs/install.md, Extras)"
