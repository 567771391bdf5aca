"""`imagejudge constitution`, as users run it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from conftest_cli import RULES, Run
from write_docs import DOCS, console_blocks

from imagejudge.constitution import load_constitution, shipped_constitutions

PLAIN = {**os.environ, "COLUMNS": "80"}
CHANGED = (
    RULES.replace('"high"', '"low"')
    .replace("A knife is visible.", "A sword is visible.")
    .replace('{ ask = "Flames touch a body or clothes.", objects = ["flames", "body"] }', '"Flames touch a body."')
)


@pytest.fixture
def rules_file(tmp_path: Path) -> Path:
    path = tmp_path / "demo.toml"
    path.write_text(RULES)
    return path


@pytest.mark.parametrize("command", [[], ["list"], ["show"], ["new"], ["diff"], ["objectify"], ["decompose"]])
def test_help_explains_itself(run: Run, command: list[str]) -> None:
    done = run("constitution", *command, "--help", env=PLAIN)
    assert (done.returncode, done.stderr) == (0, b"")
    shown = done.stdout.decode()
    assert shown.startswith(" ".join(["Usage: imagejudge constitution", *command]))
    assert "..." not in shown.partition("Options")[2].replace("COMMAND [ARGS]...", "")
    assert max(map(len, shown.splitlines())) <= 80


def test_list_has_every_shipped_constitution(run: Run) -> None:
    done = run("constitution", "list", env=PLAIN)
    assert (done.returncode, done.stderr) == (0, b"")
    shown = done.stdout.decode()
    assert max(map(len, shown.splitlines())) <= 80
    listed = re.findall(r"^(\S+) +(\S+) +(\d+) +\d+ ", shown, re.MULTILINE)
    assert listed == [
        (path.stem, load_constitution(path).version, f"{len(load_constitution(path).rules)}")
        for path in shipped_constitutions()
    ]


def test_thresholds_are_shown_and_compared(run: Run, tmp_path: Path, rules_file: Path) -> None:
    head, _, rest = RULES.partition("\n[[rules]]")
    own = f"{head}\n[thresholds]\ncentric = 0.5\n\n[[rules]]{rest}thresholds = {{ satisfied = 0.7 }}\n"
    (tmp_path / "own.toml").write_text(own)
    shown = run("constitution", "show", "own.toml", env=PLAIN).stdout.decode()
    assert "demo 1.0\nthresholds unsatisfied 0.3, satisfied 0.8, centric 0.5\n" in re.sub(" +\n", "\n", shown)
    assert "├── thresholds unsatisfied 0.3, satisfied 0.7, centric 0.5" in shown
    changes = run("constitution", "diff", rules_file, "own.toml", env=PLAIN).stdout.decode()
    assert re.search(r"^thresholds\n- centric +0\.6\n\+ centric +0\.5$", changes, re.MULTILINE)
    assert re.search(r"^knife\n\+ satisfied +0\.7$", changes, re.MULTILINE)


def test_show_is_a_tree_of_every_statement(run: Run, rules_file: Path) -> None:
    done = run("constitution", "show", rules_file, env=PLAIN)
    assert (done.returncode, done.stderr) == (0, b"")
    assert [line.rstrip() for line in done.stdout.decode().splitlines()] == [
        "demo 1.0",
        "",
        "fire  high",
        "Should not depict any person whose body or clothes are on fire.",
        "├── if any of",
        "│   ├── A person is visible.",
        "│   └── An animal is visible.",
        "├── and Flames touch a body or clothes. [flames, body]",
        "└── unless A helmet is visible.",
        "",
        "knife  medium",
        "Should not depict knives.",
        "└── if A knife is visible.",
    ]


@pytest.mark.parametrize("path", shipped_constitutions(), ids=lambda path: path.stem)
def test_show_fits_a_terminal(run: Run, path: Path) -> None:
    done = run("constitution", "show", path.stem, env=PLAIN)
    lines = done.stdout.decode().splitlines()
    assert max(map(len, lines)) <= 80
    flat = " ".join("".join(lines).replace("│", " ").split())
    for rule in load_constitution(path).rules:
        assert f"{rule.id}  {rule.category}, {rule.severity}" in "\n".join(lines)
        for statement in rule.statements:
            assert statement.ask.split()[0] in flat


def test_show_says_what_is_disabled_or_asked_whole(run: Run, tmp_path: Path) -> None:
    text = 'schema = 1\nname = "w"\nversion = "1"\n[[rules]]\nid = "r"\ntext = "No dogs."\nenabled = false\n'
    (tmp_path / "w.toml").write_text(text)
    shown = run("constitution", "show", "w.toml", env=PLAIN).stdout.decode()
    assert "r  medium  disabled" in shown
    assert "asked whole" in shown


def test_show_of_what_is_not_there(run: Run) -> None:
    done = run("constitution", "show", "generl")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"did you mean 'general'?" in done.stderr


def test_new_writes_a_file_without_reproach(run: Run, tmp_path: Path) -> None:
    done = run("constitution", "new", "mine.toml")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"wrote mine.toml\n", b"")
    assert load_constitution(tmp_path / "mine.toml").name == "mine"
    checked = run("check", "--strict", "mine.toml")
    assert (checked.returncode, checked.stderr) == (0, b"")


def test_new_never_overwrites(run: Run, rules_file: Path) -> None:
    done = run("constitution", "new", rules_file)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"is there already" in done.stderr
    assert rules_file.read_text() == RULES


@pytest.mark.parametrize("name", ["none/rules.toml", ".", "x" * 300])
def test_new_says_why_it_cannot_write(run: Run, tmp_path: Path, name: str) -> None:
    done = run("constitution", "new", name)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"error: ")
    assert b"bug" not in done.stderr
    assert [path.name for path in tmp_path.glob("*.toml")] == []


def test_diff_tells_rules_statements_and_questions(run: Run, rules_file: Path, tmp_path: Path) -> None:
    (tmp_path / "changed.toml").write_text(CHANGED)
    done = run("constitution", "diff", rules_file, "changed.toml", env=PLAIN)
    assert (done.returncode, done.stderr) == (0, b"")
    shown = done.stdout.decode().splitlines()
    assert shown == [
        f"--- demo 1.0 ({load_constitution(rules_file).digest[:12]})",
        f"+++ demo 1.0 ({load_constitution(tmp_path / 'changed.toml').digest[:12]})",
        "",
        "fire",
        "- severity high",
        "+ severity low",
        "  if       A person is visible.",
        "  or       An animal is visible.",
        "- and      Flames touch a body or clothes. [flames, body]",
        "+ and      Flames touch a body.",
        "  unless   A helmet is visible.",
        "",
        "knife",
        "- if       A knife is visible.",
        "+ if       A sword is visible.",
        "",
        "questions: 3 kept with their answers, 2 dropped, 2 new",
    ]


def test_diff_marks_whole_rules(run: Run, rules_file: Path, tmp_path: Path) -> None:
    (tmp_path / "changed.toml").write_text(RULES.replace('id = "knife"', 'id = "blade"'))
    shown = run("constitution", "diff", rules_file, "changed.toml").stdout.decode()
    assert "\n- knife\n- text     Should not depict knives.\n- severity medium\n- if       A knife" in shown
    assert "\n+ blade\n+ text     Should not depict knives.\n" in shown
    assert shown.endswith("questions: 5 kept with their answers, 0 dropped, 0 new\n")


def test_exit_codes_of_diff(run: Run, rules_file: Path, tmp_path: Path) -> None:
    (tmp_path / "same.toml").write_text(f"# a comment\n{RULES}")
    (tmp_path / "changed.toml").write_text(CHANGED)
    assert run("constitution", "diff", rules_file, "same.toml", "--exit-code").returncode == 0
    assert run("constitution", "diff", rules_file, "changed.toml").returncode == 0
    assert run("constitution", "diff", rules_file, "changed.toml", "--exit-code").returncode == 1
    assert run("constitution", "diff", rules_file, "none.toml", "--exit-code").returncode == 2


def test_a_rule_that_is_disabled_is_compared_but_no_verdict_differs(run: Run, rules_file: Path, tmp_path: Path) -> None:
    off = RULES.replace('id = "knife"\n', 'id = "knife"\nenabled = false\n')
    (tmp_path / "off.toml").write_text(off)
    (tmp_path / "reworded.toml").write_text(off.replace("Should not depict knives.", "No knives."))
    done = run("constitution", "diff", "off.toml", "reworded.toml", "--exit-code", env=PLAIN)
    assert (done.returncode, done.stderr) == (0, b"")
    shown = done.stdout.decode().splitlines()
    assert shown[2:6] == ["", "knife  disabled", "- text     Should not depict knives.", "+ text     No knives."]
    assert shown[0].removeprefix("---") == shown[1].removeprefix("+++")
    done = run("constitution", "diff", rules_file, "off.toml", "--exit-code", env=PLAIN)
    assert done.returncode == 1
    assert "\nknife\n+ enabled  false\n" in done.stdout.decode()


def test_the_page_shows_real_output() -> None:
    page = (DOCS / "constitutions.md").read_text("utf-8")
    assert page.count("```console") >= 4
    assert console_blocks(page) == page
