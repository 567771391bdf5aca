"""What has arrived of a file survives every answer that is not this file's continuation."""

from __future__ import annotations

import contextlib
import threading
import time
from email.utils import formatdate
from pathlib import Path

import httpx2
import pytest
from models.fixtures import MODEL, REPOSITORY
from models.hub_server import Hub, Reply, serve

from imagejudge.errors import ModelError
from imagejudge.models import hub as client
from imagejudge.models import patience, transfer

pytestmark = pytest.mark.usefixtures("hub_in_process")

BEGUN = 100_000
"""Bytes that an earlier attempt left."""
PORTAL = b"<html>Log in</html>"
REST = {"Content-Range": f"bytes {BEGUN}-256003/256004"}
HTML = {"Content-Type": "text/html; charset=utf-8"}


@pytest.fixture
def data(hub: Hub) -> bytes:
    return hub.files[REPOSITORY, MODEL]


@pytest.fixture
def begun(hub: Hub, data: bytes) -> client.Remote:
    """A file of which a part is here."""
    remote = client.look(REPOSITORY, MODEL, "main")
    remote.partial.parent.mkdir(parents=True)
    remote.partial.write_bytes(data[:BEGUN])
    return remote


def fetch(remote: client.Remote) -> str:
    return client.fetch(remote, None, lambda *_: None)


def part(start: int, end: int, total: object, body: bytes, **more: str) -> Reply:
    return Reply(206, body, {"Content-Range": f"bytes {start}-{end}/{total}", **more})


def refused(remote: client.Remote, *words: str) -> ModelError:
    with pytest.raises(ModelError) as caught:
        fetch(remote)
    said = f"{caught.value.message}\n{caught.value.hint}"
    for word in (*words, "pull again"):
        assert word in said
    assert not remote.path.exists()
    assert not remote.blob.exists()
    return caught.value


