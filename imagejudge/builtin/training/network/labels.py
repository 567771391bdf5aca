"""Turn packed scenes into the dense targets of the vision stage."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imagejudge.builtin.training.scenes.concepts import CONCEPTS, GROUPS
from imagejudge.builtin.training.scenes.scene import APART, CELLS, PARTNERS, SIZE

KINDS = tuple(concept.name for concept in CONCEPTS) + tuple(f"class {group}" for group in GROUPS)


def _kinds() -> NDArray[np.float32]:
    """[concepts + 1, kinds]: which names hold for a thing of this concept; the last row, for no thing, is empty."""
    table = np.zeros((len(CONCEPTS) + 1, len(KINDS)), np.float32)
    for number, concept in enumerate(CONCEPTS):
        table[number, number] = 1
        for place, group in enumerate(GROUPS):
            table[number, len(CONCEPTS) + place] = group in concept.groups
    return table


KIND_TABLE = _kinds()


def _untaught() -> NDArray[np.float32]:
    """[concepts + 1, kinds]: which names are never shown beside a thing of this concept: their absence teaches
    nothing."""
    table = np.zeros_like(KIND_TABLE)
    for number, concept in enumerate(CONCEPTS):
        for place, other in enumerate(CONCEPTS):
            table[number, place] = other.name in PARTNERS[concept.name]
    return table


UNTAUGHT = _untaught()
ABSENT = 0.25  # what it counts whether a thing touches one that is not there, beside one that is


def targets(
    arrays: dict[str, NDArray[np.generic]], chosen: NDArray[np.int64], mirrored: NDArray[np.bool_]
) -> tuple[Tensor, dict[str, Tensor]]:
    """Pixels in uint8 [B, S, S, 3] and all targets of these scenes, some of them seen in a mirror."""
    pixels = np.asarray(arrays["pixels"][chosen])
    concept = np.asarray(arrays["concept"][chosen]).astype(np.int64)
    cells = np.asarray(arrays["cells"][chosen]).astype(np.float32).reshape(*concept.shape, CELLS, CELLS) / 255
    box = np.asarray(arrays["box"][chosen]).astype(np.float32) / SIZE
    gap = np.asarray(arrays["gap"][chosen])
    relations = np.asarray(arrays["relations"][chosen])
    contact = np.asarray(arrays["contact"][chosen]).astype(np.float32).reshape(-1, CELLS, CELLS)
    pixels = np.where(mirrored[:, None, None, None], pixels[:, :, ::-1], pixels)
    cells = np.where(mirrored[:, None, None, None], cells[..., ::-1], cells).reshape(*concept.shape, CELLS * CELLS)
    contact = np.where(mirrored[:, None, None], contact[..., ::-1], contact)
    box = np.where(
        mirrored[:, None, None], np.stack([1 - box[..., 2], box[..., 1], 1 - box[..., 0], box[..., 3]], -1), box
    )

    real = concept >= 0
    kinds = KIND_TABLE[concept]  # [B, things, kinds]; -1 is the empty row
    batch, things = concept.shape
    mix = np.zeros((batch, CELLS * CELLS, len(CONCEPTS) + 1), np.float32)
    for place in range(things):
        rows = np.flatnonzero(real[:, place])
        mix[rows, :, concept[rows, place]] += cells[rows, place]
    mix[..., -1] = np.clip(1 - mix.sum(-1), 0, 1)
    mix /= mix.sum(-1, keepdims=True)

    pair = real[:, :, None] & real[:, None] & ~np.eye(things, dtype=bool)
    touching = ((gap == 0) & pair).astype(np.float32)
    unclear = ((gap > 0) & (gap < APART) & pair).astype(np.float32)
    touch = np.minimum(1, touching @ kinds)
    untaught = np.minimum(1, UNTAUGHT[concept].sum(1))  # [B, kinds]
    touch_known = 1 - np.maximum(np.minimum(1, unclear @ kinds), untaught[:, None]) * (1 - touch)
    there = kinds.max(1)  # [B, kinds]: whether things that are there touch is what is hard to tell
    touch_known *= np.where(there, 1.0, ABSENT)[:, None]
    holds, on = (relations & 1) > 0, (relations & 2) > 0
    number = kinds.sum(1)  # how many of every kind
    own = np.einsum("btk,bk->btk", kinds, (number >= 2).astype(np.float32))
    bits = np.stack(
        [
            own[..., : len(CONCEPTS)].max(-1),
            own[..., len(CONCEPTS) :].max(-1),
            holds.any(1),
            holds.any(2),
            on.any(2),
            on.any(1),
        ],
        -1,
    )

    owner = cells.argmax(1)  # [B, cells]
    inside = np.take_along_axis(cells, owner[:, None], 1)[:, 0] >= 0.2
    rows = np.arange(batch)[:, None]
    whole = np.concatenate([np.minimum(1, number), (number >= 2).astype(np.float32)], -1)
    result = {
        "cells": mix,
        "inside": inside,
        "touch": touch[rows, owner],
        "touch_known": touch_known[rows, owner],
        "bits": bits[rows, owner],
        "box": box[rows, owner],
        "contact": contact.reshape(batch, -1),
        "whole": whole,
        "whole_known": 1 - np.concatenate([untaught, untaught], -1) * (1 - whole),
    }
    return torch.from_numpy(np.ascontiguousarray(pixels)), {
        name: torch.from_numpy(np.ascontiguousarray(array, np.float32)) for name, array in result.items()
    }
