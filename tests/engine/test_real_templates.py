"""Every chat template that llama.cpp carries, as llama-cpp-python ships it, against the table of docs/models.md."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path

import pytest

from imagejudge.engine.chat import ChatTemplate
from imagejudge.engine.thought import open_thought
from imagejudge.errors import ModelError

PAGE = Path(__file__).parents[2] / "docs" / "models.md"
_PLACE = "/vendor/llama.cpp/models/templates/"


def fetch_templates(folder: Path) -> dict[str, str]:
    """By name, out of the source archive of the version that is installed."""
    wanted = f"llama-cpp-python=={version('llama-cpp-python')}"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", "llama-cpp-python", wanted]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        members = [each for each in tar if _PLACE in each.name and each.name.endswith(".jinja")]
        return {Path(each.name).stem: tar.extractfile(each).read().decode() for each in members}  # type: ignore[union-attr]


def state_of(source: str) -> str:
    """Whether a model with this template would be refused when it is loaded."""
    try:
        template = ChatTemplate(source, bos="<s>", eos="</s>")
        frames = [template.frame(turns, image=image) for turns in (1, 3) for image in (True, False)]
    except ModelError:
        return "refused"
    assert frames[0].before_image == frames[2].before_image
    return "refused" if any(open_thought(frame.around[-1]) for frame in frames) else "works"


def told() -> dict[str, str]:
    """The state of each template, as the page has it."""
    rows = re.findall(r"^\| (works|refused|unknown) \| (`.*?`) \|", PAGE.read_text("utf-8"), re.MULTILINE)
    return {name: state for state, names in rows for name in re.findall("`(.*?)`", names)}


@pytest.mark.exhaustive
def test_each_template_does_what_the_page_says(tmp_path: Path) -> None:
    known = told()
    states = {name: state_of(source) for name, source in fetch_templates(tmp_path).items()}
    assert len(states) >= 70
    # What the page calls unknown renders; nobody knows what such a model says first.
    assert states == {name: "works" if state == "unknown" else state for name, state in known.items()}
