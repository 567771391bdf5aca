"""One file from the hub, where the whole program would take too long to show it."""

from __future__ import annotations

from pathlib import Path

import pytest
from models.fixtures import MODEL, REPOSITORY
from models.hub_server import Hub

from imagejudge.errors import ModelError
from imagejudge.models import hub as client

pytestmark = pytest.mark.usefixtures("hub_in_process")


def fetch(told: list[int] | None = None) -> str:
    remote = client.look(REPOSITORY, MODEL, "main")
    return client.fetch(remote, None, lambda name, done, total: (told or []).append(done))


def test_connections_may_break_as_often_as_they_bring_something(hub: Hub) -> None:
    hub.cuts = [10_000] * 10
    assert fetch() == client.look(REPOSITORY, MODEL, "main").sha256
    assert hub.gets() == [None, *(f"bytes={10_000 * number}-" for number in range(1, 11))]


def test_a_connection_that_brings_nothing_is_given_up(hub: Hub) -> None:
    hub.cuts = [10_000, 0, 0, 0, 0]
    with pytest.raises(ModelError, match="the connection broke") as error:
        fetch()
    assert "what was fetched is kept" in error.value.hint
    assert len(hub.gets()) == 4
    hub.cuts = []
    fetch()
    assert hub.gets()[4:] == ["bytes=10000-"]


def test_progress_is_what_is_on_the_disk(hub: Hub) -> None:
    told = [0]
    hub.cuts, hub.ranges = [100_000], False
    fetch(told)
    assert 100_000 in told
    assert told == sorted(set(told))
    assert told[-1] == len(hub.files[REPOSITORY, MODEL])


def test_a_partial_file_that_is_too_long_is_not_believed(hub: Hub) -> None:
    remote = client.look(REPOSITORY, MODEL, "main")
    remote.partial.parent.mkdir(parents=True)
    remote.partial.write_bytes(b"GGUF" * remote.size)
    with pytest.raises(ModelError, match="has the SHA-256"):
        fetch()
    assert not remote.partial.exists()
    fetch()


def test_without_symbolic_links(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("A required privilege is not held by the client")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    digest = fetch()
    remote = client.look(REPOSITORY, MODEL, "main")
    assert not remote.path.is_symlink()
    assert not remote.blob.exists()
    assert remote.missing == 0
    assert fetch() == digest
    assert len(hub.gets()) == 1
