"""What runs in the engine's process: answers one request after another, and ends when its parent does.

Started as `python -m imagejudge.engine.process_main`. Requests come on standard input and replies leave on what was
standard output; what the engine's native code prints goes to standard error, so that it cannot corrupt a reply.
"""

from __future__ import annotations

import dataclasses
import gc
import importlib
import sys
import traceback
from typing import Any, BinaryIO

from imagejudge.common import messages
from imagejudge.common.child_process import serve_parent
from imagejudge.engine.base import Engine, View
from imagejudge.engine.embedding import packed
from imagejudge.errors import EngineFailure, ImageJudgeError
from imagejudge.images.picture import Box, Picture
from imagejudge.prompts import Kind, Question


def main() -> None:
    """Serve until standard input ends."""
    replies = serve_parent()
    start = messages.receive(sys.stdin.buffer)
    if start is None:
        return
    module, _, function = start[0]["factory"].partition(":")
    try:
        engine: Engine = getattr(importlib.import_module(module), function)(start[0]["options"])
    except ImageJudgeError as error:
        messages.send(replies, {"refused": [error.message, error.hint]})
        return
    messages.send(replies, {"ok": None})
    gc.freeze()  # what was loaded by now stays: no collection needs to look at it again
    with engine:
        _serve(engine, sys.stdin.buffer, replies)


def _serve(engine: Engine, requests: BinaryIO, replies: BinaryIO) -> None:
    views: dict[int, View] = {}
    while (message := messages.receive(requests)) is not None:
        try:
            reply = {"ok": _obey(engine, views, *message)}
        except EngineFailure as failure:
            reply = {"failure": [failure.kind, failure.message]}
        except Exception as error:  # the border of the process: whatever it was, the parent must hear of it
            traceback.print_exc()
            reply = {"failure": ["engine-error", f"{type(error).__name__}: {error}"]}
        messages.send(replies, reply)


def _obey(engine: Engine, views: dict[int, View], request: dict[str, Any], payload: bytes) -> Any:
    if request["do"] == "write":
        return engine.write(request["prompt"], request["grammar"], request["limit"])
    if request["do"] == "facts":
        return engine.facts()
    number = request["view"]
    if request["do"] == "look":
        views.clear()
        picture = Picture(request["width"], request["height"], payload) if request["width"] else None
        views[number] = engine.view(picture)
        return views[number].tokens
    if number not in views:  # looking failed, and what was to be asked first is already here
        raise EngineFailure("engine-error", "the view was never made")
    match request["do"]:
        case "ask":
            answers = views[number].ask([_question(pair) for pair in request["questions"]])
            return [[answer.gap, answer.off_mass] for answer in answers]
        case "reason":
            thoughts = views[number].reason([_question(pair) for pair in request["questions"]])
            return [reasoning and dataclasses.asdict(reasoning) for reasoning in thoughts]
        case "embed":
            return packed(views[number].embedding())
        case "encoded":
            tokens = views[number].encoded()
            return {"tokens": len(tokens), "values": packed(tokens)}
        case "locate":
            box = views[number].locate(request["objects"])
            return box and dataclasses.asdict(box)
        case "without":
            views[request["new"]] = views[number].without(Box(**request["box"]))
            return views[request["new"]].tokens
        case "crop":
            views[request["new"]] = views[number].crop(Box(**request["box"]))
            return views[request["new"]].tokens
        case unknown:
            raise ValueError(f"no such request: {unknown}")


def _question(pair: list[str]) -> Question:
    return Question(Kind(pair[0]), pair[1])


if __name__ == "__main__":
    main()
