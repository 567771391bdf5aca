"""How a change of a rule looks on a screen."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from imagejudge.common.text import printable
from imagejudge.constitution.diff import Change, Line, Mark

_STYLES = {Mark.BOTH: "", Mark.OLD: "red", Mark.NEW: "green"}


def show_change(change: Change, out: Console) -> None:
    """The rule's name, then a marked line for each fact."""
    title = Text(f"{change.mark} {change.name}".strip(), f"bold {_STYLES[change.mark]}".strip())
    out.print(Text.assemble(title, ("  disabled", "dim")) if change.disabled else title)
    show_lines(change, out)


def show_lines(change: Change, out: Console) -> None:
    """The facts alone."""
    for mark, line in change.lines:
        out.print(Text(f"{mark} {_written(line)}", _STYLES[mark]))


def objects_in_brackets(objects: tuple[str, ...]) -> str:
    """The objects of a statement, to stand behind it; nothing where it has none."""
    return f" [{printable(', '.join(objects))}]" if objects else ""


def _written(line: Line) -> str:
    return f"{line.label:<8} {printable(line.words)}{objects_in_brackets(line.objects)}"
