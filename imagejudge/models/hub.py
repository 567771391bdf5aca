"""One file from the hub to the local cache: looked up, fetched, checked, put in place. Knows nothing of models.

The cache is huggingface_hub's own, so that other programs share what is fetched here. Its `hf_hub_download` (2.4.0)
throws an interrupted download away, so the transfer is done here: what has arrived stays beside the finished files,
under the name of its ETag, and the next attempt asks only for the rest.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx2

from imagejudge.common.gguf import MAGIC, is_gguf
from imagejudge.errors import ModelError
from imagejudge.models import patience, transfer
from imagejudge.models.files import file_digest
from imagejudge.models.transfer import KEPT, TIMEOUT

try:
    from huggingface_hub import HfApi, constants, get_hf_file_metadata, get_session, hf_hub_url
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        OfflineModeIsEnabled,
        RemoteEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )
    from huggingface_hub.utils import (  # type: ignore[attr-defined]
        WeakFileLock,
        build_hf_headers,
        hf_raise_for_status,
    )
    from huggingface_hub.utils.logging import set_verbosity
except ValueError as error:  # it reads the environment as soon as it is imported
    raise ModelError(
        f"huggingface_hub does not accept the environment: {error}",
        "check HF_ENDPOINT and the other variables that begin with HF_",
    ) from error

# Otherwise every request says more than it must, and one more asks the hub for a list of other programs.
constants.HF_HUB_DISABLE_TELEMETRY = True
set_verbosity(logging.ERROR)

_PARTIAL = ".imagejudge.incomplete"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FILE_NAME = re.compile(r"[\w-][\w.-]*")

Tell = Callable[[str, int, int], None]
"""Called with a file's name, the bytes of it that are here and the bytes it has in all."""


@dataclass(frozen=True, slots=True)
class Remote:
    """What the hub says of one file at one commit."""

    repository: str
    name: str
    commit: str
    etag: str
    size: int

    @property
    def sha256(self) -> str | None:
        """The digest that the hub promises: large files have it for their ETag."""
        return self.etag if _SHA256.fullmatch(self.etag) else None

    @property
    def path(self) -> Path:
        """Where the file is, or will be, in the cache."""
        return snapshot(self.repository, self.commit) / self.name

    @property
    def blob(self) -> Path:
        """What `path` links to, where the file system has links."""
        return _home(self.repository) / "blobs" / self.etag

    @property
    def partial(self) -> Path:
        """What has arrived so far."""
        return self.blob.with_name(f"{self.etag}{_PARTIAL}")

    @property
    def missing(self) -> int:
        """Bytes that are still to be fetched."""
        if self.path.exists() or self.blob.exists():
            return 0
        return max(0, self.size - _size(self.partial))


def snapshot(repository: str, commit: str) -> Path:
    """The cache's folder for one commit of a repository."""
    return _home(repository) / "snapshots" / commit


def partials(repository: str) -> list[Path]:
    """What is left of interrupted downloads."""
    return sorted((_home(repository) / "blobs").glob(f"*{_PARTIAL}"))


def look(repository: str, name: str, revision: str) -> Remote:
    """Ask the hub about a file. Raises `ModelError` with what to do."""
    with _explained(repository, name):
        url = hf_hub_url(repository, name, revision=revision)
        found = patience.within(patience.WINDOW, partial(get_hf_file_metadata, url, timeout=TIMEOUT))
    commit, etag, size = found.commit_hash, found.etag, found.size
    if (
        not commit
        or not etag
        or not size
        or size < 0
        or not _FILE_NAME.fullmatch(commit)
        or not _FILE_NAME.fullmatch(etag)
    ):
        raise ModelError(
            f"{constants.ENDPOINT} answered about {name}, but not as a hub does: its commit, ETag or size is missing",
            "check HF_ENDPOINT and proxies",
        )
    return Remote(repository, name, commit, etag, size)


@dataclass(frozen=True, slots=True)
class Listing:
    """What a repository has."""

    files: Mapping[str, int | None]
    """Their sizes in bytes by name; None where the hub does not say."""
    licence: str | None
    """As its card names it: untrusted text."""


def list_files(repository: str) -> Listing:
    """Ask the hub what a repository has. Raises `ModelError` with what to do."""
    with _explained(repository, "its list of files"):
        ask = partial(HfApi().model_info, repository, files_metadata=True, timeout=TIMEOUT)
        info = patience.within(patience.WINDOW, ask)
    files = {each.rfilename: each.size for each in info.siblings or ()}
    licence = info.card_data.get("license") if info.card_data else None
    return Listing(files, str(licence)[:100] if licence else None)


def make_room(remotes: Sequence[Remote]) -> None:
    """Make sure that everything that is still missing fits on the disk. Raises `ModelError` when it does not."""
    missing = sum(remote.missing for remote in remotes)
    folder = remotes[0].blob.parent
    with _explained(remotes[0].repository, remotes[0].name):
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
    if free < missing:
        raise ModelError(
            f"there is no room for the model in {folder}: {missing / 1e9:,.2f} GB to fetch, {free / 1e9:,.2f} GB free",
            "free some, or choose another disk with HF_HOME",
        )


