"""Take a rule's text apart into a chain of preconditions with their central objects."""

from __future__ import annotations

import dataclasses

from imagejudge.constitution import Constitution, Precondition, Remark, Rule, Statement, lint_constitution
from imagejudge.drafting import prompts
from imagejudge.drafting.replies import ChainReply, ask
from imagejudge.drafting.revision import DraftRejected, Revision
from imagejudge.engine.base import Engine


def decompose(engine: Engine, rule: Rule) -> Revision:
    """Let the model write a chain in the place of the rule's own, if any; exceptions stay.

    Raises `DraftRejected` when the reply cannot be used or the linter would complain of it, `EngineFailure`
    when there is none.
    """
    reply = ask(engine, prompts.decompose(rule.text), ChainReply)
    for number, item in enumerate(reply.preconditions):
        if item in reply.preconditions[:number]:
            raise DraftRejected(f"the model says the same precondition twice: {item[0].ask!r}")
    for statement in (each for item in reply.preconditions for each in item):
        if statement.ask in prompts.WORKED_STATEMENTS and not _is_about(rule, statement.objects):
            raise DraftRejected(f"the model copied {statement.ask!r} from an example of its prompt")
    numbers = iter(range(1, 1 + sum(map(len, reply.preconditions))))
    chain = tuple(
        Precondition(tuple(Statement(each.ask, tuple(each.objects), line=next(numbers)) for each in item))
        for item in reply.preconditions
    )
    drafted = dataclasses.replace(rule, preconditions=chain)
    if remarks := _remarks(drafted):
        more = f" (and {len(remarks) - 1} more)" if len(remarks) > 1 else ""
        raise DraftRejected(_complaint(remarks[0], drafted) + more)
    return Revision(drafted)


def _is_about(rule: Rule, objects: list[str]) -> bool:
    return any(name.casefold() in rule.text.casefold() for name in objects)


def _remarks(drafted: Rule) -> list[Remark]:
    """What the linter says of the drafted chain, and not already of the rule without it.

    Drafted statements carry their numbers where statements of a file carry their lines; exceptions carry none.
    """
    unless = tuple(dataclasses.replace(statement, line=None) for statement in drafted.unless)
    new = dataclasses.replace(drafted, unless=unless, line=None)
    known = _lint(dataclasses.replace(new, preconditions=()))
    return [remark for remark in _lint(new) if remark not in known]


def _lint(rule: Rule) -> list[Remark]:
    return lint_constitution(Constitution("draft", "1", (rule,)))


def _complaint(remark: Remark, drafted: Rule) -> str:
    if remark.line is None:
        return remark.message
    return f"{drafted.statements[remark.line - 1].ask!r}: {remark.message}"
