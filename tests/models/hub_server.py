"""A small model hub on this machine: two real HTTP servers, one that knows files and one that sends them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

Key = tuple[str, str]


@dataclass(frozen=True)
class Request:
    server: str
    method: str
    path: str
    range: str | None
    token: str | None
    if_range: str | None


@dataclass(frozen=True)
class Reply:
    """An answer, sent as it stands here."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    """`Content-Length` is added where neither it nor `Transfer-Encoding` is given."""
    endless: bool = False
    """The body is sent again and again, until the reader hangs up."""
    pause: float = 0.0
    """Seconds between the bytes of the body."""
    slow_head: bool = False
    """The head has no end, and one more byte comes every 20 ms, until the reader hangs up."""


@dataclass
class Hub:
    """What the hub holds, how it misbehaves, and what it was asked."""

    files: dict[Key, bytes] = field(default_factory=dict)
    """By repository and name."""
    commit: str = "c0ffee" * 6 + "aaaa"
    commits: dict[str, dict[Key, bytes]] = field(default_factory=dict)
    """Older commits that can still be asked for."""
    etags: dict[str, str] = field(default_factory=dict)
    """What to give, by file name, instead of the true SHA-256."""
    sizes: dict[str, str] = field(default_factory=dict)
    """What to give, by file name, instead of the true size."""
    errors: dict[str, tuple[int, str]] = field(default_factory=dict)
    """By file name: status and X-Error-Code of the answer to everything about it."""
    cuts: list[int] = field(default_factory=list)
    """For each of the next answers: after how many bytes the connection breaks."""
    slow_heads: bool = False
    """Whether the answer to every question about a file has a head without end."""
    lies: list[Reply] = field(default_factory=list)
    """For each of the next requests for a file's bytes: what is answered instead of them."""
    ranges: bool = True
    """Whether a part of a file may be asked for."""
    stall: threading.Event | None = None
    """If set: a broken connection stays open, silent, until this happens."""
    asked: list[Request] = field(default_factory=list)
    sent: int = 0
    """Bytes of files."""
    endpoint: str = ""
    store: str = ""
    card: dict[str, str] = field(default_factory=dict)

    def add(self, repository: str, name: str, data: bytes) -> None:
        self.files[repository, name] = data

    def move_on(self, commit: str) -> None:
        """Make a commit; the files may then change."""
        self.commits[self.commit] = dict(self.files)
        self.commit = commit

    def at(self, revision: str) -> tuple[str, dict[Key, bytes]] | None:
        if revision in ("main", self.commit):
            return self.commit, self.files
        return (revision, self.commits[revision]) if revision in self.commits else None

    def gets(self) -> list[str | None]:
        """The Range header of every transfer."""
        return [request.range for request in self.asked if (request.server, request.method) == ("store", "GET")]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub
    kind: str

    def log_message(self, *_: Any) -> None:
        pass

    def answer(self, status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            with contextlib.suppress(ConnectionError):  # a reader that was killed
                self.wfile.write(body)

    def drip(self) -> None:
        """A head without end."""
        with contextlib.suppress(OSError):
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            for _ in range(1500):
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(0.02)

    def note(self) -> None:
        told = [self.headers.get(name) for name in ("Range", "Authorization", "If-Range")]
        seen = Request(self.kind, self.command, self.path, *told)
        self.hub.asked.append(seen)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.note()
        if listed := re.fullmatch(r"/api/models/([^/]+/[^/?]+)(?:\?.*)?", unquote(self.path)):
            return self.list_files(listed[1])
        match = re.fullmatch(r"/([^/]+/[^/]+)/(?:resolve/)?([^/]+)/(.+)", unquote(self.path))
        if match is None:
            return self.answer(404)
        repository, revision, name = match.groups()
        if name in self.hub.errors:
            status, code = self.hub.errors[name]
            return self.answer(status, {"X-Error-Code": code} if code else {})
        there = self.hub.at(revision)
        if there is None:
            return self.answer(404, {"X-Error-Code": "RevisionNotFound"})
        commit, files = there
        if not any(repository == known for known, _ in files):
            return self.answer(401, {"X-Error-Code": "RepoNotFound"})
        if (repository, name) not in files:
            return self.answer(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})
        return self.give(repository, commit, name, files[repository, name])

    def list_files(self, repository: str) -> None:
        """As the hub's API does."""
        files = {name: data for (known, name), data in self.hub.files.items() if known == repository}
        if not files:
            return self.answer(401, {"X-Error-Code": "RepoNotFound"})
        siblings = [{"rfilename": name, "size": len(data)} for name, data in files.items()]
        reply = {"id": repository, "sha": self.hub.commit, "siblings": siblings, "cardData": self.hub.card}
        return self.answer(200, {"Content-Type": "application/json"}, json.dumps(reply).encode())

    def give(self, repository: str, commit: str, name: str, data: bytes) -> None:
        raise NotImplementedError


class _Front(_Handler):
    """Knows files, and sends the reader on to the store, as the real hub does for large ones."""

    kind = "hub"

    def give(self, repository: str, commit: str, name: str, data: bytes) -> None:
        if self.hub.slow_heads:
            self.close_connection = True
            self.drip()
            return
        etag = self.hub.etags.get(name) or hashlib.sha256(data).hexdigest()
        self.answer(
            302,
            {
                "Location": f"{self.hub.store}/{repository}/{commit}/{name}",
                "X-Repo-Commit": commit,
                "X-Linked-Etag": f'"{etag}"',
                "X-Linked-Size": self.hub.sizes.get(name) or str(len(data)),
            },
        )


class _Store(_Handler):
    """Sends files, or parts of them."""

    kind = "store"

    def lie(self, reply: Reply) -> None:
        self.close_connection = True
        if reply.slow_head:
            self.drip()
            return
        self.send_response(reply.status)
        given = {"Content-Length", "Transfer-Encoding"} & set(reply.headers)
        length = {} if given or reply.endless else {"Content-Length": str(len(reply.body))}
        for key, value in {**length, **reply.headers, "Connection": "close"}.items():
            self.send_header(key, value)
        self.end_headers()
        with contextlib.suppress(OSError):
            for byte in reply.body if reply.pause else ():
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                time.sleep(reply.pause)
            self.wfile.write(b"" if reply.pause else reply.body)
            while reply.endless:
                self.wfile.write(reply.body)
                self.hub.sent += len(reply.body)

    def give(self, repository: str, commit: str, name: str, data: bytes) -> None:
        if self.hub.lies:
            self.lie(self.hub.lies.pop(0))
            return
        start, status, headers = 0, 200, {}
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        if asked and self.hub.ranges:
            start, status = int(asked[1]), 206
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        part = data[start:]
        self.send_response(status)
        for key, value in {"Content-Length": str(len(part)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        cut = self.hub.cuts.pop(0) if self.hub.cuts else len(part)
        with contextlib.suppress(ConnectionError):
            self.wfile.write(part[:cut])
            self.wfile.flush()
        self.hub.sent += len(part[:cut])
        if cut < len(part):
            if self.hub.stall is not None:
                self.hub.stall.wait(60)
            self.close_connection = True


@contextlib.contextmanager
def serve() -> Iterator[Hub]:
    hub = Hub()
    with contextlib.ExitStack() as stack:
        for name, handler in (("endpoint", _Front), ("store", _Store)):
            server = ThreadingHTTPServer(("127.0.0.1", 0), type(name, (handler,), {"hub": hub}))
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
            setattr(hub, name, f"http://127.0.0.1:{server.server_port}")
        yield hub
        if hub.stall is not None:
            hub.stall.set()
