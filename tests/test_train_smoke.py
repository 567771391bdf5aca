"""Every stage of the training, tiny: it runs, goes on from its checkpoints and exports a pair that llama.cpp reads."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_train_scenes import write_sprites

from imagejudge.picture import Picture
from imagejudge.questions import visible

torch = pytest.importorskip("torch")
pytest.importorskip("tokenizers")
pytest.importorskip("gguf")


@pytest.mark.filterwarnings("default")
def test_all_stages_run_resume_and_export(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from imagejudge.engine.llama import LlamaEngine, LlamaOptions
    from imagejudge.train.train import SMOKE, run_all

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
