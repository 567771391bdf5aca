"""Tars that are damaged or hostile: an error of a known kind, in bounded time and memory; never anything else."""

from __future__ import annotations

import gzip
import io
import itertools
import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
import zstandard
from damaged_files import mutated
from tars import packed, tar_of, write_tar

from imagejudge.images.read import Limits
from imagejudge.images.ref import ImageRef
from imagejudge.images.shards import expand

TESTS = Path(__file__).parent.parent
FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}
KINDS = {"shard", "member", "too-large"}
LIMITS = Limits(bytes=100_000)
SECONDS = 5.0
"""For one small file, with much to spare for a busy machine."""
MEASURE = """
import sys
sys.path.insert(0, sys.argv[2])
from imagejudge.images.read import Limits
from imagejudge.images.ref import ImageRef
from imagejudge.images.shards import expand
from peak_memory import peak_memory
list(expand([ImageRef(sys.argv[3])], Limits()))
before = peak_memory()
for ref in expand([ImageRef(sys.argv[1])], Limits(bytes=1_000_000), keep_fields=["txt"]):
    print(ref.path.rpartition("::")[2], ref.trouble and ref.trouble.message)
print(peak_memory() - before)
"""


def read(data: bytes, folder: Path, *keep: str) -> list[ImageRef]:
    (path := folder / "a.tar").write_bytes(data)
    return list(expand([ImageRef(str(path))], LIMITS, keep_fields=keep))


def measured(path: Path, folder: Path) -> tuple[list[str], int]:
    """What is read of a tar by a process of its own, and how much its memory grows."""
    before = write_tar(folder / "before.tar.zst", {"a.png": b"1", "a.txt": b"1"})
    command = [sys.executable, "-c", MEASURE, path, TESTS, before]
    *lines, grown = subprocess.run(command, capture_output=True, check=True, text=True, timeout=60).stdout.splitlines()
    return lines, int(grown)


NAMES = [
    *("a.png", "b/c.v1.png", "x" * 99 + ".png", "y" * 150 + ".png", "z/" * 60 + "1.png", "é" * 70 + ".png"),
    *("p" * 90 + "/" + "q" * 90 + ".png", os.fsdecode(b"\xff\xfe.png"), os.fsdecode(b"\xe9" * 120 + b".png")),
]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("ending", [".tar", ".tgz", ".tar.zst"])
def test_names_and_bytes_are_those_that_tarfile_reads(form: str, ending: str, tmp_path: Path) -> None:
    sizes = itertools.cycle([0, 1, 511, 512, 513, 20_000])
    names = [name for name in NAMES if form != "ustar" or len(os.fsencode(name)) <= 100]
    made = tar_of([(name, os.urandom(size)) for name, size in zip(names, sizes, strict=False)], FORMATS[form])
    with tarfile.open(fileobj=io.BytesIO(made), encoding="utf-8") as tar:
        expected = [(each.name, file.read()) for each in tar if (file := tar.extractfile(each)) is not None]
    found = read(packed(made, ending), tmp_path)
    assert [(ref.path.partition("::")[2], ref.data) for ref in found] == expected
    assert [name for name, _ in expected] == names


def valid() -> Iterator[bytes]:
    """Tars with everything that the reader knows of."""
    link = tarfile.TarInfo("l.png")
    link.type, link.linkname = tarfile.LNKTYPE, "k" * 200
    folder = tarfile.TarInfo("d")
    folder.type = tarfile.DIRTYPE
    noted = tarfile.TarInfo("n.png")
    noted.pax_headers = {"comment": "x" * 600, "mtime": "1.5"}
    plain: list[tuple[str | tarfile.TarInfo, bytes]] = [("a.png", b"1" * 700), ("a.txt", b"caption"), (folder, b"")]
    long: list[tuple[str | tarfile.TarInfo, bytes]] = [("y" * 150 + ".png", b"2"), (link, b""), (noted, b"3")]
    yield tar_of(plain, tarfile.USTAR_FORMAT)
    yield tar_of([*plain, *long], tarfile.GNU_FORMAT)
    yield tar_of([*plain, *long], tarfile.PAX_FORMAT)


def checked(data: bytes) -> bytes:
    """With right checksums in all that may be headers, so that what else is wrong in them is seen."""
    new = bytearray(data)
    for at in range(0, len(data) - 511, 512):
        if new[at + 257 : at + 262] == b"ustar":
            new[at + 148 : at + 156] = b" " * 8
            new[at + 148 : at + 156] = b"%06o\0 " % sum(new[at : at + 512])
    return bytes(new)