ANSWERS = {
    "portal": Reply(200, PORTAL, HTML),
    "portal-as-part": Reply(206, PORTAL, HTML),
    "portal-without-length": Reply(200, PORTAL * 10_000, HTML, endless=True),
    "compressed": Reply(200, b"\x1f\x8b" + b"0" * 1000, {"Content-Encoding": "gzip"}),
    "no-content": Reply(204),
    "shorter": Reply(200, b"GGUF" + b"0" * 100),
    "longer": Reply(200, b"GGUF" + b"0" * 900_000),
    "other-file": Reply(200, b"GGUF" + b"0" * 256_000),
    "other-size-in-part": part(BEGUN, 256_003, 256_005, b"0" * 156_004),
    "other-start": part(BEGUN + 1, 256_003, 256_004, b"0" * 156_003),
    "earlier-start": part(0, 256_003, 256_004, b"0" * 256_004),
    "end-before-start": part(BEGUN, BEGUN - 1, 256_004, b""),
    "part-of-another-length": part(BEGUN, 256_003, 256_004, b"0" * 100, **{"Content-Length": "100"}),
    "no-range": Reply(206, b"0" * 156_004),
    "two-parts": Reply(206, b"--x", {"Content-Type": "multipart/byteranges; boundary=x"}),
    "huge-range": part(10**30, 10**31, 10**32, b"0"),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_an_answer_that_is_not_the_rest_changes_nothing(
    hub: Hub, begun: client.Remote, data: bytes, answer: Reply
) -> None:
    hub.lies = [answer] * 2  # a part that is wrong makes it ask for the whole
    refused(begun)
    assert begun.partial.read_bytes() == data[:BEGUN]
    hub.lies = []
    fetch(begun)
    assert begun.path.read_bytes() == data
    assert hub.gets()[-1] == f"bytes={BEGUN}-"


@pytest.mark.parametrize(
    "answer",
    [ANSWERS[name] for name in ("portal", "portal-without-length", "compressed", "shorter", "longer", "no-range")],
)
def test_nor_does_it_begin_a_file(hub: Hub, answer: Reply) -> None:
    remote = client.look(REPOSITORY, MODEL, "main")
    hub.lies = [answer] * 2
    refused(remote, "answered, but not with")
    assert not remote.partial.exists()


@pytest.mark.parametrize("status", [416, 206, 200])
def test_a_server_that_refuses_the_range_is_asked_for_the_whole(
    hub: Hub, begun: client.Remote, data: bytes, status: int
) -> None:
    hub.lies = [Reply(status, data if status == 200 else b"", {"Content-Range": "bytes */256004"})]
    fetch(begun)
    assert begun.path.read_bytes() == data
    assert hub.gets() == [f"bytes={BEGUN}-", None][: 1 + (status != 200)]


def test_a_server_that_refuses_the_range_for_ever(hub: Hub, begun: client.Remote) -> None:
    hub.lies = [Reply(416)] * 20
    with pytest.raises(ModelError, match="answered 416") as caught:
        fetch(begun)
    assert "what was fetched is kept" in caught.value.hint
    assert begun.partial.stat().st_size == BEGUN
    assert len(hub.gets()) == 2


def test_a_whole_file_that_breaks_off_while_it_is_compared_costs_nothing(
    hub: Hub, begun: client.Remote, data: bytes
) -> None:
    hub.ranges, hub.cuts = False, [50_000, BEGUN + 10]
    fetch(begun)
    assert begun.path.read_bytes() == data


def test_parts_of_a_part_are_taken(hub: Hub, begun: client.Remote, data: bytes) -> None:
    hub.lies = [part(BEGUN, BEGUN + 9_999, "*", data[BEGUN : BEGUN + 10_000])]
    fetch(begun)
    assert hub.gets() == [f"bytes={BEGUN}-", f"bytes={BEGUN + 10_000}-"]


def test_a_file_that_changes_on_the_way_is_not_mixed(hub: Hub, data: bytes) -> None:
    remote = client.look(REPOSITORY, MODEL, "main")
    hub.lies = [
        Reply(200, data[:BEGUN], {"ETag": '"one"', "Content-Length": str(len(data))}),
        part(BEGUN, len(data) - 1, len(data), b"0" * (len(data) - BEGUN), ETag='"two"'),
    ]
    fetch(remote)
    assert remote.path.read_bytes() == data
    assert hub.gets() == [None, f"bytes={BEGUN}-", None]
    assert [request.if_range for request in hub.asked if request.server == "store"] == [None, '"one"', None]


def test_a_wrong_end_is_noticed_by_the_digest(hub: Hub, begun: client.Remote, data: bytes) -> None:
    hub.lies = [part(BEGUN, len(data) - 1, len(data), b"0" * (len(data) - BEGUN))]
    refused(begun, "has the SHA-256", "deleted")
    fetch(begun)


@pytest.mark.parametrize("status", [200, 206])
def test_a_body_without_end_ends_where_the_file_does(hub: Hub, data: bytes, status: int) -> None:
    remote = client.look(REPOSITORY, MODEL, "main")
    more = {"Content-Range": f"bytes 0-{len(data) - 1}/{len(data)}"} if status == 206 else {}
    hub.lies = [Reply(status, data, more, endless=True)]
    fetch(remote)
    assert remote.path.read_bytes() == data


def test_an_error_without_end(hub: Hub, begun: client.Remote) -> None:
    hub.lies = [Reply(404, b"not here " * 1000, HTML, endless=True)]
    with pytest.raises(ModelError, match="answered 404"):
        fetch(begun)
    assert begun.partial.stat().st_size == BEGUN


def test_a_length_that_is_never_reached(hub: Hub, begun: client.Remote, data: bytes) -> None:
    hub.lies = [Reply(206, b"", {**REST, "Content-Length": str(len(data) - BEGUN)})] * 4
    with pytest.raises(ModelError, match="the connection broke") as caught:
        fetch(begun)
    assert "what was fetched is kept" in caught.value.hint
    assert begun.partial.read_bytes() == data[:BEGUN]


@pytest.mark.parametrize("where", ["body", "head", "framing", "error page"])
def test_a_connection_that_drips_is_given_up(
    hub: Hub, begun: client.Remote, data: bytes, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.setattr(patience, "WINDOW", 0.2)
    chunked = {"Transfer-Encoding": "chunked"}
    slow = {
        "body": Reply(206, data[BEGUN:], REST, pause=0.02),
        "head": Reply(slow_head=True),
        "framing": Reply(206, b"1;" + b"x" * 1000, {**REST, **chunked}, pause=0.02),
        "error page": Reply(404, b"1;" + b"x" * 1000, chunked, pause=0.02),
    }[where]
    hub.lies = [slow, *[Reply(503)] * 3]
    start = time.monotonic()
    with pytest.raises(ModelError, match="503"):
        fetch(begun)
    assert time.monotonic() - start < 5
    assert len(hub.gets()) == 4
    kept = begun.partial.read_bytes()
    assert BEGUN + (where == "body") <= len(kept) < BEGUN + 100
    assert kept == data[: len(kept)]


def test_a_hub_that_drips_is_given_up(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "WINDOW", 0.2)
    hub.slow_heads = True
    with pytest.raises(ModelError, match=r"no answer within 0\.2 s"):
        client.look(REPOSITORY, MODEL, "main")


def test_nobody_goes_on_reading_what_was_left(hub: Hub, begun: client.Remote, data: bytes) -> None:
    hub.lies = [Reply(206, data[BEGUN:], REST, endless=True)]
    fetch(begun)
    assert not [thread for thread in threading.enumerate() if thread.name == "body"]


def test_servers_that_send_a_byte_and_hang_up_are_given_up(hub: Hub) -> None:
    hub.cuts = [5] + [1] * 50
    with pytest.raises(ModelError, match="the connection broke"):
        fetch(client.look(REPOSITORY, MODEL, "main"))
    assert len(hub.gets()) == 4


@pytest.mark.parametrize("status", [500, 502, 503, 429, 408])
def test_a_server_in_trouble_is_asked_again(hub: Hub, begun: client.Remote, status: int) -> None:
    hub.lies = [Reply(status, PORTAL, HTML)] * 3
    fetch(begun)
    assert len(hub.gets()) == 4


@pytest.mark.parametrize("form", ["seconds", "date", "nonsense"])
def test_a_busy_server_is_left_alone_as_long_as_it_asks(hub: Hub, begun: client.Remote, form: str) -> None:
    wait = {"seconds": "1", "date": formatdate(time.time() + 2, usegmt=True), "nonsense": "soon\xb2"}[form]
    hub.lies = [Reply(429, headers={"Retry-After": wait})]
    start = time.monotonic()
    fetch(begun)
    assert (time.monotonic() - start > 0.9) == (form != "nonsense")


@pytest.mark.parametrize("wait", ["3600", "9" * 5000])
def test_nobody_waits_for_an_hour(hub: Hub, begun: client.Remote, wait: str) -> None:
    hub.lies = [Reply(429, headers={"Retry-After": wait})]
    refused(begun, "asks to be left alone", "what was fetched is kept")
    assert begun.partial.stat().st_size == BEGUN


def test_redirects_without_end(hub: Hub, begun: client.Remote) -> None:
    hub.lies = [Reply(302, headers={"Location": f"{hub.store}/{REPOSITORY}/{hub.commit}/{MODEL}"})] * 50
    with pytest.raises(ModelError, match="from address to address") as caught:
        fetch(begun)
    assert "what was fetched is kept" in caught.value.hint
    assert len(hub.gets()) <= 11


def test_the_token_follows_no_redirect_to_another_server(
    hub: Hub, begun: client.Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "build_hf_headers", lambda: {"authorization": "Bearer hf_secret"})
    with serve() as other:
        other.files = hub.files
        hub.lies = [Reply(307, headers={"Location": f"{other.store}/{REPOSITORY}/{other.commit}/{MODEL}"})]
        fetch(begun)
        assert [(request.token, request.range) for request in other.asked] == [(None, f"bytes={BEGUN}-")]
    assert {request.token for request in hub.asked if request.server == "store"} == {None}


@pytest.mark.parametrize("onward", ["http://hub.example/file", "http://other.example/file"])
def test_what_began_encrypted_stays_so(onward: str) -> None:
    with pytest.raises(ModelError, match="not encrypted"):
        transfer.followed(httpx2.Request("GET", "https://hub.example/file"), httpx2.Request("GET", onward))


@pytest.mark.parametrize("onward", ["https://hub.example:444/file", "https://other.example/file"])
def test_another_server_is_not_told_who_asks(onward: str) -> None:
    secret = {"Authorization": "Bearer hf_secret", "Cookie": "a=b"}
    request = httpx2.Request("GET", "http://hub.example/file", headers=secret)
    followed = transfer.followed(request, httpx2.Request("GET", onward, headers=secret))
    assert not {"authorization", "cookie"} & set(followed.headers)


@pytest.mark.parametrize("place", ["ftp://127.0.0.1/x", "file:///etc/passwd", "http://[", "http://127.0.0.1:9/x"])
def test_redirects_to_nowhere(hub: Hub, begun: client.Remote, place: str) -> None:
    hub.lies = [Reply(302, headers={"Location": place})] * 4
    with pytest.raises(ModelError) as caught:
        fetch(begun)
    assert caught.value.hint
    assert begun.partial.stat().st_size == BEGUN


@pytest.mark.parametrize(
    ("commit", "etag"), [("../../../etc", None), ("a/b", None), ("", None), ("c0ffee", "../x"), ("c0ffee", "x\\y/z")]
)
def test_names_from_the_hub_stay_in_the_cache(hub: Hub, isolated: Path, commit: str, etag: str | None) -> None:
    hub.commit = commit
    if etag:
        hub.etags[MODEL] = etag
    with pytest.raises(ModelError, match="not as a hub does"):
        client.look(REPOSITORY, MODEL, "main")
    with contextlib.suppress(FileNotFoundError):
        assert not list((isolated / "hub").iterdir())


@pytest.mark.parametrize("size", ["-5", "0", "many", "9" * 5000, "1e9"])
def test_sizes_that_are_none(hub: Hub, size: str) -> None:
    hub.sizes[MODEL] = size
    with pytest.raises(ModelError, match="not as a hub does"):
        client.look(REPOSITORY, MODEL, "main")


def test_a_size_that_no_disk_has(hub: Hub) -> None:
    hub.sizes[MODEL] = "9" * 30
    with pytest.raises(ModelError, match="there is no room") as caught:
        client.make_room([client.look(REPOSITORY, MODEL, "main")])
    assert "HF_HOME" in caught.value.hint
