"""How long `scan -o` takes to find out that a million unchanged files have their line. Run by hand:

    python tests/benchmarks/resume.py                     # a million hard links, 9 of 10 images safe
    python tests/benchmarks/resume.py --files 100000 --bytes 10000   # other sizes of a line

Folders of 1,000 files are made in a temporary folder with one line for each, as the program writes them; then the
program itself goes on with the file, with the built-in model, which it has no use for. What is printed is the time of
the whole command: finding the files, going through the lines, looking at each file, and the summary.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import Any

PROGRAM = str(Path(sysconfig.get_path("scripts")) / "imagejudge")
STICKERS = Path(__file__).parents[2] / "docs" / "examples" / "stickers"
RULES = """
schema = 1
name = "one"
version = "1"

[[rules]]
id = "blood"
text = "Should not depict blood."
preconditions = ["Blood is visible."]
"""
LINKS = 30_000
"""Hard links to one file, at most: file systems allow 65,000 and less."""


def scan(folder: Path, *more: str) -> subprocess.CompletedProcess[bytes]:
    command = [PROGRAM, "scan", "d", "-c", "rules.toml", "--model", "builtin", "--cache-dir", "cache", *more]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False)


def make(folder: Path, files: int) -> list[Path]:
    """The files, in the order in which they are found."""
    image = (STICKERS / "bleeding.png").read_bytes()
    made, source = [], folder
    for number in range(files):
        inner = folder / "d" / f"{number // 1000:04}"
        if number % 1000 == 0:
            inner.mkdir(parents=True)
        path = inner / f"{number:07}.png"
        if number % LINKS == 0:
            source = path
            path.write_bytes(image)
        else:
            os.link(source, path)
        made.append(path)
    return made


def write_lines(folder: Path, paths: list[Path], like: dict[str, Any], size: int) -> int:
    """A line for each file; nine of ten are safe, and all are at least so long. Gives the size of one."""
    safe = {**like, "verdict": "safe", "violations": [], "rationale": ""}
    safe["rules"] = [{**rule, "status": "clear"} for rule in like["rules"]]
    missing = size - len(json.dumps(safe, separators=(",", ":")))
    safe["rules"][0]["steps"][0]["rationale"] = ("words of " * missing)[: max(0, missing)]
    with (folder / "v.jsonl").open("w") as out:
        for number, path in enumerate(paths):
            status = path.stat()
            file = {"size": status.st_size, "modified": status.st_mtime_ns, "changed": status.st_ctime_ns}
            line = {**(like if number % 10 == 0 else safe), "path": str(path.relative_to(folder)), "file": file}
            out.write(json.dumps(line, separators=(",", ":")) + "\n")
    return len(json.dumps(safe, separators=(",", ":")))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--files", type=int, default=1_000_000)
    options.add_argument("--bytes", type=int, default=1500, help="least size of a line")
    options.add_argument("--folder", type=Path, help="where the temporary folder is made")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
        folder = Path(name)
        (folder / "rules.toml").write_text(RULES)
        (folder / "d").mkdir()
        (folder / "d" / "first.png").write_bytes((STICKERS / "bleeding.png").read_bytes())
        like = json.loads(scan(folder).stdout)
        (folder / "d" / "first.png").unlink()
        paths = make(folder, chosen.files)
        size = write_lines(folder, paths, like, chosen.bytes)
        for turn in ("first", "again"):
            started = time.monotonic()
            done = scan(folder, "-o", "v.jsonl")
            took = time.monotonic() - started
            words = done.stderr.decode().splitlines()
            assert any(f"{chosen.files:,} of these images have their line" in line for line in words), words
            assert (folder / "v.jsonl").read_bytes().count(b"\n") == chosen.files
            print(f"{turn}: {took:.1f} s for {chosen.files:,} files, lines of {size:,} bytes; {words[-1]}", flush=True)


if __name__ == "__main__":
    main()
