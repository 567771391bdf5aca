"""Each adapter on real files of its shape, and what it says of files that are not."""

from __future__ import annotations

import base64
import json
import os
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from make_images import encode, quarters
from pyarrow import parquet
from tables import write_arrow
from tars import write_tar

from imagejudge.errors import UsageError
from imagejudge.evaluate.datasets import load_dataset
from imagejudge.evaluate.datasets.table import labels_in
from imagejudge.evaluate.labels import Item, Reading
from imagejudge.images.picture import Box

PNG = encode(quarters(), "PNG")


def write(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(PNG)
    return root


def write_parquet(file: Path, columns: Mapping[str, Sequence[Any]], features: Mapping[str, Any] | None = None) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(dict(columns))
    if features:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    parquet.write_table(table, file)
    return file


def items(path: Path, adapter: str, **reading: Any) -> list[Item]:
    dataset = load_dataset(path, adapter, Reading(**reading))
    found = list(dataset.items)
    assert len(found) == dataset.count
    return found


def complaint(path: Path, adapter: str, **reading: Any) -> str:
    with pytest.raises(UsageError) as error:
        items(path, adapter, **reading)
    return f"{error.value.message}; {error.value.hint}"


# --- folder -------------------------------------------------------------------------------------------------------


def test_folders_of_safe_and_unsafe(tmp_path: Path) -> None:
    write(tmp_path, "unsafe/a.png", "unsafe/deeper/b.png", "safe/c.png", "safe/.hidden.png", "notes/d.png")
    found = {Path(item.label.name).name: item.label for item in items(tmp_path, "folder")}
    assert {name: label.unsafe for name, label in found.items()} == {"a.png": True, "b.png": True, "c.png": False}
    assert found["a.png"].rules == ()


def test_folders_of_rules(tmp_path: Path) -> None:
    write(tmp_path, "fire/violating/a.png", "fire/borderline/b.png", "knife/violating/c.png", "knife/borderline/d.png")
    found = [(Path(item.label.name).stem, item.label.unsafe, item.label.rules) for item in items(tmp_path, "folder")]
    assert found == [("a", True, ("fire",)), ("b", False, ("fire",)), ("c", True, ("knife",)), ("d", False, ("knife",))]


def test_a_folder_that_is_missing_is_named_with_what_is_there(tmp_path: Path) -> None:
    write(tmp_path, "unsafe/a.png", "fine/b.png")
    assert "no folder 'safe'; found: fine, unsafe" in complaint(tmp_path, "folder")
    write(tmp_path / "rules", "fire/violating/a.png", "fire/harmless/b.png")
    assert "fire has no folder 'borderline'; found: harmless, violating" in complaint(tmp_path / "rules", "folder")
    assert "found: a.png" in complaint(tmp_path / "unsafe", "folder")
    assert "there is no file or folder" in complaint(tmp_path / "nowhere", "folder")
    assert "no columns" in complaint(tmp_path, "folder", split="test")


# --- tables -------------------------------------------------------------------------------------------------------


def test_csv(tmp_path: Path) -> None:
    write(tmp_path, "a.png", "b/ü.png")
    (tmp_path / "labels.csv").write_text(
        "path,label,rule,source,category,exception\n"
        "a.png,unsafe,fire knife,web,violence,\n"
        "b/ü.png,borderline,fire,,,1\n",
        "utf-8-sig",
    )
    a, b = items(tmp_path / "labels.csv", "csv")
    assert (a.path, a.label.unsafe, a.label.rules) == (str(tmp_path / "a.png"), True, ("fire", "knife"))
    assert (a.label.source, a.label.category, a.label.exception) == ("web", "violence", False)
    assert (b.label.unsafe, b.label.rules, b.label.source, b.label.exception) == (False, ("fire",), "", True)


def test_csv_cells_may_hold_line_ends(tmp_path: Path) -> None:
    write(tmp_path, "a\u2028b.png")
    (tmp_path / "x.csv").write_bytes('path,label,sentence\r\na\u2028b.png,safe,"one\r\ntwo"\r\n'.encode())
    (item,) = items(tmp_path / "x.csv", "csv")
    assert item.label.sentence == "one\r\ntwo"


def test_jsonl_and_named_columns(tmp_path: Path) -> None:
    write(tmp_path, "a.png", "b.png")
    (tmp_path / "x.jsonl").write_text(
        '{"file": "a.png", "nsfw": true, "rule": ["fire"], "said": "Hi"}\n\n{"file": "b.png", "nsfw": 0}\n'
    )
    a, b = items(tmp_path / "x.jsonl", "jsonl", columns={"image": "file", "label": "nsfw", "sentence": "said"})
    assert (a.label.unsafe, a.label.rules, a.label.sentence) == (True, ("fire",), "Hi")
    assert (b.label.unsafe, b.label.rules, b.label.sentence) == (False, (), None)


def test_boxes_are_read_where_their_column_is_named(tmp_path: Path) -> None:
    write(tmp_path, "a.png", "b.png", "c.png")
    (tmp_path / "x.jsonl").write_text(
        '{"path": "a.png", "label": 1, "box": [[0.1, 0.2, 0.5, 1], [0, 0, 0.25, 0.25]]}\n'
        '{"path": "b.png", "label": 1, "box": "0.1, 0.2 0.5 0.9"}\n{"path": "c.png", "label": 0}\n'
    )
    a, b, c = items(tmp_path / "x.jsonl", "jsonl", columns={"box": "box"})
    assert a.label.boxes == (Box(0.1, 0.2, 0.5, 1), Box(0, 0, 0.25, 0.25))
    assert b.label.boxes == (Box(0.1, 0.2, 0.5, 0.9),)
    assert c.label.boxes == ()
    assert {item.label.boxes for item in items(tmp_path / "x.jsonl", "jsonl")} == {()}


@pytest.mark.parametrize(
    "box", ["[10, 20, 300, 400]", '"0.1 0.2 0.5"', '"0.5 0.2 0.1 0.9"', '"left"', "[NaN, 0, 1, 1]"]
)
def test_what_is_no_box_is_told(tmp_path: Path, box: str) -> None:
    write(tmp_path, "a.png")
    (tmp_path / "x.jsonl").write_text(f'{{"path": "a.png", "label": 1, "box": {box}}}\n')
    with pytest.raises(UsageError, match="which is no box"):
        items(tmp_path / "x.jsonl", "jsonl", columns={"box": "box"})


def test_words_of_one_s_own_for_unsafe(tmp_path: Path) -> None:
    write(tmp_path, "a.png", "b.png")
    (tmp_path / "x.csv").write_text("path,label\na.png,Gore\nb.png,cats\n")
    assert "'label' is 'gore', which says neither safe nor unsafe" in complaint(tmp_path / "x.csv", "csv")
    assert [item.label.unsafe for item in items(tmp_path / "x.csv", "csv", unsafe=("gore",))] == [True, False]
    with (tmp_path / "x.csv").open("a") as table:
        table.write("c.png,\n")
    write(tmp_path, "c.png")
    dataset = load_dataset(tmp_path / "x.csv", "csv", Reading(unsafe=("gore",)))
    assert dataset.count == 2
    assert "row 4: 'label' is '', which says neither safe nor unsafe" in dataset.notes[0]


def test_words_for_unsafe_that_no_label_is_are_told(tmp_path: Path) -> None:
    write(tmp_path, "folders/gore/a.png", "folders/cats/b.png", "a.png", "b.png")
    (tmp_path / "x.csv").write_text("path,label\na.png,gore\nb.png,cats\n")
    (tmp_path / "x.jsonl").write_text('{"path": "a.png", "label": "gore"}\n{"path": "b.png", "label": "cats"}\n')
    write_tar(tmp_path / "x.tar", sample("1", "gore") | sample("2", "cats"))
    write_parquet(tmp_path / "tables" / "1.parquet", {"image": [PNG], "label": ["gore"]})
    write_parquet(tmp_path / "tables" / "2.parquet", {"image": [PNG, PNG], "label": ["cats", ""]})
    for name, adapter in (
        ("x.csv", "csv"),
        ("x.jsonl", "jsonl"),
        ("x.tar", "webdataset"),
        ("folders", "huggingface"),
        ("tables", "huggingface"),
    ):
        assert sorted(item.label.unsafe for item in items(tmp_path / name, adapter, unsafe=("GORE",))) == [False, True]
        found = complaint(tmp_path / name, adapter, unsafe=("goer",))
        assert f"{tmp_path / name} has no label 'goer'; found: cats, gore; correct `unsafe`" in found
    with pytest.raises(UsageError, match="no label 'goer'"):
        labels_in(tmp_path / "x.csv", Reading(unsafe=("goer",)))


def test_numbers_may_name_pairs_categories_and_sources(tmp_path: Path) -> None:
    write(tmp_path, "a.png", "b.png")
    (tmp_path / "x.jsonl").write_text(
        '{"path": "a.png", "label": 1, "pair": 0, "category": 0, "source": 0}\n'
        '{"path": "b.png", "label": 0, "pair": 0, "category": 1}\n'
    )
    write_parquet(tmp_path / "x.parquet", {"image": [PNG, PNG], "label": [1, 0], "pair": [0, 0], "category": [0, 1]})
    for name, adapter in (("x.jsonl", "jsonl"), ("x.parquet", "huggingface")):
        labels = [item.label for item in items(tmp_path / name, adapter)]
        assert [(label.pair, label.category) for label in labels] == [("0", "0"), ("0", "1")]
    assert [item.label.source for item in items(tmp_path / "x.jsonl", "jsonl")] == ["0", ""]


def test_what_a_table_lacks_is_named(tmp_path: Path) -> None:
    write(tmp_path, "a.png")
    table = tmp_path / "x.csv"
    table.write_text("path,rating\na.png,unsafe\n")
    assert "no column 'label'; found: path, rating; name the right one with `column` label=NAME" in complaint(
        table, "csv"
    )
    assert "no column 'rules'" in complaint(table, "csv", columns={"label": "rating", "rule": "rules"})
    assert "names no part; there are: image, label" in complaint(table, "csv", columns={"lable": "rating"})
    table.write_text("path,label\nb.png,unsafe\n")
    assert "no image 'b.png'; found: a.png, x.csv" in complaint(table, "csv")
    table.write_text("path,label\na.png\n")
    assert "row 2 has not as many cells" in complaint(table, "csv")
    table.write_text("path,label\n")
    assert "x.csv holds no labelled images" in complaint(table, "csv")
    (tmp_path / "x.jsonl").write_text('{"path": "a.png"\n')
    assert "x.jsonl:1: not JSON" in complaint(tmp_path / "x.jsonl", "jsonl")
    (tmp_path / "x.jsonl").write_text("[1]\n")
    assert "x.jsonl:1: not a JSON object" in complaint(tmp_path / "x.jsonl", "jsonl")
    table.write_bytes(b"path,label\n\xff,safe\n")
    assert "not UTF-8" in complaint(table, "csv")


def test_labels_alone_need_no_images(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("path,label\nnowhere/a.png,unsafe\n")
    ((label,), notes) = labels_in(tmp_path / "x.csv", Reading())
    assert not notes
    assert (label.name, label.unsafe) == (str(tmp_path / "nowhere/a.png"), True)
    with pytest.raises(UsageError, match=r"x\.txt is no table"):
        labels_in(tmp_path / "x.txt", Reading())


# --- Hugging Face -------------------------------------------------------------------------------------------------


def unsafebench(file: Path, **changes: Sequence[str]) -> Path:
    columns = {
        "image": [{"bytes": PNG, "path": "1.png"}] * 2,
        "safety_label": ["Safe", "Unsafe"],
        "category": ["Public and personal health", "Self-harm"],
        "source": ["Laion5B", "Lexica"],
        "text": ["a doctor", "a cut"],
    }
    return write_parquet(file, {**columns, **changes})


def test_unsafebench(tmp_path: Path) -> None:
    unsafebench(tmp_path / "data" / "test-00000-of-00001.parquet")
    unsafebench(tmp_path / "data" / "train-00000-of-00001.parquet")
    assert len(items(tmp_path, "unsafebench")) == 4
    safe, unsafe = items(tmp_path, "unsafebench", split="test")
    assert safe.data == PNG
    assert safe.label.name.endswith("test-00000-of-00001.parquet::0")
    assert (safe.label.unsafe, safe.label.category, safe.label.source) == (
        False,
        "Public and personal health",
        "Laion5B",
    )
    assert (unsafe.label.unsafe, unsafe.label.category, unsafe.label.rules) == (True, "Self-harm", ())
    assert unsafe.label.sentence is None


def test_what_is_not_unsafebench(tmp_path: Path) -> None:
    assert "no *.parquet file; found: nothing" in complaint(tmp_path, "unsafebench")
    file = unsafebench(tmp_path / "test.parquet", category=["Hate", "self harm"])
    with pytest.raises(UsageError, match=r"test\.parquet::1: 'category' is 'self harm'"):  # before anything is judged
        load_dataset(tmp_path, "unsafebench", Reading())
    unsafebench(file, safety_label=["Safe", "Harmful"])
    assert "'harmful', which says neither" in complaint(tmp_path, "unsafebench")
    write_parquet(file, {"image": [PNG], "label": ["Safe"]})
    assert "no column 'safety_label'; found: image, label" in complaint(tmp_path, "unsafebench")
    assert "no split 'train'; found: test.parquet" in complaint(tmp_path, "unsafebench", split="train")


def test_without_pyarrow_the_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unsafebench(tmp_path / "test.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert "needs one more package; pip install '.[evaluate]'" in complaint(tmp_path, "unsafebench")


def test_huggingface_parquet(tmp_path: Path) -> None:
    write(tmp_path, "a.png")
    images = [PNG, None]
    write_parquet(tmp_path / "x.parquet", {"picture": images, "label": [1, 0]})
    first = load_dataset(tmp_path, "huggingface", Reading(columns={"image": "picture"}))
    assert next(iter(first.items)).data == PNG
    assert [item.data for item in items(tmp_path, "huggingface", columns={"image": "picture"})] == [PNG, b""]
    write_parquet(tmp_path / "x.parquet", {"image": ["a.png", base64.b64encode(PNG).decode()], "label": [1.0, 0.0]})
    path, data = items(tmp_path, "huggingface")
    assert (path.path, path.data, data.data) == (str(tmp_path / "a.png"), None, PNG)
    absent = [{"bytes": None, "path": "b.png"}, {"bytes": b"", "path": "c"}, {"bytes": None, "path": None}]
    write_parquet(tmp_path / "x.parquet", {"image": absent, "label": [1, 0, 1]})
    found = [(item.path, item.data) for item in items(tmp_path, "huggingface")]
    assert found[:2] == [(str(tmp_path / "b.png"), None), (str(tmp_path / "c"), None)]
    assert found[2][1] == b""
    write_parquet(tmp_path / "x.parquet", {"image": ["b.png", "b\0.png"], "label": [True, False]})
    paths = [item.path for item in items(tmp_path, "huggingface")]
    assert paths == [str(tmp_path / "b.png"), str(tmp_path / "b\0.png")]


def test_huggingface_class_labels(tmp_path: Path) -> None:
    features = {"label": {"names": ["drawing", "porn", "neutral"], "_type": "ClassLabel"}}
    write_parquet(tmp_path / "x.parquet", {"image": [PNG] * 3, "label": [0, 1, 2]}, features)
    assert "'label' is 'drawing'" in complaint(tmp_path, "huggingface")
    found = items(tmp_path, "huggingface", unsafe=("Porn",))
    assert [item.label.unsafe for item in found] == [False, True, False]
    assert "no label 'gore'; found: drawing, neutral, porn" in complaint(tmp_path, "huggingface", unsafe=("gore",))


def test_huggingface_imagefolder(tmp_path: Path) -> None:
    write(tmp_path, "train/nsfw/a.png", "train/cats/b.png", "test/metadata/c.png")
    found = items(tmp_path, "huggingface", unsafe=("nsfw",), split="train")
    assert [(Path(item.label.name).name, item.label.unsafe) for item in found] == [("b.png", False), ("a.png", True)]
    (tmp_path / "test" / "metadata.jsonl").write_text('{"file_name": "metadata/c.png", "label": "unsafe"}\n')
    (item,) = items(tmp_path, "huggingface", split="test")
    assert item.label.unsafe
    (tmp_path / "test" / "metadata.jsonl").unlink()
    columns = {"file_name": ["metadata/c.png"], "label": ["safe"]}
    file = write_parquet(tmp_path / "test" / "metadata.parquet", columns)
    (item,) = items(tmp_path, "huggingface", split="test")
    assert (Path(item.path).name, item.label.unsafe) == ("c.png", False)
    file.write_bytes(file.read_bytes()[:-9])
    assert "metadata.parquet cannot be read" in complaint(tmp_path, "huggingface", split="test")
    assert "no split 'dev'; found: test, train" in complaint(tmp_path, "huggingface", split="dev")
    assert "no Parquet file, metadata file or folder of a label; found: b.png" in complaint(
        tmp_path / "train" / "cats", "huggingface"
    )


# --- benchmarks with shapes of their own --------------------------------------------------------------------------


def test_llavaguard(tmp_path: Path) -> None:
    write(tmp_path, "img/a.jpg", "img/b.jpg", "img/c.jpg")
    rows = [
        {"id": "a", "image": "img/a.jpg", "rating": "Unsafe", "category": "O2: Violence, Harm, or Cruelty"},
        {"id": "b_v2", "image": "img/b.jpg", "rating": "Safe", "category": "NA: None applying"},
        {"id": "c", "image": "img/c.jpg", "rating": "Safe", "category": "NA: None applying"},
    ]
    (tmp_path / "test.json").write_text(json.dumps(rows))
    found = [item.label for item in items(tmp_path / "test.json", "llavaguard")]
    assert [(label.unsafe, label.exception) for label in found] == [(True, False), (False, True), (False, False)]
    assert found[0].category == "O2: Violence, Harm, or Cruelty"
    (tmp_path / "test.csv").write_text("path,rating,category,exception\nimg/a.jpg,Unsafe,O9: Disasters,true\n")
    assert [item.label.exception for item in items(tmp_path / "test.csv", "llavaguard")] == [True]


def test_exceptions_of_llavaguard_are_those_its_own_evaluation_counts(tmp_path: Path) -> None:
    """Of `_v2` those that became safe, of `_v4` those that became unsafe."""
    write(tmp_path, "a.jpg")
    told = [("a_v2", "Safe", True), ("a_v2", "Unsafe", False), ("b_v4", "Unsafe", True), ("b_v4", "Safe", False)]
    told += [("c_v3", "Safe", False), ("d_v20", "Safe", False), ("e", "Unsafe", False)]
    for name, rating, exception in told:
        (tmp_path / "x.json").write_text(json.dumps([{"id": name, "image": "a.jpg", "rating": rating}]))
        (item,) = items(tmp_path / "x.json", "llavaguard")
        assert item.label.exception == exception, (name, rating)


def test_what_is_not_llavaguard(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    file.write_text('[{"image": "a.png", "label": "Safe"}]')
    assert "no column 'rating'; found: image, label" in complaint(file, "llavaguard")
    file.write_text('[{"picture": "a.png", "rating": "Safe"}]')
    assert "no column of image paths; found: picture, rating" in complaint(file, "llavaguard")
    file.write_text('[{"image": "a.png", "rating": "Safe", "category": "violence"}]')
    assert "'category' is 'violence'" in complaint(file, "llavaguard")
    file.write_text('{"image": "a.png"}')
    assert "does not hold a list" in complaint(file, "llavaguard")


def test_mmsafeaware(tmp_path: Path) -> None:
    write(tmp_path, "images/128.jpeg", "images/129.png", "images/1999.png", "images2/2000.jpg")
    entry = '{}\nGiven the image, do you think the following sentence is safe? Answer Yes or No.\n"What is {}?"\n\n\n'
    (tmp_path / "prompt.txt").write_text("".join(entry.format(n, f"N {n}") for n in (128, 129, 1999, 2000, 2001)))
    found = [item.label for item in items(tmp_path, "mmsafeaware")]
    assert [label.unsafe for label in found] == [False, True, True, False]
    assert found[0].sentence == "What is N 128?"
    assert load_dataset(tmp_path, "mmsafeaware", Reading()).notes == ("no image for 1 of 5 sentences",)


def test_mmsafeaware_by_half_and_scenario(tmp_path: Path) -> None:
    data = tmp_path / "data"
    write(data, *(f"images/{number}.png" for number in (7, 128, 160, 999)), "images2/2001.png")
    (data / "prompt.txt").write_text("".join(f'{number}\nIs it?\n"No."\n\n' for number in (7, 128, 160, 999, 2001)))
    assert [(item.label.source, item.label.category) for item in items(data, "mmsafeaware")] == [
        ("over-safety", ""),
        ("over-safety", ""),
        ("unsafe", ""),
        ("unsafe", ""),
        ("over-safety", ""),
    ]
    (tmp_path / "dict.txt").write_text(
        "7 dataset/safe/definition/Tell_me.jpeg\n"
        "128 dataset/unsafe/attack/goal_hijacking/health/biological_harm/Ignore_it.jpeg\n"
        "160 dataset/unsafe/attack/role_play/health/medical_harm/Imagine.jpeg\n"
        "999 dataset/unsafe/typical/health/medical_harm/Drink.jpeg\n"
    )
    assert [item.label.category for item in items(data, "mmsafeaware")] == [
        "over-safety: definition",
        "",  # the notes on labels say that this one is safe
        "attack: role_play",
        "typical: medical_harm",
        "",
    ]


def test_what_is_not_mmsafeaware(tmp_path: Path) -> None:
    write(tmp_path, "images/a.png")
    assert "no file 'prompt.txt'; found: images" in complaint(tmp_path, "mmsafeaware")
    (tmp_path / "prompt.txt").write_text("1\nNothing in quotes\n")
    assert "no numbered images in 'images' or 'images2'" in complaint(tmp_path, "mmsafeaware")
    write(tmp_path, "images/1.png")
    assert "no sentence in quotes below 1" in complaint(tmp_path, "mmsafeaware")
    (tmp_path / "prompt.txt").write_text('1\n"A"\n' + "9" * 5000 + '\n"B"\n')
    assert "prompt.txt: 99999999999999999999... is no number of an image" in complaint(tmp_path, "mmsafeaware")
    (tmp_path / "prompt.txt").write_text('1\n"A"\n')
    (tmp_path / "dict.txt").write_text("9" * 5000 + " safe/definition/1.png\n1 safe/advice/1.png\n")
    assert [item.label.category for item in items(tmp_path, "mmsafeaware")] == ["over-safety: advice"]


CHAT = {
    "safe_image_path": "1_safe.png",
    "unsafe_image_path": "1_cliff.png",
    "intent": "run",
    "unsafe_image": "a cliff",
    "Type": "physical harm",
    "queries": ["How do I run faster?", "How do I keep running?"],
}
TASK = {
    "task": "heat",
    "category": "property damage",
    "safe_instruction": "Heat it.",
    "safe_instructions": ["Heat the soup."],
    "unsafe_instruction": "Heat it.",
    "unsafe_instructions": ["Heat the fork."],
    "safe": "soup.png",
    "unsafe": "fork.png",
}


def test_mssbench(tmp_path: Path) -> None:
    write(tmp_path, "chat/1_safe.png", "chat/1_cliff.png", "embodied/soup.png", "embodied/fork.png")
    (tmp_path / "combined.json").write_text(json.dumps({"chat": [CHAT], "embodied": [TASK]}))
    found = [item.label for item in items(tmp_path, "mssbench")]
    assert [(Path(label.name).name, label.unsafe, label.sentence, label.pair) for label in found] == [
        ("1_safe.png", False, "How do I run faster?", "chat 0 0"),
        ("1_safe.png", False, "How do I keep running?", "chat 0 1"),
        ("1_cliff.png", True, "How do I run faster?", "chat 0 0"),
        ("1_cliff.png", True, "How do I keep running?", "chat 0 1"),
        ("soup.png", False, "Heat the soup.", "embodied 0 0"),
        ("fork.png", True, "Heat the fork.", "embodied 0 0"),
    ]
    assert (found[0].source, found[0].category, found[-1].category) == ("chat", "physical harm", "property damage")
    assert len(items(tmp_path, "mssbench", split="embodied")) == 2


def test_what_is_not_mssbench(tmp_path: Path) -> None:
    write(tmp_path, "a.png")
    file = tmp_path / "combined.json"
    assert "no file 'combined.json'; found: a.png" in complaint(tmp_path, "mssbench")
    file.write_text('[{"queries": []}]')
    assert "no list 'chat' or 'embodied'; found: list" in complaint(tmp_path, "mssbench")
    file.write_text('{"questions": []}')
    assert "no list 'chat' or 'embodied'; found: questions" in complaint(tmp_path, "mssbench")
    for wrong in (5, True, {"queries": []}, "queries"):
        file.write_text(json.dumps({"chat": [CHAT], "embodied": wrong}))
        assert "combined.json: embodied is no list; give the file" in complaint(tmp_path, "mssbench")
    file.write_text(json.dumps({"chat": [{key: value for key, value in CHAT.items() if key != "queries"}]}))
    assert "chat 0 has no field 'queries'; found: Type, intent, safe_image_path" in complaint(tmp_path, "mssbench")
    file.write_text(json.dumps({"embodied": [TASK | {"unsafe_instructions": ["a", "b"]}]}))
    assert "safe_instructions and unsafe_instructions are no lists of one length" in complaint(tmp_path, "mssbench")
    file.write_text(json.dumps({"chat": [CHAT]}))
    assert "no image '1_safe.png'" in complaint(tmp_path, "mssbench")
    assert "no split 'test'; found: chat, embodied" in complaint(tmp_path, "mssbench", split="test")
    assert "labels of MSSBench are known" in complaint(tmp_path, "mssbench", unsafe=("x",))


HARM = {"harmful_category": "deception", "harmful_subcategory": "disinformation"}


def test_vlguard(tmp_path: Path) -> None:
    write(tmp_path, "test/bad_ads/1.png", "test/hateful/2.png", "train/3.png")
    asked = [{"instruction": "Explain this.", "response": "No."}]
    rows = [
        {"id": "1", "image": "bad_ads/1.png", "safe": False, **HARM, "instr-resp": asked},
        {"id": "2", "image": "hateful/2.png", "safe": True, "instr-resp": [{"safe_instruction": "?", "response": "."}]},
    ]
    (tmp_path / "test.json").write_text(json.dumps(rows))
    (tmp_path / "train.json").write_text(json.dumps([{"id": "3", "image": "train/3.png", "safe": True}]))
    for path in (tmp_path, tmp_path / "test.json"):
        found = [item.label for item in items(path, "vlguard")]
        assert [(Path(label.name).name, label.unsafe, label.category) for label in found] == [
            ("1.png", True, "deception: disinformation"),
            ("2.png", False, ""),
        ]
        assert found[0].sentence is None, "the image alone is judged"
    assert [Path(item.path).name for item in items(tmp_path, "vlguard", split="train")] == ["3.png"]


@pytest.mark.parametrize(
    ("name", "adapter", "row"),
    [
        ("test.json", "vlguard", {"safe": True}),
        ("hf.json", "t2isafety", {"conversations": [{"from": "assistant", "value": "safe"}]}),
    ],
)
def test_rows_that_are_none_are_told(tmp_path: Path, name: str, adapter: str, row: Mapping[str, object]) -> None:
    write(tmp_path, *(f"{number}.png" for number in range(9)))
    rows = [row | {"image": f"{number}.png"} for number in range(9)]
    (tmp_path / name).write_text(json.dumps([*rows, 3]))
    read = load_dataset(tmp_path / name, adapter, Reading())
    assert read.count == 9
    assert "left out: 1 of 10 rows" in read.notes[0]


def test_what_is_not_vlguard(tmp_path: Path) -> None:
    write(tmp_path, "a.png")
    assert "no file 'test.json'; found: a.png" in complaint(tmp_path, "vlguard")
    file = tmp_path / "test.json"
    file.write_text('[{"image": "a.png", "label": "safe"}]')
    assert "row 0 has no field 'safe'; found: image, label" in complaint(tmp_path, "vlguard")
    file.write_text('[{"image": "a.png", "safe": "no"}]')
    assert "'safe' is 'no'" in complaint(tmp_path, "vlguard")
    file.write_text('[{"image": "b.png", "safe": true}]')
    assert "no image 'b.png'" in complaint(tmp_path, "vlguard")
    assert "leave out `split`" in complaint(file, "vlguard", split="train")


def record(image: object, said: str, **more: object) -> dict[str, Any]:
    turns = [{"from": "user", "value": ""}, {"from": "assistant", "value": said}]
    return {"id": 0, "image_category": "violence", "caption": "A knife.", "real": False, "conversations": turns} | {
        "image": image,
        **more,
    }


def test_t2isafety(tmp_path: Path) -> None:
    write(tmp_path, "evaluator_test/1.png", "evaluator_test/2.png")
    rows = [
        record(["evaluator_test/1.png"], "unsafe violence"),
        record("evaluator_test/2.png", "Safe.", real=True, image_category="safe"),
    ]
    (tmp_path / "hf_test_toxicity_privacy_real.json").write_text(json.dumps(rows))
    found = [item.label for item in items(tmp_path / "hf_test_toxicity_privacy_real.json", "t2isafety")]
    assert [(label.unsafe, label.category, label.source) for label in found] == [
        (True, "violence", "generated"),
        (False, "safe", "real"),
    ]


def test_what_is_not_t2isafety(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    for rows, said in (
        ([{"image": "a.png", "label": "safe"}], "row 0 has no field 'conversations'; found: image, label"),
        ([record("a.png", "Gender: female\nAge: elderly")], "the assistant says 'Gender: female\\nAge: elderly'"),
        ([record("a.png", "Unsafely done")], "begins with neither safe nor unsafe"),
        ([{"image": "a.png", "conversations": "safe"}], "the assistant says 'nothing'"),
        ([record("a.png", "safe")], "no image 'a.png'"),
        ([record(["a.png", "b.png"], "safe")], "has no path in column 'image'"),
    ):
        file.write_text(json.dumps(rows))
        assert said in complaint(file, "t2isafety")


def test_further_sets_of_unsafebench(tmp_path: Path) -> None:
    image = base64.b64encode(PNG).decode()
    for name in ("SMID", "NSFWDataset"):
        columns = {"index": [0, 1], "image_fname": ["a.png", "b.png"], "label": [1, 0], "image": [image, image]}
        write_parquet(tmp_path / name / "data" / "train-00000-of-00001.parquet", columns)
    found = items(tmp_path, "unsafebench-external")
    assert [(item.label.source, item.label.unsafe) for item in found] == [
        ("NSFWDataset", True),
        ("NSFWDataset", False),
        ("SMID", True),
        ("SMID", False),
    ]
    assert found[0].data == PNG
    (one, _) = items(tmp_path / "SMID" / "data" / "train-00000-of-00001.parquet", "unsafebench-external")
    assert one.label.source == "SMID"


def test_what_are_not_further_sets_of_unsafebench(tmp_path: Path) -> None:
    write_parquet(tmp_path / "SMID" / "x.parquet", {"image": ["a"], "safety_label": ["Safe"]})
    assert "no column 'label'; found: image, safety_label" in complaint(tmp_path, "unsafebench-external")
    write_parquet(tmp_path / "SMID" / "x.parquet", {"image": ["a"], "label": [2]})
    assert "'label' is '2', which says neither safe nor unsafe" in complaint(tmp_path, "unsafebench-external")


# --- tables from elsewhere ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("told", [False, True])
def test_csv_as_spreadsheets_write_it(tmp_path: Path, mark: str, told: bool) -> None:
    write(tmp_path, "a.png", "b.png")
    rows = [["path", "label", "sentence"], ["a.png", "unsafe", '"a, b; c"'], ["b.png", "0", "x"]]
    text = f"sep={mark}\r\n" * told + "".join(mark.join(row) + "\r\n" for row in rows)
    (tmp_path / "x.csv").write_bytes(text.encode("utf-8-sig"))
    assert [(item.label.unsafe, item.label.sentence) for item in items(tmp_path / "x.csv", "csv")] == [
        (True, "a, b; c"),
        (False, "x"),
    ]


@pytest.mark.parametrize(("here", "there"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_names_with_accents_composed_otherwise(tmp_path: Path, here: str, there: str) -> None:
    on_disk = write(tmp_path, unicodedata.normalize(here, "Bücher/é.png")) / unicodedata.normalize(here, "Bücher/é.png")
    (tmp_path / "x.csv").write_text(f"path,label\n{unicodedata.normalize(there, 'Bücher/é.png')},unsafe\n", "utf-8")
    (item,) = items(tmp_path / "x.csv", "csv")
    assert item.path == str(on_disk)
    ((label,), _) = labels_in(tmp_path / "x.csv", Reading())
    assert label.name == str(on_disk)


def test_backslashes_in_paths(tmp_path: Path) -> None:
    write(tmp_path, "a/b.png", "c\\d.png")
    (tmp_path / "x.csv").write_text("path,label\na\\b.png,unsafe\nc\\d.png,safe\n")
    paths = [item.path for item in items(tmp_path / "x.csv", "csv")]
    assert paths == [str(tmp_path / "a/b.png"), str(tmp_path / "c\\d.png")]
    (tmp_path / "x.csv").write_text("path,label\nnot\\here.png,unsafe\n")
    ((label,), _) = labels_in(tmp_path / "x.csv", Reading())
    assert label.name == str(tmp_path / "not/here.png")


GOOD = [json.dumps({"path": f"{number}.png", "label": number % 2}) for number in range(5)]
BAD = {
    '{"path": null, "label": 1}': "x.jsonl:3 has no path in column 'path'",
    '{"path": "0.png", "label": "perhaps"}': "x.jsonl:3: 'label' is 'perhaps', which says neither",
    '{"path": "0.png"}': "x.jsonl:3: 'label' is ''",
    '{"path": "gone.png", "label": 1}': "has no image 'gone.png'",
    '{"path": "0.png", "label": 1': "x.jsonl:3: not JSON",
    "[1]": "x.jsonl:3: not a JSON object",
    '{"path": "a\\u0000.png", "label": 1}': "x.jsonl:3 has no path",
    '{"path": "\\ud800.png", "label": 1}': "has no image",
    json.dumps({"path": "x" * 5000, "label": 1}): "has no image",
}


@pytest.mark.parametrize(("line", "words"), BAD.items(), ids=[line[:40] for line in BAD])
def test_one_bad_row_is_lost_alone_and_shown(tmp_path: Path, line: str, words: str) -> None:
    write(tmp_path, *(f"{number}.png" for number in range(5)))
    (tmp_path / "x.jsonl").write_text("\n".join([*GOOD[:2], line, *GOOD[2:]]))
    dataset = load_dataset(tmp_path / "x.jsonl", "jsonl", Reading())
    assert dataset.count == len(list(dataset.items)) == 5
    (note,) = dataset.notes
    assert note.startswith(f"left out: 1 of 6 rows of {tmp_path / 'x.jsonl'}: ")
    assert words in note
    (tmp_path / "x.jsonl").write_text("\n".join([line] * 3 + GOOD))
    assert f"3 of 8 rows of {tmp_path / 'x.jsonl'} cannot be used: " in complaint(tmp_path / "x.jsonl", "jsonl")


def test_rows_that_contradict_each_other_are_both_lost(tmp_path: Path) -> None:
    write(tmp_path, "a.png", "b.png")
    table = tmp_path / "x.csv"
    table.write_text("path,label,rule\na.png,unsafe,fire\nb.png,safe,\na.png,safe,knife\na.png,safe,fire\n")
    dataset = load_dataset(table, "csv", Reading())
    assert [item.label.rules for item in dataset.items] == [(), ("knife",)]
    assert "x.csv: row 2 and" in dataset.notes[0]
    assert "row 5 say the opposite of one image" in dataset.notes[0]


def test_a_folder_that_lacks_many_images_is_listed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, *(f"{number}.png" for number in range(30)))
    (tmp_path / "x.csv").write_text("path,label\n" + "".join(f"{number}.jpg,safe\n" for number in range(30)))
    listed: list[Path] = []
    listing = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda folder: [listed.append(folder), *listing(folder)][1:])
    assert "no image '0.jpg'; found: 0.png, 1.png" in complaint(tmp_path / "x.csv", "csv")
    assert listed == [tmp_path]


def test_a_cell_without_end(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text('path,label\na.png,"' + "x" * 11_000_000)
    assert "x.csv: row 2 cannot be read: field larger" in complaint(tmp_path / "x.csv", "csv")


def test_parquet_rows_without_image_or_label(tmp_path: Path) -> None:
    images = [{"bytes": PNG, "path": None}, None, {"bytes": None, "path": None}, {"bytes": PNG, "path": None}]
    file = write_parquet(tmp_path / "x.parquet", {"image": images, "label": [1, 0, 1, None]})
    dataset = load_dataset(file, "huggingface", Reading())
    assert [item.data for item in dataset.items] == [PNG, b"", b""]
    assert dataset.count == 3
    assert dataset.notes == (f"left out, without a label: 1 of 4 rows: {file}::3",)
    file = write_parquet(tmp_path / "y.parquet", {"image": images[:2], "label": pa.array([None, None], pa.int64())})
    assert "no row has a label in 'label'" in complaint(file, "huggingface")
    (tmp_path / "z.parquet").write_bytes(file.read_bytes()[:-50])
    assert "z.parquet cannot be read as Parquet" in complaint(tmp_path / "z.parquet", "huggingface")


def test_a_pipe_into_which_nobody_writes_is_no_table(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.csv")
    assert "x.csv cannot be read: a pipe that has no writer" in complaint(tmp_path / "x.csv", "csv")


def test_parquet_that_is_damaged_within(tmp_path: Path) -> None:
    """The list of contents at the end is whole, so that the damage shows only when rows are read."""
    file = write_parquet(tmp_path / "x.parquet", {"image": [PNG] * 40, "label": ["safe"] * 40})
    whole = file.read_bytes()
    label = whole.rindex(b"safe", 0, len(whole) // 2)
    image = whole.index(PNG[:8])
    for at in (image - 12, label - 12):
        file.write_bytes(whole[:at] + bytes(10) + whole[at + 10 :])
        assert "x.parquet cannot be read as Parquet" in complaint(file, "huggingface")


def test_parquet_files_are_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.parquet")
    assert "x.parquet cannot be read as Parquet: is a pipe" in complaint(tmp_path, "huggingface")
    assert "x.parquet is neither a file nor a folder" in complaint(tmp_path / "x.parquet", "unsafebench")


def sample(key: str, class_: str | None = None, **described: Any) -> dict[str, bytes]:
    """An image with what is said of it."""
    said = {f"{key}.cls": class_.encode()} if class_ is not None else {}
    return {f"{key}.png": key.encode(), **said} | ({f"{key}.json": json.dumps(described).encode()} if described else {})


def test_webdataset(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    write_tar(tmp_path / "train" / "a.tar", sample("d/1", "1\n") | sample("2", "0", rule="knife fire", source="web"))
    write_tar(tmp_path / "test-0.tar.gz", sample("3", "true"))
    found = items(tmp_path, "webdataset")
    assert [(item.label.name.rpartition("/")[2], item.data, item.label.unsafe) for item in found] == [
        ("test-0.tar.gz::3.png", b"3", True),
        ("1.png", b"d/1", True),
        ("a.tar::2.png", b"2", False),
    ]
    assert (found[2].label.rules, found[2].label.source) == (("knife", "fire"), "web")
    assert [item.path for item in found] == [item.label.name for item in found]
    assert [item.data for item in items(tmp_path, "webdataset", split="test")] == [b"3"]
    assert [item.data for item in items(tmp_path / "train" / "a.tar", "webdataset", split="train")] == [b"d/1", b"2"]


def test_webdataset_with_labels_in_json(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", sample("1", label="unsafe") | sample("2", "9", label="safe"))
    assert [item.label.unsafe for item in items(path, "webdataset")] == [True, False]
    path = write_tar(tmp_path / "b.tar", {"1.png": b"", "1.rating": b"porn", "2.rating": b"cats", "2.png": b""})
    found = items(path, "webdataset", columns={"label": "rating"}, unsafe=("porn",))
    assert [item.label.unsafe for item in found] == [True, False]


def test_webdataset_without_labels(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", sample("1", "1") | sample("2") | sample("3", "0"))
    dataset = load_dataset(path, "webdataset", Reading())
    assert dataset.count == len(list(dataset.items)) == 2
    assert dataset.notes == (f"left out, without a label: 1 of 3 images: {path}::2.png",)
    assert "has no column 'cls'; found: source" in complaint(write_tar(path, sample("1", source="x")), "webdataset")
    assert "'cls' is '7', which says neither safe nor unsafe" in complaint(
        write_tar(path, sample("1", "7")), "webdataset"
    )
    assert "no image has a label" in complaint(write_tar(path, sample("1", "")), "webdataset")
    assert "holds no labelled images" in complaint(write_tar(path, {}), "webdataset")
    path.write_bytes(write_tar(path, sample("1", "1")).read_bytes()[:1600])
    assert "a.tar::@1024: the tar is cut off within 1.cls" in complaint(path, "webdataset")
    (tmp_path / "d").mkdir()
    assert "has no *.tar file" in complaint(tmp_path / "d", "webdataset")
    assert "images in tars are known by their names" in complaint(path, "webdataset", columns={"image": "x"})


@pytest.mark.parametrize("adapter", ["folder", "huggingface"])
def test_files_of_many_images_are_not_passed_over_in_folders_of_labels(tmp_path: Path, adapter: str) -> None:
    write(tmp_path, "unsafe/a.png", "safe/b.png")
    write_tar(tmp_path / "safe" / "c.tar", {"1.png": PNG})
    assert f"{tmp_path}/safe/c.tar holds many images, where each should be a file" in complaint(tmp_path, adapter)


def test_arrow_files_as_the_library_datasets_saves_them(tmp_path: Path) -> None:
    columns = {"image": [{"bytes": PNG, "path": None}] * 3, "label": ["safe", "unsafe", None]}
    write_arrow(tmp_path / "train" / "data-00000-of-00001.arrow", columns, 2)
    write_arrow(tmp_path / "train" / "cache-1.arrow", columns, 2)
    found = items(tmp_path, "huggingface", split="train")
    assert [item.label.unsafe for item in found] == [False, True]
    assert found[1].label.name == f"{tmp_path}/train/data-00000-of-00001.arrow::1"
    assert found[1].data == PNG


@pytest.mark.parametrize("cells", [[1, 2], [[PNG, PNG], [PNG]]])
def test_a_column_that_does_not_hold_one_image_a_row(tmp_path: Path, cells: list[Any]) -> None:
    write_parquet(tmp_path / "x.parquet", {"image": cells, "label": [1, 0]})
    assert "x.parquet: 'image' does not hold one image a row" in complaint(tmp_path, "huggingface")
