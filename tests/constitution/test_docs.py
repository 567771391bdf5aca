"""The page on constitutions shows files that load and output that is real."""

from __future__ import annotations

import io
import re
import shlex
from pathlib import Path
from typing import get_args

import pytest

from imagejudge.cli import check
from imagejudge.constitution import file
from imagejudge.constitution.file import load_constitution
from imagejudge.constitution.lint import FAR, MAX_WORDS, Code, lint_constitution
from imagejudge.errors import ConstitutionError

PAGE = Path(__file__).parents[2] / "docs" / "constitution.md"
BLOCKS = re.findall(r"^```(.+)\n((?:.*\n)*?)```$", PAGE.read_text("utf-8"), re.MULTILINE)
FILES = [(kind, text) for kind, text in BLOCKS if kind.startswith("toml")]
CONSOLE = [text for kind, text in BLOCKS if kind == "console"]


@pytest.fixture(autouse=True)
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's files, under the names in their first lines."""
    monkeypatch.chdir(tmp_path)
    for _, text in FILES:
        Path(text.splitlines()[0].removeprefix("# ")).write_text(text, "utf-8")


def test_the_page_has_examples() -> None:
    assert len(FILES) >= 5
    assert len(CONSOLE) >= 4


@pytest.mark.parametrize(("kind", "text"), FILES, ids=[text.splitlines()[0] for _, text in FILES])
def test_every_file_is_what_it_is_said_to_be(kind: str, text: str) -> None:
    path = Path(text.splitlines()[0].removeprefix("# "))
    if kind == "toml broken":
        with pytest.raises(ConstitutionError):
            load_constitution(path)
    else:
        assert load_constitution(path).name == path.stem


@pytest.mark.parametrize("block", CONSOLE, ids=[text.splitlines()[0] for text in CONSOLE])
def test_every_output_is_real(block: str) -> None:
    command, _, shown = block.partition("\n")
    prompt, program, name, *arguments = shlex.split(command)
    assert (prompt, program, name) == ("$", "imagejudge", "check")
    screen = io.StringIO()
    check.run([word for word in arguments if word != "--strict"], out=screen, err=screen)
    assert shown == screen.getvalue()


def test_the_digest_in_the_text_is_that_of_the_example() -> None:
    assert load_constitution(Path("fire.toml")).label in PAGE.read_text("utf-8")


def test_the_table_has_every_code() -> None:
    table = re.findall(r"^\| `([a-z-]+)` \|", PAGE.read_text("utf-8").partition("## Mistakes")[0], re.MULTILINE)
    assert sorted(table) == sorted(get_args(Code))


def test_the_good_example_is_good() -> None:
    assert lint_constitution(load_constitution(Path("fire.toml"))) == []


def test_the_page_gives_the_limits_of_the_code() -> None:
    page = " ".join(PAGE.read_text("utf-8").split())
    limits = file
    for limit in (
        f"1 to {limits.MAX_RULES} rules with up to {limits.MAX_STATEMENTS:,} statements",
        f"1 to {limits.MAX_ITEMS} of: a statement",
        f"with 1 to {limits.MAX_ITEMS} statements",
        f"with 1 to {limits.MAX_OBJECTS} objects",
        f"one line of up to {limits.MAX_STATEMENT} characters; an object has up to {limits.MAX_WORD}",
        f"one line of up to {limits.MAX_TEXT:,} characters",
        f"up to {limits.MAX_BYTES:,} bytes",
        f"more than {MAX_WORDS} words",
        f"more than {FAR} from the default",
    ):
        assert limit in page
