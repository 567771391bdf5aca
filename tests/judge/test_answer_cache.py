"""Answers that outlive a run: what is looked up, what is asked, and what happens to a file that cannot be used."""

from __future__ import annotations

import contextlib
import dataclasses
import multiprocessing
import os
import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from imagejudge.common.hashed_file import hash_file
from imagejudge.engine.base import Abilities, Answer, Reasoning, View
from imagejudge.engine.scripted import Scripted
from imagejudge.images.picture import Box, Picture
from imagejudge.judge.answer_cache import Cache
from imagejudge.judge.cached_view import AnswerKey, CachedView, ImageAnswers, Stopwatch
from imagejudge.prompts import Question, visible

PICTURE = Picture(2, 2, bytes(12))
A, B, C = visible("A."), visible("B."), visible("C.")


def engine() -> Scripted:
    return Scripted(
        lambda picture, question: {"A.": 0.9, "B.": 0.2, "C.": 0.6}[question.subject],
        reason=lambda picture, question: Reasoning(True, "Because.", "Hm."),
        locate=lambda picture, objects: Box(0, 0, 0.5, 0.5, 0.7) if "x" in objects else None,
    )


def view(asked: Scripted, memory: ImageAnswers, part: str = "0") -> CachedView:
    return CachedView(memory, part, lambda first: asked.view(PICTURE, first), Stopwatch())


def test_only_what_is_missing_is_asked() -> None:
    asked, memory = engine(), ImageAnswers()
    first = view(asked, memory).ask([A, B])
    again = view(asked, memory).ask([B, C, A])
    assert asked.waves == [[A, B], [C]]
    assert (again[0], again[2]) == (first[1], first[0])


def test_a_view_is_opened_with_what_it_will_be_asked() -> None:
    asked, memory, opened = engine(), ImageAnswers(), []

    def look(first: Sequence[Question]) -> View:
        opened.append(list(first))
        return asked.view(PICTURE, first)

    CachedView(memory, "0", look, Stopwatch()).ask([A])
    known = CachedView(memory, "0", look, Stopwatch())
    known.ask([A, B, C])
    known.reason([A])
    CachedView(memory, "1", look, Stopwatch()).locate(["x"])
    assert opened == [[A], [B, C], []]


def test_everything_is_recalled_without_opening_a_view(tmp_path: Path) -> None:
    asked, memory = engine(), ImageAnswers()
    first = view(asked, memory)
    box = Box(0, 0, 0.5, 0.5, 0.7)
    replies = (
        first.ask([A]),
        first.reason([B]),
        first.locate(["x"]),
        first.locate(["y"]),
        first.without(box).ask([A]),
        first.crop(box).ask([B]),
    )
    Cache(tmp_path).save("m", "i", memory)

    recalled = Cache(tmp_path).load("m", "i")

    def refuse(first: Sequence[Question]) -> CachedView:
        raise AssertionError("nothing is missing")

    second = CachedView(recalled, "0", refuse, Stopwatch())
    assert replies == (
        second.ask([A]),
        second.reason([B]),
        second.locate(["x"]),
        second.locate(["y"]),
        second.without(box).ask([A]),
        second.crop(box).ask([B]),
    )
    assert replies[1] == [Reasoning(True, "Because.", "Hm.")]
    assert replies[3] is None


@pytest.mark.parametrize("abilities", [Abilities(boxes=False, thoughts=False), Abilities()])
def test_what_was_never_asked_is_never_kept(abilities: Abilities) -> None:
    asked = Scripted(lambda picture, question: 0.5, reason=lambda *_: None, locate=lambda *_: None)
    memory, able = ImageAnswers(), abilities == Abilities()
    seen = CachedView(memory, "0", lambda first: asked.view(PICTURE, first), Stopwatch(), abilities)
    box = Box(0, 0, 0.5, 0.5)
    for each in (seen, seen.crop(box), seen.without(box)):
        assert (each.reason([A]), each.locate(["x"])) == ([None], None)
    assert len(memory.known) == len(memory.fresh) == 6 * able


