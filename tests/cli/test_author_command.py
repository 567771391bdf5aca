"""`imagejudge constitution objectify` and `decompose`, and the page that teaches them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import gguf_pairs
import pytest
from test_docs import DOCS
from typer.testing import CliRunner, Result
from write_docs import console_blocks

from imagejudge.cli import author, factory
from imagejudge.cli.main import app
from imagejudge.cli.options import WriterOptions
from imagejudge.constitution import load_constitution
from imagejudge.drafting import ENOUGH, prompts
from imagejudge.drafting.objectify import REWRITES
from imagejudge.engine.scripted import Scripted
from imagejudge.errors import EngineFailure

TESTS = Path(__file__).parent.parent
TEXT = """\
schema = 1
name = "house"
version = "1.0"

[[rules]]
id = "scary"
text = "No scary pictures."  # as the boss put it

# Knives follow.
[[rules]]
id = "knife"
text = "Should not show a knife."
preconditions = ["A knife is visible."]

[[rules]]
id = "idle"
text = "Should not show a sofa."
enabled = false
"""
SKULL = "Should not show a skull."
CHAIN = {"preconditions": [[{"ask": "A skull is visible.", "objects": ["skull"]}]]}
Reply = Callable[[str], object]


def replies(prompt: str) -> object:
    """What a good model would say."""
    asked = prompt.rpartition("\n\n")[2]
    if "Weakness" in asked:
        return {"rule": SKULL}
    if "take a rule" in prompt.casefold():
        return CHAIN
    return {"explanation": "It says what it means.", "rating": 3 if "scary" in asked else 10}


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "house.toml"
    path.write_text(TEXT)
    return path


@pytest.fixture
def call(file: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run a command with a model that replies as it is told."""

    def run(*arguments: str, reply: Reply = replies) -> Result:
        def write(prompt: str) -> str:
            text = reply(prompt)
            return text if isinstance(text, str) else json.dumps(text)

        def make(options: WriterOptions) -> Scripted:
            return Scripted(lambda picture, question: 0.5, write_text=write)

        monkeypatch.setattr(author, "make_writer", make)
        return CliRunner().invoke(app, ["constitution", arguments[0], "house.toml", *arguments[1:]])

    return run


def test_objectify_shows_a_diff_between_two_ratings(call: Callable[..., Result], file: Path) -> None:
    done = call("objectify")
    assert (done.exit_code, done.stderr) == (0, "note: nothing was written; read it, then add --write\n")
    assert done.stdout.splitlines() == [
        "scary",
        "  rated    3 of 10: It says what it means.",
        "- text     No scary pictures.",
        f"+ text     {SKULL}",
        "  rated    10 of 10: It says what it means.",
        "knife",
        "  rated    10 of 10: It says what it means.",
    ]
    assert file.read_text() == TEXT


def test_write_changes_the_words_and_nothing_else(call: Callable[..., Result], file: Path) -> None:
    done = call("objectify", "--write")
    assert (done.exit_code, done.stderr) == (0, "note: wrote house.toml\n")
    assert file.read_text() == TEXT.replace("No scary pictures.", SKULL)
    again = call("objectify", "--write")
    assert (again.exit_code, again.stderr) == (0, "note: house.toml stays as it is\n")


def test_decompose_drafts_what_has_no_chain(call: Callable[..., Result], file: Path) -> None:
    done = call("decompose", "--write")
    assert done.exit_code == 0
    assert done.stdout == "scary\n+ if       A skull is visible. [skull]\n"
    chain = 'preconditions = [\n  { ask = "A skull is visible.", objects = ["skull"] },\n]\n'
    assert file.read_text() == TEXT.replace("put it\n", f"put it\n{chain}")
    everything = call("decompose", "--write")
    assert everything.exit_code == 2
    assert "every rule has its preconditions" in everything.stderr
    assert "--rule" in everything.stderr


def test_rules_by_name_come_in_the_order_of_the_file(call: Callable[..., Result], file: Path) -> None:
    done = call("decompose", "--rule", "idle", "--rule", "knife", "--write")
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "knife",
        "- if       A knife is visible.",
        "+ if       A skull is visible. [skull]",
        "idle",
        "+ if       A skull is visible. [skull]",
    ]
    assert [bool(rule.preconditions) for rule in load_constitution(file).rules] == [False, True, True]


def test_a_chain_of_an_old_text_is_pointed_out(call: Callable[..., Result], file: Path) -> None:
    file.write_text(TEXT.replace("a knife.", "a scary knife."))
    done = call("objectify", "--rule", "knife")
    assert "its preconditions are those of the old text; decompose --rule knife drafts new ones" in done.stdout


def test_an_unknown_rule(call: Callable[..., Result]) -> None:
    done = call("objectify", "--rule", "knive")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "no rule is called 'knive'" in done.stderr
    assert "did you mean 'knife'?" in done.stderr


def test_nonsense_costs_one_rule_and_the_exit_code(call: Callable[..., Result], file: Path) -> None:
    def reply(prompt: str) -> object:
        asked = prompt.rpartition("\n\n")[2]
        return '{"explanation": "and \x1b[31m so on and' if "scary" in asked else replies(prompt)

    done = call("objectify", "--write", reply=reply)
    assert done.exit_code == 2
    assert done.stderr.splitlines() == [
        "error: scary: the model's reply cannot be read (Invalid JSON: control character (\\u0000-\\u001F) found while "
        'parsing a string at line 1 column 22): {"explanation": "and \\x1b[31m so on and',
        "note: house.toml stays as it is",
    ]
    assert done.stdout.splitlines()[0] == "knife"
    assert file.read_text() == TEXT


