"""Runs an untrusted template: no access to Python's insides, and bounds on steps, sizes, memory and time.

Three nets, each under the last: operators, calls and filters refuse what is too large before it is made; steps and
processor time are counted while a template runs; and the system itself bounds what one native call could still take.
Knows nothing of chats.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from jinja2 import Template
from jinja2.sandbox import ImmutableSandboxedEnvironment

SIZE_LIMIT = 1_000_000
"""Characters of a text, members of a list."""
STEP_LIMIT = 400_000
"""Lines of Python that all renderings of a template may run. 70 real ones take at most 29,384 for all theirs."""
SECONDS = 2.0
"""Processor time of all renderings together."""
_LAST_RESORT = 2 * SECONDS
"""Processor time after which the system ends the process, in a native call that counts no steps."""
_MEMORY = 256 * 2**20
"""Bytes of address space on top of what the process has."""
_NUMBER_LIMIT = 100_000
"""Largest number that a call or a filter is given: widths, counts, precisions."""
_BITS = 4096
"""Of a whole number that is computed."""
_WIDTH = re.compile(r"[0-9]{5}|\*")
"""A width or precision of five digits, or one taken from elsewhere, in a format."""


class Exhausted(BaseException):
    """A template took more than it may. No `Exception`, since what templates call swallows those."""


class Sandbox(ImmutableSandboxedEnvironment):
    """An environment whose templates cannot make anything large in one step. Whoever renders counts the steps."""

    intercepted_binops = frozenset(("+", "*", "**", "%", "//"))

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.filters = {name: _bounded(each) for name, each in self.filters.items()}

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Compute, unless the result would be too large."""
        if operator == "%" and isinstance(left, str | bytes) and _WIDTH.search(str(left)):
            raise Exhausted("it formats with a very large width")
        if operator in ("*", "**") and _bits(left, right, power=operator == "**") > _BITS:
            raise Exhausted("it computes a very large number")
        if operator == "*":
            for text, count in ((left, right), (right, left)):
                if hasattr(text, "__len__") and isinstance(count, int) and len(text) * count > SIZE_LIMIT:
                    raise Exhausted("it repeats something very often")
        return _sized(super().call_binop(context, operator, left, right))

    def call(self, context: Any, called: Any, *args: Any, **kwargs: Any) -> Any:
        """Call, unless what goes in or comes out is too large."""
        _check_arguments(args, kwargs)
        return _sized(super().call(context, called, *args, **kwargs))

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """`str.format`, unless a width is too large."""
        wrapped = super().wrap_str_format(value)
        if wrapped is not None and _WIDTH.search(value.__self__):
            raise Exhausted("it formats with a very large width")
        return wrapped


class Budget:
    """What all renderings of one template together may take."""

    def __init__(self) -> None:
        self._steps = 0
        self._seconds = 0.0

    def render(self, template: Template, variables: dict[str, Any], limit: int) -> str:
        """At most `limit` characters of output. Raises `Exhausted`, and whatever the template raises."""
        text = ""
        before = sys.gettrace()
        started = time.thread_time() - self._seconds
        deadline = started + SECONDS

        def step(frame: FrameType, event: str, argument: Any) -> Any:
            del frame, event, argument
            self._steps += 1
            if self._steps > STEP_LIMIT:
                raise Exhausted("it takes too many steps")
            if time.thread_time() > deadline:
                raise Exhausted("it takes too long")
            return step

        sys.settrace(step)
        try:
            for piece in template.generate(variables):
                text += piece
                if len(text) > limit:
                    raise Exhausted("its output does not end")
        finally:
            sys.settrace(before)
            self._seconds = time.thread_time() - started
        return text


@contextlib.contextmanager
def confined() -> Iterator[None]:
    """Bounds memory, and on the main thread time, by means of the system; where it has none, not at all.

    Raises `Exhausted` for want of memory. A native call that does not end ends the process, by SIGVTALRM.
    """
    with _little_memory(), _little_time():
        try:
            yield
        except (MemoryError, RecursionError) as error:
            raise Exhausted("it takes too much memory") from error


@contextlib.contextmanager
def _little_memory() -> Iterator[None]:
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = pages * resource.getpagesize() + _MEMORY
    known = [limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min([wanted, *known]), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@contextlib.contextmanager
def _little_time() -> Iterator[None]:
    if (
        os.name != "posix"
        or threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGVTALRM) is not signal.SIG_DFL
    ):
        yield
        return
    signal.setitimer(signal.ITIMER_VIRTUAL, _LAST_RESORT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def _bounded(filter_: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(filter_)  # with the marks by which Jinja knows what to pass
    def bounded(*args: Any, **kwargs: Any) -> Any:
        _check_arguments(args, kwargs)
        return _sized(filter_(*args, **kwargs))

    return bounded


def _check_arguments(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    for value in (*args, *kwargs.values()):
        if isinstance(value, int) and abs(value) > _NUMBER_LIMIT:
            raise Exhausted(f"it calls something with a number over {_NUMBER_LIMIT}")
        if _members(value) > SIZE_LIMIT:
            raise Exhausted("it calls something with a very large value")


def _members(value: Any) -> int:
    """How much there is in nested lists, counting what stands in several places once for each; not far over the limit.

    A list that holds another one twice, and so on, is small to make and endless to print.
    """
    count, waiting = 0, [value]
    while waiting and count <= SIZE_LIMIT:
        each = waiting.pop()
        count += len(each) if isinstance(each, str | bytes) else 1
        if isinstance(each, dict):
            waiting.extend(each)
            waiting.extend(each.values())
        elif isinstance(each, list | tuple):
            waiting.extend(each)
    return count


def _bits(left: Any, right: Any, *, power: bool) -> int:
    """Bits that a product or power of whole numbers may need; 0 for all else."""
    if not (isinstance(left, int) and isinstance(right, int)):
        return 0
    return left.bit_length() * max(0, right) if power else left.bit_length() + right.bit_length()


def _sized(value: Any) -> Any:
    if isinstance(value, str | bytes | list | tuple | dict) and len(value) > SIZE_LIMIT:
        raise Exhausted("it makes something very large")
    return value
