"""Settings files as users meet them: which value wins, and how one finds out."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from conftest_cli import Run

Options = Sequence[str]


def row(output: bytes, option: str) -> tuple[str, ...]:
    (found,) = re.findall(rf"^{option}\s+(.*?)\s+(\w+)\s*$", output.decode(), re.MULTILINE)
    return tuple(found)


@pytest.fixture
def configured(tmp_path: Path, pair: Options, rules: Options, images: Path) -> Path:
    """A folder whose settings make `imagejudge scan images` complete."""
    file = tmp_path / "imagejudge.toml"
    file.write_text(
        f'constitution = "rules.toml"\nmodel = "{pair[1]}"\nmmproj = "{pair[3]}"\nfail-on = "unsure"\n'
        'no-reasoning = true\n[per-path-ignores]\n"images/0001.png" = ["fire", "knife"]\n'
    )
    return file


def test_a_settings_file_completes_the_command_line(run: Run, configured: Path) -> None:
    done = run("scan", "images")
    assert done.returncode == 1, done.stderr
    verdicts = [json.loads(line) for line in done.stdout.splitlines()]
    assert [verdict["verdict"] for verdict in verdicts] == ["unsure", "safe", "unsure"]
    assert verdicts[1]["rules"] == []


def test_nearer_sources_win(run: Run, configured: Path, tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text((tmp_path / "rules.toml").read_text().replace('"demo"', '"other"'))
    wide = {**os.environ, "COLUMNS": "500"}  # long paths would be folded
    environment = {**wide, "IMAGEJUDGE_CONSTITUTION": "other.toml"}
    assert row(run("config", env=wide).stdout, "constitution") == (f'"{tmp_path}/rules.toml"', "settings")
    assert row(run("config", env=environment).stdout, "constitution") == ('"other.toml"', "environment")
    assert row(run("config", "--isolated").stdout, "constitution")[-1] == "default"
    by_environment = run("scan", "images", env=environment)
    by_command_line = run("scan", "images", "-c", "rules.toml", "--fail-on", "unsafe", env=environment)
    assert json.loads(by_environment.stdout.splitlines()[0])["constitution"].startswith("other@")
    assert json.loads(by_command_line.stdout.splitlines()[0])["constitution"].startswith("demo@")
    assert (by_environment.returncode, by_command_line.returncode) == (1, 0)


def test_isolated_reads_no_file(run: Run, configured: Path) -> None:
    done = run("scan", "images", "--isolated")
    assert done.returncode == 2
    assert b"no constitution was chosen" in done.stderr
    assert run("scan", "images", "--isolated", "--config", configured).returncode == 2


def test_a_wrong_file_stops_every_command_that_reads_it(run: Run, configured: Path) -> None:
    configured.write_text('fail_on = "unsure"\nthreads = "two"\n')
    for command in (["scan", "images"], ["explain", "images/0000.png"], ["config"], ["doctor"]):
        done = run(*command)
        assert (done.returncode, done.stdout) == (2, b"")
        assert b"imagejudge.toml:1: unknown key 'fail_on' in the settings; did you mean 'fail-on'?" in done.stderr
        assert b"imagejudge.toml:2: 'threads'" in done.stderr
    assert run("check", "rules.toml").returncode == 0


def test_a_folder_hides_no_name(run: Run, tmp_path: Path) -> None:
    for name in ("stickers", "builtin"):
        (tmp_path / name).mkdir()
    (tmp_path / "imagejudge.toml").write_text('constitution = "stickers"\nmodel = "builtin"\n')
    shown = run("config").stdout
    assert row(shown, "constitution") == ('"stickers"', "settings")
    assert row(shown, "model") == ('"builtin"', "settings")
    done = run("scan", "stickers", "--allow-empty")
    assert done.returncode == 0, done.stderr


def test_what_the_file_says_of_standard_output_gives_way(run: Run, configured: Path) -> None:
    said = configured.read_text()
    configured.write_text('format = "paths"\nonly = ["unsure"]\n' + said)
    names = [f"images/000{number}.png" for number in (0, 2)]
    assert run("scan", "images").stdout.decode().splitlines() == names
    done = run("scan", "images", "--format", "text", "--quiet")
    assert done.returncode == 1, done.stderr
    assert [line.partition(b":")[0].decode() for line in done.stdout.splitlines()] == names
    done = run("scan", "images", "-o", "-")
    assert [json.loads(line)["path"] for line in done.stdout.splitlines()][::2] == names, done.stderr
    again = run("scan", "images", "--format", "text", "--only", "safe")
    assert (again.returncode, b"--only is about paths" in again.stderr) == (2, True)
    by_both = run("scan", "images", "--format", "text", "-o", "-")
    assert (by_both.returncode, b"-o - and --format" in by_both.stderr) == (2, True)
    configured.write_text('only = ["unsure"]\n' + said)
    assert len(run("scan", "images").stdout.splitlines()) == 3
    assert run("scan", "images", "--format", "paths").stdout.decode().splitlines() == names


def test_a_name_in_per_path_ignores_that_no_rule_has_is_told(run: Run, configured: Path, tmp_path: Path) -> None:
    rules = (tmp_path / "rules.toml").read_text()
    (tmp_path / "rules.toml").write_text(rules.replace("[[rules]]", "[[rules]]\ncategory = 'arms'", 1))
    configured.write_text(
        configured.read_text().partition("[")[0]
        + '[per-path-ignores]\n"images/*1.png" = ["knife"]\n"images/*.png" = [\n  "arms",\n  "knif", "other-rules"]\n'
        + '"*.gif" = ["knif"]\n'
    )
    told = (
        f"warning: {configured}:10: no rule or category of 'demo' is called 'knif'; did you mean 'knife'?\n"
        f"warning: {configured}:10: no rule or category of 'demo' is called 'other-rules'; nothing is ignored by it\n"
    )
    done = run("scan", "images", "--select", "arms", "-o", "v.jsonl")
    assert (done.returncode, told in done.stderr.decode()) == (0, True)
    configured.write_text(configured.read_text().replace("unsure", "unsafe"))
    again = run("rejudge", "v.jsonl", "-o", "w.jsonl")
    assert (again.returncode, again.stderr.count(b"called")) == (0, 2)
    assert b"called" not in run("scan", "images", "--isolated").stderr


def test_config_says_which_file_counts(run: Run, configured: Path) -> None:
    done = run("config")
    assert f"settings file: {configured}".encode() in done.stdout.replace(b"\n", b"")
    assert b"images/0001.png: fire, knife" in done.stdout
