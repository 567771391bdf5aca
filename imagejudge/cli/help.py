"""Commands with help in plain text: options in their groups, none cut short at 80 columns. Typer's boxes do neither."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final

from typer.core import TyperCommand

from imagejudge.errors import UsageError

_MAY_BE_EMPTY: Final = {"--reason", "--image-prefix"}


class Command(TyperCommand):
    """A command whose help lists its options by their `rich_help_panel`, and that refuses empty values."""

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        """Read a command line. An empty value is most often an unset variable, and an empty path the current folder."""
        valued = {name for each in self.params if not getattr(each, "is_flag", True) for name in each.opts}
        for before, word in pairwise(["", *args]):
            if not word and before not in valued:
                arguments = [each for each in self.params if each.param_type_name == "argument"]
                names = [getattr(each, "metavar", None) or str(each.name).upper() for each in arguments]
                raise UsageError(f"{' or '.join(names) or 'a value'} is empty", "give a value, or leave it out")
            if before == "--":
                break
            name, _, value = (before, "", word) if before in valued else word.partition("=")
            if name in valued - _MAY_BE_EMPTY and not value and word != name:
                raise UsageError(f"{name} is empty", "give a value, or leave the option out")
        return super().parse_args(ctx, args)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write one section for each group, in the order in which the groups first appear."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and parameter.param_type_name == "argument":
                sections.setdefault("Arguments", []).append((record[0].split(" <")[0], record[1]))
            elif record is not None:
                sections.setdefault(getattr(parameter, "rich_help_panel", None) or "Options", []).append(record)
        # --help itself, and what belongs to no group, is what one looks for last.
        for title in sorted(sections, key=lambda title: title == "Options"):
            with formatter.section(title):
                formatter.write_dl(sections[title])
