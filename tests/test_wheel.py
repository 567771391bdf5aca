"""What is in the wheel, and that it works where nothing else is."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", out, ROOT], check=True, capture_output=True, timeout=300
    )
    (made,) = out.glob("*.whl")
    return made


def test_the_wheel_carries_constitutions_and_the_model(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for file in (ROOT / "constitutions").glob("*.toml"):
        assert f"imagejudge/constitutions/{file.name}" in names
    package = ROOT / "imagejudge"
    files = [path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
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
