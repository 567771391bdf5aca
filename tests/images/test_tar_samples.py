"""Members and samples of a tar are those of the library webdataset, where it has a meaning for them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tars import tar_of, write_tar

from imagejudge.images.read import Limits
from imagejudge.images.ref import ImageRef
from imagejudge.images.shards import expand
from imagejudge.images.shards.sample import LONGEST_FIELDS, field_value, key_and_field

_READ = """
import json, sys, warnings
warnings.simplefilter("ignore")
import webdataset
for sample in webdataset.WebDataset(sys.argv[1], shardshuffle=False):
    told = {name: value.decode("latin-1") for name, value in sample.items() if isinstance(value, bytes)}
    print(json.dumps(told))
"""


def webdataset(path: Path) -> list[dict[str, str]]:
    """The samples as the library reads them, in a process of its own, as it takes long to import."""
    done = subprocess.run([sys.executable, "-c", _READ, path], capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def kept(path: Path, *fields: str, limits: Limits | None = None) -> dict[str, Any]:
    refs = list(expand([ImageRef(str(path))], limits or Limits(), keep_fields=fields))
    return {ref.path.partition("::")[2]: ref.fields for ref in refs}


NAMES = (
    *("a/0001.png", "a/0001.txt", "a/0001.json", "a/0002.PNG", "a/0002.TXT", "d.x/0003.jpg", "d.x/0003.txt"),
    *("./0004.png", "./0004.txt", "img.v1.0001.png", "img.v1.0002.png", "img.txt", "__meta__/x.png", "__info__"),
    *(".hidden.png", "no-dot", "b/0005.txt", "b/0005.webp", "b/0006.gif", "b/é.bmp", "b/é.txt"),
)


def test_members_and_samples_are_those_of_the_library(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", {name: name.encode() for name in NAMES})
    fields = {}
    for sample in webdataset(path):
        of_images = [name for name in sample if re.search(r"(png|jpg|webp|gif|bmp)$", name)]
        for name in of_images:
            fields[sample[name]] = {name: sample[name] for name in sample.keys() - set(of_images)}
    refs = list(expand([ImageRef(str(path))], Limits(), keep_fields=["txt"]))
    assert [ref.data.decode("latin-1") for ref in refs if ref.data] == list(fields)
    for ref in refs:
        assert ref.data is not None
        assert ref.fields is not None
        told = {name: str(value).encode().decode("latin-1") for name, value in ref.fields.items()}
        expected = fields[ref.data.decode("latin-1")]
        assert told == {name: value for name, value in expected.items() if name == "txt"}
    assert len(refs) == 9


@pytest.mark.parametrize("name", [*NAMES, "a.b.c", "x/y.", ".", "a/b.c/d", "a//b.c"])
def test_keys_are_those_of_the_library(name: str) -> None:
    found = re.match(r"^((?:.*/|)[^.]+)[.]([^/]*)$", name)  # its `base_plus_ext`
    assert key_and_field(name) == (None if found is None else (found[1], found[2].lower()))


def test_fields_come_from_before_and_after_the_image(tmp_path: Path) -> None:
    members = {"1.json": b'{"a": [1, null]}', "1.png": b"i", "1.txt": "schön".encode(), "2.txt": b"no", "3.png": b"i"}
    path = write_tar(tmp_path / "a.tar", members)
    assert kept(path, "txt", "json") == {"1.png": {"json": {"a": [1, None]}, "txt": "schön"}, "3.png": {}}
    assert kept(path, "TXT") == {"1.png": {"txt": "schön"}, "3.png": {}}
    assert kept(path) == {"1.png": None, "3.png": None}


@pytest.mark.parametrize(
    ("field", "data"),
    [
        *(("txt", b"\xff"), ("json", b"{"), ("json", b"NaN"), ("json", b"1e999"), ("meta.json", b"[" * 10_000)),
        *(("json", b"[" * 101 + b"]" * 101), ("json", b"\xef\xbb\xbf1"), ("txt", b"x" * (LONGEST_FIELDS + 1))),
        *(("json", b"1" * 5000),),
    ],
)
def test_what_cannot_be_carried_is_null(tmp_path: Path, field: str, data: bytes) -> None:
    path = write_tar(tmp_path / "a.tar", {f"1.{field}": data, "1.png": b"", "1.cls": b"3"})
    assert kept(path, field, "cls") == {"1.png": {field: None, "cls": "3"}}


def test_all_fields_of_an_image_together_are_bounded(tmp_path: Path) -> None:
    half = b"x" * (LONGEST_FIELDS // 2)
    path = write_tar(
        tmp_path / "a.tar", {"1.png": b"", "1.a": half, "1.b": half, "1.c": b"x", "2.c": b"x", "2.png": b""}
    )
    assert kept(path, "a", "b", "c") == {
        "1.png": {"a": half.decode(), "b": half.decode(), "c": None},
        "2.png": {"c": "x"},
    }


def test_a_field_that_stands_twice_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(tar_of([("1.txt", b"a"), ("1.png", b""), ("1.TXT", b"b")]))
    assert kept(path, "txt") == {"1.png": {"txt": None}}


def test_a_sample_of_many_images_is_not_held(tmp_path: Path) -> None:
    members = {"v.1.png": bytes(60), "v.2.png": bytes(60), "v.txt": b"t", "v.3.png": b""}
    path = write_tar(tmp_path / "a.tar", members)
    assert kept(path, "txt", limits=Limits(bytes=100)) == {"v.1.png": {}, "v.2.png": {}, "v.3.png": {"txt": "t"}}
    assert kept(path, "txt", limits=Limits(bytes=200))["v.1.png"] == {"txt": "t"}


def test_a_sample_of_many_small_images_is_not_held(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(tar_of([(f"v.{number}.png", b"") for number in range(10_002)] + [("v.txt", b"t")]))
    found = kept(path, "txt")
    assert (found["v.0.png"], found["v.10001.png"]) == ({}, {"txt": "t"})


def test_images_before_a_break_have_their_fields(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(tar_of([("1.png", b"i"), ("1.txt", b"t"), ("2.png", bytes(3000))])[:4000])
    assert kept(path, "txt") == {"1.png": {"txt": "t"}, "@2048": None}


def test_json_is_parsed_and_the_rest_is_text() -> None:
    assert field_value("json", b' {"a": 1.5} ') == {"a": 1.5}
    assert field_value("v.json", b'"\\ud800"') == "\ud800"
    assert field_value("cls", b"3\n") == "3\n"


_WRITE = """
import sys
import webdataset
for path in sys.argv[1:]:
    with webdataset.TarWriter(path) as writer:
        for number in range(3):
            key = f"d/{number}" + "x" * 200
            beside = {"txt": f"no. {number}", "json": {"n": number}, "cls": 1}
            writer.write({"__key__": key, "png": b"%d" % number, **beside})
"""


def test_what_the_library_writes_is_read(tmp_path: Path) -> None:
    paths = [tmp_path / f"a{ending}" for ending in (".tar", ".tar.gz")]
    subprocess.run([sys.executable, "-c", _WRITE, *paths], capture_output=True, check=True)
    for path in paths:
        refs = list(expand([ImageRef(str(path))], Limits(), keep_fields=["txt", "json", "cls"]))
        assert [ref.data for ref in refs] == [b"0", b"1", b"2"]
        assert [ref.fields for ref in refs] == [
            {"txt": f"no. {number}", "json": {"n": number}, "cls": "1"} for number in range(3)
        ]
        assert [ref.path.partition("::")[2] for ref in refs] == [f"d/{number}{'x' * 200}.png" for number in range(3)]