def hold(data: bytes, folder: Path) -> None:
    """One damaged tar is read as it must be."""
    started = time.perf_counter()
    refs = read(data, folder, "txt")
    assert time.perf_counter() - started < SECONDS
    assert len({ref.path for ref in refs}) == len(refs)
    for ref in refs:
        assert (ref.data is None) == (ref.trouble is not None)
        assert ref.trouble is None or ref.trouble.kind in KINDS
    assert all(ref.trouble is None or ref.trouble.kind != "shard" for ref in refs[:-1])


def damaged(seed: int) -> bytes:
    random = Random(seed)
    whole = list(valid())
    data = mutated(random.choice(whole), random, whole)
    return random.choice([data, checked(data), checked(data), gzip.compress(data, 1), zstandard.compress(data)])


@pytest.mark.parametrize("part", range(4))
def test_damaged_tars(part: int, tmp_path: Path) -> None:
    for seed in range(part * 100, part * 100 + 100):
        hold(damaged(seed), tmp_path)


@pytest.mark.exhaustive
@pytest.mark.parametrize("part", range(20))
def test_many_damaged_tars(part: int, tmp_path: Path) -> None:
    for seed in range(1000 + part * 2000, 3000 + part * 2000):
        hold(damaged(seed), tmp_path)


@pytest.mark.parametrize("ending", [".tgz", ".tar.zst"])
def test_damage_to_compressed_tars(ending: str, tmp_path: Path) -> None:
    data = packed(tar_of([(f"{number}.png", os.urandom(900)) for number in range(9)]), ending)
    for seed in range(100):
        hold(mutated(data, Random(seed), [data]), tmp_path)


@pytest.mark.parametrize("ending", [".tar", ".tgz", ".tar.zst"])
def test_a_tar_that_is_cut_off_anywhere_says_so(ending: str, tmp_path: Path) -> None:
    made = tar_of([("a.png", os.urandom(700)), ("y" * 150 + ".png", b"2")])
    whole = packed(made, ending)
    end = made.rindex(b"2") + 512
    for cut in range(0, min(len(whole), end) if ending == ".tar" else len(whole) - 1, 37):
        (*_, last) = read(whole[:cut], tmp_path)
        if last.trouble is None:
            assert ending == ".tar.zst"
            assert len(whole) - cut < 40  # all that is cut off are zeros and the checksum
        else:
            assert last.trouble.kind == "shard", (cut, last)


def header(name: str, size: int, type_: bytes = tarfile.REGTYPE) -> bytes:
    made = tarfile.TarInfo(name)
    made.size, made.type = size, type_
    return made.tobuf(tarfile.GNU_FORMAT)


END = bytes(1024)
CLAIMS = {
    "a member of exabytes": (header("a.png", 2**62), "too-large"),
    "another member of exabytes": (header("a.bin", 2**62), "shard"),
    "a negative size": (header("a.png", -512) + END, "shard"),
    "a long name of exabytes": (header("a", 2**62, tarfile.GNUTYPE_LONGNAME), "shard"),
    "a pax header of exabytes": (header("a", 2**62, tarfile.XHDTYPE), "shard"),
    "headers without end": (header("a", 0, tarfile.XHDTYPE) * 3000 + header("a.png", 0) + END, "shard"),
    "a sparse map without end": (
        header("a.png", 0, tarfile.GNUTYPE_SPARSE)[:482] + b"\1" + bytes(29) + (bytes(504) + b"\1" + bytes(7)) * 3000,
        "shard",
    ),
    "a name without end": (header("a", 2_000_000, tarfile.GNUTYPE_LONGNAME) + b"x" * 2_000_000, "shard"),
    "digits without end": (header("a", 1_000_000, tarfile.XHDTYPE) + b"1" * 1_000_448 + header("a.png", 0), "shard"),
    "a size in words": (
        header("a", 11, tarfile.XHDTYPE) + b"11 size=x1\n".ljust(512, b"\0") + header("a.png", 0),
        "shard",
    ),
    "zeros after the end": (END * 3000, "shard"),
    "something after the end": (header("a.bin", 0) + END + header("a.png", 0) + END, "shard"),
    "no mark at the end": (header("a.bin", 0), "shard"),
    "a lone name": (header("a", 5, tarfile.GNUTYPE_LONGNAME) + b"a.png".ljust(512, b"\0") + END, "shard"),
}


