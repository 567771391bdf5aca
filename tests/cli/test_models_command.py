"""`imagejudge models`, as users run it, against a hub on this machine that breaks connections, lies and disappears."""

# ruff: noqa: F811 - a fixture is imported

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import gguf_pairs
import pytest
from conftest_cli import PROGRAM, Run
from models.fixtures import MMPROJ, MODEL, REPOSITORY, hub  # noqa: F401 - a fixture
from models.hub_server import Hub

from imagejudge.models import registry

NAME = "qwen3-vl-4b"


@pytest.fixture
def cache(isolated: Path) -> Path:
    """Where the files of the model's repository are kept."""
    return isolated / "hf" / "hub" / "models--Qwen--Qwen3-VL-4B-Instruct-GGUF"


@pytest.fixture
def pins(isolated: Path) -> Path:
    return isolated / "data" / "imagejudge" / "models.lock"


def pulls(run: Run) -> None:
    done = run("models", "pull", NAME)
    assert done.returncode == 0, done.stderr.decode()


def refused(run: Run, *command: str, words: str, hint: str = "") -> None:
    done = run("models", *command)
    said = done.stderr.decode()
    assert done.returncode == 2, said
    assert words in said
    assert "hint: " in said
    assert hint in said
    assert "bug" not in said


def test_a_pull_through_interruptions_fetches_only_what_is_missing(run: Run, hub: Hub, cache: Path) -> None:
    size = len(hub.files[REPOSITORY, MODEL])
    hub.cuts = [50_000, 60_000]
    done = run("models", "pull", NAME)
    assert done.returncode == 0, done.stderr.decode()
    assert hub.gets() == [None, "bytes=50000-", "bytes=110000-", None]
    assert hub.sent == size + len(hub.files[REPOSITORY, MMPROJ])
    for name in (MODEL, MMPROJ):
        data = hub.files[REPOSITORY, name]
        digest = hashlib.sha256(data).hexdigest()
        assert (cache / "snapshots" / hub.commit / name).read_bytes() == data
        assert f"{digest[:12]}    0.00 GB  {name}" in done.stdout.decode()
    assert b"default: qwen3-vl-4b" in done.stderr
    assert max(map(len, done.stdout.decode().splitlines())) <= 80