def fetch(remote: Remote, pinned: str | None, tell: Tell) -> str:
    """Bring a file into the cache, or resume doing so, and return its SHA-256.

    It gets its name in the cache only when it is whole and has the digest that was pinned, or else the one the hub
    promises. Raises `ModelError` with what to do.
    """
    lock = _home(remote.repository, ".locks") / f"{remote.etag}.lock"
    with _explained(remote.repository, remote.name):
        remote.blob.parent.mkdir(parents=True, exist_ok=True)
        lock.parent.mkdir(parents=True, exist_ok=True)
        with _alone(lock, remote.name):
            for kept in (remote.path, remote.blob):
                if kept.exists():
                    digest = _checked(kept, remote, pinned)
                    break
            else:
                _download(remote, tell)
                digest = _checked(remote.partial, remote, pinned)
                remote.partial.replace(remote.blob)
            _link(remote)
    return digest


def _home(repository: str, *below: str) -> Path:
    return Path(constants.HF_HUB_CACHE, *below, f"models--{repository.replace('/', '--')}")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _download(remote: Remote, tell: Tell) -> None:
    """Fetch what is missing of the partial file."""
    url = hf_hub_url(remote.repository, remote.name, revision=remote.commit)
    target = transfer.Target(url, remote.partial, remote.size, MAGIC, "GGUF")
    transfer.download(
        get_session(),
        build_hf_headers(),
        target,
        hf_raise_for_status,
        lambda have: tell(remote.name, have, remote.size),
    )


def _checked(path: Path, remote: Remote, pinned: str | None) -> str:
    """The file's SHA-256, if it may be believed; what was fetched in vain is deleted."""
    digest = file_digest(path)
    expected, by = (pinned, "was pinned at the first pull") if pinned else (remote.sha256, f"{constants.ENDPOINT} says")
    wrong = None
    if expected is not None and digest != expected:
        wrong = f"{remote.name} has the SHA-256 {digest[:16]}..., not {expected[:16]}... as {by}"
    elif path.stat().st_size != remote.size:
        wrong = f"{remote.name} has {path.stat().st_size:,} bytes, not {remote.size:,} as {constants.ENDPOINT} says"
    elif not is_gguf(path):
        wrong = f"{remote.name} is no GGUF file: something other than the hub may have answered"
    if wrong is None:
        return digest
    if path != remote.partial:
        raise ModelError(wrong, f"it was in the cache already: delete {path.resolve()} and pull again")
    path.unlink()
    raise ModelError(wrong, "it was deleted; pull again, and if it happens again, do not trust this source")


def _link(remote: Remote) -> None:
    """Give the finished file its name, as huggingface_hub lays it out."""
    if remote.path.exists():
        return
    remote.path.parent.mkdir(parents=True, exist_ok=True)
    try:
        remote.path.symlink_to(os.path.relpath(remote.blob, remote.path.parent))
    except OSError:  # a file system or a user without symbolic links
        remote.blob.replace(remote.path)


@contextlib.contextmanager
def _alone(lock: Path, name: str) -> Iterator[None]:
    """Hold the lock that huggingface_hub itself takes for this file."""
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(WeakFileLock(lock, timeout=1))
        except TimeoutError:
            raise ModelError(f"another process is fetching {name}", "wait until it is done, then pull again") from None
        yield


@contextlib.contextmanager
def _explained(repository: str, name: str) -> Iterator[None]:
    """Turn what the hub, the way to it or the disk says into what the user can do."""
    hub = constants.ENDPOINT
    try:
        yield
    except OfflineModeIsEnabled as error:
        raise ModelError("HF_HUB_OFFLINE is set, so nothing can be fetched", "unset it, and pull again") from error
    except GatedRepoError as error:
        raise ModelError(
            f"{repository} is given only to those who accept its terms",
            f"accept them at {hub}/{repository}, then log in with `hf auth login` or set HF_TOKEN",
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelError(
            f"{hub} has no repository {repository}, or shows it only to some",
            "if it is yours, log in with `hf auth login` or set HF_TOKEN; else check HF_ENDPOINT",
        ) from error
    except RevisionNotFoundError as error:
        raise ModelError(
            f"{hub} no longer has the commit of {repository} that was pulled first",
            "to trust what is there now, `imagejudge models rm` this model with `forget`, then pull again",
        ) from error
    except RemoteEntryNotFoundError as error:
        raise ModelError(
            f"{repository} has no file {name}",
            "it may have been renamed: see docs/models.md on how to list a model of your own",
        ) from error
    except HfHubHTTPError as error:
        raise ModelError(
            f"{hub} answered {error.response.status_code} for {name}", f"try again later; {KEPT}"
        ) from error
    except (HFValidationError, httpx2.InvalidURL) as error:
        raise ModelError(f"{hub}/{repository} is no address: {error}", "check HF_ENDPOINT and models.toml") from error
    except httpx2.HTTPError as error:
        raise ModelError(
            f"{hub} cannot be reached, or the connection broke: {error or type(error).__name__}",
            f"check the network, and HF_ENDPOINT; {KEPT}",
        ) from error
    except OSError as error:  # not of the hub: its own kinds are above
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise ModelError(
                f"there is no room left for the model in {constants.HF_HUB_CACHE}: {error.strerror}",
                f"free some, or choose another disk with HF_HOME; {KEPT}",
            ) from error
        raise ModelError(
            f"{error.filename or constants.HF_HUB_CACHE} cannot be used: {error.strerror}",
            "make it readable and writable, or choose another folder with HF_HOME",
        ) from error