def test_frames_edits_images_and_models_are_kept_apart(tmp_path: Path) -> None:
    asked, memory = engine(), ImageAnswers()
    view(asked, memory).ask([A])
    view(asked, memory, "1").ask([A])
    view(asked, memory).without(Box(0, 0, 0.5, 0.5)).ask([A])
    view(asked, memory).crop(Box(0, 0, 0.5, 0.5)).ask([A])
    view(asked, memory).crop(Box(0, 0, 0.5, 0.6)).ask([A])
    assert len(asked.waves) == 5
    cache = Cache(tmp_path)
    cache.save("m", "i", memory)
    assert not cache.load("m", "other").known
    assert not cache.load("other", "i").known
    assert len(cache.load("m", "i").known) == 5


def test_saved_answers_are_exact(tmp_path: Path) -> None:
    memory = ImageAnswers()
    gap, off = 0.1 + 0.2, 1e-17
    memory.add(AnswerKey("0", b"p"), [gap, off])
    Cache(tmp_path).save("m", "i", memory)
    (reply,) = Cache(tmp_path).load("m", "i").known.values()
    assert Answer(*reply) == Answer(gap, off)


def test_info_and_clear(tmp_path: Path) -> None:
    cache, memory = Cache(tmp_path), ImageAnswers()
    view(engine(), memory).ask([A, B])
    cache.save("m", "i", memory)
    assert (cache.info().answers, cache.info().images, cache.info().models) == (2, 1, 1)
    cache.clear()
    assert (cache.info().answers, cache.info().images) == (0, 0)


@pytest.mark.parametrize("name", [b"model.gguf", b"caf\xe9.gguf"])
def test_a_file_digest_holds_while_the_file_is_the_same(tmp_path: Path, name: bytes) -> None:
    cache, path = Cache(tmp_path / "cache"), tmp_path / os.fsdecode(name)
    path.write_bytes(b"GGUF1")
    assert cache.hashed_file(path) is None
    file = dataclasses.replace(hash_file(path), settled=True)
    cache.keep_hashed_file(file)
    assert cache.hashed_file(path) == file
    other = tmp_path / "other"
    other.write_bytes(b"GGUF2")
    shutil.copystat(path, other)
    other.replace(path)
    assert cache.hashed_file(path) is None, "size and date are the same"
    path.unlink()
    assert cache.hashed_file(path) is None
    assert cache.note is None


def test_a_digest_of_what_was_just_written_is_not_kept(tmp_path: Path) -> None:
    cache, path = Cache(tmp_path / "cache"), tmp_path / "model.gguf"
    path.write_bytes(b"GGUF")
    cache.keep_hashed_file(hash_file(path))
    assert cache.hashed_file(path) is None


def test_a_file_of_version_0_1_keeps_its_answers(tmp_path: Path) -> None:
    cache, memory = Cache(tmp_path), ImageAnswers()
    view(engine(), memory).ask([A])
    cache.save("m", "i", memory)
    cache.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "answers.sqlite")) as db, db:
        db.execute("DROP TABLE hashed")
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF")
    cache, file = Cache(tmp_path), dataclasses.replace(hash_file(path), settled=True)
    cache.keep_hashed_file(file)
    assert (cache.note, cache.info().answers, cache.hashed_file(path)) == (None, 1, file)


