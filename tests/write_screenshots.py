"""Make the pictures of `docs/review.md` anew: `python tests/write_screenshots.py`. Needs Chromium."""

from __future__ import annotations

import subprocess
import tempfile
from io import BytesIO
from pathlib import Path

from browser import Tab, tab
from conftest_cli import PROGRAM
from PIL import Image

ROOT = Path(__file__).parent.parent
STICKERS = "docs/examples/stickers"


def main() -> None:
    """Of the stickers among the examples, judged by the built-in model."""
    with tempfile.TemporaryDirectory() as folder:
        verdicts, page = Path(folder) / "verdicts.jsonl", Path(folder) / "page.html"
        scan = [PROGRAM, "scan", STICKERS, "-c", "stickers", "--model", "builtin", "-o", verdicts, "--exit-zero"]
        subprocess.run(scan, cwd=ROOT, check=True)
        subprocess.run([PROGRAM, "report", verdicts, "-o", page], cwd=ROOT, check=True)
        with tab(width=1280, height=800) as light:
            light.open(page.as_uri()).wait("document.querySelector('.tile img')?.complete")
            light.press("b", "y", "y", "n")
            light.wait("document.querySelector('#figures').textContent.includes('n = 3')")
            _save(light, "review-grid.png")
        with tab(width=1280, height=800, dark=True) as dark:
            dark.open(page.as_uri()).wait("document.querySelector('.tile img')?.complete")
            dark.press("b")
            dark.run("openDetail(grid.list[2])")
            _save(dark, "review-detail.png")


def _save(shown: Tab, name: str) -> None:
    """In 128 colours, which shows all that is to be seen in a third of the bytes."""
    shown.run("new Promise((done) => setTimeout(done, 500))")
    with Image.open(BytesIO(shown.driver.get_screenshot_as_png())) as image:
        image.convert("RGB").quantize(128).save(ROOT / "docs" / name, optimize=True)


if __name__ == "__main__":
    main()