@pytest.mark.parametrize("claim", CLAIMS)
@pytest.mark.parametrize("pack", [".tar", ".tgz", ".tar.zst"])
def test_what_a_tar_claims_is_not_believed(claim: str, pack: str, tmp_path: Path) -> None:
    data, kind = CLAIMS[claim]
    refs = read(packed(data, pack), tmp_path)
    assert refs[0].trouble is not None
    assert refs[0].trouble.kind == kind
    hold(data, tmp_path)


def noted(kind: bytes, records: bytes) -> bytes:
    """A pax header."""
    return header("a", len(records), kind) + records + bytes(-len(records) % 512)


@pytest.mark.parametrize("record", [b"5 a=\n", b"14 path=x.png\n", b"16 GNU.sparse.=\n"])
def test_a_header_of_many_records_costs_little(record: bytes, tmp_path: Path) -> None:
    records = record * (1_000_000 // len(record))
    data = noted(tarfile.XHDTYPE, records) + header("a.png", 0) + END
    (path := tmp_path / "a.tgz").write_bytes(gzip.compress(data))
    started = time.process_time()
    assert len(list(expand([ImageRef(str(path))], LIMITS))) == 1
    assert time.process_time() - started < 2


def test_headers_about_all_that_follows_do_not_add_up_in_memory(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "a.tgz", "wb", 1) as file:
        for part in range(40):
            keys = (b"32 GNU.sparse.%016d=\n" % number for number in range(part * 20_000, part * 20_000 + 20_000))
            file.write(noted(tarfile.XGLTYPE, b"".join(keys)) + header(f"{part}.bin", 0))
        file.write(header("a.png", 0) + END)
    _, grown = measured(tmp_path / "a.tgz", tmp_path)
    assert grown < 20_000_000


def bomb(path: Path, member: str) -> Path:
    """A small file that becomes a large member of zeros."""
    with path.open("wb") as file, zstandard.ZstdCompressor(level=1).stream_writer(file) as stream:
        stream.write(header(member, 1_200_000_000))
        for _ in range(120):
            stream.write(bytes(10_000_000))
    return path


def test_a_bomb_costs_neither_memory_nor_much_time(tmp_path: Path) -> None:
    words = "the tar becomes more than a thousand times as large when it is decompressed"
    lines, grown = measured(bomb(tmp_path / "a.tar.zst", "a.png"), tmp_path)
    assert lines == ["a.png the file is larger than 1,000,000 bytes; raise the limit with `max_bytes`", f"@0 {words}"]
    assert grown < 20_000_000


def test_a_large_window_is_refused(tmp_path: Path) -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=30, enable_ldm=True)
    writer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()  # which knows of no size
    path = tmp_path / "a.tar.zst"
    path.write_bytes(writer.compress(tar_of([("a.png", b"1")])) + writer.flush())
    lines, grown = measured(path, tmp_path)
    assert lines[0].startswith("@0 the tar cannot be read on: ")
    assert grown < 20_000_000


def test_memory_does_not_grow_with_a_tar(tmp_path: Path) -> None:
    members = ((f"{number:06}.{ending}", bytes(2000)) for number in range(4000) for ending in ("png", "txt"))
    path = write_tar(tmp_path / "a.tar", members)
    _, grown = measured(path, tmp_path)
    assert grown < 5_000_000


def test_a_tar_that_changes_while_it_is_read_says_so(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", {f"{number}.png": b"1" for number in range(9)})
    refs = expand([ImageRef(str(path))], LIMITS)
    assert next(refs).data == b"1"
    write_tar(path, {f"{number}.png": b"2" for number in range(10)})
    (last,) = refs
    assert last.trouble is not None
    assert last.path == f"{path}::@1024"
    assert last.trouble.message == "the tar changed while it was read; wait until it is written"


def test_a_tar_that_is_replaced_while_it_is_read_is_read_to_its_end(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", {f"{number}.png": b"1" for number in range(9)})
    refs = expand([ImageRef(str(path))], LIMITS)
    next(refs)
    write_tar(tmp_path / "new.tar", {}).replace(path)
    assert [ref.data for ref in refs] == [b"1"] * 8
