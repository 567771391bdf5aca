"""What a GGUF says of its weights."""

from __future__ import annotations

import struct
from pathlib import Path

import llama_cpp
import pytest

from imagejudge import models
from imagejudge.common.gguf import _TYPES, architecture, is_gguf, quantisation


def gguf(path: Path, *keys: bytes) -> Path:
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, len(keys)) + b"".join(keys))
    return path


def key(name: str, kind: int, value: bytes) -> bytes:
    return struct.pack("<Q", len(name)) + name.encode() + struct.pack("<I", kind) + value


TEXT = key("general.architecture", 8, struct.pack("<Q", 5) + b"llama")
TYPE = key("general.file_type", 4, struct.pack("<I", 15))


def test_real_files_say_it() -> None:
    files = models.resolve_model(models.BUILTIN, None)
    assert [quantisation(path) for path in (files.model, files.mmproj)] == ["F16", "F16"]


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ([TEXT, TYPE], "Q4_K_M"),
        ([key("general.tags", 9, struct.pack("<IQ", 8, 2) + (struct.pack("<Q", 1) + b"a") * 2), TYPE], "Q4_K_M"),
        ([key("a", 6, b"1234"), key("b", 7, b"1"), TYPE], "Q4_K_M"),
        ([key("general.file_type", 4, struct.pack("<I", 1024 + 1))], "F16"),
        ([key("general.file_type", 4, struct.pack("<I", 99))], "type 99"),
        ([TEXT], None),
        ([key("general.file_type", 8, struct.pack("<Q", 1) + b"x")], None),
        ([key("a", 77, b""), TYPE], None),
        ([key("a", 8, struct.pack("<Q", 2**64 - 1)), TYPE], None),
        ([key("a", 9, struct.pack("<IQ", 4, 2**60)), TYPE], None),
        ([key("a", 9, struct.pack("<IQ", 9, 1) * 3000), TYPE], None),
        ([TYPE[:-2]], None),
    ],
)
def test_heads(tmp_path: Path, keys: list[bytes], said: str | None) -> None:
    assert quantisation(gguf(tmp_path / "m.gguf", *keys)) == said


def test_no_gguf_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(b"version https://git-lfs")
    assert quantisation(tmp_path / "m.gguf") is None


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ([TEXT, TYPE], "llama"),
        ([TYPE, TEXT], ""),
        ([key("general.architecture", 8, struct.pack("<Q", 2) + b"\xff!")], "\ufffd!"),
        ([key("general.architecture", 4, struct.pack("<I", 1))], ""),
        ([], ""),
    ],
)
def test_the_architecture_stands_first(tmp_path: Path, keys: list[bytes], said: str) -> None:
    assert architecture(gguf(tmp_path / "m.gguf", *keys)) == said


def test_files_of_another_kind_are_none(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(b"GGU")
    assert not is_gguf(tmp_path / "m.gguf")
    assert not architecture(tmp_path / "m.gguf")
    assert is_gguf(gguf(tmp_path / "m.gguf"))


def test_names_are_those_of_llama_cpp() -> None:
    for number, name in _TYPES.items():
        spelled = (f"LLAMA_FTYPE_{kind}_{name}" for kind in ("ALL", "MOSTLY"))
        assert number in [getattr(llama_cpp, each, None) for each in spelled]
