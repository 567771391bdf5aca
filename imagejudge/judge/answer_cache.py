"""Answers that outlive a run, in one SQLite file that several processes may use at once.

Knows images, models and prompts only by their digests.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import platformdirs

from imagejudge.common.hashed_file import HashedFile, State
from imagejudge.common.text import counted
from imagejudge.judge.cached_view import AnswerKey, ImageAnswers

T = TypeVar("T")

_VERSION = 1
_FILE = "answers.sqlite"
_PATIENCE = 2.0
"""Seconds to wait for another process that is writing, or for a file system without locks, which looks the same."""
_MOST_WAITING = 100_000
"""Replies that wait in memory for the file to be free."""

_TABLES = """
CREATE TABLE IF NOT EXISTS answers (
    model TEXT, image TEXT, part TEXT, prompt BLOB, reply TEXT, PRIMARY KEY (model, image, part, prompt)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS files (
    path TEXT PRIMARY KEY, size INTEGER, modified INTEGER, digest TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hashed (path BLOB PRIMARY KEY, state TEXT, digest TEXT) WITHOUT ROWID;
"""
"""Version 0.1.0, which may use the same file, fails without `files`. A path is its bytes, as not all are text."""

_README = """This folder belongs to imagejudge: what models answered about images, kept so that nothing is asked twice.
It holds no images, and no file names but those of models. It may be deleted at any time.
"""


def default_folder() -> Path:
    """Where this platform keeps caches."""
    return Path(platformdirs.user_cache_dir("imagejudge", appauthor=False))


@dataclass(frozen=True, slots=True)
class CacheInfo:
    """What a cache holds."""

    path: Path
    bytes: int
    answers: int
    images: int
    models: int


class Cache:
    """Open with `Cache(folder)`; without a folder it remembers nothing, as it also does once its file has failed.

    Any thread may use it.
    """

    def __init__(self, folder: Path | None, tell: Callable[[str], None] = lambda message: None) -> None:
        self.note: str | None = None
        """What went wrong last, for the user: the run continues. `tell` hears of it at once."""
        self._tell = tell
        self._waiting: list[tuple[Any, ...]] = []
        """Answers that could not be kept yet, since another process held the file."""
        self._db: sqlite3.Connection | None = None
        self._damage: sqlite3.DatabaseError | None = None
        # Threads that decode look answers up while the writer keeps others, and not every SQLite is built for that.
        self._lock = threading.Lock()
        if folder is None:
            return
        self.path = folder / _FILE
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError), (folder / "README.txt").open("x", encoding="utf-8") as readme:
                readme.write(_README)
            self._db = self._open()
        except (OSError, sqlite3.OperationalError) as error:
            held = "; another program holds it, or its file system has no locks" if _is_held(error) else ""
            self._say(f"answers are not kept, {self.path} cannot be used: {error}{held}")

    def _say(self, message: str) -> None:
        self.note = message
        self._tell(message)

    def _open(self) -> sqlite3.Connection:
        try:
            return _connect(self.path)
        except sqlite3.OperationalError:  # locked, unreadable, no space: the file itself may be good
            raise
        except sqlite3.DatabaseError as error:
            aside = _set_aside(self.path)
            self._say(f"the answers cache could not be read ({error}); it now lies in {aside} and a new one is begun")
            return _connect(self.path)

    def _try(self, action: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        """Use the database; the first time it fails, say so and continue without it: answers can be asked again."""
        with self._lock:
            if self._db is None:
                return otherwise
            try:
                return action(self._db)
            except sqlite3.DatabaseError as error:
                self._say(f"answers are not kept any more, {self.path} failed: {error}")
                # Locked, unreadable, no space: the file itself may be good.
                self._damage = None if isinstance(error, sqlite3.OperationalError) else error
                self._db.close()
                self._db = None
                return otherwise

    def load(self, model: str, image: str) -> ImageAnswers:
        """Every reply of a model about an image."""

        def rows(db: sqlite3.Connection) -> dict[AnswerKey, Any]:
            query = "SELECT part, prompt, reply FROM answers WHERE model=? AND image=?"
            found = db.execute(query, (model, image)).fetchall()
            try:
                replies = json.loads(
                    f"[{','.join(reply for _, _, reply in found)}]"
                )  # five times as fast as one by one
            except (ValueError, TypeError):  # asking again also mends it
                self._say(f"some answers in {self.path} could not be read, and were asked again")
                return {}
            return {AnswerKey(part, prompt): reply for (part, prompt, _), reply in zip(found, replies, strict=True)}

        return ImageAnswers(self._try(rows, {}))

    def save(self, model: str, image: str, memory: ImageAnswers) -> None:
        """Keep the fresh replies, all or none."""
        rows = [(model, image, *request, json.dumps(reply)) for request, reply in memory.fresh.items()]
        if rows:
            self._keep(rows)
            memory.fresh.clear()

    def _keep(self, rows: list[tuple[Any, ...]]) -> None:
        """Write answers, with those that wait; while another process holds the file they wait in memory."""
        rows = self._waiting + rows

        def insert(db: sqlite3.Connection) -> list[tuple[Any, ...]]:
            try:
                with db:
                    db.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?)", rows)
            except sqlite3.OperationalError as error:
                if not _is_held(error) or len(rows) > _MOST_WAITING:
                    raise
                if not self._waiting:
                    self._say(f"{self.path} is held by another program: answers wait until it is free")
                db.execute("PRAGMA busy_timeout=0")  # the next ones need not wait as long for the same
                return rows
            db.execute(f"PRAGMA busy_timeout={int(_PATIENCE * 1000)}")
            return []

        self._waiting = self._try(insert, [])

    def hashed_file(self, path: Path) -> HashedFile | None:
        """A file with the digest it had, if it is still in the same state."""
        if (state := State.now(path)) is None:
            return None
        query, key = "SELECT digest FROM hashed WHERE path=? AND state=?", _row(path, state)
        row = self._try(lambda db: db.execute(query, key).fetchone(), None)
        return HashedFile(path, state, row[0]) if row else None

    def keep_hashed_file(self, file: HashedFile) -> None:
        """Remember a file's digest, unless another content might come to have the same state."""
        if not file.settled:
            return
        row = (*_row(file.path, file.state), file.digest)

        def insert(db: sqlite3.Connection) -> None:
            try:
                with db:
                    db.execute("INSERT OR REPLACE INTO hashed VALUES (?, ?, ?)", row)
            except sqlite3.OperationalError as error:
                if not _is_held(error):  # else the file is read again at the next start, no more
                    raise

        self._try(insert, None)

    def info(self) -> CacheInfo:
        """Count what is kept."""
        count = "SELECT count(*), count(DISTINCT image), count(DISTINCT model) FROM answers"
        answers, images, models = self._try(lambda db: db.execute(count).fetchone(), (0, 0, 0))
        return CacheInfo(self.path, sum(path.stat().st_size for path in _files(self.path)), answers, images, models)

    def clear(self) -> bool:
        """Forget everything; a process that uses the cache right now continues with an empty one.

        A damaged file is deleted and replaced by an empty one. False when nothing could be done; `note` says why.
        """

        def delete(db: sqlite3.Connection) -> bool:
            with db:
                for table in ("answers", "files", "hashed"):
                    db.execute(f"DELETE FROM {table}")  # noqa: S608 - names from the line above
            db.execute("VACUUM")
            return True

        return self._try(delete, otherwise=False) or self._clear_damage()

    def _clear_damage(self) -> bool:
        if self._damage is None:
            return False
        try:
            for file in list(_files(self.path)):
                file.unlink(missing_ok=True)  # another process may be faster
            self._db = _connect(self.path)
        except (OSError, sqlite3.DatabaseError) as error:
            self.note = f"{self.path} is damaged and cannot be deleted: {error}"
            return False
        self.note = f"the answers cache was damaged ({self._damage}), so its file was deleted and a new one is begun"
        self._damage = None
        return True

    def close(self) -> None:
        """Give back the file. Another thread that comes later finds nothing kept."""
        if self._waiting:
            self._try(lambda db: db.execute(f"PRAGMA busy_timeout={int(_PATIENCE * 1000)}"), None)
            self._keep([])
        if self._waiting:
            self._say(f"{counted(len(self._waiting), 'answer')} could not be kept: {self.path} is still held")
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None


def _is_held(error: Exception) -> bool:
    """Whether the file cannot be locked: another process holds it, or there are no locks where it lies."""
    busy = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_PROTOCOL)
    return isinstance(error, sqlite3.OperationalError) and getattr(error, "sqlite_errorcode", 0) & 0xFF in busy


def _row(path: Path, state: State) -> tuple[bytes, str]:
    words = map(str, (*state.stamp, state.inode))  # as text: an inode's number may be too large for SQLite
    return os.fsencode(path.resolve()), " ".join(words)


def _set_aside(path: Path) -> Path:
    """Rename a database and its side files; keep them, so that they can be looked into."""
    mark = f"aside-{time.strftime('%Y%m%d-%H%M%S')}"
    for file in list(_files(path)):
        with contextlib.suppress(FileNotFoundError):  # another process was faster
            file.rename(file.with_name(f"{file.name}.{mark}"))
    return path.with_name(f"{path.name}.{mark}")


def _files(path: Path) -> Iterator[Path]:
    for suffix in ("", "-wal", "-shm"):
        if (file := path.with_name(path.name + suffix)).exists():
            yield file


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=_PATIENCE, check_same_thread=False)
    try:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, _VERSION):
            raise sqlite3.DatabaseError(f"it has version {version}, not {_VERSION}")
        db.execute("PRAGMA journal_mode=WAL")
        # A power cut may lose the last answers, never the file: they can be asked again.
        db.execute("PRAGMA synchronous=NORMAL")
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name='hashed'").fetchone():
            with db:
                db.execute("BEGIN IMMEDIATE")
                for statement in _TABLES.split(";"):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version={_VERSION}")
    except BaseException:
        db.close()
        raise
    return db
