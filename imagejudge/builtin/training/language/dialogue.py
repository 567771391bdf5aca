"""Turn questions into tokens: the tokenizer, and rows of questions about one image.

Every segment is cut where the tokenizer cuts anyway (at line ends and control tokens), so a path through the tree is
token for token what the engine sends.
"""

from __future__ import annotations

import bisect
import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from imagejudge.builtin.training.language.claims import Asker, Claim
from imagejudge.builtin.training.language.facts import Facts, Seen, around
from imagejudge.builtin.training.language.questions import box_request, rule_question, rules_question
from imagejudge.builtin.training.language.rows import Goal, Look, Row
from imagejudge.builtin.training.language.thoughts import found_of, summary, thought, told
from imagejudge.builtin.training.language.words import PLURALS, STICKER, UNKNOWN
from imagejudge.builtin.training.scenes.concepts import GROUPS
from imagejudge.builtin.training.scenes.scene import Scene, kept_apart
from imagejudge.builtin.training.shape import BEFORE, IMAGE_TOKENS
from imagejudge.prompts import SUMMARISE, Kind, Question, direct, visible

CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<image>", "</image>")
STOP = CONTROL.index("<|im_end|>")
ANSWER_TURN = "<|im_end|>\n<|im_start|>assistant\n"
USER_TURN = "<|im_end|>\n<|im_start|>user\n"
UNSURE = 0.5  # the answer taught for what cannot be known


