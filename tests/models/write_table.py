"""Write the table of docs/models.md anew: `python tests/models/write_table.py`."""

from __future__ import annotations

import re
from pathlib import Path

from imagejudge.models.registry import Entry, load_registry

DOCS = Path(__file__).parent.parent.parent / "docs"
_BEGIN, _END = "<!-- table -->\n", "<!-- end of table -->\n"


def table() -> str:
    """All shipped models; a star marks what nobody has compared with the real thing."""
    titles = ("name", "from", "download", "memory", "licence", "boxes", "image tokens", "prompts")
    rows = [titles, tuple("---" for _ in titles), *(_row(entry) for entry in load_registry().values())]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return _BEGIN + "\n".join(lines) + "\n" + _END


def _row(entry: Entry) -> tuple[str, ...]:
    def cell(text: object, *fields: str) -> str:
        return f"{text}*" if set(fields) & set(entry.unverified) else str(text)

    link = f"[{entry.repository}](https://huggingface.co/{entry.repository})"
    files = f"{entry.bytes / 1e9:.1f} GB" if entry.bytes else "?" if entry.files else "no files known"
    memory = f"{entry.memory / 1e9:.1f} GB" if entry.memory else "?"
    return (
        f"`{entry.name}`",
        cell(link, "repository"),
        cell(files, "model_bytes", "mmproj_bytes"),
        cell(memory, "memory"),
        cell(entry.licence, "licence"),
        cell(entry.box_style or "no", "box_style"),
        cell(entry.image_tokens or "1024", "image_tokens"),
        cell(entry.prompt_style, "prompt_style"),
    )


def main() -> None:
    page = DOCS / "models.md"
    text = page.read_text("utf-8")
    page.write_text(re.sub(f"{_BEGIN}.*?{_END}", lambda _: table(), text, flags=re.DOTALL), "utf-8")


if __name__ == "__main__":
    main()
