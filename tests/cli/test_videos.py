"""Videos through the real program: found or passed over, judged, and told with their times in every format."""

from __future__ import annotations

import csv
import io
import json
import os
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest_cli import Run
from PIL import Image
from videos import film, needs_pyav, plain

import imagejudge

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples" / "stickers"
KNIVES = """schema = 1
name = "knives"
version = "1"

[[rules]]
id = "knife"
severity = "high"
text = "Should not depict knives."
preconditions = [{ ask = "A knife is visible.", objects = ["knife"] }]
"""

BUILTIN = Path(imagejudge.__file__).parent / "builtin"
BY_PATH = ("--model", str(BUILTIN / "model.gguf"), "--mmproj", str(BUILTIN / "mmproj.gguf"))
"""Without what tells its world, which is of no use to another engine."""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    (tmp_path / "knives.toml").write_text(KNIVES)
    return tmp_path / "knives.toml"


@pytest.fixture
def bright(brightness: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rules: Path) -> list[str]:
    """Options of a scan whose model sees a knife where it is bright; a folder `films` has one such second."""
    del brightness
    spec = find_spec("av")
    assert spec is not None
    assert spec.origin is not None
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([os.environ["PYTHONPATH"], str(Path(spec.origin).parents[1])]))
    (tmp_path / "films").mkdir()
    shades = [10, 10, 250, 10]
    (tmp_path / "films" / "a.mp4").write_bytes(film([plain(shade) for shade in shades for _ in range(5)], rate=5))
    return [*BY_PATH, "--constitution", str(rules), "--no-reasoning"]


def picture(name: str) -> Image.Image:
    return Image.open(EXAMPLES / f"{name}.png").convert("RGB").resize((320, 320))


@needs_pyav
def test_an_explosion_of_three_seconds_is_found_in_a_film_of_thirty(tmp_path: Path, run: Run, rules: Path) -> None:
    rules.write_text(KNIVES.replace("A knife", "An explosion").replace('["knife"]', '["explosion"]'))
    harmless = [picture(f"harmless-{number}") for number in range(1, 6)]
    explosion = picture("explosion-at-vehicle")
    frames = (explosion if 12 <= second < 15 else harmless[second // 3 % 5] for second in range(30) for _ in range(10))
    (tmp_path / "film.mp4").write_bytes(film(frames, rate=10))
    done = run("scan", "film.mp4", "--model", "builtin", "--constitution", rules)
    assert done.returncode == 1, done.stderr
    line = json.loads(done.stdout)
    assert 12 <= line["time"] < 15
    assert 120 <= line["frame"] < 150
    (violation,) = line["violations"]
    (span,) = violation["spans"]
    assert (span["start"], span["end"], span["step"], span["frames"]) == (12.0, 15.0, 1.0, 3)
    assert (line["image"]["duration"], line["image"]["frames"], line["sampled"]["frames"]) == (30.0, 300, 30)


@needs_pyav
def test_every_format_says_when(run: Run, bright: list[str]) -> None:
    def shown(form: str) -> str:
        done = run("scan", "films", *bright, "--format", form)
        assert done.returncode == 1, done.stderr
        return done.stdout.decode()

    assert "films/a.mp4: unsafe: knife at 0:02: a knife is visible" in shown("text")
    assert "From 0:02 to 0:03: a knife is visible" in shown("github")
    (result,) = json.loads(shown("sarif"))["runs"][0]["results"]
    assert result["message"]["text"].startswith("From 0:02 to 0:03: a knife is visible")
    (row,) = csv.DictReader(io.StringIO(shown("csv").removeprefix("\ufeff")))
    assert (row["time"], row["frame"], row["frames"], row["format"]) == ("2.0", "10", "20", "MP4")
    explained = run("explain", "films/a.mp4", *bright).stdout.decode()
    assert "films/a.mp4, frame 10 at 0:02: unsafe" in explained
    assert "MP4, 64 x 48 pixels, h264, 0:04 long" in explained
    assert "knife: violated at 0:02" in explained


@needs_pyav
def test_another_sampling_is_another_file_of_verdicts(run: Run, bright: list[str], tmp_path: Path) -> None:
    scan = ("scan", "films", *bright, "-o", "verdicts.jsonl")
    assert run(*scan, "--every", "0.5").returncode == 1
    line = json.loads((tmp_path / "verdicts.jsonl").read_text())
    assert (line["settings"]["every"], line["sampled"]["seconds"], line["sampled"]["frames"]) == ("0.5", 0.5, 8)
    again = run(*scan, "--every", "0.5")
    assert b"1 of these images has its line" in again.stderr
    for other in (["--every", "2"], ["--video-frames", "3"], ["--scenes"]):
        refused = run(*scan, *other)
        assert refused.returncode == 2
        assert b"--every 0.5, now" in refused.stderr


@pytest.mark.slow
@needs_pyav
def test_one_option_decides_which_frames(run: Run, bright: list[str], tmp_path: Path) -> None:
    def method(*options: str) -> str:
        done = run("scan", "films", *bright, *options)
        assert done.returncode == 1, done.stderr
        name: str = json.loads(done.stdout)["sampled"]["method"]
        return name

    assert method("--scenes") == "scenes"
    for pair in (["--scenes", "--every", "1"], ["--video-frames", "3", "--scenes"]):
        refused = run("scan", "films", *bright, *pair)
        assert refused.returncode == 2
        first, second = (each for each in pair if each.startswith("--"))
        assert f"{first} and {second} exclude each other" in refused.stderr.decode()
    (tmp_path / "imagejudge.toml").write_text("scenes = true\n")
    assert method() == "scenes"
    assert method("--every", "1") == "every"  # the command line is nearer
    assert method("--video-frames", "4") == "spread"
    (tmp_path / "imagejudge.toml").write_text("video-frames = 3\nevery = 2.0\n")
    assert b"exclude each other" in run("scan", "films", *bright).stderr
    assert method("--scenes") == "scenes"


@pytest.mark.slow
@needs_pyav
def test_the_review_page_shows_the_worst_frame(run: Run, bright: list[str], tmp_path: Path) -> None:
    run("scan", "films", *bright, "-o", "verdicts.jsonl")
    done = run("report", "verdicts.jsonl", "-o", "page.html")
    assert done.returncode == 0, done.stderr
    assert "UklGR" in (tmp_path / "page.html").read_text()  # a WebP in base64


def test_without_the_extra_videos_are_counted_or_refused(
    run: Run, rules: Path, tmp_path: Path, brightness: None
) -> None:
    del brightness
    custom = tmp_path / "site" / "sitecustomize.py"
    custom.write_text(f"{custom.read_text()}import imagejudge.images.video as video\nvideo.pyav = lambda: None\n")
    (tmp_path / "mixed").mkdir()
    plain(10).save(tmp_path / "mixed" / "a.png")
    for name in ("b.mp4", "c.webm"):
        (tmp_path / "mixed" / name).write_bytes(b"\0\0\0\x18ftypisom\0\0\0\0isommp42")
    scan = (*BY_PATH, "--constitution", str(rules), "--no-reasoning", "--format", "text")
    done = run("scan", "mixed", *scan)
    assert done.returncode == 0
    assert done.stdout.splitlines() == [b"mixed/a.png: safe"]
    assert b"2 videos; to judge them: pip install '.[video]'" in done.stderr
    assert b"passed over" not in run("scan", "mixed", *scan, "--quiet").stderr
    named = run("scan", "mixed/b.mp4", *scan)
    assert named.returncode == 2
    assert b"mixed/b.mp4: error: reading videos needs one more package" in named.stdout
    assert b"pip install '.[video]'" in named.stdout
