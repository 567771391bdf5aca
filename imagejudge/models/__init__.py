"""From what the user calls a model to the two files that make it; known models are pulled, pinned and checked here.

Knows nothing of how models are run.
"""

from imagejudge.models.files import ModelFiles, file_digest, hashed, whole_digest
from imagejudge.models.resolve import BUILTIN, BUILTIN_NOTE, read_template, resolve_model, resolve_writer

__all__ = [
    "BUILTIN",
    "BUILTIN_NOTE",
    "ModelFiles",
    "file_digest",
    "hashed",
    "read_template",
    "resolve_model",
    "resolve_writer",
    "whole_digest",
]
