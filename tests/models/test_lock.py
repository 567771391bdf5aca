"""The lock file survives everything that may happen while it is written."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from imagejudge.errors import ModelError
from imagejudge.models import lock, registry
from imagejudge.models.lock import Pin, PinnedFile


def pin(repository: str = "me/mine", sha256: str = "ab" * 32) -> Pin:
    files = {name: PinnedFile(sha256=sha256, bytes=7) for name in ("b.gguf", "a.gguf")}
    return Pin(repository=repository, commit="c" * 40, folder=Path("/nowhere"), files=files)


def test_what_is_kept_is_read_back_in_order() -> None:
    assert lock.read_lock() == lock.Lock({})
    assert lock.keep("mine-1.5b", pin())
    assert not lock.keep("other", pin("me/other"))
    assert lock.read_lock() == lock.Lock({"mine-1.5b": pin(), "other": pin("me/other")}, "mine-1.5b")
    assert [path.name for path in lock.read_lock().pins["other"].paths] == ["b.gguf", "a.gguf"]
    lock.choose("other")
    lock.forget("mine-1.5b")
    assert lock.read_lock() == lock.Lock({"other": pin("me/other")}, "other")


def test_an_editor_may_have_put_a_mark_before_it() -> None:
    lock.keep("mine", pin())
    lock.path().write_text(f"\ufeff{lock.path().read_text('utf-8')}", "utf-8")
    assert lock.read_lock() == lock.Lock({"mine": pin()}, "mine")


def test_a_write_that_fails_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    lock.keep("mine", pin())
    before = lock.path().read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ModelError, match=r"models\.lock cannot be written: No space left"):
        lock.keep("other", pin())
    assert lock.path().read_bytes() == before


def test_writers_side_by_side_lose_nothing() -> None:
    names = [f"model-{number}" for number in range(8)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: lock.keep(name, pin()), names))
    assert sorted(lock.read_lock().pins) == names


@pytest.mark.parametrize("text", ["schema = 2", "schema = 1\n[models.x]\ncommit = 'y'", "=", "schema = 1\nmodel = 1"])
def test_a_file_that_cannot_be_believed(text: str) -> None:
    lock.path().parent.mkdir(parents=True)
    lock.path().write_text(text)
    with pytest.raises(ModelError, match="cannot be believed") as error:
        lock.read_lock()
    assert error.value.hint
    with pytest.raises(ModelError, match="cannot be believed"):
        lock.keep("mine", pin())
    assert lock.path().read_text() == text


def test_a_pin_is_for_the_files_that_are_listed_now() -> None:
    entry = registry.Entry(name="mine", repository="me/mine", model="b.gguf", mmproj="a.gguf", licence="MIT")
    assert lock.Lock({"mine": pin()}).pin(entry) == pin()
    assert lock.Lock({"mine": pin("me/other")}).pin(entry) is None
    other = entry.model_copy(update={"model": "c.gguf"})
    assert lock.Lock({"mine": pin()}).pin(other) is None


@pytest.mark.parametrize("names", [(), ("a.gguf",), ("a.gguf", "b.gguf", "c.gguf")])
def test_a_pin_is_of_two_files(names: tuple[str, ...]) -> None:
    lock.path().parent.mkdir(parents=True)
    files = "".join(f'[models.mine.files."{name}"]\nsha256 = "{"ab" * 32}"\nbytes = 7\n' for name in names)
    head = 'schema = 1\n[models.mine]\nrepository = "me/mine"\ncommit = "c"\nfolder = "/nowhere"\n[models.mine.files]\n'
    lock.path().write_text(head + files, "utf-8")
    with pytest.raises(ModelError, match="cannot be believed"):
        lock.read_lock()


def test_a_folder_that_cannot_be_is_not_there() -> None:
    assert not pin().model_copy(update={"folder": Path("/no\0where")}).whole
