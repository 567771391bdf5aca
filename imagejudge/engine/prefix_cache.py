"""Which tokens a model must read again and which it still remembers: the sharing of prefixes between questions.

Sequence 0 holds the image prefix: the picture and the words before it. Sequence 1 holds the shared prefix: it continues
the image prefix with the words that prompts have in common, token by token. Prompts that are asked together continue it
in sequences of their own, in one batch. So what is shared is by construction what reading each prompt alone would have
read. Knows nothing of llama.cpp, text or pictures.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from typing import Protocol

from imagejudge.engine.parse import Logits

Tokens = list[int]
Row = tuple[int, int, int]
"""A token, its position, its sequence."""

IMAGE, SHARED, FIRST_FREE = 0, 1, 2


class Memory(Protocol):
    """What a model remembers: sequences of tokens, several of which may share their beginnings at no cost."""

    def decode(self, rows: Sequence[Row], reads: AbstractSet[int]) -> list[Logits]:
        """Read tokens into their sequences; the logits after each row whose index is in `reads`, in order."""

    def copy(self, source: int, target: int) -> None:
        """Let the empty sequence `target` begin with all of `source`."""

    def cut(self, sequence: int, position: int) -> bool:
        """Forget a sequence from a position on; False, with nothing forgotten, where the model cannot."""

    def forget(self, sequence: int) -> None:
        """Forget a whole sequence."""


class NoRoom(Exception):  # noqa: N818 - the caller turns it into a message
    """A prompt does not fit beside its picture; `lacking` is for how many tokens there is no room."""

    def __init__(self, lacking: int) -> None:
        super().__init__(lacking)
        self.lacking = lacking


class PrefixCache:
    """The shared prefix of one picture's prompts, and the reading of prompts that continue it."""

    def __init__(self, memory: Memory, *, capacity: int, sequences: int) -> None:
        self._memory = memory
        self._capacity = capacity
        self._sequences = sequences
        self.reset(0, 0)

    def reset(self, tokens: int, position: int) -> None:
        """Start from an image prefix of so many tokens, ending before `position`; the two differ for M-RoPE models."""
        self._memory.forget(SHARED)
        self._memory.copy(IMAGE, SHARED)
        self._image_tokens, self._position = tokens, position
        self._words: Tokens = []

    def read(self, prompt: Tokens) -> Logits:
        """The logits after one prompt. Its words stay in the shared prefix: a longer prompt reads only what is new."""
        self._trim(min(_common([self._words, prompt]), len(prompt) - 1))
        return self._extend(prompt[len(self._words) :], read=True)[0]

    def read_all(self, prompts: Sequence[Tokens]) -> Iterator[Logits]:
        """The logits after each of several prompts, in order, in as few batches as fit."""
        if len(prompts) < 2:
            yield from map(self.read, prompts)
            return
        shared = min(_common(prompts), min(map(len, prompts)) - 1)
        common = prompts[0][:shared]
        self._trim(_common([self._words, common]))
        self._extend(common[len(self._words) :])
        rests = [prompt[shared:] for prompt in prompts]
        while rests:
            count = self._fitting(rests)
            yield from self._decode_together(rests[:count])
            rests = rests[count:]

    def side_by_side(self, prompts: Sequence[Tokens], growth: int) -> int:
        """How many of the prompts, from the first, have room to grow by `growth` tokens each at once; one at least."""
        common = _common(prompts)
        room, count = self._capacity - self._image_tokens - common, 0
        for prompt in prompts[: self._sequences]:
            room -= len(prompt) - common + growth
            if room < 0:
                break
            count += 1
        return max(1, count)

    @contextmanager
    def branches(self, prompts: Sequence[Tokens]) -> Iterator[Branches]:
        """Let texts be read side by side, which are these prompts at first and grow."""
        shared = min(_common(prompts), min(map(len, prompts)) - 1)
        self._trim(_common([self._words, prompts[0][:shared]]))
        self._extend(prompts[0][len(self._words) : shared])
        branches = Branches(self._memory, [*self._words], self._position, self._room())
        yield branches
        branches.forget()

    def _trim(self, length: int) -> None:
        """Shorten the shared prefix. Recurrent states cannot be cut: start over from the image (llama.cpp #26994)."""
        if length == len(self._words):
            return
        if self._memory.cut(SHARED, self._position + length):
            del self._words[length:]
        else:
            self.reset(self._image_tokens, self._position)

    def _extend(self, words: Tokens, *, read: bool = False) -> list[Logits]:
        """Add words to the shared prefix; read what follows the last."""
        if (lacking := len(words) - self._room()) > 0:
            raise NoRoom(lacking)
        start = self._position + len(self._words)
        rows = [(word, start + n, SHARED) for n, word in enumerate(words)]
        logits = self._memory.decode(rows, {len(rows) - 1} if read else frozenset())
        self._words += words
        return logits

    def _decode_together(self, rests: Sequence[Tokens]) -> list[Logits]:
        """Continue the shared prefix with several texts in one batch; read what follows each."""
        start = self._position + len(self._words)
        rows: list[Row] = []
        lasts = set()
        for sequence, rest in enumerate(rests, FIRST_FREE):
            self._memory.copy(SHARED, sequence)
            rows += [(word, start + n, sequence) for n, word in enumerate(rest)]
            lasts.add(len(rows) - 1)
        logits = self._memory.decode(rows, lasts)
        for sequence in range(FIRST_FREE, FIRST_FREE + len(rests)):
            self._memory.forget(sequence)
        return logits

    def _fitting(self, rests: Sequence[Tokens]) -> int:
        """How many texts, from the first, fit into one batch."""
        room, count = self._room(), 0
        for rest in rests[: self._sequences]:
            room -= len(rest)
            if room < 0:
                break
            count += 1
        if not count:
            raise NoRoom(-room)
        return count

    def _room(self) -> int:
        return self._capacity - self._image_tokens - len(self._words)