def test_a_pulled_model_scans_without_network_or_name(
    run: Run, hub: Hub, tmp_path: Path, rules: Sequence[str], images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = gguf_pairs.tiny_pair(tmp_path, answers=gguf_pairs.ANSWERS)
    hub.add(REPOSITORY, MODEL, Path(pair.model).read_bytes())
    hub.add(REPOSITORY, MMPROJ, Path(pair.mmproj).read_bytes())
    named = ["scan", str(images), *rules, "--no-reasoning"]
    before = run(*named, "--model", NAME)
    assert before.returncode == 2
    assert b"`imagejudge models pull qwen3-vl-4b`" in before.stderr
    nameless = run(*named)
    assert nameless.returncode == 2
    for way in (b"imagejudge models pull", b"--mmproj", b"--model builtin"):
        assert way in nameless.stderr
    pulls(run)
    asked = len(hub.asked)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    for command in ([*named, "--model", NAME], named):
        done = run(*command)
        assert done.returncode == 0, done.stderr.decode()
        assert done.stdout.count(b'"model":"qwen3-vl-4b@') + done.stdout.count(b'"model": "qwen3-vl-4b@') == 3
    assert len(hub.asked) == asked


def test_a_wrong_checksum_is_refused(run: Run, hub: Hub, cache: Path, pins: Path) -> None:
    hub.etags[MODEL] = "0" * 64
    refused(run, "pull", NAME, words="not 0000000000000000... as http://127.0.0.1")
    assert not list((cache / "blobs").iterdir())
    assert not (cache / "snapshots").exists()
    assert not pins.exists()
    refused(run, "default", NAME, words="is not pulled yet")


def test_what_was_pinned_is_asked_for_and_nothing_else_is_believed(run: Run, hub: Hub) -> None:
    first = hub.files[REPOSITORY, MODEL]
    pulls(run)
    hub.move_on("b" * 40)
    hub.add(REPOSITORY, MODEL, first[:-1] + b"!")
    assert run("models", "rm", NAME).returncode == 0
    pulls(run)  # of the first commit
    assert run("models", "rm", NAME).returncode == 0
    # The same commit with another file: the hub says so itself, and nothing is fetched.
    hub.commits.clear()
    hub.commit = "c0ffee" * 6 + "aaaa"
    fetched = hub.sent
    refused(run, "pull", NAME, words="offers another", hint=f"rm` {NAME} with --forget")
    # Or it gives no digest at all.
    hub.etags[MODEL] = "short"
    refused(run, "pull", NAME, words="as was pinned at the first pull")
    assert hub.sent == fetched + len(first)
    assert run("models", "rm", "--forget", NAME).returncode == 0
    pulls(run)


def test_a_commit_that_is_gone(run: Run, hub: Hub) -> None:
    pulls(run)
    run("models", "rm", NAME)
    hub.commit = "d" * 40
    refused(run, "pull", NAME, words="no longer has the commit", hint="--forget")


def test_a_killed_pull_goes_on(run: Run, hub: Hub, cache: Path, pins: Path) -> None:
    hub.cuts, hub.stall = [70_000], threading.Event()
    killed = subprocess.Popen([PROGRAM, "models", "pull", NAME], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    wait_for(cache, 70_000)
    with pytest.raises(subprocess.TimeoutExpired):
        killed.wait(0.01)
    refused(run, "pull", NAME, words="another process is fetching")
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    hub.stall.set()
    hub.stall = None
    assert not pins.exists()
    assert not (cache / "snapshots").exists()
    assert b"is not pulled yet" in run("models", "verify", NAME).stderr
    before = len(hub.gets())
    sent = hub.sent
    pulls(run)
    assert hub.gets()[before:] == ["bytes=70000-", None]
    assert hub.sent - sent == sum(map(len, hub.files.values())) - 70_000


def wait_for(cache: Path, size: int) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        partial = list((cache / "blobs").glob("*.incomplete"))
        if partial and partial[0].stat().st_size >= size:
            return
        time.sleep(0.05)
    raise AssertionError("nothing arrived")


def test_ctrl_c_keeps_what_has_arrived(run: Run, hub: Hub, cache: Path) -> None:
    hub.cuts, hub.stall = [70_000], threading.Event()
    pull = subprocess.Popen([PROGRAM, "models", "pull", NAME], stderr=subprocess.PIPE)
    wait_for(cache, 70_000)
    pull.send_signal(signal.SIGINT)
    said = pull.communicate(timeout=30)[1]
    assert pull.returncode == 130
    assert b"run the same command again to resume" in said
    hub.stall.set()
    pulls(run)
    assert hub.gets()[1] == "bytes=70000-"


def test_a_full_disk(run: Run, hub: Hub, cache: Path, pins: Path) -> None:
    limit = 100_000
    limited = (
        f"import os, resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit})); "
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    command = [sys.executable, "-c", limited, PROGRAM, "models", "pull", NAME]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert done.returncode == 2, done.stderr.decode()
    assert b"no room left" in done.stderr
    assert b"HF_HOME; what was fetched is kept" in done.stderr
    assert not pins.exists()
    (partial,) = (cache / "blobs").iterdir()
    assert partial.stat().st_size == limit
    pulls(run)
    assert hub.gets()[1] == f"bytes={limit}-"


def test_a_disk_that_is_too_small_is_known_before(run: Run, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless(bytes):
        def __len__(self) -> int:
            return 10**16

    hub.add(REPOSITORY, MMPROJ, Endless(b"GGUF"))
    refused(run, "pull", NAME, words="there is no room for the model", hint="HF_HOME")
    assert not hub.gets()


def test_a_server_that_cannot_go_on_in_the_middle(run: Run, hub: Hub, cache: Path) -> None:
    hub.ranges, hub.cuts = False, [50_000]
    pulls(run)
    assert hub.gets() == [None, "bytes=50000-", None]
    assert (cache / "snapshots" / hub.commit / MODEL).read_bytes() == hub.files[REPOSITORY, MODEL]


@pytest.mark.parametrize(
    ("endpoint", "words"), [("nowhere", "nowhere cannot be reached"), ("http://[", "does not accept the environment")]
)
def test_an_address_that_is_none(
    run: Run, hub: Hub, endpoint: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    refused(run, "pull", NAME, words=words, hint="HF_ENDPOINT")


@pytest.mark.parametrize(
    ("status", "code", "words", "hint"),
    [
        (404, "EntryNotFound", f"{REPOSITORY} has no file {MODEL}", "docs/models.md"),
        (401, "RepoNotFound", f"has no repository {REPOSITORY}", "HF_TOKEN"),
        (403, "GatedRepo", "accept its terms", "hf auth login"),
        (404, "", "answered 404", "try again later"),
        (503, "", "answered 503", "try again later"),
    ],
)
def test_what_the_hub_refuses(run: Run, hub: Hub, status: int, code: str, words: str, hint: str) -> None:
    hub.errors[MODEL] = (status, code)
    refused(run, "pull", NAME, words=words, hint=hint)


def test_no_network(run: Run, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    refused(run, "pull", NAME, words="HF_HUB_OFFLINE is set")
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    refused(run, "pull", NAME, words="http://127.0.0.1:9 cannot be reached", hint="HF_ENDPOINT")
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    pulls(run)
    asked = len(hub.asked)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    pulls(run)  # everything is here
    assert len(hub.asked) == asked


def test_no_hub_at_all(run: Run, hub: Hub) -> None:
    hub.etags[MODEL] = "../../../etc"
    refused(run, "pull", NAME, words="not as a hub does", hint="HF_ENDPOINT")


def test_not_a_model(run: Run, hub: Hub, cache: Path) -> None:
    hub.add(REPOSITORY, MODEL, b"<html>Please log in to this network</html>")
    refused(run, "pull", NAME, words="no GGUF file")
    assert not list((cache / "blobs").iterdir())


def test_only_the_files_are_asked_for_and_the_token_stays_with_the_hub(
    run: Run, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    pulls(run)
    assert all("/resolve/" in request.path for request in hub.asked if request.server == "hub")
    assert {request.token for request in hub.asked if request.server == "hub"} == {"Bearer hf_secret"}
    assert {request.token for request in hub.asked if request.server == "store"} == {None}


def test_what_another_program_fetched_is_used(run: Run, hub: Hub, cache: Path) -> None:
    for name in (MODEL, MMPROJ):
        data = hub.files[REPOSITORY, name]
        blob = cache / "blobs" / hashlib.sha256(data).hexdigest()
        blob.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(data)
    pulls(run)
    assert not hub.gets()
    run("models", "rm", "--forget", NAME)
    damaged = cache / "blobs" / hashlib.sha256(hub.files[REPOSITORY, MODEL]).hexdigest()
    damaged.write_bytes(b"GGUF, but not this one")
    refused(run, "pull", NAME, words="not ", hint=f"delete {damaged}")


@pytest.mark.slow
def test_verify_finds_what_changed(run: Run, hub: Hub, cache: Path) -> None:
    pulls(run)
    good = run("models", "verify")
    assert (good.returncode, good.stdout.count(b"ok ")) == (0, 2)
    assert max(map(len, good.stdout.decode().splitlines())) <= 80
    path = cache / "snapshots" / hub.commit / MODEL
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.resolve().write_bytes(data)
    refused(run, "verify", words="not as it was pulled: qwen3-vl-4b", hint=f"models rm {NAME}")
    refused(run, "pull", NAME, words="it was changed since", hint=f"models rm {NAME}")
    assert run("models", "verify", NAME).stdout.startswith(b"changed")
    run("models", "rm", NAME)
    pulls(run)
    (cache / "snapshots" / hub.commit / MMPROJ).unlink()
    assert b"missing" in run("models", "verify").stdout
    refused(
        run,
        "verify",
        NAME,
        words="not as it was pulled",
        hint="hint: fetch the same files again with `imagejudge models pull",
    )
    refused(run, "default", NAME, words="is not pulled yet")


def test_rm_frees_the_disk_and_keeps_what_others_use(run: Run, hub: Hub, cache: Path, pins: Path) -> None:
    pulls(run)
    other = cache / "snapshots" / ("e" * 40) / MODEL
    other.parent.mkdir()
    other.symlink_to(os.path.relpath((cache / "snapshots" / hub.commit / MODEL).resolve(), other.parent))
    (cache / "blobs" / "abc.imagejudge.incomplete").write_bytes(b"half")
    done = run("models", "rm", NAME)
    assert (done.returncode, done.stdout) == (0, b"removed qwen3-vl-4b, 0.00 GB freed\n")
    assert [path.resolve() for path in (cache / "blobs").iterdir()] == [other.resolve()]
    assert NAME in pins.read_text("utf-8")
    assert "default" not in pins.read_text("utf-8").partition("schema")[2]
    assert run("models", "rm", NAME).stdout == b"no files of qwen3-vl-4b were here\n"
    assert run("models", "verify").stdout == b""
    run("models", "rm", "--forget", NAME)
    assert NAME not in pins.read_text("utf-8")


def test_the_list_says_what_is_here(run: Run, hub: Hub) -> None:
    pulls(run)
    done = run("models", "list")
    lines = done.stdout.decode().splitlines()
    assert [line.split()[0] for line in lines if " default " in line] == [NAME]
    (none,) = (line.split() for line in lines if line.startswith("sing-guard-4b"))
    assert none[1] == "none"
    assert none.count("no") == 2, "it neither fits nor is here: there is nothing to fetch"
    assert max(map(len, lines)) <= 80
    assert b"in this machine" in done.stderr


def test_the_first_model_is_the_default_until_another_is_chosen(run: Run, hub: Hub, pins: Path) -> None:
    hub.add("ggml-org/MiniCPM-V-4.6-GGUF", "MiniCPM-V-4.6-Q4_K_M.gguf", b"GGUF 1")
    hub.add("ggml-org/MiniCPM-V-4.6-GGUF", "mmproj-MiniCPM-V-4.6-Q8_0.gguf", b"GGUF 2")
    pulls(run)
    done = run("models", "pull", "minicpm-v-4.6")
    assert b"default" not in done.stderr
    assert f'default = "{NAME}"' in pins.read_text("utf-8")
    assert run("models", "default", "minicpm-v-4.6").returncode == 0
    assert 'default = "minicpm-v-4.6"' in pins.read_text("utf-8")
    assert run("models", "verify").stdout.count(b"ok ") == 4


def test_models_that_are_known_but_special(run: Run, hub: Hub) -> None:
    refused(run, "pull", "sing-guard-4b", words="no GGUF files", hint="--mmproj")
    refused(run, "pull", "qwen3-vl-4", words="no model is called", hint="did you mean 'qwen3-vl-4b'?")
    repository = "noctrex/Shieldstral-1.0-3B-GGUF"
    hub.add(repository, "Shieldstral-1.0-3B-Q4_K_M.gguf", b"GGUF 1")
    hub.add(repository, "mmproj-F16.gguf", b"GGUF 2")
    assert b"asked in the form it was trained on" in run("models", "pull", "shieldstral-3b").stderr
    listed = run("models", "list").stdout.decode().splitlines()
    assert [line.split()[0] for line in listed if "shieldstral" in line.split()] == ["shieldstral-3b"]
    assert max(map(len, listed)) <= 80


def test_a_model_of_ones_own(run: Run, hub: Hub, isolated: Path) -> None:
    own = isolated / "config" / "imagejudge" / "models.toml"
    own.parent.mkdir(parents=True)
    own.write_text(
        'schema = 1\n[[models]]\nname = "mine"\nrepository = "me/mine"\nlicence = "MIT"\n'
        'model = "q4/mine.gguf"\nmmproj = "q4/mmproj.gguf"\nbox_style = "bbox-xyxy-1000"\nimage_tokens = 64\n'
    )
    for name in ("mine", "mmproj"):
        hub.add("me/mine", f"q4/{name}.gguf", b"GGUF" + name.encode())
    assert run("models", "pull", "mine").returncode == 0
    assert b"mine" in run("models", "list").stdout
    listed = own.read_text()
    own.unlink()  # what was pulled can still be removed
    assert run("models", "rm", "mine").stdout.startswith(b"removed mine")
    refused(run, "pull", "mine", words="no model is called")
    own.write_text(listed + 'colour = "red"\n')
    refused(run, "list", words="models[0].colour: Extra inputs are not permitted", hint="docs/models.md")


def test_a_cache_that_cannot_be_written(run: Run, hub: Hub, isolated: Path) -> None:
    (isolated / "hf").write_text("a file, not a folder")
    refused(run, "pull", NAME, words="cannot be used: Not a directory", hint="HF_HOME")


def test_a_lock_file_that_cannot_be_believed(run: Run, hub: Hub, pins: Path) -> None:
    pulls(run)
    pins.write_text(pins.read_text("utf-8").replace("sha256", "sha265"), "utf-8")
    for command in (["list"], ["verify"], ["pull", NAME]):
        refused(run, *command, words="models.lock cannot be believed", hint="pull again")


def test_a_repository_is_added_and_pulled(run: Run, hub: Hub, isolated: Path) -> None:
    """Of its files, the usual ones; what stands in the list already stays as it is, comments included."""
    files = ("Tiny-VL-F16.gguf", "Tiny-VL-Q4_K_M.gguf", "Tiny-VL-Q8_0-00001-of-00002.gguf", "mmproj-BF16.gguf")
    for number, name in enumerate((*files, "mmproj-F16.gguf", "README.md")):
        hub.add("me/Tiny-VL-GGUF", name, b"GGUF" + bytes([number]) * 100 * (number + 1))
    hub.card = {"license": "apache-2.0\x1b[31m"}
    own = isolated / "config" / "imagejudge" / "models.toml"
    own.parent.mkdir(parents=True)
    own.write_text("# Ours.\nschema = 1\n")
    done = run("models", "add", "me/Tiny-VL-GGUF")
    assert done.returncode == 0, done.stderr.decode()
    assert b"\x1b" not in done.stderr
    written = own.read_text()
    assert written.startswith("# Ours.\nschema = 1\n")
    for line in (
        'name = "tiny-vl"',
        'model = "Tiny-VL-Q4_K_M.gguf"',
        'mmproj = "mmproj-F16.gguf"',
        "model_bytes = 204",
    ):
        assert line in written
    assert run("models", "pull", "tiny-vl").returncode == 0
    refused(run, "add", "me/Tiny-VL-GGUF", words="has a model tiny-vl already", hint="another name")
    named = ("--as", "large", "--file", "Tiny-VL-F16.gguf", "--mmproj", "mmproj-BF16.gguf")
    assert run("models", "add", "me/Tiny-VL-GGUF", *named).returncode == 0
    assert 'model = "Tiny-VL-F16.gguf"' in own.read_text()
    assert b"large" in run("models", "list").stdout


ROW = '{ name = "old", repository = "me/old", licence = "MIT" }'
TABLE = '[[models]]\nname = "old"\nrepository = "me/old"\nlicence = "MIT"\n'


@pytest.mark.parametrize(
    "text",
    [
        "schema = 1\nmodels = []\n",
        f"schema = 1\nmodels = [ {ROW}, ]\n",
        f"schema = 1\nmodels = [\n  {ROW}, # Ours.\n  # and more\n]\n",
        f"schema = 1\n{TABLE}# The end.\n",
        f"\ufeff# Ours.\nschema = 1\n{TABLE}",
        f"\ufeffschema = 1\r\nmodels = [\r\n{ROW}\r\n]\r\n",
    ],
)
def test_a_list_is_added_to_however_it_is_written(run: Run, hub: Hub, isolated: Path, text: str) -> None:
    own = own_list(isolated, text)
    for name in ("new-Q4_K_M.gguf", "mmproj.gguf"):
        hub.add("me/new", name, b"GGUF")
    done = run("models", "add", "me/new")
    assert done.returncode == 0, done.stderr.decode()
    written = own.read_bytes().decode()
    assert written.startswith("\ufeff") == text.startswith("\ufeff")
    assert [line for line in written.splitlines() if "#" in line] == [line for line in text.splitlines() if "#" in line]
    listed = run("models", "list").stdout.decode()
    assert [f"\n{name} " in listed for name in ("old", "new")] == ["old" in text, True]


def own_list(isolated: Path, text: str) -> Path:
    own = isolated / "config" / "imagejudge" / "models.toml"
    own.parent.mkdir(parents=True)
    own.write_bytes(text.encode())
    return own


def test_a_list_that_would_be_too_large_stays_as_it_is(run: Run, hub: Hub, isolated: Path) -> None:
    text = f"schema = 1\n# {'x' * (registry.MAX_BYTES - 20)}\n"
    own = own_list(isolated, text)
    for name in ("new-Q4_K_M.gguf", "mmproj.gguf"):
        hub.add("me/new", name, b"GGUF")
    refused(run, "add", "me/new", words="models.toml would be larger than 1,000,000 bytes")
    assert own.read_text() == text


def test_what_strangers_write_does_not_reach_the_terminal(run: Run, hub: Hub, isolated: Path, pins: Path) -> None:
    """A model card's licence, and what stands in a list or a lock file from somebody else."""
    for name in ("new-Q4_K_M.gguf", "mmproj.gguf"):
        hub.add("me/new", name, b"GGUF")
    hub.card = {"license": "mit\x1b]0;owned\x07\x9b31m\u202e\ud800"}
    assert run("models", "add", "me/new").returncode == 0
    own = isolated / "config" / "imagejudge" / "models.toml"
    assert r'licence = "mit\\x1b]0;owned\\x07\\x9b31m\\u202e\\ud800"' in own.read_text("utf-8")
    assert run("models", "pull", "new").returncode == 0
    pins.write_text(pins.read_text("utf-8").replace("[models.new", r'[models."n\u001b[2J"'), "utf-8")
    with own.open("a") as opened:
        opened.write(TABLE + r'prompt_style = "\u202e.toml"' + "\n" + TABLE.replace("MIT", r"\u001b[2J"))
    for command in ("list", "verify"):
        shown = run("models", command).stdout
        assert rb"\x1b[2J" in shown.replace(b"\n", b"").replace(b" ", b"")
        assert not set("\x1b\x07\x9b\u202e") & set(shown.decode())


def test_a_repository_without_a_pair_is_not_added(run: Run, hub: Hub, isolated: Path) -> None:
    hub.add("me/text", "text-Q4_K_M.gguf", b"GGUF")
    refused(run, "add", "me/text", words="no image encoder (mmproj) in the GGUF format", hint="both files")
    refused(run, "add", "me/text", "--file", "x.gguf", words="no text model called x.gguf", hint="text-Q4_K_M.gguf")
    refused(run, "add", "me/none", words="no repository me/none")
    refused(run, "add", "nonsense here", words="nonsense here")
    assert not (isolated / "config" / "imagejudge" / "models.toml").exists()
