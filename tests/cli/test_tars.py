"""Tars through the program: the same verdicts as from a folder, resumed within, and never unpacked."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from conftest_cli import Run
from PIL import Image
from tars import write_tar

from imagejudge import Judge
from imagejudge.errors import UsageError
from imagejudge.images.read import Limits, stamp_now
from imagejudge.judge.clue import Method
from imagejudge.judge.engines import ModelChoice
from imagejudge.output.recorded import Line, SameFile, WithMembers
from imagejudge.verdict import json_schema

pytestmark = pytest.mark.usefixtures("brightness")

Options = Sequence[str]
BRIGHT, DARK = 250, 0
"""An image of the first violates the rule on knives, the second is safe."""


def shade(value: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 6), (value, value, value)).save(file, "BMP")
    return file.getvalue()


MEMBERS: Mapping[str, bytes] = {
    "1.bmp": shade(DARK),
    "1.txt": b"dark",
    "2.txt": b"bright",
    "2.bmp": shade(BRIGHT),
    "d/3.bmp": shade(DARK),
    "d/3.json": b'{"model":"x","imagejudge":1}',
    "4.bmp": b"no image",
}
OUTCOMES = {"1.bmp": "safe", "2.bmp": "unsafe", "d/3.bmp": "safe", "4.bmp": "error"}


def rows(output: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def outcomes(output: bytes, shard: str = "a.tar") -> dict[str, str]:
    """By member; a second line about one would be an error."""
    found = {row["path"].removeprefix(f"{shard}::"): row["verdict"] for row in rows(output)}
    assert len(found) == len(rows(output))
    return found


def files(folder: Path) -> list[Path]:
    """All but what Python keeps of the engine's code."""
    return sorted(path for path in folder.rglob("*") if "__pycache__" not in str(path))


@pytest.mark.parametrize("ending", [".tar", ".tar.zst"])
def test_verdicts_are_those_of_the_same_files_in_a_folder(run: Run, base: Options, tmp_path: Path, ending: str) -> None:
    write_tar(tmp_path / f"a{ending}", MEMBERS)
    for name in OUTCOMES:
        (tmp_path / "f" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "f" / name).write_bytes(MEMBERS[name])
    before = files(tmp_path)
    done = run("scan", f"a{ending}", *base)
    assert done.returncode == 2
    assert outcomes(done.stdout, f"a{ending}") == OUTCOMES
    assert b"passed over" not in done.stderr  # what belongs to an image is no loss
    assert files(tmp_path) == before
    of_files = rows(run("scan", "f", *base).stdout)
    assert {row["sha256"]: row["rules"] for row in of_files} == {
        row["sha256"]: row["rules"] for row in rows(done.stdout)
    }


