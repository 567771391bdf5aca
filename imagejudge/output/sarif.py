"""Findings as one SARIF 2.1.0 document, for code scanning. Follows GitHub's limits; knows nothing of uploading."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO, Final
from urllib.parse import quote

from imagejudge import __version__
from imagejudge.common.text import printable, quiet_json
from imagejudge.constitution import Constitution, Rule, Severity
from imagejudge.images.remote import is_address
from imagejudge.output.findings import Finding, findings
from imagejudge.output.location import below_here
from imagejudge.output.paths import bytes_of
from imagejudge.verdict import Failure, Verdict

MAX_RESULTS = 25_000
"""GitHub refuses a run with more."""
_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_ROOT = "%SRCROOT%"
_URI: Final = "%:/?#@!$&'()*+,;="
"""What an address has beside letters and digits: web addresses have their escapes already."""
_NO_ESCAPE: Final = re.compile("%(?![0-9A-Fa-f]{2})")
_OUT_OF_WORLD = "out-of-world"
"""Stands for all rules where a picture does not look like what the model was made for."""
_LEVELS = {Severity.HIGH: "error", Severity.MEDIUM: "warning", Severity.LOW: "note", None: "none"}


class Sarif:
    """Gathers findings and writes them when it is closed, the worst first: GitHub shows only the first 5,000."""

    def __init__(self, stream: BinaryIO, constitution: Constitution, *, most: int = MAX_RESULTS) -> None:
        self._stream = stream
        self._constitution = constitution
        self._most = most
        self._rules = [rule for rule in constitution.rules if rule.enabled]
        self._index: dict[str | None, int] = {rule.id: number for number, rule in enumerate(self._rules)}
        self._results: dict[str, list[Any]] = {level: [] for level in _LEVELS.values()}
        self._found = 0
        self._failures: list[Any] = []

    @property
    def note(self) -> str:
        """Whether findings had to be left out."""
        if self._found <= self._most:
            return ""
        return f"a SARIF run may hold {self._most:,} results: the worst of {self._found:,} are in it, the rest is not"

    def write(self, verdict: Verdict) -> None:
        """Take in what was found in one image."""
        if verdict.error is not None and len(self._failures) < self._most:
            self._failures.append(_failure(verdict.path, verdict.error))
        for finding in findings(verdict):
            self._found += 1
            results = self._results[_LEVELS[finding.severity]]
            if len(results) < self._most:
                results.append(self._result(verdict, finding))

    def close(self) -> None:
        """Write the document; the stream stays open for its owner."""
        self._stream.write(quiet_json(json.dumps(self._document(), indent=2)).encode() + b"\n")
        self._stream.flush()

    def _document(self) -> dict[str, Any]:
        results = [result for level in self._results.values() for result in level]
        notifications = list(self._failures)
        if self.note:
            notifications.append({"level": "warning", "message": {"text": self.note}})
        run = {
            "tool": {
                "driver": {
                    "name": "imagejudge",
                    "version": __version__,
                    "semanticVersion": __version__,
                    "rules": [*map(_descriptor, self._rules), *([_STRANGE] if None in self._index else [])],
                }
            },
            # GitHub takes this as the category: alerts of one constitution do not replace those of another.
            "automationDetails": {"id": f"imagejudge/{self._constitution.name}/"},
            "invocations": [
                {"executionSuccessful": not self._failures, "toolExecutionNotifications": notifications},
            ],
            "results": results[: self._most],
        }
        return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}

    def _result(self, verdict: Verdict, finding: Finding) -> dict[str, Any]:
        rule = finding.rule or _OUT_OF_WORLD
        identity = hashlib.sha256(f"{verdict.sha256} {rule}".encode()).hexdigest()
        result: dict[str, Any] = {
            "ruleId": rule,
            "ruleIndex": self._index.setdefault(finding.rule, len(self._index)),
            "kind": "fail" if finding.severity else "review",
            "level": _LEVELS[finding.severity],
            "message": {"text": finding.message},
            "locations": [_location(verdict.path)],
            # GitHub reads the first name alone, and combines it with the path.
            "partialFingerprints": {"primaryLocationLineHash": identity, "imageAndRule/v1": identity},
        }
        if finding.accepted:
            result["suppressions"] = [{"kind": "external", "status": "accepted"}]
        return result


_STRANGE = {
    "id": _OUT_OF_WORLD,
    "shortDescription": {"text": "The picture does not look like what the model was made for."},
    "fullDescription": {"text": "The model was asked nothing about it, so that all rules are undecided."},
    "defaultConfiguration": {"level": _LEVELS[None]},
}


def _descriptor(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.text},
        "fullDescription": {"text": rule.text},
        "help": {"text": "\n".join(_logic(rule))},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        "properties": {"tags": [rule.category] if rule.category else [], "severity": rule.severity},
    }


def _logic(rule: Rule) -> Iterator[str]:
    """The rule as a reader of an alert needs it."""
    yield rule.text
    for precondition in rule.preconditions:
        yield "- " + " or: ".join(statement.ask for statement in precondition.any)
    for statement in rule.unless:
        yield f"- unless: {statement.ask}"


def _failure(path: str, error: Failure) -> dict[str, Any]:
    return {
        "level": "error",
        "descriptor": {"id": error.kind},
        "message": {"text": printable(error.message)},
        "locations": [_location(path)],
    }


def _location(path: str) -> dict[str, Any]:
    """The whole file: images have no lines."""
    return {"physicalLocation": {"artifactLocation": _artifact(path)}}


def _artifact(path: str) -> dict[str, str]:
    """Relative to the current folder where the file lies below it. The same file gives the same words every time."""
    if is_address(path):
        return {"uri": _NO_ESCAPE.sub("%25", quote(bytes_of(path), safe=_URI))}
    pure = below_here(path)
    encoded = quote(bytes_of(pure.as_posix()))
    if pure.is_absolute():
        return {"uri": "file://" + "/" * (not encoded.startswith("/")) + encoded}
    return {"uri": encoded, "uriBaseId": _ROOT}
