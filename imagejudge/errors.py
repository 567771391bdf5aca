"""What stops a run. A bad image, a dead engine or an undecided rule are verdicts, not exceptions.

ImageJudgeError
├── UsageError          the command line or an input list cannot be used
├── ConstitutionError   a constitution file is wrong; carries every complaint
├── SettingsError       a settings file is wrong; carries every complaint
├── ModelError          a model cannot be found, loaded or trusted
└── OutputError         results cannot be written, or would be mixed up with others

EngineFailure stands apart: it costs one image and the scan continues.
"""

from __future__ import annotations


class ImageJudgeError(Exception):
    """Shown to the user as one line, with a hint on what to do next. Exit code 2."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(ImageJudgeError):
    """The command line or an input list cannot be used."""


class ConstitutionError(ImageJudgeError):
    """A constitution file is wrong; the message holds every complaint, one a line."""


class SettingsError(ImageJudgeError):
    """A settings file is wrong; the message holds every complaint, one a line."""


class ModelError(ImageJudgeError):
    """A model cannot be found, loaded or trusted."""


class OutputError(ImageJudgeError):
    """Results cannot be written, or would be mixed up with others."""


class EngineFailure(Exception):  # noqa: N818 - a failure of one image, not an error of the run
    """The engine could not answer about one image: it crashed, hung or took too much memory.

    `kind` is one of `engine-crash`, `engine-timeout`, `engine-memory`, `engine-error`, or `internal` for a bug.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