def test_a_scan_resumes_within_a_tar(run: Run, base: Options, tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", MEMBERS)
    run("scan", "a.tar", *base, "-o", "v.jsonl")
    lines = (tmp_path / "v.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "v.jsonl").write_bytes(b"".join(lines[:2]) + lines[2][:40])  # killed
    again = run("scan", "a.tar", *base, "-o", "v.jsonl")
    assert b"2 of these images have their line in v.jsonl already" in again.stderr
    assert b"4 images: 2 safe, 1 unsafe, 1 error" in again.stderr
    assert [row["path"] for row in rows((tmp_path / "v.jsonl").read_bytes())] == [f"a.tar::{name}" for name in OUTCOMES]


def test_only_members_that_changed_are_judged_again(run: Run, base: Options, tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", MEMBERS)
    run("scan", "a.tar", *base, "-o", "v.jsonl")
    write_tar(tmp_path / "a.tar", {**MEMBERS, "d/3.bmp": shade(BRIGHT), "5.bmp": shade(DARK)})
    again = run("scan", "a.tar", *base, "-o", "v.jsonl")
    assert b"3 of these images have their line in v.jsonl already" in again.stderr
    assert outcomes((tmp_path / "v.jsonl").read_bytes()) == {**OUTCOMES, "d/3.bmp": "unsafe", "5.bmp": "safe"}


def test_a_tar_that_broke_is_read_again_once_it_is_mended(run: Run, base: Options, tmp_path: Path) -> None:
    whole = write_tar(tmp_path / "a.tar", MEMBERS).read_bytes()
    (tmp_path / "a.tar").write_bytes(whole[:3000])
    broken = run("scan", "a.tar", *base, "-o", "v.jsonl")
    assert broken.returncode == 2
    found = rows((tmp_path / "v.jsonl").read_bytes())
    assert [row["path"] for row in found] == ["a.tar::1.bmp", "a.tar::@2048"]
    assert found[1]["error"] == {"kind": "shard", "message": "the tar is cut off within 2.txt"}
    (tmp_path / "a.tar").write_bytes(whole)
    run("scan", "a.tar", *base, "-o", "v.jsonl")
    assert outcomes((tmp_path / "v.jsonl").read_bytes()) == OUTCOMES


def test_the_stamp_of_the_tar_vouches_for_its_members(tmp_path: Path) -> None:
    path = str(write_tar(tmp_path / "a.tar", MEMBERS))
    stamp = stamp_now(path)
    same = SameFile(WithMembers({path}), Limits())
    assert same(Line(f"{path}::1.bmp", "0" * 64, stamp, "safe"))  # so no byte of it was read
    assert same(Line(f"{path}::@512", None, stamp, "error"))
    assert not same(Line(f"{path}::1.bmp", "0" * 64, None, "safe"))
    assert not same(Line(f"{path}::@512", None, None, "error"))
    assert same(Line("elsewhere.tar::1.bmp", "0" * 64, None, "safe"))


def test_a_member_that_is_named_with_its_tar_is_judged_once(run: Run, base: Options, tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", MEMBERS)
    done = run("scan", "a.tar::d/3.bmp", "a.tar", *base, "-o", "v.jsonl")
    assert outcomes((tmp_path / "v.jsonl").read_bytes()) == OUTCOMES
    assert b"4 images: 2 safe, 1 unsafe, 1 error" in done.stderr


def test_tars_without_images_are_nothing(run: Run, base: Options, tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", {"1.txt": b""})
    write_tar(tmp_path / "b.tar", {})
    done = run("scan", "a.tar", "b.tar", *base)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"passed over: 2 shards without an image" in done.stderr
    assert b"error: no images were found" in done.stderr
    allowed = run("scan", "a.tar", "b.tar", *base, "--allow-empty")
    assert allowed.returncode == 0
    assert b"passed over: 2 shards without an image" in allowed.stderr


def test_from_python(base: Options, tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", MEMBERS)
    heard: list[str] = []
    choice = ModelChoice(base[1], mmproj=base[3])
    method = Method(reasoning=False)
    with Judge(Path(base[5]), model=choice, method=method, keep_answers=False, warn=heard.append) as judge:
        found = list(judge.scan(path, keep_fields=["txt"]))
        assert [verdict.path for verdict in found] == [f"{path}::{name}" for name in OUTCOMES]
        assert [verdict.fields for verdict in found] == [{"txt": "dark"}, {"txt": "bright"}, {}, {}]
        assert judge.judge(f"{path}::2.bmp").path == f"{path}::2.bmp"
        with pytest.raises(UsageError, match="holds many images"):
            judge.judge(path)
        assert list(judge.scan(write_tar(tmp_path / "e.tar", {}))) == []
    assert heard == [
        f"{tmp_path}/e.tar: shard without an image passed over; members are known as images by how their names end"
    ]


def test_fields_of_a_sample_are_carried(run: Run, base: Options, tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", MEMBERS)
    options = ["--keep-field", "TXT", "--keep-field", ".json", "--keep-field", "cls"]
    done = run("scan", "a.tar", *base, *options, "-o", "v.jsonl")
    found = rows((tmp_path / "v.jsonl").read_bytes())
    assert {row["path"]: row["fields"] for row in found} == {
        "a.tar::1.bmp": {"txt": "dark"},
        "a.tar::2.bmp": {"txt": "bright"},
        "a.tar::d/3.bmp": {"json": {"model": "x", "imagejudge": 1}},
        "a.tar::4.bmp": {},
    }
    assert b"passed over" not in done.stderr
    validator = jsonschema.Draft202012Validator(json_schema())
    for row in found:
        validator.validate(row)
    again = run("scan", "a.tar", *base, *options, "-o", "v.jsonl")
    assert b"4 of these images have their line" in again.stderr
    assert run("show", "v.jsonl", "--format", "jsonl").stdout == (tmp_path / "v.jsonl").read_bytes()


def test_one_member_is_explained(run: Run, base: Options, tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", MEMBERS)
    done = run("explain", "a.tar::2.bmp", *base, "--html", "page.html")
    assert done.returncode == 0
    assert b"a.tar::2.bmp: unsafe" in done.stdout
    assert b"data:" in (tmp_path / "page.html").read_bytes()
    whole = run("explain", "a.tar", *base)
    assert whole.returncode == 2
    assert b"error: a.tar holds many images" in whole.stderr
    none = run("explain", "a.tar::5.bmp", *base)
    assert b"a.tar::5.bmp: no image of this name is in the shard" in none.stderr


def test_a_tar_of_any_names(run: Run, base: Options, tmp_path: Path) -> None:
    names = [os.fsdecode(name) for name in (b"\xff.bmp", b"new\nline.bmp", b"\x1b[31m.bmp", b"a::b.tar::c.bmp")]
    names += ["x" * 300 + ".bmp", "é/" * 100 + "1.bmp"]
    write_tar(tmp_path / "a.tar", dict.fromkeys(names, shade(DARK)))
    run("scan", "a.tar", *base, "-o", "v.jsonl")
    assert [row["path"] for row in rows((tmp_path / "v.jsonl").read_bytes())] == [f"a.tar::{name}" for name in names]
    assert b"6 of these images have their line" in run("scan", "a.tar", *base, "-o", "v.jsonl").stderr
    text = run("scan", "a.tar", *base, "--format", "text").stdout
    assert b"\x1b" not in text
    assert len(text.splitlines()) == 6


def test_blocks_are_tars_and_carry_fields_too(run: Run, base: Options, tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", MEMBERS)
    write_tar(tmp_path / "b.tar", MEMBERS)
    run("scan", "a.tar", "b.tar", *base, "--keep-field", "txt", "-o", "v.jsonl")
    run("scan", "a.tar", "b.tar", *base, "--keep-field", "txt", "-o", "out", "--shard", "0/1")
    run("merge", "out", "-o", "m.jsonl")
    one, other = (rows((tmp_path / name).read_bytes()) for name in ("v.jsonl", "m.jsonl"))
    told = ("path", "verdict", "fields")
    assert [[row[name] for name in told] for row in one] == [[row[name] for name in told] for row in other]
    others = run("scan", "a.tar", "b.tar", *base, "-o", "out", "--shard", "0/1")
    assert others.returncode == 2
    assert b"--keep-field txt" in others.stderr


def test_pages_show_members(run: Run, base: Options, tmp_path: Path) -> None:
    for name in ("a.tar.gz", "b.tar"):
        write_tar(tmp_path / name, MEMBERS)
    Image.new("RGB", (8, 6)).save(tmp_path / "c.png")
    run("scan", "a.tar.gz", "b.tar", "c.png", *base, "-o", "v.jsonl")
    page = run("report", "v.jsonl", "-o", "page.html")
    assert b"written: 9 images in page.html" in page.stderr
    assert b"2 images without a thumbnail" in page.stderr  # those that are no images
    run("report", "v.jsonl", "-o", "other.html", "--thumbnails", "small")
    assert len(list((tmp_path / "small").iterdir())) == 3  # by their bytes
    write_tar(tmp_path / "b.tar", {"1.bmp": MEMBERS["1.bmp"], "2.bmp": b"changed"})
    page = run("report", "v.jsonl", "-o", "page.html")
    assert b"4 images without a thumbnail" in page.stderr
    explained = run("explain", "a.tar.gz::2.bmp", *base, "--html", "one.html")
    assert explained.returncode == 0
    assert b"UklGR" in (tmp_path / "one.html").read_bytes()  # a WebP in base64


def test_members_are_judged_again_with_other_rules(run: Run, base: Options, tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", MEMBERS)
    run("scan", "a.tar", *base, "--select", "knife", "--keep-field", "txt", "-o", "v.jsonl")
    again = run("rejudge", "v.jsonl", "-c", "rules.toml", "--no-reasoning", "--missing", "left.txt", "-o", "r.jsonl")
    assert again.returncode == 2
    assert (tmp_path / "left.txt").read_text().splitlines() == ["a.tar::1.bmp", "a.tar::2.bmp", "a.tar::d/3.bmp"]
    again = run("rejudge", "v.jsonl", *base, "-o", "r.jsonl", "--no-cache")
    found = rows((tmp_path / "r.jsonl").read_bytes())
    assert {row["path"]: (len(row["rules"]), row["fields"]) for row in found if row["rules"]} == {
        "a.tar::1.bmp": (2, {"txt": "dark"}),
        "a.tar::2.bmp": (2, {"txt": "bright"}),
        "a.tar::d/3.bmp": (2, {}),
    }


def test_members_are_not_acted_upon(run: Run, base: Options, tmp_path: Path) -> None:
    before = write_tar(tmp_path / "a.tar", MEMBERS).read_bytes()
    run("scan", "a.tar", *base, "-o", "v.jsonl")
    done = run("apply", "v.jsonl", "--delete", "--yes")
    assert done.returncode == 2
    assert b"refused    a.tar::2.bmp: a member of a shard, not a file; use `imagejudge filter`" in done.stdout
    assert (tmp_path / "a.tar").read_bytes() == before


def test_findings_in_members_can_be_accepted(run: Run, base: Options, tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", {name: data for name, data in MEMBERS.items() if name != "4.bmp"})
    run("scan", "a.tar", *base, "-o", "v.jsonl")
    assert run("baseline", "add", "v.jsonl", "--baseline", "b.toml").returncode == 0
    done = run("scan", "a.tar", *base, "-b", "b.toml")
    assert done.returncode == 0
    assert b"1 unsafe (1 accepted)" in done.stderr
