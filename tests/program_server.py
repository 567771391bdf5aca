"""The program in a process of its own, at a tenth of what a start costs: forked from one that has imported it.

Each call has its own exit code, streams, folder and environment, and ends as any Python does. What can only be had at
a real start needs one: limits set before it, inherited files, variables that Python or the C library read, and changes
of the program by a `sitecustomize` other than to another engine.
"""

from __future__ import annotations

import gc
import importlib
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

AT_START = ("PYTHON", "LANG", "LC_", "LD_")
"""How the names of variables begin that count at a real start only. PYTHONPATH may bring another engine."""
ENGINE = re.compile(r"import imagejudge\.judge\.engines\nimagejudge\.judge\.engines\.ENGINE = '[\w:.]+'\n")
"""A `sitecustomize` that does the same when all is imported."""
LONGEST = 50_000
"""Bytes of a request."""
UNLOADED = {"models"}
"""Commands that read variables while they are imported."""


class ProgramServer:
    """Runs one call after another. Those that it cannot run like a real start get None."""

    def __init__(self, program: str) -> None:
        self._program = program
        self._variables = _at_start(os.environ)
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, program, str(theirs.fileno())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )

    def run(
        self, arguments: Sequence[str | bytes | Path], stdin: bytes, folder: Path, environment: Mapping[str, str]
    ) -> subprocess.CompletedProcess[bytes] | None:
        """What the program did with its arguments, in five minutes at most, else TimeoutError."""
        command = [os.fsencode(each) for each in (self._program, *arguments)]
        variables = [os.fsencode(f"{name}={value}") for name, value in environment.items()]
        request = b"\0".join([os.fsencode(folder), b"%d" % len(command), *command, *variables])
        if len(request) > LONGEST or _at_start(environment) != self._variables:
            return None
        pipes = [os.pipe() for _ in range(3)]
        theirs = [pipes[0][0], pipes[1][1], pipes[2][1]]
        socket.send_fds(self._channel, [request], theirs)
        for number in theirs:
            os.close(number)
        with ThreadPoolExecutor(3) as threads:
            threads.submit(_give, pipes[0][1], stdin)
            output, errors = (threads.submit(_take, pipe[0]) for pipe in pipes[1:])
            try:
                self._channel.settimeout(300)
                status = int(self._channel.recv(64))
            except BaseException:
                self.close()  # so that the threads end
                raise
        return subprocess.CompletedProcess(command, os.waitstatus_to_exitcode(status), output.result(), errors.result())

    def close(self) -> None:
        """End it, and a program that still runs."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()
        self._channel.close()


def _at_start(environment: Mapping[str, str]) -> dict[str, str]:
    found = {name: value for name, value in environment.items() if name.startswith(AT_START)}
    custom = Path(environment.get("PYTHONPATH", "").partition(os.pathsep)[0], "sitecustomize.py")
    if custom.exists() and ENGINE.fullmatch(custom.read_text()):
        del found["PYTHONPATH"]
    return found


def _give(number: int, data: bytes) -> None:
    with suppress(BrokenPipeError), open(number, "wb") as pipe:
        pipe.write(data)


def _take(number: int) -> bytes:
    with open(number, "rb") as pipe:
        return pipe.read()


def _prepare(command: Any) -> None:
    """Have Typer make the readers of all its options, which it would make where they are read."""
    for parameter in command.params:
        parameter.get_runtime_param()
    for below in getattr(command, "commands", {}).values():
        _prepare(below)


def _serve(channel: socket.socket) -> None:
    """Fork for each request. Returns in a fork, as in a program that begins."""
    while True:
        request, files, _, _ = socket.recv_fds(channel, LONGEST, 3)
        if not request:
            os._exit(0)
        if not (fork := os.fork()):
            break
        for number in files:
            os.close(number)
        channel.send(b"%d" % os.waitpid(fork, 0)[1])
    channel.close()
    for standard, number in enumerate(files):
        os.dup2(number, standard)
        os.close(number)
    folder, count, *rest = request.split(b"\0")
    os.chdir(folder)
    sys.argv = [os.fsdecode(each) for each in rest[: int(count)]]
    os.environ.clear()
    os.environb.update(each.split(b"=", 1) for each in rest[int(count) :])
    if path := os.environ.get("PYTHONPATH"):
        sys.path[1:1] = path.split(os.pathsep)
        sys.modules.pop("sitecustomize", None)
        with suppress(ModuleNotFoundError):
            importlib.import_module("sitecustomize")


if __name__ == "__main__":
    sys.path[0] = str(Path(sys.argv[1]).parent)
    from imagejudge.__main__ import main
    from imagejudge.cli.commands import SUMMARIES, Commands

    importlib.import_module("imagejudge.cli.main")  # which `main` would load
    for name in SUMMARIES.keys() - UNLOADED:
        _prepare(Commands()[name])
    gc.freeze()  # forks need not look at what is there, which would copy it
    _serve(socket.socket(fileno=int(sys.argv[2])))
    sys.exit(main())
