"""GGUF files with absurd counts, lengths, types and ends: a plain refusal, at once and in little memory."""

from __future__ import annotations

import os
import random
import struct
import subprocess
import sys
from pathlib import Path

import gguf_pairs
import pytest

from imagejudge.common.gguf import quantisation
from imagejudge.engine.process import EngineProcess, Limits
from imagejudge.errors import ModelError

U32, U64 = struct.Struct("<I"), struct.Struct("<Q")
ABSURD = (2**31, 2**32 - 1, 2**40, 2**62, 2**63 - 1, 2**64 - 1)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> gguf_pairs.Pair:
    return gguf_pairs.tiny_pair(tmp_path_factory.mktemp("whole"))


def put(data: bytes, place: int, form: struct.Struct, value: int) -> bytes:
    return data[:place] + form.pack(value) + data[place + form.size :]


def mutations(data: bytes, count: int) -> list[bytes]:
    """Files that no reader can take: absurd counts and lengths, and ends in the header."""
    chance = random.Random(1)
    header = data.index(b"output_norm.weight")
    listed = data.index(b"tokenizer.ggml.tokens") + len("tokenizer.ggml.tokens")
    weight = data.index(b"token_embd.weight") + len("token_embd.weight")
    made = [put(data, place, U64, value) for place in (8, 16, 24, listed + 8, weight + 24) for value in ABSURD]
    made += [put(data, 4, U32, version) for version in (0, 1, 99, 2**32 - 1)]
    made += [put(data, listed + 4, U32, kind) for kind in (9, 13, 2**32 - 1)]
    made += [put(data, weight, U32, dimensions) for dimensions in (5, 2**31)]
    made += [put(data, weight + 20, U32, kind) for kind in (99, 2**32 - 1)]
    made += [data[:4] + data[:end] for end in (0, 8, 24)]
    while len(made) < count:
        made.append(data[: chance.randrange(24, header)])
    return made


CODE = """
import sys, time
sys.path.insert(0, sys.argv[3])
from pathlib import Path
from test_gguf_headers import mutations
from imagejudge.engine.llama_model import LlamaOptions, LoadedModel
from imagejudge.engine.pair import check
from imagejudge.errors import ModelError
from peak_memory import peak_memory

path = Path(sys.argv[2])
made = mutations(Path(sys.argv[1]).read_bytes(), 200)
before = peak_memory()
slowest = 0.0
for number, data in enumerate(made):
    path.write_bytes(data)
    started = time.process_time()
    try:
        check(path, None)
        LoadedModel(LlamaOptions(str(path)))
        raise SystemExit(f"mutation {number} was loaded")
    except ModelError as error:
        assert len(error.message.splitlines()) == 1, error.message
    slowest = max(slowest, time.process_time() - started)
print(len(made), slowest, peak_memory() - before)
"""


def test_two_hundred_are_refused_at_once(pair: gguf_pairs.Pair, tmp_path: Path) -> None:
    here = Path(__file__).parent
    command = [sys.executable, "-c", CODE, pair.model, tmp_path / "m.gguf", here]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(here.parent), str(here.parent.parent)])}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    count, slowest, grown = map(float, done.stdout.split())
    assert count == 200
    assert slowest < 2
    assert grown < 100e6


def test_listing_models_survives_them(pair: gguf_pairs.Pair, tmp_path: Path) -> None:
    for data in mutations(pair.model.read_bytes(), 200):
        (tmp_path / "m.gguf").write_bytes(data)
        quantisation(tmp_path / "m.gguf")


@pytest.mark.parametrize("number", [0, 10, 20, 30, 60])
def test_the_engine_says_so(pair: gguf_pairs.Pair, tmp_path: Path, number: int) -> None:
    (tmp_path / "m.gguf").write_bytes(mutations(pair.model.read_bytes(), 61)[number])
    options = {"model": str(tmp_path / "m.gguf"), "mmproj": str(pair.mmproj), "threads": 1}
    with (
        EngineProcess("imagejudge.engine.llama:load_engine", options, Limits(load_seconds=60)) as worker,
        pytest.raises(ModelError, match=r"m\.gguf"),
    ):
        worker.view(None)
