"""Blocks judged by actors on a Ray cluster, or on all cores of this machine. The only place of Ray.

An actor holds one model. It has one block in hand and knows the next. All that it writes are files of blocks, and files
count attempts as well. So an actor that dies needs no bookkeeping: its blocks are given out again, and the one that it
had begun has one attempt less. Ray's own restarts and retries are not used: a block that always kills would be tried
for ever.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import tempfile
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read when it is imported: nothing is to be told to anyone
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
import ray
from ray.exceptions import RayError, RayTaskError

from imagejudge.blocks.manifest import Manifest, compare
from imagejudge.blocks.parts import Parts
from imagejudge.blocks.plan import Block
from imagejudge.blocks.work import Done, Work
from imagejudge.common import system
from imagejudge.errors import ImageJudgeError, ModelError, UsageError
from imagejudge.images.names import Unread
from imagejudge.judge.judge import Judge

LOCAL: Final = "local"
"""The address of a cluster that is started here, and ended afterwards."""
_STARTS: Final = 3
"""So many actors may die one after another before one of them is ready."""
_PATIENCE: Final = 10.0
"""Seconds that actors have to end their models in."""
_TICK: Final = 2.0
"""Seconds between two looks at what is open."""
_OBJECTS: Final = 100 * 1024**2
"""Bytes of Ray's own store, in which hardly anything lies."""
_LONGEST: Final = 40
"""Bytes of the folder for temporary files below which Ray makes sockets: their paths have 107 at most."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where actors run, and what each of them gets."""

    address: str = LOCAL
    actors: int | None = None
    """None: as many as there is room for."""
    cpus: int = 1
    """For each actor; its engine has as many threads."""
    gpus: float = 0.0
    """For each actor; parts of one are shared."""


class Worker:
    """What an actor is."""

    def __init__(
        self,
        name: str,
        folder: Path,
        manifest: Manifest,
        here: Path,
        make: Callable[..., Judge],
        work: Work,
    ) -> None:
        """`name` is for its attempts; `here` is the current folder of the driver, from which relative paths count."""
        self._folder, self._manifest, self._here, self._make, self._work = folder, manifest, here, make, work
        self._parts = Parts(folder, manifest.ending, name)
        self._warnings: list[str] = []

    def begin(self) -> None:
        """Find rules and model on this machine. Raises `ImageJudgeError` where they are not those of the scan.

        An actor that raises something while it is made is only said to have died.
        """
        with contextlib.suppress(FileNotFoundError):  # a cluster need not have it where no path is relative
            os.chdir(self._here)
        self._judge = self._make(warn=self._warnings.append)
        compare(self._folder, self._manifest, self._work.identity(self._judge.plan))

    def end(self) -> None:
        """End the model, and let its answers be kept."""
        self._judge.close()

    def do(self, block: Block) -> Done:
        """Judge a block."""
        passed_over = Counter[Unread]()
        stats = self._work.do(block, self._parts, self._judge, lambda _, what: passed_over.update((what,)))
        warnings, self._warnings[:] = tuple(self._warnings), []
        return Done(block.number, stats, passed_over, warnings)


@contextlib.contextmanager
def connected(cluster: Cluster) -> Iterator[int]:
    """Ray, for as long as the context lasts; gives the number of actors. Raises `UsageError` where it cannot be had."""
    folder = _short_folder() if cluster.address == LOCAL else None
    how: dict[str, Any] = {"address": cluster.address, "log_to_driver": False, "logging_level": logging.ERROR}
    if folder is not None:
        how |= {"num_cpus": system.threads(), "object_store_memory": _OBJECTS, "include_dashboard": False}
        how["_temp_dir"] = str(folder)
    try:
        try:
            ray.init(**how)
        except Exception as error:  # of a node that does not start, Ray raises nothing more particular
            problem = f"Ray cannot be had at {cluster.address}: {error}"
            raise UsageError(problem, "`ray status` shows the cluster of a machine") from error
        there: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call, unused-ignore]
        yield _actors(cluster, there)
    finally:
        ray.shutdown()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _short_folder() -> Path:
    name = f"ij-{uuid.uuid4().hex[:8]}"
    folder = Path(tempfile.gettempdir(), name)
    return folder if len(os.fsencode(folder)) <= _LONGEST else Path("/tmp", name)  # noqa: S108 - nobody knows the name


