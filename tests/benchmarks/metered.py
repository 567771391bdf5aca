"""The real engine, which counts its time and that of llama.cpp. Run in a worker's child by `around.py overhead`."""

from __future__ import annotations

import mmap
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from imagejudge.engine.base import Engine


class Times(NamedTuple):
    """Seconds since the child began."""

    wall_within: float
    """On the clock, within functions of llama.cpp."""
    cpu_within: float
    """Of the processor, the same; all threads together."""
    cpu: float
    """Of the processor, for the whole child, up to the end of its latest call."""
    wall_engine: float
    """On the clock, within the engine: llama.cpp, and what the engine does before and after."""
    cpu_engine: float
    """Of the processor, the same."""


class Meter:
    """A small file that both processes see as memory."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(40))
        with path.open("r+b") as file:
            self._slots = memoryview(mmap.mmap(file.fileno(), 40)).cast("d")
        self._within: set[int] = set()

    def read(self) -> Times:
        return Times(*self._slots)

    def around(self, function: Callable[..., Any], wall_slot: int, cpu_slot: int) -> Callable[..., Any]:
        """The function, with its time counted, unless it runs within another one that is counted there."""

        def counted(*args: Any, **options: Any) -> Any:
            if wall_slot in self._within:
                return function(*args, **options)
            self._within.add(wall_slot)
            wall, cpu = time.perf_counter(), time.process_time()
            try:
                return function(*args, **options)
            finally:
                self._slots[2] = now = time.process_time()
                self._slots[cpu_slot] += now - cpu
                self._slots[wall_slot] += time.perf_counter() - wall
                self._within.discard(wall_slot)

        return counted


def load(options: Mapping[str, Any]) -> Engine:
    """The engine of `options`, all of whose calls, and all calls of llama.cpp, are counted in the file `meter`."""
    # Here, since the parent reads the meter too, and what it holds in memory is measured as well.
    import llama_cpp
    from llama_cpp import mtmd_cpp

    from imagejudge.engine import llama

    meter = Meter(Path(options["meter"]))
    for module in (llama_cpp, mtmd_cpp):
        for name, function in list(vars(module).items()):
            if name.startswith(("llama_", "mtmd_")) and callable(function) and not isinstance(function, type):
                setattr(module, name, meter.around(function, 0, 1))
    for owner, names in (
        (llama.LlamaEngine, ("view",)),
        (llama.LlamaView, ("ask", "reason", "locate", "without", "crop")),
    ):
        for name in names:
            setattr(owner, name, meter.around(getattr(owner, name), 3, 4))
    return llama.load_engine({name: value for name, value in options.items() if name != "meter"})
