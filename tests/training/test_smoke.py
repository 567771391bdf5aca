"""Every stage of the training, tiny: it runs, goes on from its checkpoints and exports a pair that llama.cpp reads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from samples import BUILTIN, LEFT, RIGHT, scene, write_sprites

from imagejudge.images.picture import Picture
from imagejudge.prompts import visible

EXTRA = "training needs the extra train"
torch = pytest.importorskip("torch", reason=EXTRA)
pytest.importorskip("tokenizers", reason=EXTRA)


@pytest.mark.filterwarnings("default")
def test_all_stages_run_resume_and_export(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from imagejudge.builtin.training.network.pipeline import SMOKE, run_all
    from imagejudge.engine.llama import LlamaEngine
    from imagejudge.engine.llama_model import LlamaOptions

    write_sprites(tmp_path / "sprites.npz")
    given = SMOKE | {"out": tmp_path, "batch": 8}
    run_all(tmp_path, given | {"steps": 2}, torch.device("cpu"))
    run_all(tmp_path, given, torch.device("cpu"))
    assert "language: going on from step 2" in capsys.readouterr().out
    files = tmp_path / "export"
    options = LlamaOptions(str(files / "model.gguf"), str(files / "mmproj.gguf"), "bbox-xyxy-1000", threads=1)
    with LlamaEngine(options) as engine:
        view = engine.view(Picture(128, 128, bytes(128 * 128 * 3)))
        assert 0 < view.ask([visible("A person is visible.")])[0].p_yes < 1


def test_training_goes_on_from_a_pair_and_then_from_its_own_checkpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import json

    import numpy as np

    from imagejudge.builtin.training.benchmark.agreement import measure_agreement
    from imagejudge.builtin.training.network import export
    from imagejudge.builtin.training.network import joint_stage as joint
    from imagejudge.builtin.training.network.restore import read_pair
    from imagejudge.builtin.training.network.trainer import Config, trained_weights
    from imagejudge.builtin.training.scenes.painter import Painter, Sprites
    from imagejudge.engine.llama import LlamaEngine
    from imagejudge.engine.llama_model import LlamaOptions

    monkeypatch.setattr(joint, "SCENES", 6)
    write_sprites(tmp_path / "sprites.npz")
    for steps in (2, 4):
        config = Config("joint", tmp_path, steps, 2, 1e-3, compile=False, log_every=2)
        joint.train_joint(config, torch.device("cpu"), BUILTIN)
    assert "joint: going on from step 2, after 12 scenes" in capsys.readouterr().out
    pair, weights = read_pair(BUILTIN), trained_weights(tmp_path, 1.0)
    assert set(weights) == set(pair.weights)
    moved = {name: float(np.abs(weights[name] - pair.weights[name]).max()) for name in weights}
    assert 0 < moved["vision.stages.0.0.pw1.weight"] < 0.01
    assert 0 < moved["language.layers.0.gate.weight"] < 0.01
    tokenizer = json.loads((tmp_path / "tokenizer.json").read_text(encoding="utf-8"))
    export.write_pair(tmp_path / "export", pair.shape, weights, tokenizer)
    assert read_pair(tmp_path / "export").shape == pair.shape
    files = tmp_path / "export"
    options = LlamaOptions(str(files / "model.gguf"), str(files / "mmproj.gguf"), "bbox-xyxy-1000", threads=1)
    with LlamaEngine(options) as engine:
        measure_agreement(engine, Painter(Sprites(tmp_path / "sprites.npz")), tmp_path, scenes=3, temperature=1.0)
    told = re.match(r"(\d+) of (\d+) answers agree", capsys.readouterr().out)
    assert told is not None
    assert told[1] == told[2]


def test_the_vision_stage_learns_nothing_from_what_held_out_pairs_leave_out() -> None:
    import numpy as np

    from imagejudge.builtin.training.network.labels import ABSENT, KINDS, targets
    from imagejudge.builtin.training.scenes.shards import packed

    arrays = packed([scene(("baby", LEFT)), scene(("baby", LEFT), ("knife", RIGHT))])
    _, wanted = targets(arrays, np.arange(2), np.zeros(2, np.bool_))
    knife, gun, baby = (KINDS.index(name) for name in ("knife", "gun", "baby"))
    assert wanted["whole_known"][0, [knife, gun, baby]].tolist() == [0, 1, 1]
    assert wanted["whole_known"][1, [knife, gun, baby]].tolist() == [1, 1, 1]
    assert wanted["touch_known"][0, 0, [knife, gun]].tolist() == [0, ABSENT]


def test_what_tells_the_world_is_fitted_and_written_as_the_program_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    import numpy as np
    from PIL import Image

    from imagejudge.builtin.training.network import world_stage
    from imagejudge.builtin.training.network.trainer import Config
    from imagejudge.judge.world import World
    from imagejudge.models.files import file_digest

    write_sprites(tmp_path / "sprites.npz")
    shutil.copy(BUILTIN / "mmproj.gguf", tmp_path)
    shutil.copy(BUILTIN / "model.gguf", tmp_path)
    photographs = tmp_path / "photographs" / "some"
    photographs.mkdir(parents=True)
    random = np.random.default_rng(0)
    Image.fromarray(random.integers(0, 256, (300, 1200, 3), np.uint8)).save(photographs / "a.png")
    networks: list[world_stage.Network] = []
    fit = world_stage.fit
    monkeypatch.setattr(world_stage, "fit", lambda network, *rest: (networks.append(network), fit(network, *rest)))
    world_stage.train_world(Config("world", tmp_path, 3, 16, 2e-3), tmp_path, photographs.parent)
    world = World(tmp_path / "world.npz", file_digest(tmp_path / "mmproj.gguf"))
    maps = random.normal(0, 3, (20, 64, 192)).astype(np.float16)
    end = networks[0].out.bias.item() - float(np.load(tmp_path / "world.npz")["out_bias"])
    for tokens, logit in zip(maps, networks[0].logits(maps), strict=True):
        assert world.distance(tokens.astype(np.float32)) == pytest.approx(1 / (1 + np.exp(end - logit)), abs=1e-3)
