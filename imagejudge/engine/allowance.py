"""What a process may take, in time and memory, and what to say of one that took more. Knows nothing of its work."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from imagejudge.errors import EngineFailure, ModelError

_EXHAUSTED = ("memory", "alloc", "mmap", "map segment", "start new thread", "resource temporarily")
"""Words by which programs and libraries say, in their own ways, that there was no room."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """How long what is under way may last, and how large the process may get meanwhile."""

    deadline: float | None = None
    """Monotonic seconds; None: as long as it takes."""
    late: str = ""
    """What to say when the deadline has passed."""
    memory: int | None = None
    """Resident bytes; None: any."""

    def exceeded(self, pid: int, *, timely: bool = True) -> EngineFailure | None:
        """What a process took too much of, if it did. `timely` asks for time as well as memory."""
        if timely and self.deadline is not None and time.monotonic() > self.deadline:
            return EngineFailure("engine-timeout", self.late)
        if self.memory is not None and (used := resident(pid)) > self.memory:
            return EngineFailure(
                "engine-memory",
                f"the engine took {gigabytes(used)}, more than the limit of {gigabytes(self.memory)} (`memory_limit`)",
            )
        return None


def resident(pid: int) -> int:
    """Resident bytes of a process; 0 where the system does not say."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    import resource

    return pages * resource.getpagesize()


def gigabytes(size: int) -> str:
    """As the options count: 10^9 bytes."""
    return f"{size / 1e9:.2f} GB"


def room_hint(message: str = _EXHAUSTED[0]) -> str | None:
    """What to do about a message that speaks of exhausted memory, where the system limits what a process may map."""
    if os.name != "posix" or not any(word in message.lower() for word in _EXHAUSTED):
        return None
    import resource

    for kind, command in ((resource.RLIMIT_AS, "ulimit -v"), (resource.RLIMIT_DATA, "ulimit -d")):
        limit, _ = resource.getrlimit(kind)
        if limit != resource.RLIM_INFINITY:
            return (
                f"a process may map {gigabytes(limit)} here ({command}): raise that limit; "
                "the engine needs the size of the model's files and about 1 GB more"
            )
    return None


_HINTS = {
    "engine-timeout": "raise `load_timeout` if the disk is slow; `imagejudge doctor` loads a `model` alone",
    "engine-memory": "raise `memory_limit` above the size of the model's files, or use a smaller model",
}


def unloadable(failure: EngineFailure) -> ModelError:
    """Why the run ends when a child cannot be made ready, at the start or after another has ended."""
    if "SIGVTALRM" in failure.message:  # how `sandbox` ends a process for want of milder means
        return ModelError(
            "the model's chat template cannot be used: it takes too long",
            "Use a GGUF of an instruction-tuned vision model whose tokenizer.chat_template is the original one.",
        )
    hint = "`imagejudge doctor` shows what the machine can do; a damaged model file is the usual cause"
    return ModelError(
        f"the model's engine ended while loading: {failure.message}",
        _HINTS.get(failure.kind) or room_hint() or hint,
    )
