"""The action of .github/actions/scan: its script is run as GitHub runs it; what surrounds it is read."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
ACTION = ROOT / ".github" / "actions" / "scan"
STICKERS = ROOT / "docs" / "examples" / "stickers"


@pytest.fixture
def step(tmp_path: Path) -> Path:
    """A repository with two images and the folder of a runner."""
    (tmp_path / "runner").mkdir()
    (tmp_path / "work" / "art" / "a b").mkdir(parents=True)
    shutil.copy(STICKERS / "bleeding.png", tmp_path / "work" / "art" / "a b" / "bleeding.png")
    shutil.copy(STICKERS / "harmless-1.png", tmp_path / "work" / "art" / "harmless.png")
    return tmp_path


def run(step: Path, args: str, src: str = "art", summary: str = "true") -> subprocess.CompletedProcess[str]:
    runner = step / "runner"
    environment = {
        **os.environ,
        "PATH": f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}",
        "ARGS": args,
        "SRC": src,
        "SUMMARY": summary,
        "RUNNER_TEMP": str(runner),
        "GITHUB_OUTPUT": str(runner / "output"),
        "GITHUB_STEP_SUMMARY": str(runner / "summary"),
    }
    command = ["bash", ACTION / "scan.sh"]
    return subprocess.run(command, cwd=step / "work", env=environment, capture_output=True, text=True)


def test_what_is_found_is_annotated_kept_and_summed_up(step: Path) -> None:
    done = run(
        step, "--constitution stickers --model builtin --ignore 'drug-use'", "\nart/a b\n  \nart/harmless.png\n\n"
    )
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("::error file=art/a b/bleeding.png")
    outputs = dict(line.split("=", 1) for line in (step / "runner" / "output").read_text().splitlines())
    lines = [json.loads(line) for line in Path(outputs["verdicts"]).read_text().splitlines()]
    assert [line["verdict"] for line in lines] == ["unsafe", "safe"]
    results = json.loads(Path(outputs["sarif"]).read_text())["runs"][0]["results"]
    assert [result["ruleId"] for result in results] == ["bleeding"]
    summary = (step / "runner" / "summary").read_text()
    assert "art/a b/bleeding.png: unsafe: bleeding" in summary
    assert "harmless" not in summary


def test_no_word_of_the_options_is_carried_out(step: Path) -> None:
    done = run(step, "--constitution stickers --model builtin --select '$(touch made)' --ignore `touch made`")
    assert done.returncode == 2
    assert not (step / "work" / "made").exists()


def test_a_scan_that_cannot_begin_ends_the_step_with_its_code(step: Path) -> None:
    done = run(step, "--constitution none.toml --model builtin")
    assert done.returncode == 2
    assert "none.toml" in done.stderr
    assert not (step / "runner" / "output").exists()


def test_options_with_a_quote_too_many_are_refused(step: Path) -> None:
    done = run(step, "--constitution stickers --model 'builtin")
    assert (done.returncode, done.stdout) == (2, "")
    assert "quote" in done.stderr


def test_nothing_is_summed_up_where_that_is_not_wanted(step: Path) -> None:
    assert run(step, "--constitution stickers --model builtin", summary="false").returncode == 1
    assert not (step / "runner" / "summary").exists()


def test_inputs_reach_the_script_through_the_environment_alone() -> None:
    action = yaml.safe_load((ACTION / "action.yml").read_text())
    assert set(action["inputs"]) == {"args", "src", "version", "summary"}
    steps = action["runs"]["steps"]
    assert not [each for each in steps if "${{" in each.get("run", "")], "a value would be carried out as shell"
    used = {value for each in steps for value in each.get("env", {}).values()}
    assert used >= {f"${{{{ inputs.{name} }}}}" for name in action["inputs"]}


def test_the_example_workflow_is_one() -> None:
    page = (ROOT / "docs" / "outputs.md").read_text()
    (example,) = [block for block in page.split("```yaml\n")[1:] if "actions/scan" in block]
    workflow = yaml.safe_load(example.partition("```")[0])
    (job,) = workflow["jobs"].values()
    assert job["permissions"] == {"contents": "read", "security-events": "write"}
    uses = [each["uses"] for each in job["steps"]]
    assert uses[-1].startswith("github/codeql-action/upload-sarif@")
    assert job["steps"][-1]["if"] == "always() && steps.scan.outputs.sarif"


def test_the_container_does_not_run_as_root() -> None:
    lines = (ROOT / "docs" / "container" / "Containerfile").read_text().splitlines()
    assert [line for line in lines if line.startswith("FROM ")] == [
        "FROM python:3.13-slim AS build",
        "FROM python:3.13-slim",
    ]
    last = lines[len(lines) - lines[::-1].index("FROM python:3.13-slim") :]
    assert "USER judge" in last
    assert 'ENTRYPOINT ["imagejudge"]' in last
