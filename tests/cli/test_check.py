from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from imagejudge.cli import check
from imagejudge.constitution import load_constitution, select_rules

GOOD = """\
schema = 1
name = "pets"
version = "2.1"

[[rules]]
id = "dog"
text = "No dogs."
preconditions = ["An animal is visible.", { any = ["A dog is visible.", "A leash is visible."] }]
unless = ["A cat is visible."]

[[rules]]
id = "cat"
text = "No cats."
preconditions = ["An animal is visible.", "A cat is visible."]

[[rules]]
id = "bird"
text = "No birds."
preconditions = ["A bird is visible."]
enabled = false
"""
SUMMARY = """\
{path}
  name        pets, version 2.1
  digest      35226c77923a
  rules       3, 1 disabled
  statements  6
  questions   4 distinct, 1 in the first wave
"""
WARNED = GOOD.replace('"An animal is visible.", "A cat is visible."', '"An animal is visible.", "A cat is visible"')
WRONG = GOOD.replace("enabled", "enabeld").replace('"No dogs."', "7")


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in [("good", GOOD), ("warned", WARNED), ("wrong", WRONG)]:
        Path(f"{name}.toml").write_text(text)


def run(*names: str, strict: bool = False) -> tuple[int, str, str]:
    """Exit code, what went to stdout, what went to stderr."""
    out, err = io.StringIO(), io.StringIO()
    code = check.run(names, strict=strict, out=out, err=err)
    return code, out.getvalue(), err.getvalue()


def test_a_good_file_is_summed_up() -> None:
    assert run("good.toml") == (0, SUMMARY.format(path="good.toml"), "")


def test_the_digest_is_the_one_that_verdicts_carry() -> None:
    digest = re.search(r"digest +(\w+)", run("good.toml")[1])
    constitution = load_constitution(Path("good.toml"))
    assert digest is not None
    assert select_rules(constitution).label == f"pets@{digest[1]}"


def test_invisible_characters_and_spaces_of_print_are_mistakes() -> None:
    Path("pasted.toml").write_text(
        GOOD.replace("A dog is", "A do\u00adg is").replace("A cat is", "A\u00a0cat is"), "utf-8"
    )
    code, out, err = run("pasted.toml")
    assert (code, out) == (2, "")
    assert [line.partition(" holds ") for line in err.splitlines()] == [
        (f"pasted.toml:{place} of rule '{name}'", " holds ", words)
        for place, name, words in [
            ("8: alternative 1 of precondition 2", "dog", "the character '\\xad' (SOFT HYPHEN); leave it out"),
            ("9: exception 1", "dog", "the character '\\xa0' (NO-BREAK SPACE); write a plain space"),
            ("14: precondition 2", "cat", "the character '\\xa0' (NO-BREAK SPACE); write a plain space"),
        ]
    ]


def test_a_rule_without_preconditions_counts_as_one_question() -> None:
    Path("whole.toml").write_text('schema = 1\nname = "w"\nversion = "1"\n[[rules]]\nid = "r"\ntext = "No dogs."\n')
    code, out, err = run("whole.toml")
    assert code == 0
    assert "  statements  0\n  questions   1 distinct, 1 in the first wave\n" in out
    assert err.startswith("whole.toml:4: r: asked whole, ")
    assert err.endswith(" [no-preconditions]\n")


def test_warnings_go_to_stderr_and_count_only_when_strict() -> None:
    code, out, err = run("warned.toml")
    assert code == 0
    assert out.startswith("warned.toml\n")
    assert all(line.startswith("warned.toml:14: cat: ") for line in err.splitlines())
    assert [line.rpartition(" ")[2] for line in err.splitlines()] == ["[no-full-stop]", "[near-duplicate]"]
    assert run("warned.toml", strict=True) == (1, out, err)
    assert run("good.toml", strict=True)[0] == 0


def test_of_many_warnings_the_first_are_shown_and_the_others_counted() -> None:
    Path("many.toml").write_text(GOOD + "".join(f'[[rules]]\nid = "r{n}"\ntext = "T."\n' for n in range(130)))
    code, _, err = run("many.toml", "warned.toml", strict=True)
    told = err.splitlines()
    assert (code, len(told)) == (1, 103)
    assert told[0].startswith("many.toml:21: r0: asked whole, ")
    assert told[99].startswith("many.toml:318: r99: asked whole, ")
    assert told[100] == "many.toml: and 30 more warnings"
    assert told[101].startswith("warned.toml:14: ")


def test_mistakes_go_to_stderr_and_exit_with_2() -> None:
    code, out, err = run("wrong.toml")
    assert (code, out) == (2, "")
    assert err.splitlines() == [
        "wrong.toml:7: 'text' in rule 'dog' must be a string, not a whole number; "
        'write text = "Should not depict ..."',
        "wrong.toml:20: unknown key 'enabeld' in rule 'bird'; did you mean 'enabled'?",
    ]


def test_several_files_are_all_reported_and_the_worst_decides() -> None:
    code, out, err = run("wrong.toml", "good.toml", "nothing.toml", "warned.toml", strict=True)
    assert code == 2
    assert re.findall(r"^\S+", out, re.MULTILINE) == ["good.toml", "warned.toml"]
    assert [line.split(":")[0] for line in err.splitlines() if not line.startswith("hint: ")] == [
        "wrong.toml",
        "wrong.toml",
        "no constitution 'nothing.toml'",
        "warned.toml",
        "warned.toml",
    ]


def test_the_summary_fits_a_terminal_and_has_no_colour_elsewhere() -> None:
    _, out, _ = run("good.toml", "warned.toml")
    assert max(map(len, out.splitlines())) <= 80
    assert "\x1b" not in out


def test_odd_file_names_are_printed_on_one_line() -> None:
    name = os.fsdecode(b"a\n\xff.toml")
    Path(name).write_text(WARNED)
    code, out, err = run(name)
    assert code == 0
    assert out.startswith("a\\n\\udcff.toml\n")
    assert err.startswith("a\\n\\udcff.toml:14: cat: ")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["good.toml"], 0),
        (["warned.toml"], 0),
        (["--strict", "warned.toml"], 1),
        (["wrong.toml", "--strict"], 2),
        ([], 2),
        (["--strikt", "good.toml"], 2),
    ],
)
def test_exit_codes_of_the_command(arguments: list[str], code: int) -> None:
    app = typer.Typer()
    app.command("check")(check.check)
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == code
    assert ("questions" in result.stdout) == (code < 2)


class Closed(io.StringIO):
    """A pipe that nobody reads any more."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_a_closed_pipe_is_left_to_the_program() -> None:
    with pytest.raises(BrokenPipeError):
        check.run(["good.toml"], out=Closed(), err=io.StringIO())


def test_importing_the_command_loads_nothing_heavy() -> None:
    program = "import sys; import imagejudge.cli.check as c; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "imagejudge.constitution.file" in loaded
    assert {"pydantic", "tomlkit", "PIL", "llama_cpp", "numpy"}.isdisjoint(loaded)
