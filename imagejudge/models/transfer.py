"""The bytes of one file over HTTP, appended to a partial file only by a reply that provably continues it.

Between the program and the hub may stand portals, proxies and mirrors that answer something else. What has arrived is
never cut: a reply either continues it, or agrees with all of it and then continues, or is refused. Knows no hubs.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO

import httpx2

from imagejudge.errors import ModelError
from imagejudge.models import patience
from imagejudge.models.patience import TooSlow, body_of, within

KEPT = "what was fetched is kept, and the same command resumes there"
TIMEOUT = 30.0
"""Seconds without a byte before a connection counts as lost."""
_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds before each new attempt; all of them again once an attempt was worth its while."""
_WORTH = 4096
"""Bytes that make an attempt worth its while: servers that send a byte and hang up are given up."""
_LONGEST_WAIT = 120.0
"""Seconds that a server may ask to be left alone before the user is told to come back."""
_REDIRECTS = 10
_EXCERPT = 65_536
"""Bytes read of the page that comes with an error."""
_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be fetched, and where it grows."""

    url: str
    partial: Path
    size: int
    begins: bytes
    """Its first bytes."""
    kind: str
    """What a file that begins so is called."""

    @property
    def name(self) -> str:
        """The file's name, for complaints."""
        return self.url.rpartition("/")[2]


class _NotThisRange(Exception):  # noqa: N818 - asks for another attempt
    """The server does not continue the file; the whole of it must be asked for."""


class _Busy(httpx2.TransportError):
    """The server wants to be asked later."""

    def __init__(self, status: int, wait: float) -> None:
        super().__init__(f"the server answered {status}")
        self.wait = wait


def download(
    client: httpx2.Client,
    headers: Mapping[str, str],
    target: Target,
    check: Callable[[httpx2.Response], object],
    tell: Callable[[int], None],
) -> None:
    """Append what is missing to the partial file, through as many interruptions as it takes while bytes arrive.

    `check` raises for an answer that is an error; `tell` is called with the bytes that are on the disk. Raises
    `ModelError` for an answer that is not this file, and `httpx2.HTTPError` when the way to it does not hold.
    """
    try:
        # Unbuffered, so that what was received is on the disk whatever happens next.
        with target.partial.open("ab", buffering=0) as file:
            _Download(client, headers, target, check, tell, file).run()
            os.fsync(file.fileno())
    finally:
        if target.partial.stat().st_size == 0:
            target.partial.unlink()


