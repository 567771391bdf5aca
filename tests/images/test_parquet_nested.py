"""Images within structs, lists and maps of a table, and the paths that columns and fields of any name give them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from tables import PAIR, pairs, png, write_arrow, write_parquet

from imagejudge.images.find import find_images
from imagejudge.images.read import Limits
from imagejudge.images.shards import expand


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test stands in a folder of its own."""
    monkeypatch.chdir(tmp_path)


def told(*paths: str) -> dict[str, bytes | str | None]:
    """By path, bytes or the kind of the trouble. No two have the same path."""
    refs = list(expand(find_images(paths), Limits()))
    found = {ref.path: ref.trouble.kind if ref.trouble else ref.data for ref in refs}
    assert len(found) == len(refs)
    return found


def test_no_two_images_of_a_row_have_the_same_path() -> None:
    columns = {
        "image": [png(1)],
        "a": pa.array([[png(2)]]),
        "a/0": [png(3)],
        "a%2F0": [png(4)],
        "..": [png(5)],
        ".": [png(6)],
        "": [png(7)],
        "../b c.d": [png(8)],
    }
    write_parquet(Path("a.parquet"), columns)
    names = ["", "/a/0", "/a%2F0", "/a%252F0", "/%2E%2E", "/%2E", "/%", "/..%2Fb c.d"]
    found = {f"a.parquet::0{name}": png(number) for number, name in enumerate(names, 1)}
    assert told("a.parquet") == found
    assert told(*found) == found


def nested(images: Sequence[bytes]) -> dict[str, pa.Array]:
    """Columns with images at every depth, and with texts and bytes that are none; beside them, one of images alone."""
    photo = pa.struct([("caption", pa.string()), ("hash", pa.binary()), ("photo", PAIR)])
    turn = pa.struct([("role", pa.string()), ("image", pa.binary())])
    turns = [{"role": "user", "image": images[1]}, {"role": "x.png", "image": None}, {"image": images[2]}]
    shot = {"bytes": images[0], "path": "x.png"}
    return {
        "meta": pa.array([{"caption": "a cat", "hash": b"\1\2", "photo": shot}], photo),
        "image": pa.array([images[3]]),
        "chat": pa.array([[turns]], pa.list_(pa.list_(turn))),
        "views": pa.array([[("left", images[4]), ("left", images[5])]], pa.map_(pa.string(), pa.large_binary())),
        "keys": pa.array([[(images[6], 1)]], pa.map_(pa.binary(), pa.int8())),
    }


NESTED = {
    "": 3,
    "/meta/photo": 0,
    "/chat/0/0/image": 1,
    "/chat/0/2/image": 2,
    "/views/0/value": 4,
    "/views/1/value": 5,
    "/keys/0/key": 6,
}


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_images_within_structs_lists_and_maps_are_found_and_named(kind: str) -> None:
    images = [png(number) for number in range(7)]
    if kind == "parquet":
        write_parquet(Path("a.parquet"), nested(images))
    else:
        write_arrow(Path("a.arrow"), nested(images), 1)
    found = {f"a.{kind}::0{name}": images[number] for name, number in NESTED.items()}
    assert told(f"a.{kind}") == found
    for path, data in found.items():
        assert told(path) == {path: data}


def test_a_field_of_the_name_of_another_way_to_an_image_has_a_path_of_its_own() -> None:
    turns = [{"a/b": png(2), "a": {"b": png(3)}, "bytes": png(1), "path": "x", "%": [png(4)]}]
    write_parquet(Path("a.parquet"), {"x/y": pa.array(turns), "x": pa.array([{"y": png(5)}])})
    names = {"/x%2Fy": 1, "/x%2Fy/a%2Fb": 2, "/x%2Fy/a/b": 3, "/x%2Fy/%25/0": 4, "/x/y": 5}
    assert told("a.parquet") == {
        f"a.parquet::0{'' if number == 1 else name}": png(number) for name, number in names.items()
    }


