"""The list of known models, shipped and the user's own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from models.write_table import DOCS, table

from imagejudge.errors import ModelError
from imagejudge.models import registry

MINE = """
schema = 1
[[models]]
name = "mine"
repository = "me/mine"
model = "mine.gguf"
mmproj = "mmproj.gguf"
licence = "MIT"
"""


@pytest.fixture
def own(isolated: Path) -> Path:
    path = registry.user_file()
    assert path.is_relative_to(isolated)
    path.parent.mkdir(parents=True)
    return path


def test_every_shipped_model_can_be_told_apart_and_is_honest() -> None:
    known = registry.load_registry()
    assert "qwen3-vl-4b" in known
    assert {entry.prompt_style for entry in known.values()} == {"direct", "shieldstral", "sing-guard"}
    for entry in known.values():
        given = {name for name in type(entry).model_fields if getattr(entry, name) not in (None, "direct", [])}
        # Nothing could be compared with a real file so far; take a field out of `unverified` once it was.
        assert set(entry.unverified) == given - {"name", "unverified"}
        assert entry.bytes is None or entry.memory is None or entry.bytes < entry.memory


def test_checksums_are_pinned_never_shipped() -> None:
    text = (Path(registry.__file__).parent / "registry.toml").read_text("utf-8")
    assert not re.search(r"[0-9a-f]{40}", text)


def test_the_page_shows_the_list() -> None:
    assert table() in (DOCS / "models.md").read_text("utf-8")


def test_ones_own_models_join_and_replace(own: Path) -> None:
    own.write_text(MINE + MINE.replace('"mine"', '"qwen3-vl-4b"').replace("schema = 1", ""))
    assert registry.find_entry("mine").files == ("mine.gguf", "mmproj.gguf")
    assert registry.find_entry("qwen3-vl-4b").licence == "MIT"
    assert registry.find_entry("qwen3-vl-8b").licence == "Apache-2.0"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("schema = 1", "schema = 2", "schema: Input should be 1"),
        ('licence = "MIT"', "", "models[0].licence: Field required"),
        ('"me/mine"', '"mine"', "models[0].repository: String should match"),
        ('"mine.gguf"', '"../mine.gguf"', "models[0].model: String should match"),
        ('"mine.gguf"', '"/mine.gguf"', "models[0].model: String should match"),
        ('"mine.gguf"', '"mine.bin"', "models[0].model: String should match"),
        ('mmproj = "mmproj.gguf"', "", "model and mmproj belong together"),
        ('name = "mine"', 'name = "builtin"', "already means something else"),
        ('name = "mine"', 'name = "x.gguf"', "already means something else"),
        ('name = "mine"', 'name = "Mine"', "models[0].name"),
        ('licence = "MIT"', 'licence = "MIT"\nbox_style = "polar"', "box_style is one of bbox-xyxy-1000"),
        (
            'licence = "MIT"',
            'licence = "MIT"\nprompt_style = "x"',
            "prompt_style is a TOML file, or one of direct, llama-guard, ",
        ),
        ('licence = "MIT"', 'licence = "MIT"\nunverified = ["colour"]', "do not exist: colour"),
        ('licence = "MIT"', 'licence = "MIT"\nmemory = 0', "models[0].memory"),
        ('licence = "MIT"', 'licence = "MIT"\nchat_template = ""', "models[0].chat_template"),
        ('licence = "MIT"', 'licence = "MIT"\nimage_tokens = 64\nimage_min_tokens = 65', "more than image_tokens"),
        ("schema = 1", "schema =", "models.toml:2: not TOML"),
    ],
)
def test_mistakes_say_where_they_are(own: Path, old: str, new: str, words: str) -> None:
    own.write_text(MINE.replace(old, new))
    with pytest.raises(ModelError) as error:
        registry.load_registry()
    assert str(own) in error.value.message
    assert words in error.value.message
    assert error.value.hint


def test_a_name_nearly_right() -> None:
    with pytest.raises(ModelError) as error:
        registry.find_entry("Qwen3-VL-4B")
    assert "did you mean 'qwen3-vl-4b'?" in error.value.hint
