"""New shards with only what passed: the same bytes, read by the libraries that data sets are read with."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import zstandard
from conftest_cli import PROGRAM, Run
from PIL import Image
from tars import tar_of, write_tar

from imagejudge.verdict import Outcome, Verdict, line_of

Options = Sequence[str]


def picture(shade: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8, 6), (shade, 7, 9)).save(stream, "PNG")
    return stream.getvalue()


def lines(shard: Path, outcomes: Mapping[str, str], members: Mapping[str, bytes], **more: Any) -> bytes:
    """Verdicts on members of a shard in the current folder."""
    facts = {"rationale": "r", "model": "m@1", "constitution": "c@1", "method": "clue", "imagejudge": "0", **more}
    return b"".join(
        line_of(
            Verdict(
                path=f"{shard.name}::{name}",
                sha256=hashlib.sha256(members[name]).hexdigest(),
                verdict=Outcome(outcome),
                **facts,
            )
        )
        for name, outcome in outcomes.items()
    )


def members_in(tar: Path) -> dict[str, bytes]:
    data = tar.read_bytes()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    elif data[:4] == b"\x28\xb5\x2f\xfd":
        data = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data), read_across_frames=True).read()
    with tarfile.open(fileobj=io.BytesIO(data)) as opened:
        return {info.name: opened.extractfile(info).read() for info in opened}  # type: ignore[union-attr]


SAFE = picture(0)
UNSAFE = picture(250)
LONG = f"{'long/' * 40}e\udcff"
MEMBERS = {
    "a.png": SAFE,
    "a.txt": b"a cat",
    "b.png": UNSAFE,
    "b.json": b"{}",
    "two.v1.png": SAFE,
    "two.v2.png": UNSAFE,
    "d/c.x.PNG": SAFE,
    "d/c.verdict.json": b"old",
    "d/c.cls": b"7",
    f"{LONG}.png": SAFE,
    "text.txt": b"no image",
    "README": b"of no sample",
}
OUTCOMES = {
    "a.png": "safe",
    "b.png": "unsafe",
    "two.v1.png": "safe",
    "two.v2.png": "unsafe",
    "d/c.x.PNG": "safe",
    f"{LONG}.png": "safe",
}


@pytest.mark.parametrize("name", ["s.tar", "s.tar.gz", "s.tgz", "s.tar.zst"])
def test_only_whole_samples_that_passed_are_kept(run: Run, tmp_path: Path, name: str) -> None:
    shard = write_tar(tmp_path / name, MEMBERS)
    (tmp_path / "v.jsonl").write_bytes(lines(shard, OUTCOMES, MEMBERS))
    done = run("filter", "v.jsonl", name, "-o", "out")
    assert (done.returncode, done.stdout) == (0, b""), done.stderr
    made = members_in(tmp_path / "out" / name)
    told = {member: json.loads(made.pop(member)) for member in list(made) if member.endswith("verdict.json")}
    kept = ("a.png", "a.txt", "d/c.x.PNG", "d/c.cls", f"{LONG}.png")
    assert list(made.items()) == [(member, MEMBERS[member]) for member in kept]
    assert list(told) == ["a.verdict.json", "d/c.verdict.json", f"{LONG}.verdict.json"]
    sha256 = hashlib.sha256(SAFE).hexdigest()
    assert told["a.verdict.json"] == {
        "verdict": "safe",
        "score": -1.0,
        "violated": "",
        "unsure": "",
        "rationale": "r",
        "sha256": sha256,
        "model": "m@1",
        "constitution": "c@1",
        "method": "clue",
        "images": 1,
    }
    assert f"{name}: 3 of 6 samples kept".encode() in done.stderr
    assert b"2 samples with an image that is unsafe" in done.stderr
    assert b"1 sample without an image" in done.stderr
    more = run("filter", "v.jsonl", name, "-o", "more", "--only", "safe,unsafe")
    assert more.returncode == 0
    both = json.loads(members_in(tmp_path / "more" / name)["two.verdict.json"])
    assert (both["verdict"], both["images"]) == ("unsafe", 2)


def test_what_was_not_judged_or_changed_does_not_pass(run: Run, tmp_path: Path) -> None:
    members = {"a.png": SAFE, "b.png": SAFE, "c.png": SAFE}
    shard = write_tar(tmp_path / "s.tar", members)
    other = write_tar(tmp_path / "whole.tar", {"a.png": SAFE})
    known = lines(shard, {"a.png": "safe", "b.png": "safe"}, members)
    (tmp_path / "v.jsonl").write_bytes(known + lines(other, {"a.png": "safe"}, members))
    refused = run("filter", "v.jsonl", "s.tar", "whole.tar", "-o", "out")
    assert refused.returncode == 2
    assert b"1 image without a verdict" in refused.stderr
    assert sorted(path.name for path in (tmp_path / "out").glob("*")) == [".imagejudge", "whole.tar"]
    allowed = run("filter", "v.jsonl", "s.tar", "whole.tar", "-o", "out", "--allow-unjudged")
    assert allowed.returncode == 0
    assert list(members_in(tmp_path / "out" / "s.tar")) == ["a.png", "a.verdict.json", "b.png", "b.verdict.json"]
    write_tar(tmp_path / "s.tar", members | {"b.png": UNSAFE})
    changed = run("filter", "v.jsonl", "s.tar", "-o", "new", "--allow-unjudged")
    assert b"1 sample changed since it was judged" in changed.stderr
    assert list(members_in(tmp_path / "new" / "s.tar")) == ["a.png", "a.verdict.json"]


def test_odd_members_do_not_pass(run: Run, tmp_path: Path) -> None:
    link = tarfile.TarInfo("linked.png")
    link.type, link.linkname = tarfile.LNKTYPE, "a.png"
    beside = tarfile.TarInfo("beside.txt")
    beside.type, beside.linkname = tarfile.SYMTYPE, "/etc/passwd"
    given: list[tuple[str | tarfile.TarInfo, bytes]] = [
        ("a.png", SAFE),
        (link, b""),
        ("beside.png", SAFE),
        (beside, b""),
        ("../climbing.png", SAFE),
        ("__meta__/x.png", SAFE),
        ("again.png", SAFE),
        ("gap.png", SAFE),
        ("again.png", SAFE),
    ]
    (tmp_path / "s.tar").write_bytes(tar_of(given))
    names = ("a.png", "linked.png", "beside.png", "../climbing.png", "__meta__/x.png", "again.png", "gap.png")
    told = lines(tmp_path / "s.tar", dict.fromkeys(names, "safe"), dict.fromkeys(names, SAFE))
    (tmp_path / "v.jsonl").write_bytes(told)
    done = run("filter", "v.jsonl", "s.tar", "-o", "out")
    assert done.returncode == 0
    kept = [name for name in members_in(tmp_path / "out" / "s.tar") if name.endswith(".png")]
    assert kept == ["a.png", "again.png", "gap.png"]
    assert b"4 samples with an image or a member that cannot be read" in done.stderr


@pytest.mark.slow
def test_large_members_pass_if_they_were_judged(run: Run, tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    large = SAFE + bytes(100_000_000)  # more than a scan reads, unless its limit was raised
    shard = write_tar(tmp_path / "s.tar", {"a.png": large, "a.bin": bytes(len(large))})
    parquet.write_table(pa.table({"image": pa.array([large], pa.binary())}), tmp_path / "t.parquet")
    told = lines(shard, {"a.png": "safe"}, {"a.png": large})
    (tmp_path / "v.jsonl").write_bytes(told + lines(tmp_path / "t.parquet", {"0": "safe"}, {"0": large}))
    done = run("filter", "v.jsonl", "s.tar", "t.parquet", "-o", "out")
    assert (done.returncode, b"2 of 2 samples kept" in done.stderr) == (0, True), done.stderr
    made = members_in(tmp_path / "out" / "s.tar")
    assert (list(made), made["a.png"] == large) == (["a.png", "a.bin", "a.verdict.json"], True)


def test_samples_of_more_than_memory_bears_do_not_pass(run: Run, tmp_path: Path) -> None:
    shard, large = tmp_path / "s.tar", 1_000_000_001
    header = tarfile.TarInfo("a.png")
    header.size = large
    with shard.open("wb") as file:
        file.write(header.tobuf())
        file.seek(-(-large // 512) * 512 - 1, os.SEEK_CUR)
        file.write(b"\0" + tar_of([("b.png", SAFE)]))
    (tmp_path / "v.jsonl").write_bytes(lines(shard, {"a.png": "safe", "b.png": "safe"}, {"a.png": b"", "b.png": SAFE}))
    done = run("filter", "v.jsonl", "s.tar", "-o", "out")
    assert (done.returncode, b"1 sample of more than 1 GB" in done.stderr) == (0, True), done.stderr
    assert list(members_in(tmp_path / "out" / "s.tar")) == ["b.png", "b.verdict.json"]


def test_a_broken_tar_gives_what_comes_before(run: Run, tmp_path: Path) -> None:
    members = {f"{number}.png": SAFE for number in range(4)}
    shard = write_tar(tmp_path / "s.tar", members)
    (tmp_path / "v.jsonl").write_bytes(lines(shard, dict.fromkeys(members, "safe"), members))
    shard.write_bytes(shard.read_bytes()[:2600])
    broken = run("filter", "v.jsonl", "s.tar", "-o", "out")
    assert broken.returncode == 2
    assert b"s.tar is broken at byte 2,048" in b" ".join(broken.stderr.split())
    assert list(members_in(tmp_path / "out" / "s.tar")) == ["0.png", "0.verdict.json", "1.png", "1.verdict.json"]


def test_shards_that_are_done_stay(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    told = b""
    for name in ("one.tar", "two.tar"):
        write_tar(tmp_path / "in" / name, MEMBERS)
        told += lines(tmp_path / name, OUTCOMES, MEMBERS).replace(b'"path":"', b'"path":"in/')
    (tmp_path / "v.jsonl").write_bytes(told)
    first = run("filter", "v.jsonl", "in", "-o", "out")
    assert (first.returncode, first.stderr.count(b"written")) == (0, 2)
    made = {path.name: path.stat().st_ino for path in (tmp_path / "out").glob("*.tar")}
    again = run("filter", "v.jsonl", str(tmp_path / "in"), "-o", "out")
    assert (again.returncode, again.stderr.count(b"already")) == (0, 2)
    assert b"6 of 12 samples kept" in again.stderr
    assert {path.name: path.stat().st_ino for path in (tmp_path / "out").glob("*.tar")} == made
    (tmp_path / "v.jsonl").write_bytes(told.replace(b'in/two.tar::a.png"', b'in/two.tar::other.png"'))
    refused = run("filter", "v.jsonl", "in", "-o", "out")
    assert refused.returncode == 2
    assert b"two.tar was not made of these verdicts and this shard" in b" ".join(refused.stderr.split())
    (tmp_path / "v.jsonl").write_bytes(told)
    assert run("filter", "v.jsonl", "in", "-o", "out", "--only", "unsafe").returncode == 2
    assert run("filter", "v.jsonl", "in", "-o", "out", "--only", "unsafe", "--overwrite").returncode == 0
    assert "b.png" in members_in(tmp_path / "out" / "one.tar")


def test_shards_of_one_name_stay_in_their_subfolders(run: Run, tmp_path: Path) -> None:
    told = b""
    for folder in ("train", "validation/more"):
        (tmp_path / "data" / folder).mkdir(parents=True)
        write_tar(tmp_path / "data" / folder / "0.tar", MEMBERS)
        told += lines(Path("0.tar"), OUTCOMES, MEMBERS).replace(b'"path":"', f'"path":"data/{folder}/'.encode())
    (tmp_path / "v.jsonl").write_bytes(told)

    def made(folder: str) -> list[str]:
        return sorted(path.relative_to(tmp_path / folder).as_posix() for path in (tmp_path / folder).rglob("*.tar"))

    first = run("filter", "v.jsonl", "data", "-o", "data/passed")
    assert first.returncode == 0, first.stderr
    assert made("data/passed") == ["train/0.tar", "validation/more/0.tar"]
    assert "a.png" in members_in(tmp_path / "data/passed/validation/more/0.tar")
    again = run("filter", "v.jsonl", "data", "-o", "data/passed")  # though what was made is below what is named
    assert (again.returncode, again.stderr.count(b"already")) == (0, 2), again.stderr
    for named in (["data/train", "data/validation/more/0.tar"], ["data/train/0.tar", "data/validation"]):
        assert run("filter", "v.jsonl", *named, "-o", "out").returncode == 0
        assert made("out") == ["train/0.tar", "validation/more/0.tar"]
    assert run("filter", "v.jsonl", "data/validation/more/0.tar", "-o", "alone").returncode == 0
    assert made("alone") == ["0.tar"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["pictures", "-o", "out"], b"apply VERDICTS --copy"),
        (["https://example.org/s.tar", "-o", "out"], b"what lies in a network cannot be filtered"),
        (["missing.tar", "-o", "out"], b"missing.tar cannot be read: No such file"),
        (["empty", "-o", "out"], b"no shards were found"),
        (["s.tar", "-o", "."], b"would be written over"),
        (["s.tar", "d", "pictures", "-o", "out"], b"pictures/a.png is no shard"),
        (["pictures", "d/two.txt", "d/other.txt", "-o", "out"], b"pictures/a.png and 2 more of what is named or found"),
        (["s.tar", "-o", "out", "--only", "error"], b"could not be judged do not pass"),
        (["s.tar", "-o", "v.jsonl"], b"v.jsonl cannot be written"),
    ],
)
def test_what_cannot_be_filtered(run: Run, tmp_path: Path, arguments: list[str], words: bytes) -> None:
    for name in ("pictures", "empty", "d"):
        (tmp_path / name).mkdir()
    (tmp_path / "pictures" / "a.png").write_bytes(SAFE)
    (tmp_path / "v.jsonl").write_bytes(lines(write_tar(tmp_path / "s.tar", MEMBERS), OUTCOMES, MEMBERS))
    write_tar(tmp_path / "d" / "s.tar", MEMBERS)
    before = (tmp_path / "s.tar").read_bytes()
    refused = run("filter", "v.jsonl", *arguments)
    assert refused.returncode == 2
    assert words in b" ".join(refused.stderr.split())
    assert (tmp_path / "s.tar").read_bytes() == before


def in_the_middle(folder: Path) -> subprocess.Popen[bytes]:
    """A run that has begun to write a shard of 4,000 samples."""
    members = {f"{number:05}.png": SAFE for number in range(4000)}
    shard = write_tar(folder / "s.tar", members)
    (folder / "v.jsonl").write_bytes(lines(shard, dict.fromkeys(members, "safe"), members))
    process = subprocess.Popen([PROGRAM, "filter", "v.jsonl", "s.tar", "-o", "out"], cwd=folder)
    begun = folder / "out" / ".s.tar.tmp"
    deadline = time.monotonic() + 60
    while not (begun.exists() and begun.stat().st_size):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.001)
    return process


def test_a_kill_leaves_no_half_shard(run: Run, tmp_path: Path) -> None:
    process = in_the_middle(tmp_path)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "out" / "s.tar").exists()
    assert run("filter", "v.jsonl", "s.tar", "-o", "out").returncode == 0
    assert len(members_in(tmp_path / "out" / "s.tar")) == 8000
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [".imagejudge", "s.tar"]


def test_two_that_write_one_shard_do_not_spoil_it(run: Run, tmp_path: Path) -> None:
    first = in_the_middle(tmp_path)
    first.send_signal(signal.SIGSTOP)
    try:
        second = run("filter", "v.jsonl", "s.tar", "-o", "out")
    finally:
        first.send_signal(signal.SIGCONT)
    assert second.returncode == 2
    assert b"another process is writing out/s.tar" in b" ".join(second.stderr.split())
    assert first.wait() == 0
    assert len(members_in(tmp_path / "out" / "s.tar")) == 8000
    assert b"already" in run("filter", "v.jsonl", "s.tar", "-o", "out").stderr


def test_a_shard_that_a_kill_left_is_not_taken_for_the_new_one(run: Run, tmp_path: Path) -> None:
    shard = write_tar(tmp_path / "s.tar", {"a.png": SAFE, "b.png": UNSAFE})
    for name, second in (("old.jsonl", "safe"), ("new.jsonl", "unsafe")):
        (tmp_path / name).write_bytes(lines(shard, {"a.png": "safe", "b.png": second}, MEMBERS))
    made, kept = tmp_path / "out" / "s.tar", tmp_path / "kept.tar"
    assert run("filter", "old.jsonl", "s.tar", "-o", "out").returncode == 0
    shutil.copy2(made, kept)
    assert run("filter", "new.jsonl", "s.tar", "-o", "out", "--overwrite").returncode == 0
    whole = made.read_bytes()
    kept.rename(made)  # the new record is there, as it is before the new shard is
    refused = run("filter", "new.jsonl", "s.tar", "-o", "out")
    assert (refused.returncode, b"already" in refused.stderr) == (2, False)
    again = run("filter", "new.jsonl", "s.tar", "-o", "out", "--overwrite")
    assert (again.returncode, b"already" in again.stderr) == (0, False)
    assert made.read_bytes() == whole
    assert "b.png" not in members_in(made)
    assert b"already" in run("filter", "new.jsonl", "s.tar", "-o", "out").stderr


FEATURES = b'{"info":{"features":{"image":{"_type":"Image"},"label":{"names":["no","yes"],"_type":"ClassLabel"}}}}'


def write_parquet(path: Path, shades: Sequence[int | None], rows_of_group: int = 4) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    image = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    cells = [None if shade is None else {"bytes": picture(shade), "path": f"{shade}.png"} for shade in shades]
    columns = {"image": pa.array(cells, image), "label": pa.array(range(len(shades)), pa.int64())}
    table = pa.table(columns).replace_schema_metadata({b"huggingface": FEATURES, b"own": b"kept"})
    parquet.write_table(table, path, row_group_size=rows_of_group, compression="gzip")


def test_rows_of_a_table(run: Run, tmp_path: Path) -> None:
    from pyarrow import parquet

    file = tmp_path / "t.parquet"
    shades = [0, 250, 2, 3, 250, 250, 250, 250, None, 9]
    write_parquet(file, shades)
    members = {str(row): picture(shade) for row, shade in enumerate(shades) if shade is not None}
    outcomes = {row: "unsafe" if shades[int(row)] == 250 else "safe" for row in members}
    told = lines(file, outcomes, {**members, "3": SAFE[:-1]})
    told += line_of(
        Verdict.model_validate(json.loads(told.splitlines()[0]) | {"path": "t.parquet::8", "verdict": "error"})
    )
    (tmp_path / "v.jsonl").write_bytes(told)
    done = run("filter", "v.jsonl", "t.parquet", "-o", "out")
    assert done.returncode == 0, done.stderr
    made = parquet.ParquetFile(tmp_path / "out" / "t.parquet")
    assert made.read().to_pylist() == [
        {"image": {"bytes": picture(shade), "path": f"{shade}.png"}, "label": row}
        for row, shade in ((0, 0), (2, 2), (9, 9))
    ]
    assert made.schema_arrow.equals(parquet.read_schema(file), check_metadata=True)
    assert made.metadata.metadata[b"huggingface"] == FEATURES
    assert [made.metadata.row_group(number).num_rows for number in range(made.num_row_groups)] == [2, 1]
    assert made.metadata.row_group(0).column(0).compression == "GZIP"
    assert b"t.parquet: 3 of 10 samples kept" in done.stderr
    assert b"1 sample changed since" in done.stderr
    again = run("filter", "v.jsonl", "t.parquet", "-o", "out")
    assert (again.returncode, b"already" in again.stderr) == (0, True)


def test_a_table_that_the_library_datasets_wrote(run: Run, tmp_path: Path) -> None:
    import datasets
    from pyarrow import parquet

    file = tmp_path / "t.parquet"
    images = [{"bytes": picture(shade), "path": None} for shade in range(3)]
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("int64")})
    datasets.Dataset.from_dict({"image": images, "label": [0, 1, 2]}, features=features).to_parquet(file)
    outcomes = {"0": "safe", "1": "unsafe", "2": "safe"}
    (tmp_path / "v.jsonl").write_bytes(lines(file, outcomes, {row: picture(int(row)) for row in outcomes}))
    done = run("filter", "v.jsonl", "t.parquet", "-o", "out")
    assert done.returncode == 0, done.stderr

    def packed(path: Path) -> dict[str, str]:
        group = parquet.ParquetFile(path).metadata.row_group(0)
        columns = [group.column(number) for number in range(group.num_columns)]
        return {column.path_in_schema: column.compression for column in columns}

    made = tmp_path / "out" / "t.parquet"
    assert packed(file)["image.bytes"] == "UNCOMPRESSED"  # as the library leaves images, but no other columns
    assert packed(made) == packed(file)
    read = datasets.Dataset.from_parquet(str(made), cache_dir=str(tmp_path / "cache"))
    assert (read.features, read["label"][:]) == (features, [0, 2])


def test_a_broken_table_is_not_written(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "t.parquet"
    write_parquet(file, range(8))
    (tmp_path / "v.jsonl").write_bytes(lines(file, {"0": "safe"}, {"0": picture(0)}))
    whole = file.read_bytes()
    file.write_bytes(whole[:60] + bytes(300) + whole[360:])
    broken = run("filter", "v.jsonl", "t.parquet", "-o", "out", "--allow-unjudged")
    assert (broken.returncode, b"t.parquet is broken at row group 0" in b" ".join(broken.stderr.split())) == (2, True)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".imagejudge"]
    (tmp_path / "out" / "t.parquet").write_bytes(b"before")
    broken = run("filter", "v.jsonl", "t.parquet", "-o", "out", "--allow-unjudged", "--overwrite")
    assert (broken.returncode, (tmp_path / "out" / "t.parquet").read_bytes()) == (2, b"before")
    (tmp_path / "out" / "t.parquet").unlink()
    write_parquet(file, range(2))
    unjudged = run("filter", "v.jsonl", "t.parquet", "-o", "out")
    assert (unjudged.returncode, b"1 image without a verdict" in unjudged.stderr) == (2, True)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".imagejudge"]


READ = """
import datasets, hashlib, json, os, sys, webdataset
datasets.disable_progress_bars()
loaded = datasets.load_dataset("webdataset", data_files=sys.argv[1], split="train", streaming=True).decode(False)
ours = [
    [row["__key__"], hashlib.sha256(row["png"]["bytes"]).hexdigest(), row["verdict.json"]["verdict"]] for row in loaded
]
theirs = [
    [row["__key__"], hashlib.sha256(row["png"]).hexdigest(), json.loads(row["verdict.json"])["verdict"]]
    for row in webdataset.WebDataset(sys.argv[1], shardshuffle=False)
]
rows = [
    [row["label"], hashlib.sha256(row["image"]["bytes"]).hexdigest()]
    for row in datasets.load_dataset("parquet", data_files=sys.argv[2], split="train", streaming=True).decode(False)
]
print(json.dumps([ours, theirs, rows]), flush=True)
os._exit(0)  # pyarrow's threads may end an interpreter that ends with "terminate called without an active exception"
"""


@pytest.mark.slow
def test_the_usual_libraries_read_what_a_scan_let_through(
    run: Run, base: Options, brightness: None, tmp_path: Path
) -> None:
    members = {f"{number}.png": picture(250 if number % 3 == 1 else number) for number in range(12)}
    write_tar(tmp_path / "s.tar", members)
    write_parquet(tmp_path / "t.parquet", [0, 250, 7])
    assert run("scan", "s.tar", "t.parquet", *base, "-o", "v.jsonl.gz").returncode == 1
    done = run("filter", "v.jsonl.gz", "s.tar", "t.parquet", "-o", "out")
    assert done.returncode == 0, done.stderr
    safe = [name for number, name in enumerate(members) if number % 3 != 1]
    expected = [[name[:-4], hashlib.sha256(members[name]).hexdigest(), "safe"] for name in safe]
    rows = [[row, hashlib.sha256(picture(shade)).hexdigest()] for row, shade in ((0, 0), (2, 7))]
    read = subprocess.run(
        [sys.executable, "-c", READ, tmp_path / "out" / "s.tar", tmp_path / "out" / "t.parquet"],
        capture_output=True,
        check=False,
        env={"HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"},
    )
    assert read.returncode == 0, read.stderr
    assert json.loads(read.stdout.splitlines()[-1]) == [expected, expected, rows]