def test_images_in_values_that_are_written_in_other_ways_are_found() -> None:
    columns = {
        "fixed": pa.array([png(1), None], pa.binary(len(png(1)))),
        "view": pa.array([[png(2)], None], pa.list_view(pa.binary())),
        "packed": pa.array([png(3), None]).dictionary_encode(),
        "runs": pa.RunEndEncodedArray.from_arrays(pa.array([1, 2], pa.int32()), pa.array([png(4), None])),
        "opaque": pa.ExtensionArray.from_storage(pa.opaque(pa.binary(), "a", "b"), pa.array([png(5), None])),
        "union": pa.UnionArray.from_sparse(
            pa.array([1, 1], pa.int8()), [pa.array(["x", "y"]), pa.array([png(6), None]), pa.array([b"a", b"b"])]
        ),
    }
    for number, (name, column) in enumerate(columns.items(), 1):
        write_arrow(Path(f"{name}.arrow"), {"n": [1, 2], "a": [png(0)] * 2, name: column}, 2)
        paths = [f"{name}.arrow::{row}{place}" for row, place in ((0, ""), (0, f"/{name}"), (1, ""))]
        if name == "view":
            paths[1] += "/0"
        assert told(f"{name}.arrow") == dict(zip(paths, (png(0), png(number), png(0)), strict=True))


def test_a_pair_whose_bytes_are_written_in_another_way_is_one_image() -> None:
    pair = pa.StructArray.from_arrays([pa.array([png(1)]).dictionary_encode(), pa.array(["x"])], ["bytes", "path"])
    write_arrow(Path("a.arrow"), {"image": pair, "meta": pa.StructArray.from_arrays([pair], ["photo"])}, 1)
    assert told("a.arrow") == {"a.arrow::0": png(1), "a.arrow::0/meta/photo": png(1)}


def test_fields_within_a_column_that_a_note_calls_images_come_first() -> None:
    image, value = {"_type": "Image"}, {"_type": "Value"}
    columns = {"image": pairs(png(3)), **nested([png(number) for number in range(7)])}
    features = {
        "image": image,
        "meta": {"caption": value, "hash": value, "photo": image},
        "chat": {"_type": "List", "feature": {"_type": "Sequence", "feature": {"role": value, "image": image}}},
    }
    write_parquet(Path("a.parquet"), columns, features=features)
    assert list(told("a.parquet").items()) == [(f"a.parquet::0{name}", png(number)) for name, number in NESTED.items()]


def test_fields_that_are_empty_where_it_is_looked_count_as_columns_that_are() -> None:
    turn = pa.struct([("role", pa.string()), ("image", pa.binary()), ("hash", pa.binary())])
    turns = [[{"role": "x"}]] * 1100 + [[{"image": png(2)}]]
    columns = {"chat": pa.array(turns, pa.list_(turn)), "image": [png(1)] * 1101}
    write_parquet(Path("a.parquet"), columns)
    found = told("a.parquet")
    assert len(found) == 1102
    assert found["a.parquet::1100/chat/0/image"] == png(2)
    assert found["a.parquet::1100"] == png(1)


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_what_lies_beside_an_image_may_be_what_python_has_no_value_for(kind: str) -> None:
    far = pa.array([2**62], pa.timestamp("ms"))
    with pytest.raises(OverflowError):
        far.to_pylist()
    photo = pa.StructArray.from_arrays([far, pairs(png(2)), pa.array([png(3)])], ["when", "photo", "bytes"])
    columns = {"image": [png(1)], "meta": pa.ListArray.from_arrays([0, 1], photo)}
    if kind == "parquet":
        write_parquet(Path("a.parquet"), columns)
    else:
        write_arrow(Path("a.arrow"), columns, 1)
    images = {"": png(1), "/meta/0": png(3), "/meta/0/photo": png(2)}
    assert told(f"a.{kind}") == {f"a.{kind}::0{name}": data for name, data in images.items()}


def test_fields_of_one_name_are_told() -> None:
    twice = pa.StructArray.from_arrays([pa.array([b"x"]), pa.array([png(2)])], ["a", "a"])
    write_arrow(Path("a.arrow"), {"image": [png(1)], "meta": twice}, 1)
    assert told("a.arrow") == {"a.arrow::schema": "shard"}


@pytest.mark.parametrize("depth", [30, 2000])
def test_an_image_is_found_or_the_table_told_however_deep_it_lies(depth: int) -> None:
    column = pa.array([png(2)])
    for _ in range(depth):
        column = pa.StructArray.from_arrays([column], ["a"])
    write_parquet(Path("a.parquet"), {"image": [png(1)], "deep": column})
    found = told("a.parquet")
    assert "shard" in found.values() or found["a.parquet::0/deep" + "/a" * depth] == png(2)
    assert depth > 30 or "shard" not in found.values()


def test_columns_with_dots_in_their_names_are_told_apart_from_fields() -> None:
    columns = {"a.b": [png(1)], "a": pa.array([{"b": b"x"}]), "c": pa.array([{"d": png(2)}]), "c.d": [b"x"]}
    write_parquet(Path("a.parquet"), columns)
    assert told("a.parquet") == {"a.parquet::0": png(1), "a.parquet::0/c/d": png(2)}
