"""What is in the wheel, and that it works where nothing else is."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


TRAINING = ROOT / "imagejudge" / "builtin" / "training"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the source distribution and the wheel, which is built from it."""
    out = tmp_path_factory.mktemp("built")
    command = [sys.executable, "-m", "build", "--outdir", out, ROOT]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return out


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (made,) = built.glob("*.whl")
    return made


def test_the_training_code_is_in_the_source_distribution_and_not_in_the_wheel(built: Path, wheel: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        sources = {name.partition("/")[2] for name in archive.getnames()}
    files = {path.relative_to(ROOT).as_posix() for path in TRAINING.rglob("*.py")}
    assert "imagejudge/builtin/training/__main__.py" in files
    assert files <= sources
    assert [name for name in zipfile.ZipFile(wheel).namelist() if "training" in name] == []


def test_the_wheel_carries_constitutions_and_the_model(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for file in (ROOT / "constitutions").glob("*.toml"):
        assert f"imagejudge/constitutions/{file.name}" in names
    package = ROOT / "imagejudge"
    files = [path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    files = [path for path in files if not path.is_relative_to(TRAINING)]
    assert {path.relative_to(ROOT).as_posix() for path in files} <= set(names)
    assert {path.suffix for path in files} >= {".py", ".gguf", ".toml", ".css", ".jinja", ".typed"}
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert any(name.endswith("licenses/imagejudge/builtin/NOTICE") for name in names)
    assert not any(name.startswith(("tests", "docs")) for name in names)


def test_the_wheel_works_in_a_clean_environment(wheel: Path, tmp_path: Path) -> None:
    """The libraries come from this environment, so that llama.cpp is not compiled again; imagejudge does not."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run(install, check=True, capture_output=True, timeout=300)
    (site,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    libraries = [path for path in map(Path, sys.path) if path.name == "site-packages"]
    # Editable installs bring an import hook in a .pth file, which is not read for folders named in a .pth file here.
    (site / "libraries.pth").write_text("\n".join(map(str, libraries)))
    where = subprocess.run(
        [python, "-c", "import imagejudge; print(imagejudge.__file__)"],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert Path(where.stdout.strip()).is_relative_to(tmp_path)
    for file in (ROOT / "constitutions").glob("*.toml"):
        checked = subprocess.run(
            [tmp_path / "venv" / "bin" / "imagejudge", "check", file.stem],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            check=False,
        )
        assert checked.returncode == 0, checked.stderr
        assert str(site) in checked.stdout.replace("\n", "")
    image = ROOT / "docs" / "examples" / "stickers" / "gambling.png"
    scanned = subprocess.run(
        [tmp_path / "venv" / "bin" / "imagejudge", "scan", image, "-c", "stickers", "--model", "builtin"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert (scanned.returncode, "gambling" in scanned.stdout) == (1, True), scanned.stderr
