"""`review` as users run it: who is served what, and what becomes of decisions."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from browser import needs_chromium, tab
from conftest_cli import PROGRAM, Run, make_images
from page_verdicts import HOSTILE, failed, verdict, write
from PIL import Image

from imagejudge.cli.review import decisions_beside
from imagejudge.output.decisions import Decision, Decisions, decision_of


class Review:
    """The program while it serves."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        command = [PROGRAM, "review", "verdicts.jsonl", *arguments]
        self.process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().decode().strip()
        parts = urlsplit(self.address)
        self.host, self.token = parts.netloc, parts.path.strip("/")

    def ask(self, what: str = "", body: Any = None, *, path: str | None = None, **headers: str) -> Any:
        """Status, headers and body of an answer."""
        connection = http.client.HTTPConnection(self.host, timeout=20)
        where = f"/{self.token}/{what}" if path is None else path
        method = "GET" if body is None else "POST"
        sent = body if isinstance(body, bytes | None) else json.dumps(body)
        connection.request(method, where, sent, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        found = answer.status, dict(answer.getheaders()), answer.read()
        connection.close()
        return found

    def stop(self, number: int = signal.SIGINT) -> tuple[int, str]:
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=20)
        return self.process.returncode, errors.decode()

    @property
    def decisions(self) -> list[Decision]:
        lines = (self.folder / "verdicts.decisions.jsonl").read_bytes().splitlines()
        return [decision_of(line) for line in lines]


