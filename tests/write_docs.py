"""Write anew what the documents quote from the program: `python tests/write_docs.py`."""

from __future__ import annotations

import json

from test_docs import DOCS, shown

from imagejudge.verdict import json_schema

COMMANDS = ("", " scan", " explain", " check", " doctor", " cache", " cache info", " cache clear")


def main() -> None:
    blocks = [f"    $ imagejudge{command} --help\n{shown(f'imagejudge{command} --help')}\n" for command in COMMANDS]
    page = "# Commands\n\nWhat `--help` says, on a terminal of 80 columns.\n\n" + "\n<!-- -->\n\n".join(blocks)
    (DOCS / "commands.md").write_text(page, "utf-8")
    (DOCS / "verdict.schema.json").write_text(json.dumps(json_schema(), indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
