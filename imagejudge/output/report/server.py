"""The review page, served to the browser of the person who started it, and nobody else.

Any page in a browser can send requests to this machine, and any user of this machine can. So each address begins with
a random token, requests must be for this host by its number and come from this page, images are named by their place
in the list alone, and what is sent of them is made anew from their pixels.
"""

from __future__ import annotations

import json
import re
import secrets
import sys
from collections.abc import Mapping
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import BoundedSemaphore
from typing import Any, Final

from imagejudge.common.system import threads
from imagejudge.errors import OutputError
from imagejudge.images.read import Limits
from imagejudge.output.decision_file import DecisionFile, Key
from imagejudge.output.decisions import Decision
from imagejudge.output.report.page import Origin, Pictures, page, policy
from imagejudge.output.report.records import Records
from imagejudge.output.report.thumbnails import SIDE, thumbnail

HOST: Final = "127.0.0.1"
_USUAL: Final = 80
"""The port of an address that names none."""
_WHOLE: Final = 2048
"""Most pixels of the longer side of an image that is opened."""
_LONGEST: Final = 64_000_000
"""Bytes of a request: a decision on each of 200,000 images."""
_KEPT: Final = 2_000
"""Thumbnails that are not made again when they come into view again."""
_ADDRESS: Final = re.compile(
    r"/(?P<token>[\w-]+)/(?P<what>|decisions|(?P<kind>thumbnail|image)/(?P<index>\d{1,9}))", re.ASCII
)
_LENGTH: Final = re.compile(r"[0-9]{1,9}")
_SECONDS: Final = 60
"""For a request to be sent."""


class ReviewServer(ThreadingHTTPServer):
    """Serves one page until it is closed. Raises `OSError` where the port is taken."""

    daemon_threads = True
    block_on_close = False

    def __init__(
        self, port: int, found: Records, origin: Origin, pictures: Pictures, decisions: DecisionFile, limits: Limits
    ) -> None:
        super().__init__((HOST, port), _Handler)
        self.token = secrets.token_urlsafe(24)
        self.page = "".join(page(found, origin, pictures)).encode()
        self.policy = policy(origin, pictures)
        self.decisions = decisions
        self._found = found
        self._digest = origin.digest
        self._subjects = () if pictures is Pictures.NONE else found.subjects
        self._limits = limits
        self._turns = BoundedSemaphore(threads())
        self._small = lru_cache(_KEPT)(self._picture)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away is no error."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    @property
    def hosts(self) -> set[str]:
        """What a browser calls this server in its requests: it leaves out the port that is the usual one."""
        ports = [f":{self.server_port}", *([""] if self.server_port == _USUAL else [])]
        return {f"{name}{port}" for name in (HOST, "localhost") for port in ports}

    @property
    def address(self) -> str:
        """What a browser opens."""
        return f"http://{HOST}:{self.server_port}/{self.token}/"

    def picture(self, kind: str, index: int) -> bytes | str | None:
        """A WebP, or why there is none; None where there is no such image."""
        if index >= len(self._subjects):
            return None
        return self._small(index) if kind == "thumbnail" else self._picture(index, _WHOLE)

    def _picture(self, index: int, side: int = SIDE) -> bytes | str:
        with self._turns:
            return thumbnail(self._subjects[index], self._limits, side)

    def decide(self, rows: Any) -> None:
        """Keep what the page sent. Raises `ValueError` for anything else, `OutputError` where it cannot be kept."""
        changes: dict[Key, Decision | None] = {}
        try:
            for row in rows:
                key, decision = self._decision(row)
                changes.pop(key, None)
                changes[key] = decision
        except (ValueError, TypeError, KeyError, IndexError) as error:
            raise ValueError("this is no decision of this page") from error
        if changes:
            self.decisions.change(changes)

    def _decision(self, row: Mapping[str, Any]) -> tuple[Key, Decision | None]:
        index, rule = row["index"], row["rule"]
        if not isinstance(index, int) or index < 0 or not (rule is None or isinstance(rule, str)):
            raise ValueError(rule)
        subject = self._found.subjects[index]
        if subject.sha256 is None:
            raise ValueError(subject.path)
        if row["decision"] is None:
            return (subject.sha256, rule), None
        names = "decision", "truth", "note", "by", "at"
        about = {name: self._found.sources[subject.source][name] for name in ("model", "constitution")}
        told = {"sha256": subject.sha256, "path": subject.path, "rule": rule, **{name: row[name] for name in names}}
        decision = Decision.model_validate({**told, "verdicts": self._digest, **about})
        return (subject.sha256, rule), decision


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: ReviewServer
    protocol_version = "HTTP/1.1"
    server_version = "imagejudge"
    sys_version = ""
    timeout = _SECONDS

    def do_GET(self) -> None:
        """The page, a picture, or the decisions."""
        found = self._address()
        if found is None:
            return
        if found["kind"]:
            picture = self.server.picture(found["kind"], int(found["index"]))
            if isinstance(picture, bytes):
                self._send(200, "image/webp", picture)
            else:
                self._send(404, "text/plain", (picture or "no such image").encode())
        elif found["what"] == "decisions":
            self._send(200, "application/jsonl", b"".join(self.server.decisions))
        else:
            self._send(200, "text/html; charset=utf-8", self.server.page)

    def do_POST(self) -> None:
        """Decisions."""
        found = self._address()
        if found is None:
            return
        length = self.headers.get("Content-Length", "")
        if found["what"] != "decisions" or not _LENGTH.fullmatch(length) or int(length) > _LONGEST:
            self.close_connection = True
            self._send(400, "text/plain", b"")
            return
        try:
            self.server.decide(json.loads(self.rfile.read(int(length))))
        except (ValueError, RecursionError) as error:
            self._send(400, "text/plain", str(error).encode())
        except OutputError as error:
            self._send(500, "text/plain", error.message.encode())
        else:
            self._send(200, "text/plain", b"")

    def _address(self) -> re.Match[str] | None:
        """What is asked for; None where that was refused."""
        hosts = self.server.hosts
        origin = self.headers.get("Origin")
        found = _ADDRESS.fullmatch(self.path)
        if self.headers.get("Host") not in hosts or (origin and origin.removeprefix("http://") not in hosts):
            found = None
        if found is None or not secrets.compare_digest(found["token"], self.server.token):
            self.close_connection = True
            self._send(404, "text/plain", b"")
            return None
        return found

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Security-Policy", f"{self.server.policy}; frame-ancestors 'none'")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in http.server
        """Nothing: addresses hold the token."""
