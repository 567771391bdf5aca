"""Prompt styles of one's own: whoever takes a model takes one, and its words decide answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gguf_pairs
import pytest
from conftest_cli import Run

from imagejudge import Judge, ModelChoice

STYLE = """
schema = 1
system = "You judge pictures."
user = "{image}\\n{question}"
reply = "It is"
yes = ["unsafe"]
no = ["safe"]

[ask]
visible = "Nothing may show this: {text}"
rule = "{text}"
public = "Nothing may be unfit for the public.{text}"
"""


@pytest.fixture
def guard(tmp_path: Path) -> Sequence[str]:
    """Options that name a model which says safe or unsafe, and its style."""
    made = gguf_pairs.tiny_pair(tmp_path / "guard", words=("safe", "unsafe"), answers=("safe", "unsafe"))
    (tmp_path / "mine.toml").write_text(STYLE)
    return ["--model", str(made.model), "--mmproj", str(made.mmproj), "--prompt-style", "mine.toml"]


def lines(output: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def figures(output: bytes) -> list[Any]:
    return [line["rules"] for line in lines(output)]


def test_each_wording_has_answers_of_its_own(
    run: Run, guard: Sequence[str], rules: Sequence[str], images: Path, tmp_path: Path
) -> None:
    scan = ("scan", images, *rules, *guard)
    first = run(*scan, "-o", "out.jsonl")
    assert first.returncode in (0, 1), first.stderr
    told = (tmp_path / "out.jsonl").read_bytes()
    (tmp_path / "mine.toml").write_text(STYLE.replace("pictures", "photographs"))
    second = run(*scan)
    assert figures(second.stdout) != figures(told), "asked anew, not taken from the cache"
    both = lines(told) + lines(second.stdout)
    assert {line["model"].partition("+")[2] for line in both} == {"mine"}
    named = {line["settings"]["prompt_style"] for line in both}
    assert len(named) == 2
    assert all(name.startswith("mine@") and len(name) == 17 for name in named)
    refused = run(*scan, "-o", "out.jsonl")
    assert refused.returncode == 2, "lines in other words are another run's"
    assert b"--prompt-style mine@" in refused.stderr
    more = tmp_path / "more.toml"
    more.write_text(Path(rules[1]).read_text().replace("preconditions = [", 'preconditions = ["A cup is visible.", '))
    asked = run("rejudge", "out.jsonl", "-c", more, "--no-reasoning", *guard)
    assert asked.returncode == 2
    assert b"the recorded answers were made with --prompt-style mine@" in b" ".join(asked.stderr.split())
    (tmp_path / "mine.toml").write_text(f"# Another comment alone.\n{STYLE}")
    assert run(*scan, "-o", "out.jsonl").returncode in (0, 1)
    assert figures((tmp_path / "out.jsonl").read_bytes()) == figures(told)
    assert figures(run("rejudge", "out.jsonl", *rules, *guard).stdout) == figures(told)


def test_whoever_takes_a_model_takes_a_style(
    run: Run, guard: Sequence[str], rules: Sequence[str], images: Path, tmp_path: Path
) -> None:
    image = next(images.iterdir())
    assert b"+mine" in run("explain", image, *rules, *guard).stdout
    shown = " ".join(run("doctor", *guard).stdout.decode().split())
    assert "asked in the style mine@" in shown
    assert "Nothing may show this: [statement]<|im_end|>" in shown
    (tmp_path / "sub").mkdir()
    (tmp_path / "imagejudge.toml").write_text('prompt-style = "mine.toml"\n')
    settled = run("scan", images, *rules, *guard[:-2])
    assert {line["model"].partition("+")[2] for line in lines(settled.stdout)} == {"mine"}
    choice = ModelChoice(guard[1], guard[3], prompt_style=str(tmp_path / "mine.toml"))
    with Judge(Path(rules[1]), model=choice, keep_answers=False) as judge:
        assert judge.judge(image).model.endswith("+mine")


def test_mistakes_are_told_with_their_lines(
    run: Run, guard: Sequence[str], rules: Sequence[str], images: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine.toml").write_text(STYLE.replace("{question}", "{claim}").replace("reply", "replay"))
    refused = run("scan", images, *rules, *guard)
    assert refused.returncode == 2
    said = b" ".join(refused.stderr.split())
    assert b"mine.toml:4: {question} stands in 'user' 0 times" in said
    assert b"mine.toml:5: unknown key 'replay' in the file; did you mean 'reply'?" in said
    assert b"Traceback" not in said


def test_methods_that_a_style_has_no_words_for(
    run: Run, guard: Sequence[str], rules: Sequence[str], images: Path, tmp_path: Path
) -> None:
    named = [path.name for path in images.iterdir()][:1]
    (images / "labels.csv").write_text("path,label\n" + "".join(f"{name},safe\n" for name in named))
    trial = ("evaluate", images / "labels.csv", "--adapter", "csv", *rules[:2], *guard)
    refused = run(*trial, "--method", "direct-rules")
    assert refused.returncode == 2
    assert b"in the prompt style mine, a model is asked about one rule at a time" in b" ".join(refused.stderr.split())
    assert b"hint: " in refused.stderr
    done = run(*trial, "--method", "all", "--json", "out.json")
    assert done.returncode == 0, done.stderr
    for name in (b"direct-rules", b"cot-rules", b"cot-public"):
        assert name + b" left out: in the prompt style mine, a model " in b" ".join(done.stderr.split())
    methods = json.loads((tmp_path / "out.json").read_text())["methods"]
    assert "direct-public" in methods
    assert not {"direct-rules", "cot-rules", "cot-public"} & set(methods)
    aloud = run(*trial, "--method", "cot-public")
    assert aloud.returncode == 2
    assert b"a model does not think aloud, and cot-public does nothing else" in b" ".join(aloud.stderr.split())


def test_an_entry_of_ones_own_names_a_file(run: Run, isolated: Path) -> None:
    config = isolated / "config" / "imagejudge"
    config.mkdir(parents=True)
    (config / "models.toml").write_text(
        'schema = 1\n[[models]]\nname = "mine"\nrepository = "me/mine"\nlicence = "MIT"\nmodel = "a.gguf"\n'
        'mmproj = "b.gguf"\nprompt_style = "own.toml"\n'
    )
    done = run("models", "list")
    assert done.returncode == 0, done.stderr
    assert b"own.toml" in done.stdout