class Branches:
    """Texts that continue the shared prefix, each in a sequence of its own: what it holds is not read again.

    A text may also grow into one that has less in common with the shared prefix: a template need not write what it
    ends a prompt with where that prompt is history.
    """

    def __init__(self, memory: Memory, shared: Tokens, position: int, room: int) -> None:
        self._memory = memory
        self._shared = shared
        self._position = position
        """Where the shared prefix begins."""
        self._room = room
        self._held: dict[int, Tokens] = {}
        self._sharing: dict[int, int] = {}
        """How many tokens of each text take no room, being the shared prefix's."""

    def read(self, texts: Mapping[int, Tokens]) -> dict[int, Logits]:
        """The logits after each numbered text, in one batch. A text reads only what its branch does not hold."""
        rows: list[Row] = []
        lasts: dict[int, int] = {}
        for number, text in texts.items():
            start = self._kept(number, text)
            sequence, first = FIRST_FREE + number, self._position
            rows += [(word, first + n, sequence) for n, word in enumerate(text[start:], start)]
            lasts[len(rows) - 1] = number
            self._held[number] = [*text]
        taken = sum(len(held) - self._sharing[number] for number, held in self._held.items())
        if (lacking := taken - self._room) > 0:
            raise NoRoom(lacking)
        return dict(zip(lasts.values(), self._memory.decode(rows, lasts.keys()), strict=True))

    def forget(self) -> None:
        """Give back the room that the texts take."""
        for number in self._held:
            self._memory.forget(FIRST_FREE + number)

    def _kept(self, number: int, text: Tokens) -> int:
        """How many tokens of a text its branch holds, once what differs is cut off; the last is always read."""
        sequence, held = FIRST_FREE + number, self._held.get(number)
        if held is not None:
            length = min(_common([held, text]), len(text) - 1)
            if length == len(held) or self._memory.cut(sequence, self._position + length):
                self._sharing[number] = min(self._sharing[number], length)
                return length
            self._memory.forget(sequence)  # recurrent states cannot be cut
        shares = text[:-1][: len(self._shared)] == self._shared
        self._memory.copy(SHARED if shares else IMAGE, sequence)
        self._sharing[number] = len(self._shared) if shares else 0
        return self._sharing[number]


def _common(texts: Sequence[Tokens]) -> int:
    """Length of the longest prefix that all texts have in common."""
    first, last = min(texts), max(texts)
    length = min(len(first), len(last))
    return next((n for n in range(length) if first[n] != last[n]), length)