def test_good_rules_are_written_beside_bad_ones(call: Callable[..., Result], file: Path) -> None:
    def reply(prompt: str) -> object:
        return CHAIN if "scary" in prompt.rpartition("\n\n")[2] else {"preconditions": [[]]}

    done = call("decompose", "--rule", "scary", "--rule", "knife", "--write", reply=reply)
    assert done.exit_code == 2
    assert "error: knife: the model's reply cannot be read" in done.stderr
    assert "note: wrote house.toml" in done.stderr
    assert [len(rule.preconditions) for rule in load_constitution(file).rules] == [1, 1, 0]


def test_a_text_that_the_loader_refuses(call: Callable[..., Result], file: Path) -> None:
    def reply(prompt: str) -> object:
        return {"rule": "A skull. " * 300} if "Weakness" in prompt.rpartition("\n\n")[2] else replies(prompt)

    done = call("objectify", "--write", reply=reply)
    assert done.exit_code == 2
    assert (
        "error: scary: the file would not load: house.toml:7: 'text' in rule 'scary' is 2,699 characters" in done.stderr
    )
    assert file.read_text() == TEXT


def test_a_change_meanwhile_stops_it(call: Callable[..., Result], file: Path) -> None:
    def reply(prompt: str) -> object:
        file.write_text(f"{TEXT}# Mine.\n")
        return replies(prompt)

    done = call("objectify", "--write", reply=reply)
    assert done.exit_code == 2
    assert "house.toml was changed meanwhile" in done.stderr
    assert file.read_text() == f"{TEXT}# Mine.\n"


def test_a_failing_engine_costs_one_rule(call: Callable[..., Result]) -> None:
    def reply(prompt: str) -> object:
        if "scary" in prompt.rpartition("\n\n")[2]:
            raise EngineFailure("engine-error", "what the model is to read does not fit")
        return replies(prompt)

    done = call("objectify", reply=reply)
    assert (done.exit_code, done.stdout.splitlines()[0]) == (2, "knife")
    assert "error: scary: what the model is to read does not fit" in done.stderr


def test_a_crash_or_a_hang_in_native_code_costs_one_rule(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    monkeypatch.setattr(factory, "ENGINE", "engines:troubled_writer")
    model = gguf_pairs.tiny_pair(file.parent).model  # has to be there, and is not read
    file.write_text(TEXT.replace("scary", "abort").replace("enabled = false", "").replace("a sofa", "a hang"))
    done = CliRunner().invoke(
        app, ["constitution", "objectify", "house.toml", "--model", str(model), "--timeout", "1.5"]
    )
    assert done.exit_code == 2
    assert re.findall(r"^error: (\w+): .*?(SIGABRT|--timeout)", done.stderr, re.MULTILINE) == [
        ("abort", "SIGABRT"),
        ("idle", "--timeout"),
    ]
    assert done.stdout == "knife\n  rated    10 of 10: Fine.\n"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "no model was chosen"),
        (["--model", "builtin"], "cannot write"),
        (["--model", "none.gguf"], "there is no file none.gguf"),
        (["--model", "."], "there is no file ."),
        (["--model", "house.toml"], "not a GGUF file"),
        (["--model", "qwen3"], "no model is called 'qwen3'"),
    ],
)
def test_models_that_cannot_write(file: Path, options: list[str], said: str) -> None:
    done = CliRunner().invoke(app, ["constitution", "objectify", "house.toml", *options])
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr
    assert "hint: " in done.stderr
    assert file.read_text() == TEXT


@pytest.mark.parametrize("command", ["objectify", "decompose"])
@pytest.mark.parametrize(
    ("name", "said"), [("none.toml", "no such file"), ("stickers", "comes with imagejudge"), (".", "a folder")]
)
def test_files_that_are_none(file: Path, command: str, name: str, said: str) -> None:
    done = CliRunner().invoke(app, ["constitution", command, name, "--model", "x.gguf"])
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr


def test_a_settings_file_names_the_model(file: Path) -> None:
    (file.parent / "imagejudge.toml").write_text('model = "missing.gguf"\nmmproj = "eye.gguf"\n')
    done = CliRunner().invoke(app, ["constitution", "objectify", "house.toml"])
    assert (done.exit_code, done.stdout) == (2, "")
    assert "there is no file missing.gguf" in done.stderr


@pytest.mark.slow
def test_the_page_shows_what_a_real_model_and_the_built_in_one_do() -> None:
    page = (DOCS / "authoring.md").read_text("utf-8")
    assert len(re.findall(r"^\$ imagejudge ", page, re.MULTILINE)) == 4
    drafts = re.compile(r"(?<=```console\n)\$ (?:.* smollm2\.gguf.*|cat rules\.toml)\n(?s:.*?)(?=```)")
    new = console_blocks(page)
    assert drafts.sub("", new) == drafts.sub("", page)
    # Other processors round otherwise, and a small model's words hang on that; the shape of what is shown does not.
    shown = [draft for draft in drafts.findall(new) if "smollm2.gguf" in draft]
    assert len(shown) == 2
    line = re.compile(r"(scary|armed-person|death|(  rated|- text|\+ text|\+ if|\+ and|[-+ ] +).*|(error|note): .*)")
    for draft in shown:
        said = draft.splitlines()[1:]
        assert [text for text in said if not line.fullmatch(text)] == []
        assert said[-1].startswith(("note: ", "error: "))


def test_the_page_gives_the_limits_of_the_code() -> None:
    page = " ".join((DOCS / "authoring.md").read_text("utf-8").split())
    assert prompts.rate("A.").limit == prompts.rewrite("A.", "B.").limit
    assert (
        f"{prompts.rate('A.').limit} tokens for a rating or a text, {prompts.decompose('A.').limit} for a chain" in page
    )
    assert f"below {ENOUGH}" in page
    assert REWRITES == 3
    assert "at most three times" in page