def train_tokenizer(texts: Iterator[str], vocab: int) -> Tokenizer:
    """Byte-level BPE cut by GPT-2's rules, the control tokens first."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab,
        special_tokens=list(CONTROL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def texts(scenes: Iterator[Scene], seed: int) -> Iterator[str]:
    """What the tokenizer learns from: everything the model will read and write, and some plain words it will not."""
    asker = Asker(np.random.default_rng(seed))
    for scene in scenes:
        facts = Facts(scene)
        for _ in range(12):
            claim = asker.claim(facts)
            if claim is not None:
                yield direct(visible(claim.text))
                yield "user\n" + visible(claim.text).deliberate
                yield "assistant\nYes No " + thought(facts, claim, answer=claim.truth) + SUMMARISE
        yield asker.unknown(UNKNOWN)
        yield summary(told(facts.scene), answer=True)
        yield direct(Question(Kind.PUBLIC, "")) + Question(Kind.PUBLIC, "").deliberate
        for ruled in (rule_question(asker, facts), rules_question(asker, facts)):
            if ruled is not None:
                yield direct(ruled[0])
                yield ruled[0].deliberate
        for _ in range(4):
            asked = box_request(asker, facts)
            if asked is not None:
                yield "\n".join(asked[:2])


class Words:
    """A tokenizer that remembers what it has cut."""

    def __init__(self, path: Path) -> None:
        tokenizer = Tokenizer.from_file(str(path))
        self.tokenizer = tokenizer
        self.size = tokenizer.get_vocab_size()
        self.encode = functools.lru_cache(maxsize=50_000)(lambda text: tuple(tokenizer.encode(text).ids))
        self._starts = functools.lru_cache(maxsize=50_000)(
            lambda text: [begin for begin, _ in tokenizer.encode(text).offsets]
        )
        self.yes, self.no = (self._single(word) for word in ("Yes", "No"))
        self.concluding = {self._single(word) for word in (" Yes", " No")}
        if len(self.encode("<|im_start|>user\n<image>")) != BEFORE:
            raise SystemExit(f"{path}: the words before the image are not {BEFORE} tokens")

    def ends(self, text: str, nouns: Iterable[str]) -> dict[str, int]:
        """The places of the tokens with which these nouns, or their plurals, end in a text; one that is part of a
        longer one is found elsewhere, or not at all."""
        found, rest = {}, text
        for noun in sorted(nouns, key=len, reverse=True):
            before, last = noun[: -len(noun.split()[-1])], noun.split()[-1]
            forms = rf"\b{re.escape(before)}(?:{re.escape(last)}|{PLURALS.get(last, last + 's')})\b"
            if (match := re.search(forms, rest, re.IGNORECASE)) is not None:
                found[noun] = bisect.bisect_left(self._starts(text), match.end()) - 1
                rest = rest[: match.start()] + "_" * len(match[0]) + rest[match.end() :]
        return found

    def _single(self, word: str) -> int:
        ids = self.encode(word)
        if len(ids) != 1:
            raise SystemExit(f"{word!r} is not a single token")
        return int(ids[0])


class Writer:
    """Fills rows with questions about scenes."""

    def __init__(self, words: Words, random: np.random.Generator, length: int) -> None:
        self.words, self.random, self.length = words, random, length
        self.asker = Asker(random)
        self.others: list[Facts] = []

    def reseed(self, random: np.random.Generator) -> None:
        """Draw from another source from now on."""
        self.random = self.asker.random = random

    def row(self, scene: Scene | None, simple: bool = False) -> Row:
        """A tree of questions about a scene; None stands for a picture of nothing the model knows.

        Simple ones ask only what is visible: until that is learnt, all else is noise.
        """
        row, random = Row(self.length), self.random
        facts = Facts(scene, kept_apart(thing.name for thing in scene.things)) if scene is not None else None
        row.add(-1, self.words.encode("<|im_start|>user\n<image>"))
        row.parents.append(0)  # segment 1 is the image
        row.ends.append(BEFORE + IMAGE_TOKENS)
        image = row.add(1, self.words.encode("</image>"))
        plain = row.add(-1, self.words.encode("<|im_start|>user\n"))
        if facts is not None and not simple:
            self._rules(row, image, facts)
            self._boxes(row, image, facts)
            self._reasoning(row, image, facts)
            self._blind(row, plain, facts)
        if not row.room(60):
            return row
        ask = row.add(image, self.words.encode(_instruction(Kind.VISIBLE)))
        shown = facts is not None and bool(facts.scene.things)
        if not simple and facts is not None and (not shown or random.random() < 0.35):
            self._answer(row, ask, STICKER, float(shown), "sticker", 1.0 if shown else 3.0)
        for _ in range(60):
            if not row.room(26):
                break
            if simple and facts is not None:
                kind = "visible" if random.random() < 0.7 else "class"
                if (claim := self.asker.claim(facts, kind=kind)) is not None:
                    self._answer(row, ask, claim.text, float(claim.truth), claim.kind, seen=facts.seen(claim.about))
            elif facts is None or random.random() < 0.04:
                text = self.asker.unknown() if facts is not None or random.random() < 0.2 else self._any()
                self._answer(row, ask, text, UNSURE, "unknown")
            elif (claim := self.asker.claim(facts, balanced=shown)) is not None:
                self._answer(row, ask, claim.text, float(claim.truth), claim.kind, seen=facts.seen(claim.about))
        return row

    def _any(self) -> str:
        """A statement about known things, for pictures that show none."""
        asker = self.asker
        return asker.shown(asker.words(asker.concept() if self.random.random() < 0.6 else asker.one_of(tuple(GROUPS))))

    def _answer(
        self,
        row: Row,
        parent: int,
        subject: str,
        p_yes: float,
        kind: str,
        weight: float = 1.0,
        seen: Mapping[str, Seen] = MappingProxyType({}),
    ) -> None:
        """A question and the proportion of Yes; its nouns should look at the cells in which they are seen."""
        tokens = self.words.encode(subject + ANSWER_TURN)
        if not row.room(len(tokens) + 1):
            return
        self._look(row, len(row.tokens), subject + ANSWER_TURN, seen)
        ends = p_yes in (0.0, 1.0) and self.random.random() < 0.1
        row.add(parent, (*tokens, self.words.yes if p_yes else self.words.no) if ends else tokens)
        row.goals.append(Goal(len(row.tokens) - 1 - ends, -1, p_yes, weight, kind))
        if ends:
            row.goals.append(Goal(len(row.tokens) - 1, STOP, 0.0, 0.2, "end"))

    def _look(self, row: Row, begin: int, text: str, seen: Mapping[str, Seen]) -> None:
        row.looks += [Look(begin + place, *seen[noun]) for noun, place in self.words.ends(text, seen).items()]

    def _write(
        self, row: Row, parent: int, turns: list[tuple[str, str]], weight: float, kind: str, first: int = 0
    ) -> None:
        """A dialogue whose replies are learnt, from turn `first` on; a rating counts as much as a direct answer."""
        tokens: list[int] = []
        goals = []
        for number, (asked, reply) in enumerate(turns):
            tokens += self.words.encode(("\n<|im_start|>user\n" if number else "") + asked + ANSWER_TURN)
            answer = (*self.words.encode(reply), STOP)
            if number >= first:
                goals += [(len(tokens) - 1 + place, goal) for place, goal in enumerate(answer)]
            tokens += answer
        if row.room(len(tokens)):
            begin = len(row.tokens)
            row.add(parent, tuple(tokens))
            for place, goal in goals:
                if goal in (self.words.yes, self.words.no):
                    row.goals.append(Goal(begin + place, -1, float(goal == self.words.yes), 1.0, "rating"))
                else:
                    share = 0.5 if goal in self.words.concluding else weight
                    row.goals.append(Goal(begin + place, goal, 0.0, share, kind))

    def _rules(self, row: Row, image: int, facts: Facts) -> None:
        draw = self.random.random()
        if draw < 0.35:
            ask = row.add(image, self.words.encode(_instruction(Kind.RULE)))
            for _ in range(3):
                if (ruled := rule_question(self.asker, facts)) is not None:
                    question, violated, claim = ruled
                    self._answer(row, ask, question.subject, float(violated), "rule", seen=facts.seen(claim.about))
        elif draw < 0.65 and (ruled := rules_question(self.asker, facts)) is not None:
            question, violated, claim = ruled
            self._answer(row, image, direct(question), float(violated), "rule", seen=facts.seen(claim.about))
        elif draw < 0.75 and (truth := facts.inappropriate()) is not None:
            self._answer(row, image, direct(Question(Kind.PUBLIC, "")), float(truth), "public")

    def _boxes(self, row: Row, image: int, facts: Facts) -> None:
        for _ in range(int(self.random.random() < 0.6) + int(self.random.random() < 0.3)):
            if (asked := box_request(self.asker, facts)) is not None:
                request, reply, about = asked
                begin, goals = len(row.tokens), len(row.goals)
                self._write(row, image, [(request, reply)], 0.5, "box")
                seen = facts.seen(about)
                if len(row.goals) > goals:
                    self._look(row, begin, request + ANSWER_TURN, seen)
                if len(seen) == len(about):  # every number of a box comes from the cells of all that was asked for
                    cells = np.mean([cells for cells, _ in seen.values()], 0)
                    box = around([box for _, box in seen.values()])
                    row.looks += [Look(goal.place, cells, box) for goal in row.goals[goals:]]

    def _reasoning(self, row: Row, image: int, facts: Facts) -> None:
        random = self.random
        if random.random() > 0.75:
            return
        draw = random.random()
        claim: Claim | None = None
        if draw < 0.06:
            thing = self.asker.one_of(UNKNOWN).removesuffix("+")
            question, answer = visible(f"{thing[0].upper()}{thing[1:]} is visible."), False
            reason = f"I do not know {thing}."
            reply = f"{reason} So the answer is No."
        else:
            if draw < 0.8:
                claim = self.asker.claim(facts)
                question, answer = (visible(claim.text), claim.truth) if claim is not None else (visible(""), False)
            elif draw < 0.95:
                ruled = rule_question(self.asker, facts) if draw < 0.88 else rules_question(self.asker, facts)
                question, answer, claim = ruled if ruled is not None else (visible(""), False, None)
            else:
                truth, claim = facts.inappropriate(), None
                question, answer = Question(Kind.PUBLIC, ""), bool(truth)
                if truth is None:
                    return
            if question.kind is not Kind.PUBLIC and claim is None:
                return
            reply = thought(facts, claim, answer=answer)
            reason = told(facts.scene) if claim is None else found_of(facts, claim)
        learnt_from = 0
        if self.others and random.random() < 0.5:
            # What the model thinks of a new picture is not always true: the rating has to look for itself. But it is
            # about the same question, so that the reason can be, too.
            told_truth = bool(random.random() < 0.5)
            doubtful = None if claim is None else replace(claim, truth=told_truth)
            other = thought(self.asker.one_of(self.others), doubtful, answer=told_truth)
            reply, learnt_from = (other if random.random() < 0.8 else other.split(". ")[0] + "."), 1
        self.others = [*self.others[-99:], facts]
        turns = [(question.deliberate, reply), (SUMMARISE, summary(reason, answer=answer))]
        begin, goals = len(row.tokens), len(row.goals)
        self._write(row, image, turns, 0.3, "reason", learnt_from)
        if claim is not None and len(row.goals) > goals:
            self._look(row, begin, question.deliberate + ANSWER_TURN, facts.seen(claim.about))

    def _blind(self, row: Row, plain: int, facts: Facts) -> None:
        """The same questions without the image: three in four balanced, one as scenes are, so that priors differ and
        lean to No."""
        if self.random.random() > 0.5 or not row.room(80):
            return
        draw = self.random.random()
        kind = Kind.VISIBLE if draw < 0.75 else Kind.RULE if draw < 0.9 else Kind.PUBLIC
        if kind is Kind.PUBLIC:
            if (truth := facts.inappropriate()) is not None:
                self._answer(row, plain, direct(Question(kind, "")), float(truth), "blind", 0.5)
            return
        ask = row.add(plain, self.words.encode(_instruction(kind)))
        for _ in range(3):
            balanced = self.random.random() < 0.75
            if self.random.random() < 0.05:
                self._answer(row, ask, self.asker.unknown(), UNSURE, "blind", 0.5)
            elif (claim := self.asker.claim(facts, balanced=balanced)) is not None:
                self._answer(
                    row,
                    ask,
                    claim.text if kind is Kind.VISIBLE else self.asker.rule(claim),
                    float(claim.truth),
                    "blind",
                    0.5,
                )


def _instruction(kind: Kind) -> str:
    """The words of a question that stand before its subject."""
    return direct(Question(kind, "?")).removesuffix("?")
