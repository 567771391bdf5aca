"""From what the user calls a model to its files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

import imagejudge
from imagejudge import Judge, ModelChoice, models
from imagejudge.errors import ModelError
from imagejudge.prompts import HOUSE, find_prompt_style

PACKAGE = Path(imagejudge.__file__).parent


def test_a_pair_of_paths(tmp_path: Path) -> None:
    text, eye = tmp_path / "some-4b.gguf", tmp_path / "mmproj.gguf"
    text.write_bytes(b"GGUF1")
    eye.write_bytes(b"GGUF2")
    files = models.resolve_model(str(text), str(eye))
    assert files == models.ModelFiles("some-4b", text, eye)
    assert files.box_style is None
    digests = [models.file_digest(path) for path in (text, eye)]
    assert digests[0] == hashlib.sha256(b"GGUF1").hexdigest()
    assert models.whole_digest(digests) != models.whole_digest(reversed(digests))


def test_a_text_model_in_several_parts_is_all_of_them(tmp_path: Path) -> None:
    names = [f"some-{part:05}-of-00003.gguf" for part in (1, 2, 3)]
    for name in (*names, "mmproj.gguf"):
        (tmp_path / name).write_bytes(name.encode())
    files = models.resolve_model(str(tmp_path / names[0]), str(tmp_path / "mmproj.gguf"))
    assert [path.name for path in files.paths] == [*names, "mmproj.gguf"]
    (tmp_path / names[2]).unlink()
    with pytest.raises(ModelError, match=r"some-00003-of-00003\.gguf cannot be read: No such file"):
        Judge("stickers", model=ModelChoice(str(files.model), str(files.mmproj)), keep_answers=False)


@pytest.mark.parametrize(
    ("model", "mmproj", "words"),
    [
        (None, None, "no model was chosen"),
        ("gpt-9", None, "no model is called 'gpt-9'"),
        ("none.gguf", None, "only half of a model"),
        ("none.gguf", "none.gguf", "there is no file none.gguf"),
        ("builtin", "x.gguf", "does not go with"),
    ],
)
def test_what_cannot_be_resolved_says_what_to_do(model: str | None, mmproj: str | None, words: str) -> None:
    with pytest.raises(ModelError, match=words) as error:
        models.resolve_model(model, mmproj)
    assert error.value.hint


def test_styles(tmp_path: Path) -> None:
    text, eye, own = tmp_path / "guard.gguf", tmp_path / "mmproj.gguf", tmp_path / "mine.toml"
    for path in (text, eye):
        path.write_bytes(b"GGUF")
    own.write_bytes((PACKAGE / "prompts" / "styles" / "llavaguard.toml").read_bytes())
    files = models.resolve_model(str(text), str(eye), "box-yxyx-1000", "shieldstral")
    assert (files.box_style, files.prompt_style) == ("box-yxyx-1000", find_prompt_style("shieldstral"))
    assert models.resolve_model(str(text), str(eye)).prompt_style == HOUSE
    mine = models.resolve_model(str(text), str(eye), None, str(own)).prompt_style
    assert (mine.name, mine.digest) == ("mine", find_prompt_style("llavaguard").digest)
    for styles, words in (
        (("box-yxxy-1000", None), "did you mean 'box-yxyx-1000'?"),
        ((None, "Shieldstrahl"), "did you mean 'shieldstral'?"),
        ((None, "polite"), "there are: direct, llama-guard, llavaguard, shieldgemma-2, shieldstral, sing-guard; "),
    ):
        with pytest.raises(ModelError, match="is not known") as error:
            models.resolve_model(str(text), str(eye), *styles)
        assert error.value.hint.startswith(words)
    with pytest.raises(ModelError, match="`prompt_style` does not go with the built-in model"):
        models.resolve_model("builtin", None, None, "direct")
    for known in ("shieldstral-3b", "builtin"):
        with pytest.raises(ModelError, match=f"`box_style` does not go with {known}, of which it is known"):
            models.resolve_model(known, None, "box-yxyx-1000")
        with pytest.raises(ModelError, match="`box_style` round is not known"):
            models.resolve_model(known, None, "round")


@pytest.mark.parametrize("name", ["X.GGUF", "sha256-3fa9c2d01b7e", "blob"])
def test_a_file_of_any_name_has_the_box_style_that_is_given(tmp_path: Path, name: str) -> None:
    """As ollama and the hub's cache name them."""
    text, eye = tmp_path / name, tmp_path / "mmproj.gguf"
    for path in (text, eye):
        path.write_bytes(b"GGUF")
    assert models.resolve_model(str(text), str(eye), "bbox-xyxy-1000").box_style == "bbox-xyxy-1000"
    with pytest.raises(ModelError, match="no model is called"):
        models.resolve_model(f"{text}.none", str(eye), "bbox-xyxy-1000")


def test_a_template_goes_with_every_model_but_the_built_in_one(tmp_path: Path) -> None:
    text, eye, template = tmp_path / "llava.gguf", tmp_path / "mmproj.gguf", tmp_path / "vicuna.jinja"
    for path in (text, eye):
        path.write_bytes(b"GGUF")
    template.write_text("\ufeff{{ messages }}\n", "utf-8")
    given = models.resolve_model(str(text), str(eye), chat_template=str(template))
    assert given.chat_template == "{{ messages }}\n"
    assert models.resolve_model(str(text), str(eye)).chat_template is None
    with pytest.raises(ModelError, match="`chat_template` does not go with"):
        models.resolve_model("builtin", None, chat_template=str(template))
    long, binary, empty = tmp_path / "long.jinja", tmp_path / "binary.jinja", tmp_path / "empty.jinja"
    long.write_bytes(b"a" * 300_000)
    binary.write_bytes(b"\xff\xfe")
    empty.write_bytes(b"\n")
    for path, words in (
        (tmp_path / "none.jinja", "cannot be read: No such file"),
        (tmp_path, "cannot be read: Is a directory"),
        (long, "larger than 262,144 bytes"),
        (binary, "UTF-8"),
        (empty, "holds no template"),
    ):
        with pytest.raises(ModelError, match=words) as error:
            models.resolve_model(str(text), str(eye), chat_template=str(path))
        assert "`chat_template`" in error.value.hint


def test_an_unreadable_file_has_no_digest(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        models.file_digest(tmp_path)
