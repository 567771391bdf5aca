"""The page about acting on what was found: its commands run, word for word and in their order."""

from __future__ import annotations

import hashlib
import re
import shlex
import shutil
from pathlib import Path

from conftest_cli import Run

from imagejudge.output.decisions import decision_of

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "act.md").read_text("utf-8")
COMMANDS = re.findall(r"^    (imagejudge .*)$", PAGE, re.MULTILINE)
STICKERS = ("gambling", "bleeding", "harmless-1")


def test_every_command_runs(run: Run, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for name in STICKERS:
        shutil.copy(ROOT / "docs" / "examples" / "stickers" / f"{name}.png", tmp_path / "photos")
    (example,) = re.findall(r"^```json\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    decision = decision_of(example.encode())
    assert decision.truth == "clear"
    digest = hashlib.sha256((tmp_path / "photos" / "gambling.png").read_bytes()).hexdigest()
    (tmp_path / "decisions.jsonl").write_text(example.replace(decision.sha256, digest))
    shown = {}
    for command in COMMANDS:
        done = run(*shlex.split(command)[1:])
        assert done.returncode == ("scan" in command), (command, done.stderr.decode())
        shown[command] = done.stdout.decode()
    assert len(COMMANDS) >= 11
    assert "photos/bleeding.png -> quarantine/bleeding.png" in shown[COMMANDS[1]]
    assert "clean/gambling.png" in shown[next(command for command in COMMANDS if "decisions" in command)]
    assert sorted(path.stem for path in (tmp_path / "photos").iterdir()) == sorted(STICKERS)
    assert sorted(path.stem for path in (tmp_path / "censored").iterdir()) == ["bleeding", "gambling"]
