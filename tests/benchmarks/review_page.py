"""How quick the review page is in Chromium: `python tests/benchmarks/review_page.py [IMAGES...]`.

Of each page: its size, when something was first painted, when all was loaded, how long it takes to filter and sort, and
the longest of 300 frames while scrolling by 120 pixels a frame.
"""

from __future__ import annotations

import base64
import random
import sys
import tempfile
from io import BytesIO
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent))

from browser import tab
from page_verdicts import step, verdict
from PIL import Image, ImageFilter

from imagejudge.output.report.page import Origin, Pictures, page
from imagejudge.output.report.records import records
from imagejudge.verdict import RuleResult, RuleStatus

PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
LOADED = "performance.getEntriesByType('navigation')[0].loadEventEnd"
FILTER = """(() => { const start = performance.now();
  filters.read('#sort=path&group=rule&verdict=unsafe&verdict=unsure'); refilter(); document.body.offsetHeight;
  const took = performance.now() - start; filters.read(''); refilter(); return took; })()"""
SCROLL = """new Promise((done) => {
  const frames = []; let last = performance.now(), left = 300;
  const move = (now) => {
    frames.push(now - last); last = now;
    grid.scroller.scrollTop += 120;
    if (left-- > 0) requestAnimationFrame(move); else done(Math.max(...frames.slice(2)));
  };
  requestAnimationFrame(move); })"""


def thumbnail(number: int) -> str:
    """About as large as those of photographs."""
    noise = Image.frombytes("RGB", (64, 64), random.Random(number).randbytes(64 * 64 * 3))
    file = BytesIO()
    noise.resize((256, 256)).filter(ImageFilter.GaussianBlur(3)).save(file, "WEBP", quality=60)
    return base64.b64encode(file.getvalue()).decode()


def write(file: Path, count: int) -> None:
    """A page of so many images with 8 rules of 3 questions each."""
    dice = random.Random(1)
    thumbnails = [thumbnail(number) for number in range(50)]

    def rules(p_yes: float) -> tuple[RuleResult, ...]:
        statuses = [RuleStatus.VIOLATED if p_yes > 0.8 else RuleStatus.CLEAR, *[RuleStatus.CLEAR] * 7]
        asks = tuple(step(dice.random(), f"Thing {number} is visible.", item=number) for number in (1, 2, 3))
        return tuple(RuleResult(rule=f"rule-{n}", status=status, steps=asks) for n, status in enumerate(statuses))

    found = records(
        verdict(f"photos/{number % 37}/{number:06}.jpg", p_yes, rule="rule-0", rules=rules(p_yes))
        for number in range(count)
        for p_yes in [dice.random()]
    )
    lines = (thumbnails[number % 50] for number in range(count))
    with file.open("w", encoding="utf-8") as out:
        out.writelines(page(found, Origin("v", "0" * 64), Pictures.INLINE, lines))


def main() -> None:
    """Print a row for each number of images."""
    print("| images | file | first paint | loaded | filter, sort, group | longest frame | JS heap |")
    print("| --: | --: | --: | --: | --: | --: | --: |")
    for count in map(int, sys.argv[1:] or ["1000", "5000", "20000"]):
        with tempfile.TemporaryDirectory() as folder, tab(width=1680, height=1000) as chromium:
            file = Path(folder) / "page.html"
            write(file, count)
            chromium.open(file.as_uri()).wait(f"{LOADED} > 0 && {PAINT}")
            figures = [chromium.run(script) / 1000 for script in (PAINT, LOADED, FILTER)]
            frame, heap = chromium.run(SCROLL), chromium.run("performance.memory.usedJSHeapSize")
            row = [f"{count:,}", f"{file.stat().st_size / 1e6:.1f} MB", *(f"{each:.2f} s" for each in figures)]
            print("|", " | ".join([*row, f"{frame:.0f} ms", f"{heap / 1e6:.0f} MB"]), "|", flush=True)


if __name__ == "__main__":
    main()