def _actors(cluster: Cluster, there: Mapping[str, float]) -> int:
    """How many actors there is room for, or as many as were asked for: a cluster may grow."""
    room = int(there.get("CPU", 0) // cluster.cpus)
    if cluster.gpus:
        room = min(room, int(there.get("GPU", 0) / cluster.gpus))
    if (cluster.actors is None and room < 1) or (cluster.address == LOCAL and room < (cluster.actors or 1)):
        has = f"{there.get('CPU', 0):g} CPUs and {there.get('GPU', 0):g} GPUs"
        raise UsageError(
            f"there is no room for the actors: this is {has} in all", "ask for fewer, or for less for each"
        )
    return cluster.actors or room


class _Actor:
    """One of them as the driver sees it: what it was told to do, first of all to begin."""

    def __init__(self, cluster: Cluster, arguments: Sequence[Any]) -> None:
        kind: Any = ray.remote(Worker)
        self.name = uuid.uuid4().hex
        self.handle = kind.options(num_cpus=cluster.cpus, num_gpus=cluster.gpus).remote(self.name, *arguments)
        self.calls: deque[tuple[Any, Block | None]] = deque([(self.handle.begin.remote(), None)])
        """What is waited for, and the block that it is; the first one is in hand."""
        self.since = time.monotonic()
        """When that began."""

    @property
    def blocks(self) -> list[Block]:
        """Those in hand and waiting."""
        return [block for _, block in self.calls if block is not None]

    def give(self, block: Block) -> None:
        """Tell it to do one more."""
        self.calls.append((self.handle.do.remote(block), block))

    @property
    def has_begun(self) -> bool:
        """Whether it is ready for blocks: there may be no room for it yet."""
        return not self.calls or self.calls[0][1] is not None

    def next(self) -> tuple[Any, Block | None]:
        """Take the first call, which has ended, out of its list."""
        self.since = time.monotonic()
        return self.calls.popleft()

    def kill(self) -> None:
        """End its process, whatever that is doing."""
        with contextlib.suppress(Exception):  # it may be gone, with its machine
            ray.kill(self.handle)


def judged(
    blocks: Iterable[Block],
    parts: Parts,
    cluster: Cluster,
    actors: int,
    arguments: Sequence[Any],
    tell: Callable[[Mapping[int, float]], None],
) -> Generator[Done, None, None]:
    """Each block as soon as it is done or left to other runs.

    `tell` is told every few seconds which are open, and for how many seconds. `arguments` are those of `Worker`, after
    its name. Raises `ImageJudgeError` where no actor can work.
    """
    left, team, failed = deque(blocks), list[_Actor](), 0
    try:
        while left or any(actor.blocks for actor in team):
            while len(team) < min(actors, len(left) + len(team)):
                team.append(_Actor(cluster, arguments))
            _give(left, team)
            ended, _ = ray.wait([actor.calls[0][0] for actor in team if actor.calls], timeout=_TICK)
            tell(_open(team))
            for actor in [each for each in team if each.calls and each.calls[0][0] in ended]:
                held = actor.blocks
                call, block = actor.next()
                try:
                    done = ray.get(call)
                except RayTaskError as error:
                    if isinstance(error.cause, ImageJudgeError) or block is None:
                        raise error.cause from error
                    left.appendleft(block)  # a bug, which counts as a death of its block
                except RayError as error:
                    failed += block is None
                    if failed == _STARTS:
                        raise ModelError(f"actors die before they are ready: {error}", "`ray logs` has more") from error
                    left.extendleft(reversed(held))
                    team.remove(actor)
                    actor.kill()
                else:
                    if block is None:
                        failed = 0
                    else:
                        yield done
    finally:
        _disband(team, parts)


def _give(left: deque[Block], team: Sequence[_Actor]) -> None:
    """Let each have a block in hand, and then one that waits."""
    for most in (1, 2):
        for actor in team:
            if left and actor.has_begun and len(actor.calls) < most:
                actor.give(left.popleft())


def _open(team: Sequence[_Actor]) -> dict[int, float]:
    now = time.monotonic()
    return {actor.blocks[0].number: now - actor.since for actor in team if actor.blocks}


def _disband(team: Sequence[_Actor], parts: Parts) -> None:
    """End all actors. Blocks that they have are called off: that these are not done is not the blocks' fault."""
    _await([actor.handle.end.remote() for actor in team if not actor.calls])
    for actor in team:
        actor.kill()
    _await([call for actor in team for call, _ in actor.calls])  # they end with their actor
    for actor in team:
        for block in actor.blocks:
            parts.tries.call_off(block.number, actor.name)


def _await(calls: list[Any]) -> None:
    if calls:
        with contextlib.suppress(Exception):  # Ray may be gone by now
            ray.wait(calls, num_returns=len(calls), timeout=_PATIENCE)