class _Download:
    """One download: what is remembered from attempt to attempt."""

    def __init__(
        self,
        client: httpx2.Client,
        headers: Mapping[str, str],
        target: Target,
        check: Callable[[httpx2.Response], object],
        tell: Callable[[int], None],
        file: BinaryIO,
    ) -> None:
        self._client = client
        self._headers = headers
        self._target = target
        self._check = check
        self._tell = tell
        self._file = file
        self._in_parts = True
        """Whether the server may still be asked for a part."""
        self._tag = ""
        """The strong ETag under which this server sent what has arrived."""

    def run(self) -> None:
        """Attempt after attempt."""
        failures = 0
        while (have := self._file.seek(0, os.SEEK_END)) < self._target.size:
            try:
                self._attempt(have)
            except _NotThisRange:
                self._in_parts = False
            except httpx2.TransportError as error:
                worth = self._file.seek(0, os.SEEK_END) - have >= _WORTH and not isinstance(error, TooSlow)
                failures = 1 if worth else failures + 1
                if failures > len(_PAUSES):
                    raise
                time.sleep(max(_PAUSES[failures - 1], error.wait if isinstance(error, _Busy) else 0.0))

    def _attempt(self, have: int) -> None:
        """Append what the server sends from byte `have` on. Raises `httpx2.TransportError` when it ends too early."""
        headers = {**self._headers, "Accept-Encoding": "identity"}
        if have and self._in_parts:
            headers["Range"] = f"bytes={have}-"
            if self._tag:
                headers["If-Range"] = self._tag
        with _answer(self._client, self._target.url, headers) as response:
            self._check_status(response)
            start, length = self._offered(response, have)
            self._receive(response, start, have, length)
        if self._file.seek(0, os.SEEK_END) < self._target.size:
            raise httpx2.TransportError("the connection ended too early")

    def _check_status(self, response: httpx2.Response) -> None:
        status = response.status_code
        if status in (408, 429) or status >= 500:
            wait = _retry_after(response.headers.get("Retry-After", ""))
            if wait > _LONGEST_WAIT:
                raise ModelError(
                    f"{response.url.host} answered {status} and asks to be left alone for {wait:,.0f} seconds",
                    f"pull again after that; {KEPT}",
                )
            raise _Busy(status, wait)
        if status == 416 and "Range" in response.request.headers:
            raise _NotThisRange
        if response.is_error:
            self._check(_excerpt(response))
        if status not in (200, 206):
            raise self._other(response, f"the answer's status is {status}")

    def _offered(self, response: httpx2.Response, have: int) -> tuple[int, int]:
        """The first byte that the body holds, and how many bytes there are of it at most."""
        size = self._target.size
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise self._other(response, "it is compressed, which was not asked for")
        if response.status_code == 206:
            return self._part(response, have)
        promised = response.headers.get("Content-Length", "")
        if promised and promised != str(size):
            raise self._other(response, f"it has {promised[:20]} bytes, not {size:,}")
        self._tag = self._tag or _strong(response)
        return 0, size

    def _part(self, response: httpx2.Response, have: int) -> tuple[int, int]:
        """Check that a part of the file is the one that continues the partial file."""
        size = self._target.size
        found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
        right = found and int(found[1]) == have <= int(found[2]) < size and found[3] in ("*", str(size))
        length = int(found[2]) - have + 1 if found else 0
        promised = response.headers.get("Content-Length", str(length))
        changed = self._tag and _strong(response) not in ("", self._tag)
        if right and promised == str(length) and not changed:
            self._tag = self._tag or _strong(response)
            return have, length
        if self._in_parts and have:
            raise _NotThisRange
        raise self._other(response, "it is another part of a file than was asked for")

    def _receive(self, response: httpx2.Response, at: int, have: int, length: int) -> None:
        """Take in the body, `at` being where it begins; what is here already is compared and not written again."""
        end = at + length
        with (
            self._target.partial.open("rb") as kept,
            contextlib.closing(body_of(response, patience.WINDOW)) as pieces,
        ):
            for chunk in pieces:
                part = memoryview(chunk)[: end - at]  # what comes after the end belongs to nothing
                known = min(len(part), max(0, have - at))
                if kept.read(known) != part[:known] if known else False:
                    raise self._differs(response)
                self._check_beginning(response, part, at)
                at += len(part)
                self._write(part[known:])
                if at > have:
                    self._tell(at)
                if at >= end:
                    return

    def _check_beginning(self, response: httpx2.Response, part: memoryview, at: int) -> None:
        expected = self._target.begins[at : at + len(part)]
        if part[: len(expected)] != expected:
            raise self._other(response, f"it is no {self._target.kind} file")

    def _write(self, part: memoryview) -> None:
        while part:
            part = part[self._file.write(part) :]

    def _other(self, response: httpx2.Response, why: str) -> ModelError:
        """The complaint that an answer is not the file; nothing of it was written."""
        kind = response.headers.get("Content-Type", "").partition(";")[0][:40]
        return ModelError(
            f"{response.url.host} answered, but not with {self._target.name}: {why}" + f" ({kind})" * bool(kind),
            f"log in to the network if it asks for that, check proxies and HF_ENDPOINT, then pull again; {KEPT}",
        )

    def _differs(self, response: httpx2.Response) -> ModelError:
        return ModelError(
            f"{response.url.host} sends another {self._target.name} than the one that was begun",
            f"check proxies and HF_ENDPOINT and pull again, or delete {self._target.partial} to begin again",
        )


@contextlib.contextmanager
def _answer(client: httpx2.Client, url: str, headers: Mapping[str, str]) -> Iterator[httpx2.Response]:
    """The answer at the end of all redirects. What tells who asks goes to no other host, and nothing goes unencrypted
    that began encrypted.
    """
    request = client.build_request("GET", url, headers=dict(headers), timeout=TIMEOUT)
    for _ in range(_REDIRECTS + 1):
        response = within(patience.WINDOW, partial(client.send, request, stream=True, follow_redirects=False))
        try:
            if response.next_request is None:
                yield response
                return
            request = followed(request, response.next_request)
        finally:
            response.close()
    raise ModelError(
        f"{request.url.host} sends the program from address to address without end",
        f"check proxies and HF_ENDPOINT; {KEPT}",
    )


def followed(request: httpx2.Request, onward: httpx2.Request) -> httpx2.Request:
    """The request that follows a redirect, if it may be made."""
    before, after = request.url, onward.url
    if after.scheme not in ("http", "https") or (before.scheme, after.scheme) == ("https", "http"):
        raise ModelError(
            f"{before.host} sends the program on to {after.scheme}://{after.host}, which is not encrypted",
            f"check proxies and HF_ENDPOINT; {KEPT}",
        )
    if (before.host, before.port) != (after.host, after.port):
        for name in ("Authorization", "Cookie"):
            onward.headers.pop(name, None)
    return onward


def _excerpt(response: httpx2.Response) -> httpx2.Response:
    """An error with the beginning of its page: the page may have no end."""
    with contextlib.closing(body_of(response, patience.WINDOW)) as pieces:
        page = next(pieces, b"")[:_EXCERPT]
    headers = httpx2.Headers(response.headers)
    for name in ("Content-Length", "Content-Encoding", "Transfer-Encoding"):
        headers.pop(name, None)
    return httpx2.Response(response.status_code, headers=headers, content=page, request=response.request)


def _strong(response: httpx2.Response) -> str:
    """The ETag, if equal ones mean equal bytes."""
    tag = str(response.headers.get("ETag", ""))
    return tag if tag.startswith('"') else ""


def _retry_after(text: str) -> float:
    """Seconds that a server asks to wait; 0 where it says nothing that can be read."""
    if text.isdecimal():
        return float(text[:9])
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return 0.0
