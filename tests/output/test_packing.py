"""Verdicts in compressed files and Parquet: what a kill leaves is read, mended and gone on with."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import zstandard
from peak_memory import forget_peak, peak_memory

from imagejudge.errors import OutputError
from imagejudge.output.packing import Packing, is_cut, packing_of, unpacked
from imagejudge.output.resume import Identity
from imagejudge.output.table_file import lines_beside
from imagejudge.output.verdict_files import open_record, save_lines
from imagejudge.verdict import (
    By,
    Failure,
    FileStamp,
    ImageFacts,
    Outcome,
    RuleResult,
    RuleStatus,
    Step,
    StepStatus,
    Verdict,
    line_of,
)

HERE = Identity("m@1", "c@1", "clue")
ENDINGS = ("jsonl", "jsonl.gz", "jsonl.zst")


def verdict(path: str, outcome: Outcome = Outcome.SAFE, **more: Any) -> Verdict:
    named = {"model": "m@1", "constitution": "c@1", "method": "clue", "imagejudge": "0"}
    return Verdict(path=path, sha256=None, verdict=outcome, rationale="", **named, **more)


def full(path: str) -> Verdict:
    step = Step(
        ask="A knife is visible.",
        item=1,
        status=StepStatus.UNSURE,
        by=By.PRIOR,
        p_yes=0.75,
        gap=1.0986,
        prior=0.5,
        centric=None,
        off_mass=0.01,
        rationale="ü \u2028",
    )
    rule = RuleResult(rule="knife", status=RuleStatus.UNSURE, steps=(step,), accepted=True)
    return verdict(
        path,
        Outcome.UNSURE,
        rules=(rule,),
        image=ImageFacts(width=3, height=2, format="PNG", frames=1),
        file=FileStamp(size=1, modified=2, changed=3),
        settings={"frames": 4, "decoder": "x"},
    )


MIXED = {"mix": True}
"""What `full` says of settings does not matter here."""


def complaint(why: str) -> Exception:
    return RuntimeError(why)


def lines_in(file: Path) -> list[bytes]:
    with file.open("rb") as stream:
        return unpacked(stream, complaint).readlines()


def paths(file: Path) -> list[str]:
    return [json.loads(line)["path"] for line in lines_in(file)]


def write(file: Path, *verdicts: Verdict, finished: bool = True, **how: Any) -> set[str]:
    record = open_record(file, HERE, **how)
    try:
        for each in verdicts:
            record.write(each)
        if finished:
            record.finish()
    finally:
        record.close()
    return record.done


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_is_written_can_be_read_at_once_and_is_gone_on_with(tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"v.{ending}"
    record = open_record(file, HERE)
    for name in "ab":
        record.write(verdict(name))
        assert paths(file)[-1] == name
    record.close()
    inode = file.stat().st_ino
    assert write(file, verdict("c")) == {"a", "b"}
    assert write(file) == {"a", "b", "c"}
    assert paths(file) == ["a", "b", "c"]
    assert file.stat().st_ino == inode, "what is whole is added to, not written anew"
    with file.open("rb") as stream:
        text = unpacked(stream, complaint)
        text.read()
        assert not is_cut(text)


@pytest.mark.parametrize(("ending", "program"), [("jsonl.gz", ["gzip", "-dc"]), ("jsonl.zst", ["zstd", "-dc"])])
def test_the_usual_programs_read_it(tmp_path: Path, ending: str, program: list[str]) -> None:
    if shutil.which(program[0]) is None:
        pytest.skip(f"{program[0]} is not installed")
    file = tmp_path / f"v.{ending}"
    record = open_record(file, HERE)
    record.write(verdict("a"))
    during = subprocess.run([*program, file], capture_output=True, check=False)
    assert during.stdout == line_of(verdict("a"))
    record.close()
    write(file, verdict("b"))
    after = subprocess.run([*program, file], capture_output=True, check=False)
    assert (after.returncode, after.stderr) == (0, b"")
    assert after.stdout == line_of(verdict("a")) + line_of(verdict("b"))


def test_both_are_what_the_libraries_make_of_them(tmp_path: Path) -> None:
    for ending in ENDINGS[1:]:
        write(tmp_path / f"v.{ending}", verdict("a"))
        write(tmp_path / f"v.{ending}", verdict("b"))
    expected = line_of(verdict("a")) + line_of(verdict("b"))
    assert gzip.decompress((tmp_path / "v.jsonl.gz").read_bytes()) == expected
    with (tmp_path / "v.jsonl.zst").open("rb") as file:
        assert zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True).read() == expected


@pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize("ending", ENDINGS)
def test_wherever_it_is_cut_off_whole_lines_stay_and_the_rest_is_written_again(
    tmp_path: Path, ending: str, step: int
) -> None:
    """Every length that a kill, or a full disk, may leave: of a file of two runs."""
    whole = tmp_path / f"whole.{ending}"
    write(whole, verdict("a"), verdict("b"))
    write(whole, verdict("c"))
    data = whole.read_bytes()
    file = tmp_path / f"v.{ending}"
    for size in range(0, len(data), step):
        file.write_bytes(data[:size])
        done = write(file, *(verdict(name) for name in "abc" if name not in _whole_lines(file)))
        assert done <= set("abc")
        assert sorted(paths(file)) == ["a", "b", "c"], size
        assert write(file) == {"a", "b", "c"}
        assert len(list(tmp_path.iterdir())) == 2


def _whole_lines(file: Path) -> set[str]:
    return {json.loads(line)["path"] for line in lines_in(file) if line.endswith(b"\n")}


@pytest.mark.parametrize("ending", ENDINGS[1:])
def test_damage_in_the_middle_is_refused_and_stays(tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"v.{ending}"
    write(file, *(verdict(str(number)) for number in range(50)))
    data = bytearray(file.read_bytes())
    data[40:60] = bytes(20)
    file.write_bytes(data)
    with pytest.raises(OutputError, match=r"damaged|not a verdict"):
        write(file)
    assert file.read_bytes() == data
    write(file, verdict("a"), overwrite=True)
    assert paths(file) == ["a"]


@pytest.mark.parametrize("named", ENDINGS)
@pytest.mark.parametrize("content", ENDINGS)
def test_what_was_renamed_is_read_as_it_is_and_written_as_it_is_named(tmp_path: Path, named: str, content: str) -> None:
    write(tmp_path / f"a.{content}", verdict("a"))
    file = tmp_path / f"v.{named}"
    (tmp_path / f"a.{content}").rename(file)
    assert write(file, verdict("b")) == {"a"}
    assert paths(file) == ["a", "b"]
    with file.open("rb") as stream:
        assert packing_of(unpacked(stream, complaint)) is Packing.named(file)


def test_going_back_and_on_in_it(tmp_path: Path) -> None:
    lines = [line_of(verdict(f"{number:0200}")) for number in range(500)]
    for ending, packing in {"gz": Packing.GZIP, "zst": Packing.ZSTD, "parquet": Packing.PARQUET}.items():
        save_lines(lines, tmp_path / ending, packing)
        with (tmp_path / ending).open("rb") as file:
            text = unpacked(file, complaint)
            for number in (400, 3, 3, 499, 0):
                text.seek(sum(map(len, lines[:number])))
                assert text.readline() == lines[number]


def test_a_small_file_does_not_become_large_in_memory(tmp_path: Path) -> None:
    zeros = bytes(2**20)
    compressor = zstandard.ZstdCompressor(level=19).compressobj()
    data = b"".join(compressor.compress(zeros) for _ in range(400)) + compressor.flush()
    (tmp_path / "bomb.zst").write_bytes(data)

    assert len(data) < 200_000
    forget_peak()
    before = peak_memory()
    with (tmp_path / "bomb.zst").open("rb") as file:
        text = unpacked(file, complaint)
        while text.read(2**16):
            pass
    assert peak_memory() - before < 60_000_000


def test_a_table_holds_every_line_and_is_resumed(tmp_path: Path) -> None:
    file = tmp_path / "v.parquet"
    odd = verdict("\udcff\udc80.png", Outcome.ERROR, error=Failure(kind="missing", message="\udcff is not there"))
    write(file, full("a.png"), odd)
    assert lines_in(file) == [line_of(full("a.png")), line_of(odd)]
    assert write(file, full("s.tar::b.png"), full("p.parquet::17/image"), **MIXED) == {"a.png", odd.path}
    assert len(lines_in(file)) == 4
    assert [each.name for each in tmp_path.iterdir()] == ["v.parquet"]


def test_the_columns_of_a_table(tmp_path: Path) -> None:
    from pyarrow import parquet

    file = tmp_path / "v.parquet"
    write(file, full("a.png"), verdict("\udcff.png"), full("s.tar::d/b.png"), full("p.parquet::17/image"))
    table = parquet.read_table(file)
    rows = table.to_pylist()
    assert [row["path"] for row in rows] == ["a.png", "\\udcff.png", "s.tar::d/b.png", "p.parquet::17/image"]
    assert [row["path_bytes"] for row in rows] == [None, b"\xff.png", None, None]
    assert [row["member"] for row in rows] == [None, None, "d/b.png", "17/image"]
    assert [row["row"] for row in rows] == [None, None, None, 17]
    assert [row["score"] for row in rows] == [0.75, None, 0.75, 0.75]
    assert [row["accepted"] for row in rows] == [True, False, True, True]
    assert (rows[0]["unsure"], rows[0]["violated"]) == (["knife"], [])
    assert (rows[0]["width"], rows[1]["width"], rows[0]["format"]) == (3, None, "PNG")
    (step,) = rows[0]["rules"][0]["steps"]
    assert (step["ask"], step["by"], step["gap"], step["centric"]) == ("A knife is visible.", "prior", 1.0986, None)
    about = json.loads(parquet.read_metadata(file).metadata[b"imagejudge"])
    assert about == {"schema": 1, "model": "m@1", "constitution": "c@1"}
    assert parquet.ParquetFile(file).metadata.row_group(0).column(0).compression == "ZSTD"


def test_a_table_has_groups_of_ten_thousand_rows(tmp_path: Path) -> None:
    from pyarrow import parquet

    save_lines((line_of(verdict(str(number))) for number in range(10_001)), tmp_path / "v.parquet", Packing.PARQUET)
    metadata = parquet.ParquetFile(tmp_path / "v.parquet").metadata
    assert [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)] == [10_000, 1]


def test_until_the_end_a_table_is_lines_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "v.parquet"
    write(file, verdict("a"), finished=False)
    assert not file.exists()
    assert paths(lines_beside(file)) == ["a"]
    assert write(file, verdict("b"), finished=False) == {"a"}
    assert write(file, verdict("c")) == {"a", "b"}
    assert paths(file) == ["a", "b", "c"]
    assert not lines_beside(file).exists()
    write(file, verdict("d"), finished=False)
    assert paths(file) == ["a", "b", "c"], "the whole one stays until the next is whole"
    assert write(file) == {"a", "b", "c", "d"}
    write(file, verdict("e"), overwrite=True)
    assert paths(file) == ["e"]


def test_what_is_refused_stays_as_it_was(tmp_path: Path) -> None:
    from pyarrow import parquet, table

    foreign, other, rubbish = (tmp_path / f"{name}.parquet" for name in ("foreign", "other", "rubbish"))
    parquet.write_table(table({"image": [b"1"]}), foreign)
    write(other, verdict("a"))
    rubbish.write_bytes(b"PAR1 and no more")
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(OutputError, match=r"foreign.parquet is Parquet without the column `line`"):
        open_record(foreign, HERE)
    with pytest.raises(OutputError, match=r"other.parquet holds verdicts of another model \(m@1, now m@2\)"):
        open_record(other, Identity("m@2", "c@1", "clue"))
    with pytest.raises(OutputError, match=r"rubbish.parquet cannot be read as Parquet"):
        open_record(rubbish, HERE)
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_two_scans_do_not_write_to_one_table(tmp_path: Path) -> None:
    file = tmp_path / "v.parquet"
    first = open_record(file, HERE)
    with pytest.raises(OutputError, match="another scan is writing"):
        open_record(file, HERE)
    first.write(verdict("a"))
    first.finish()
    first.close()
    assert paths(file) == ["a"]
    assert os.listdir(tmp_path) == ["v.parquet"]  # noqa: PTH208