Serve = Callable[..., Review]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Serves three images, one of which was changed since, and a failure."""
    make_images(tmp_path / "images", 2)
    write(
        tmp_path / "verdicts.jsonl",
        verdict("images/0000.png", 0.99, data=(tmp_path / "images" / "0000.png").read_bytes()),
        verdict("images/0001.png", 0.5, data=b"before"),
        verdict(HOSTILE[4], 0.1),
        failed("images/broken.png").model_copy(update={"path": "/etc/passwd"}),
    )
    started: list[Review] = []

    def start(*arguments: str) -> Review:
        started.append(Review(tmp_path, *arguments))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
        each.process.communicate()


def decided(index: int, opinion: str | None = "agree", rule: str | None = None) -> dict[str, Any]:
    row = {"index": index, "rule": rule, "decision": opinion}
    return (
        row if opinion is None else {**row, "truth": "violated", "note": "", "by": "me", "at": "2026-01-01T00:00:00Z"}
    )


def test_it_serves_the_page_its_pictures_and_nothing_else(serve: Serve) -> None:
    found = serve()
    status, headers, body = found.ask()
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert b"images/0000.png" in body
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    for kind, size in (("thumbnail", (32, 24)), ("image", (32, 24))):
        status, headers, body = found.ask(f"{kind}/0")
        assert (status, headers["Content-Type"]) == (200, "image/webp")
        with Image.open(BytesIO(body)) as image:
            assert image.size == size
        assert headers["Cache-Control"] == "no-store"
    assert found.ask("thumbnail/1")[::2] == (404, b"the file was changed since it was judged")
    assert found.ask("image/3")[0] == 404
    assert found.ask("image/2")[0] == 404, "a verdict names it, but its bytes are not those that were judged"
    for what in ("thumbnail/4", "thumbnail/-1", "thumbnail/0/..", "image/../../etc/passwd", "images/0000.png", "x"):
        assert found.ask(what)[0] == 404, what
    assert found.stop() == (0, found_errors(0))


def found_errors(count: int, name: str = "verdicts.decisions.jsonl") -> str:
    counts = "1 decision" if count == 1 else f"{count} decisions"
    return f"serving: until Ctrl-C; decisions go to {name}\nended: {counts} in {name}\n"


def test_only_this_page_may_ask(serve: Serve) -> None:
    found = serve()
    port = found.host.partition(":")[2]
    assert found.ask(Host=f"localhost:{port}")[0] == 200
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", f"127.0.0.1:{port}.evil.example"):
        assert found.ask(Host=host)[::2] == (404, b""), host
    for path in ("/", "//", f"/{found.token[:-1]}/", f"/{found.token}", "/%2e%2e/", f"/{'x' * len(found.token)}/"):
        assert found.ask(path=path)[0] == 404, path
    for origin in ("http://evil.example", "null", f"https://{found.host}"):
        assert found.ask("decisions", [decided(0)], Origin=origin)[0] == 404, origin
    assert found.decisions == []
    assert found.ask("decisions", [decided(0)], Origin=f"http://{found.host}")[0] == 200
    assert len(found.decisions) == 1
    assert len(found.token) >= 32
    assert serve("--decisions", "other.jsonl").token != found.token


def test_the_usual_port_is_left_out_by_browsers(serve: Serve) -> None:
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("127.0.0.1", 80))
        except OSError as error:
            pytest.skip(f"port 80 cannot be used here: {error.strerror}")
    found = serve("--port", "80")
    for host in ("127.0.0.1", "localhost", "127.0.0.1:80"):
        assert found.ask(Host=host)[0] == 200, host
        assert found.ask("decisions", [decided(0)], Host=host, Origin=f"http://{host}")[0] == 200, host
    for host in ("127.0.0.1:", "evil.example", "127.0.0.1:81"):
        assert found.ask(Host=host)[0] == 404, host
        assert found.ask(Origin=f"http://{host}")[0] == 404, host


def test_decisions_are_appended_read_back_and_taken_back(serve: Serve, tmp_path: Path) -> None:
    found = serve()
    assert found.ask("decisions", [decided(0), decided(0, "disagree", "knife"), decided(3)])[0] == 200
    assert [(each.path, each.rule, each.decision) for each in found.decisions] == [
        ("images/0000.png", None, "agree"),
        ("images/0000.png", "knife", "disagree"),
        (HOSTILE[4], None, "agree"),
    ]
    one = found.decisions[0]
    assert (one.by, one.model, one.constitution) == ("me", "m@1", "c@1")
    assert len(one.verdicts) == 64
    assert found.ask("decisions", [decided(0, None, "knife")])[0] == 200
    assert [each.rule for each in found.decisions] == [None, None]
    assert found.ask("decisions")[2] == (tmp_path / "verdicts.decisions.jsonl").read_bytes()
    assert found.stop() == (0, found_errors(2))
    again = serve()
    assert len(again.ask("decisions")[2].splitlines()) == 2


@pytest.mark.parametrize(
    ("verdicts", "decisions"),
    [
        ("verdicts.jsonl", "verdicts.decisions.jsonl"),
        ("verdicts.jsonl.gz", "verdicts.jsonl.gz.decisions.jsonl"),
        ("verdicts", "verdicts.decisions.jsonl"),
    ],
)
def test_decisions_lie_beside_the_verdicts(verdicts: str, decisions: str) -> None:
    assert decisions_beside(verdicts) == Path(decisions)
    assert decisions_beside(f"a/{verdicts}") == Path("a", decisions)


def test_decisions_under_the_name_of_before_go_on(serve: Serve, tmp_path: Path) -> None:
    found = serve("--decisions", "verdicts.jsonl.decisions.jsonl")
    assert found.ask("decisions", [decided(0)])[0] == 200
    found.stop()
    again = serve()
    assert len(again.ask("decisions")[2].splitlines()) == 1
    assert again.stop() == (0, found_errors(1, "verdicts.jsonl.decisions.jsonl"))
    assert not (tmp_path / "verdicts.decisions.jsonl").exists()


NO_DECISIONS: list[Any] = [
    b"",
    b"nonsense",
    b"[" * 100_000,
    b"\xff",
    b"null",
    [None],
    [decided(99)],
    [decided(-1)],
    [decided(2)],
    [decided(0), {**decided(1), "truth": "maybe"}],
    [{**decided(0), "rule": 7}],
    [{**decided(0), "index": float("inf")}],
    [{**decided(0), "note": {}}],
    [decided(1), {**decided(0), "note": "longer than what is read again" * 40_000}],
]


def test_what_is_no_decision_is_refused_whole(serve: Serve) -> None:
    found = serve()
    for body in NO_DECISIONS:
        assert found.ask("decisions", body)[0] == 400, body
    assert found.decisions == []
    assert found.ask("decisions", [])[0] == found.ask()[0] == 200


def test_requests_have_an_end(serve: Serve) -> None:
    found = serve()
    assert found.ask("decisions", b"[]", Content_Length="9" * 30)[0] == 400
    assert found.ask("decisions", b"[]", Content_Length="999999999")[0] == 400
    assert found.ask("", b"[]")[0] == 400


def test_no_images(serve: Serve) -> None:
    found = serve("--no-images")
    assert found.ask("thumbnail/0")[0] == found.ask("image/0")[0] == 404
    assert found.ask("decisions", [decided(0)])[0] == 200


def test_sigterm_ends_it(serve: Serve) -> None:
    assert serve().stop(signal.SIGTERM)[0] == 143


def test_what_cannot_be_done_is_refused(serve: Serve, tmp_path: Path) -> None:
    found = serve()
    port = found.host.partition(":")[2]
    for arguments, complaint in (
        (["verdicts.jsonl"], b"somebody else is deciding"),
        (["verdicts.jsonl", "--decisions", "x", "--port", port], b"cannot be used"),
        (["-"], b"--decisions"),
        (["verdicts.jsonl", "--decisions", "verdicts.jsonl"], b"--decisions names a file that is read"),
    ):
        done = subprocess.run([PROGRAM, "review", *arguments], cwd=tmp_path, capture_output=True, timeout=60, input=b"")
        assert (done.returncode, done.stdout) == (2, b""), arguments
        assert complaint in done.stderr


@pytest.mark.slow
@needs_chromium
def test_a_person_reviews(serve: Serve) -> None:
    pytest.importorskip("selenium", reason="selenium is not installed")
    found = serve()
    with tab() as chromium:
        chromium.open(found.address)
        chromium.wait("document.querySelector('.tile img')?.naturalWidth === 32")
        chromium.wait("[...document.querySelectorAll('.why')].some((one) => one.textContent.includes('changed'))")
        chromium.press("y", "n", "\ue010", "1")  # End
        chromium.wait("decisions.unsaved.size === 0 && decisions.made.size === 3")
        assert [(each.path, each.rule, each.truth) for each in found.decisions] == [
            ("images/0000.png", None, "violated"),
            ("images/0001.png", None, "clear"),
            (HOSTILE[4], "knife", "violated"),
        ]
        chromium.press("\ue003")  # Backspace
        chromium.wait("decisions.unsaved.size === 0")
        assert [each.rule for each in found.decisions] == [None, None]
        chromium.driver.refresh()
        chromium.wait("document.querySelectorAll('.mine').length === 2")
        assert found.stop() == (0, found_errors(2))
        chromium.press("y")
        chromium.wait("document.querySelector('.notice')?.textContent.includes('could not be sent')")


@pytest.mark.slow
@needs_chromium
def test_a_note_and_an_undo_leave_what_was_said_of_rules(serve: Serve, tmp_path: Path) -> None:
    pytest.importorskip("selenium", reason="selenium is not installed")
    found = serve()
    judged = verdict("images/0000.png", 0.99, data=(tmp_path / "images" / "0000.png").read_bytes())
    expected = {None: "clear", "knife": "violated"}
    with tab() as chromium:
        chromium.open(found.address)
        chromium.press("n", "\ue011", "1")  # Home
        chromium.wait("decisions.unsaved.size === 0 && decisions.made.size === 2")
        assert Decisions(found.decisions).truths(judged) == expected
        chromium.press("\ue007")  # Enter
        chromium.click("#detail [data-part=note]")
        chromium.press(*"another knife", "\ue00c")  # Escape
        chromium.wait("decisions.unsaved.size === 0 && decisions.of(images[0]).note !== ''")
        assert Decisions(found.decisions).truths(judged) == expected
        chromium.press("u", "\ue003")  # Backspace
        chromium.wait("decisions.unsaved.size === 0 && decisions.of(images[0]).truth === 'clear'")
        assert Decisions(found.decisions).truths(judged) == expected
        chromium.driver.refresh()
        chromium.wait("decisions.made.size === 2 && !document.getElementById('download').disabled")
        assert found.stop() == (0, found_errors(2))
    assert Decisions(found.decisions).truths(judged) == expected


@pytest.mark.slow
@needs_chromium
def test_imported_decisions_are_on_the_disk(serve: Serve, tmp_path: Path) -> None:
    pytest.importorskip("selenium", reason="selenium is not installed")
    found = serve()
    assert found.ask("decisions", [decided(0), decided(1)])[0] == 200
    found.stop()
    made = tmp_path / "verdicts.decisions.jsonl"
    made.rename(tmp_path / "others.jsonl")
    found = serve()
    with tab() as chromium:
        chromium.open(found.address)
        chromium.driver.find_element("css selector", "#import").send_keys(str(tmp_path / "others.jsonl"))
        chromium.wait("decisions.made.size === 2 && decisions.unsaved.size === 0")
        assert made.read_bytes() == (tmp_path / "others.jsonl").read_bytes()
        chromium.press("\ue003")  # Backspace
        chromium.wait("decisions.unsaved.size === 0")
        assert found.decisions == []
        found.stop()
        chromium.driver.find_element("css selector", "#import").send_keys(str(tmp_path / "others.jsonl"))
        chromium.wait("document.querySelector('.notice')?.textContent.includes('could not be sent')")
        assert chromium.texts("#unsaved") == ["2"], "what was not sent is not saved"


@pytest.mark.slow
@needs_chromium
def test_what_is_refused_for_good_keeps_nothing_else_from_the_disk(serve: Serve, tmp_path: Path) -> None:
    pytest.importorskip("selenium", reason="selenium is not installed")
    found = serve()
    assert found.ask("decisions", [decided(0), decided(1), decided(3)])[0] == 200
    found.stop()
    made = tmp_path / "verdicts.decisions.jsonl"
    first, second, stray = ({**json.loads(line), "path": ""} for line in made.read_text().splitlines())
    made.unlink()
    # Beside a path that is not UTF-8 the program writes escapes, with which this note is too long.
    stray["note"] = "\N{LATIN SMALL LETTER E WITH ACUTE}" * 300_000
    rows = (first, {**first, "note": None}, stray, second)
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (tmp_path / "others.jsonl").write_text(text, "utf-8")
    found = serve()
    with tab() as chromium:
        chromium.open(found.address)
        chromium.driver.find_element("css selector", "#import").send_keys(str(tmp_path / "others.jsonl"))
        chromium.wait("document.getElementById('toast').textContent !== ''")
        assert chromium.texts("#toast") == ["3 decisions read, left out: 1 line that is no decision."]
        chromium.wait("decisions.unsaved.size === 1 && document.querySelector('.notice') !== null")
        assert [each.path for each in found.decisions] == ["images/0000.png", "images/0001.png"]
        assert chromium.texts(".notice") == [
            "1 decision was refused and cannot be saved: bytes\\xff.png: this decision is too long."
        ]
        chromium.run("document.getElementById('grid').focus()")
        chromium.press("n")
        chromium.wait("decisions.outbox.waiting.length === 0 && decisions.unsaved.size === 1")
        assert [each.decision for each in found.decisions][-1] == "disagree"
        chromium.press("\ue003", "\ue003")  # Backspace
        chromium.wait("decisions.unsaved.size === 0")
        assert found.decisions == []
        assert chromium.texts(".notice") == []


@pytest.mark.slow
@needs_chromium
def test_what_may_pass_is_sent_with_the_next(serve: Serve, tmp_path: Path) -> None:
    pytest.importorskip("selenium", reason="selenium is not installed")
    found = serve()
    made = tmp_path / "verdicts.decisions.jsonl"
    with tab() as chromium:
        chromium.open(found.address)
        made.write_bytes(b"a letter\n")
        chromium.press("n")
        chromium.wait("document.querySelector('.notice')?.textContent.includes('somebody else is changing')")
        assert chromium.texts("#unsaved") == ["1"]
        made.write_bytes(b"")
        chromium.press("n")
        chromium.wait("decisions.unsaved.size === 0")
        assert [each.path for each in found.decisions] == ["images/0000.png", "images/0001.png"]
        assert chromium.texts(".notice") == []


@pytest.mark.slow
@needs_chromium
def test_what_is_decided_before_earlier_decisions_are_there_outlasts_them(serve: Serve) -> None:
    pytest.importorskip("selenium", reason="selenium is not installed")
    found = serve("--no-images")
    assert found.ask("decisions", [decided(0), decided(1)])[0] == 200
    seen = "[decisions.made.size, decisions.unsaved.size, decisions.of(images[0])?.opinion]"
    with tab() as chromium:
        chromium.driver.set_network_conditions(latency=1000, throughput=1_000_000)
        chromium.open(found.address)
        assert chromium.run("decisions.made.size") == 0
        chromium.press("n")
        chromium.wait("decisions.made.size === 2 && decisions.unsaved.size === 0")
        assert chromium.run(seen) == [2, 0, "disagree"]
        chromium.press("\ue003")  # Backspace
        chromium.wait("decisions.unsaved.size === 0")
        assert chromium.run(seen) == [2, 0, "agree"]
        assert {each.path: each.decision for each in found.decisions}["images/0000.png"] == "agree"


@pytest.mark.slow
@needs_chromium
def test_a_sample_outlasts_a_reload(serve: Serve) -> None:
    pytest.importorskip("selenium", reason="selenium is not installed")
    found = serve()
    with tab() as chromium:
        chromium.open(f"{found.address}#verdict=unsafe&verdict=safe")
        chromium.click("#sample")
        drawn = "grid.list.map((image) => image.sha256)"
        first = chromium.run(drawn)
        chromium.press("y")
        chromium.wait("decisions.unsaved.size === 0")
        chromium.driver.refresh()
        chromium.wait("document.querySelector('#figures').textContent.includes('Of the sample1 of 2')")
        assert chromium.run(drawn) == first


def test_decisions_are_what_verdicts_are_measured_by(serve: Serve, run: Run, tmp_path: Path) -> None:
    found = serve()
    told = [{**decided(0), "truth": "clear", "note": "a \x1b toy"}, decided(1), {**decided(3), "truth": "unsure"}]
    assert found.ask("decisions", told)[0] == 200
    found.stop()
    name = "verdicts.decisions.jsonl"
    done = run("evaluate", "--verdicts", "verdicts.jsonl", "--labels", name, "--json", "m.json", "-q")
    assert done.returncode == 0, done.stderr
    assert done.stderr == (
        b"warning: 1 image is left out: somebody looked, but decided nothing about safety\n"
        b"warning: 2 images have a verdict but no label: left out\n"
    )
    pooled = json.loads((tmp_path / "m.json").read_text())["methods"]["clue"]["pooled"]
    assert (pooled["images"], pooled["unsafe"], pooled["unsure"]) == (2, 1, 1)
    added = run("baseline", "add", "verdicts.jsonl", "--from", name, "--unsure", "--reason", "looked at")
    assert b"accepted: 1 more" in added.stderr
    entry = (tmp_path / ".imagejudge-baseline.toml").read_text()
    assert 'path = "images/0000.png"' in entry
    assert 'reason = "a \\\\x1b toy"' in entry
    assert run("baseline", "add", "verdicts.jsonl", "--from", "gone").returncode == 2
