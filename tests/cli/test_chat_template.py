"""A model whose file holds no chat template, asked by one that is given; it decides answers, so lines tell of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gguf_pairs
import pytest
from conftest_cli import Run


@pytest.fixture
def bare(tmp_path: Path) -> Sequence[str]:
    """Options that name a model without a template."""
    made = gguf_pairs.tiny_pair(tmp_path / "bare", template="", answers=gguf_pairs.ANSWERS)
    return ["--model", str(made.model), "--mmproj", str(made.mmproj)]


def lines(output: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def figures(output: bytes) -> list[Any]:
    return [line["rules"] for line in lines(output)]


def test_each_template_has_answers_of_its_own(
    run: Run, bare: Sequence[str], rules: Sequence[str], images: Path, tmp_path: Path
) -> None:
    scan = ("scan", images, *rules, *bare, "--no-reasoning")
    refused = run(*scan)
    assert refused.returncode == 2
    assert b"holds no chat template" in refused.stderr
    assert b"--chat-template" in refused.stderr
    template = tmp_path / "chatml.jinja"
    template.write_text(gguf_pairs.CHATML)
    first = run(*scan, "--chat-template", template)
    assert first.returncode == 0, first.stderr
    template.write_text(gguf_pairs.CHATML.replace("<|im_end|>", "<|endoftext|>"))
    second = run(*scan, "--chat-template", template)
    digests = {line["settings"]["chat_template"] for done in (first, second) for line in lines(done.stdout)}
    assert {len(digest) for digest in digests} == {12}
    assert len(digests) == 2
    assert figures(second.stdout) != figures(first.stdout), "asked anew, not taken from the cache"
    (tmp_path / "sub").mkdir()
    (tmp_path / "imagejudge.toml").write_text('chat-template = "chatml.jinja"\n')
    assert figures(run(*scan).stdout) == figures(second.stdout)
    assert run(*scan, "-o", "out.jsonl").returncode == 0
    template.write_text(gguf_pairs.CHATML)
    assert run(*scan, "-o", "out.jsonl").returncode == 2, "lines by another template are another run's"


def test_an_entry_of_ones_own_has_it_in_the_list(
    run: Run, bare: Sequence[str], rules: Sequence[str], images: Path, isolated: Path
) -> None:
    """As JSON strings are TOML strings."""
    config = isolated / "config" / "imagejudge" / "models.toml"
    config.parent.mkdir(parents=True)
    config.write_text(
        'schema = 1\n[[models]]\nname = "mine"\nrepository = "me/mine"\nlicence = "MIT"\n'
        f'model = "a.gguf"\nmmproj = "b.gguf"\nchat_template = {json.dumps(gguf_pairs.CHATML)}\n'
    )
    done = run("models", "list")
    assert done.returncode == 0, done.stderr
    assert b"mine" in done.stdout
