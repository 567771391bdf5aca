"""Engines that misbehave, for the child process: each is named by `engines:function` and really does what it says."""

from __future__ import annotations

import ctypes
import itertools
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from imagejudge.engine.base import Engine, Reasoning, View
from imagejudge.engine.scripted import Scripted
from imagejudge.errors import EngineFailure, ModelError
from imagejudge.images.picture import Box, Picture
from imagejudge.prompts import Question

Trouble = Callable[[], None]


def brightness(options: Mapping[str, Any]) -> Engine:
    """Says Yes the more strongly the brighter the first pixel is, which is also its vector; with no image, even."""
    del options
    return Scripted(
        _brightness,
        encode=lambda picture: [float(value) for value in picture.rgb[:3]],
        reason=lambda picture, question: Reasoning(True, "It is bright.", "I look at it."),
        locate=lambda picture, objects: Box(0.0, 0.0, 0.5, 0.5, 0.9),
        image_tokens=7,
    )


def troubled(options: Mapping[str, Any]) -> Engine:
    """Like `brightness`, but a picture whose first pixel's green is 13 brings the trouble that `options` names."""
    trouble = _TROUBLES[options["trouble"]]

    def answer(picture: Picture | None, question: Question) -> float:
        if picture is not None and picture.rgb[1] == 13:
            trouble()
        return _brightness(picture, question)

    return Scripted(answer)


def counting(options: Mapping[str, Any]) -> Engine:
    """Answers its n-th question with 1 / (n + 1), and cannot look at a picture whose first pixel's green is 13."""
    del options
    asked = itertools.count(2)

    class Squeamish(Scripted):
        def view(self, picture: Picture | None, first: Sequence[Question] = (), *, same_image: bool = False) -> View:
            if picture is not None and picture.rgb[1] == 13:
                raise EngineFailure("engine-error", "not that one")
            return super().view(picture, first, same_image=same_image)

    return Squeamish(lambda picture, question: 1 / next(asked))


def troubled_writer(options: Mapping[str, Any]) -> Engine:
    """Rates everything 10, but a prompt whose last line names a trouble brings it."""
    del options

    def write(prompt: str) -> str:
        for name, trouble in _TROUBLES.items():
            if name in prompt.splitlines()[-1]:
                trouble()
        return '{"explanation": "Fine.", "rating": 10}'

    return Scripted(lambda picture, question: 0.5, write_text=write)


def refusing(options: Mapping[str, Any]) -> Engine:
    """Does not start."""
    raise ModelError(f"cannot load {options['file']}", "get another one")


def dawdling(options: Mapping[str, Any]) -> Engine:
    """Takes as many seconds to load and to look as `options` say."""
    time.sleep(options.get("load", 0))

    class Slow(Scripted):
        def view(self, picture: Picture | None, first: Sequence[Question] = (), *, same_image: bool = False) -> View:
            time.sleep(options.get("look", 0))
            return super().view(picture, first, same_image=same_image)

    return Slow(_brightness)


def gorging(options: Mapping[str, Any]) -> Engine:
    """Eats memory while it is loaded."""
    del options
    _eat()
    raise AssertionError


def stillborn(options: Mapping[str, Any]) -> Engine:
    """Dies while it is loaded."""
    del options
    os.abort()


def _brightness(picture: Picture | None, question: Question) -> float:
    del question
    return 0.5 if picture is None else 0.02 + 0.96 * picture.rgb[0] / 255


def _abort() -> None:
    print("GGML_ASSERT(n_tokens > 0) failed", file=sys.stderr, flush=True)
    os.abort()


def _segfault() -> None:
    ctypes.string_at(0)


def _hang() -> None:
    time.sleep(3600)


def _eat() -> None:
    hoard = [bytes(b"x" * 10_000_000) for _ in range(60)]
    time.sleep(3600)
    del hoard


def _raise() -> None:
    raise RuntimeError("decode failed with 1")


def _chatter() -> None:
    os.write(1, b'{"ok": "not a reply"}\n')


_TROUBLES: dict[str, Trouble] = {
    "abort": _abort,
    "segfault": _segfault,
    "hang": _hang,
    "eat": _eat,
    "raise": _raise,
    "chatter": _chatter,
}
