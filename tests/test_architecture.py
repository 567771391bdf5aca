"""The shape of the house holds, and each check fails on a fault that is planted in a copy of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from architecture import (
    CHECKS,
    ORDER,
    House,
    cycles,
    dynamic_imports,
    entries,
    homes,
    lengths,
    names_in_words,
    option_names,
    order,
    prints,
    private_names,
    relative_imports,
)

import imagejudge

PACKAGE = Path(imagejudge.__file__).parent
DOCS = PACKAGE.parent / "docs"

Check = Callable[[House], Iterator[str]]

PLANTED: list[tuple[str, Check, str, str]] = [
    ("a circle of two modules", cycles, "verdict.py", "import imagejudge.common.planted\n"),
    ("a circle within a function", cycles, "verdict.py", "def f() -> None:\n    import imagejudge.common.planted\n"),
    ("an import of a later room", order, "common/text.py", "from imagejudge.cli import main\n"),
    ("the same within a function", order, "judge/clue.py", "def f() -> None:\n    import imagejudge.evaluate.trial\n"),
    ("the same as an attribute of the package", order, "engine/base.py", "from imagejudge import output\n"),
    ("the same by a relative import", order, "engine/base.py", "from ..output import text\n"),
    (
        "an import of a later room of the training",
        order,
        "builtin/training/scenes/scene.py",
        "def f() -> None:\n    from imagejudge.builtin.training.network.export import write_pair\n",
    ),
    ("an import of the training code", order, "models/store.py", "from imagejudge.builtin.training import shape\n"),
    ("a relative import", relative_imports, "output/text.py", "from . import jsonl\n"),
    ("an import by name", dynamic_imports, "models/hub.py", "import importlib\nimportlib.import_module('torch')\n"),
    ("the same, renamed", dynamic_imports, "models/hub.py", "from importlib import import_module as load\n"),
    ("the same by the builtin", dynamic_imports, "models/hub.py", "__import__('imagejudge.cli')\n"),
    ("a room that is not listed", entries, "planted/__init__.py", ""),
    ("a module that is not listed", entries, "planted.py", ""),
    ("a foreign private name", private_names, "judge/scanner.py", "from imagejudge.judge.clue import _Finding\n"),
    ("the same by its module", private_names, "judge/scanner.py", "from imagejudge.judge import clue\nclue._Claim\n"),
    ("a print", prints, "engine/base.py", "print('hello')\n"),
    ("an option's name", option_names, "images/read.py", "HINT = 'raise it with --max-bytes'\n"),
    ("a library out of its home", homes, "judge/clue.py", "import llama_cpp\n"),
    ("the same within a function", homes, "constitution/rules.py", "def f() -> None:\n    from PIL import Image\n"),
    ("training's library at run time", homes, "engine/llama.py", "import torch\n"),
    ("a module of which the words alone speak", names_in_words, "engine/llama.py", "# see `engine.trunk`\n"),
    ("the same as a file", names_in_words, "engine/llama.py", "# see `trunk.py`\n"),
    (
        "a class of which the words alone speak",
        names_in_words,
        "judge/clue.py",
        "def f() -> None:\n    '''A `Planted`.'''\n",
    ),
    ("a module of 351 lines", lengths, "output/planted.py", "\n" * 351),
]


@pytest.fixture(scope="module")
def house() -> House:
    return House(PACKAGE)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_package_keeps_its_shape(check: Check, house: House) -> None:
    assert list(check(house)) == []


@pytest.mark.parametrize(("fault", "check", "path", "code"), PLANTED, ids=[fault for fault, *_ in PLANTED])
def test_a_planted_fault_is_found(fault: str, check: Check, path: str, code: str, house: House) -> None:
    file = PACKAGE / path
    planted = {path: f"{file.read_text('utf-8')}\n{code}" if file.exists() else code}
    if "circle" in fault:
        planted["common/planted.py"] = "import imagejudge.verdict\n"
    assert set(check(House(PACKAGE, planted))) - set(check(house))


def test_every_home_lost_is_noticed(tmp_path: Path) -> None:
    assert "engine is a home of llama_cpp but does not import it" in set(homes(House(tmp_path)))


def test_public_names_are_listed_and_there() -> None:
    assert imagejudge.__all__ == sorted(imagejudge.__all__)
    assert all(hasattr(imagejudge, name) for name in imagejudge.__all__)


@pytest.mark.parametrize(
    ("page", "room"), [("engine.md", "engine"), ("contributing.md", "")], ids=["the engine's page", "all rooms"]
)
def test_docs_list_every_module_of_what_they_describe(page: str, room: str) -> None:
    listed = set(re.findall(r"^\| `([\w./]+)` \|", (DOCS / page).read_text("utf-8"), re.MULTILINE))
    if room:
        there = {path.name for path in (PACKAGE / room).glob("*.py") if path.stem != "__init__"}
    else:
        there = {f"{name}/" if (PACKAGE / name).is_dir() else f"{name}.py" for name in ORDER}
    assert there <= listed