@pytest.mark.parametrize("damage", ["no database", "older version", "cut off"])
def test_a_file_that_cannot_be_used_is_set_aside(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "answers.sqlite"
    if damage == "no database":
        path.write_bytes(b"this is not SQLite" * 1000)
    elif damage == "older version":
        with sqlite3.connect(path) as db:
            db.execute("CREATE TABLE answers (other INTEGER)")
            db.execute("PRAGMA user_version=999")
        db.close()
    else:
        Cache(tmp_path).close()
        path.write_bytes(path.read_bytes()[:5000])
    before = path.read_bytes()
    cache, memory = Cache(tmp_path), ImageAnswers()
    view(engine(), memory).ask([A])
    cache.save("m", "i", memory)
    assert len(cache.load("m", "i").known) == 1
    assert cache.note is not None
    (aside,) = tmp_path.glob("answers.sqlite.aside-*")
    assert aside.read_bytes() == before
    assert str(aside) in cache.note


def damaged(folder: Path) -> Path:
    """A cache whose file opens, but holds rubbish where its tables are."""
    cache, memory = Cache(folder), ImageAnswers()
    view(engine(), memory).ask([A])
    cache.save("m", "i", memory)
    cache.close()
    path = folder / "answers.sqlite"
    data = path.read_bytes()
    path.write_bytes(data[:4096] + b"\xff" * (len(data) - 4096))
    return path


def test_clearing_deletes_a_damaged_file(tmp_path: Path) -> None:
    damaged(tmp_path)
    cache = Cache(tmp_path)
    assert cache.note is None
    assert cache.info().answers == 0  # fails, for which there is a note
    assert cache.clear()
    assert cache.note is not None
    assert "deleted" in cache.note
    memory = ImageAnswers()
    view(engine(), memory).ask([A])
    cache.save("m", "i", memory)
    assert len(Cache(tmp_path).load("m", "i").known) == 1
    assert Cache(tmp_path).note is None


def test_a_locked_file_is_not_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imagejudge.judge.answer_cache._PATIENCE", 0.01)
    cache, memory = Cache(tmp_path), ImageAnswers()
    view(engine(), memory).ask([A])
    cache.save("m", "i", memory)
    with contextlib.closing(sqlite3.connect(cache.path)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert not cache.clear()
        assert cache.note is not None
        assert "locked" in cache.note
    assert len(Cache(tmp_path).load("m", "i").known) == 1


def test_a_folder_that_cannot_be_used_is_said_and_survived(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    cache, memory = Cache(tmp_path / "file"), ImageAnswers()
    assert cache.note is not None
    assert "answers are not kept" in cache.note
    view(engine(), memory).ask([A])
    cache.save("m", "i", memory)
    assert not cache.load("m", "i").known


def test_a_reply_that_cannot_be_read_is_asked_again(tmp_path: Path) -> None:
    cache, memory = Cache(tmp_path), ImageAnswers()
    view(engine(), memory).ask([A])
    cache.save("m", "i", memory)
    with contextlib.closing(sqlite3.connect(cache.path)) as db, db:
        db.execute("UPDATE answers SET reply='[0.5'")
    asked, mended = engine(), cache.load("m", "i")
    assert cache.note is not None
    assert "asked again" in cache.note
    view(asked, mended).ask([A])
    assert asked.waves == [[A]]
    cache.save("m", "i", mended)
    assert len(cache.load("m", "i").known) == 1


def test_a_cache_that_fails_later_is_said_and_survived(tmp_path: Path) -> None:
    cache, memory = Cache(tmp_path), ImageAnswers()
    view(engine(), memory).ask([A])
    with sqlite3.connect(tmp_path / "answers.sqlite") as db:
        db.execute("DROP TABLE answers")
    db.close()
    cache.save("m", "i", memory)
    assert cache.note is not None
    assert "no such table" in cache.note
    assert not cache.load("m", "i").known


def test_no_folder_means_no_memory() -> None:
    cache, memory = Cache(None), ImageAnswers()
    view(engine(), memory).ask([A])
    cache.save("m", "i", memory)
    assert not cache.load("m", "i").known
    assert cache.note is None


def _write_many(folder: Path, writer: int) -> None:
    cache = Cache(folder)
    assert cache.note is None
    for image in range(100):
        memory = cache.load("m", f"image{image}")
        memory.add(AnswerKey(f"{writer}", b"p"), [float(writer), 0.0])
        cache.save("m", f"image{image}", memory)
    assert cache.note is None
    cache.close()


def test_processes_write_side_by_side(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_many, args=(tmp_path, writer)) for writer in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    cache = Cache(tmp_path)
    assert all(len(cache.load("m", f"image{image}").known) == 3 for image in range(100))
