"""Names of web addresses without what is secret in them; what a server is asked for, this process alone knows.

A signature stands behind the `?` of an address. In a name it would be written into verdicts, and a new one every day
would make another file of the same.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_plus

from imagejudge.images.names import SEPARATOR, VIDEO_EXTENSIONS, extension, is_image, is_shard

_QUERY: Final = re.compile(rf"(?P<file>https?://[^?#]*)\?(?P<query>.*?)(?P<member>{SEPARATOR}.*)?", re.DOTALL)
_SECRET: Final = re.compile(
    r"x-[a-z]+-.*|s[eiprstv]|s[ip][pr]|srt|sk[a-z]+|.*(sign|sig$|token|key|auth|cred|secret|passw|pwd|policy|expires).*",
    re.IGNORECASE | re.DOTALL,
)
"""Parameters of signatures: those of Amazon and Google (X-...), of Azure (sv, sig), and what else is called so."""

_full: dict[str, str] = {}
"""By name, the whole address."""


def name_of(address: str) -> str:
    """What a web address is called from here on, whose query is kept for `whole`; other paths stay as they are.

    It is without its query where its path ends as that of an image, video or shard, else without what is called as the
    parameters of signatures are.
    """
    found = _QUERY.fullmatch(address)
    if found is None:
        return address
    file, query = found["file"], found["query"]
    is_known = is_image(file) or is_shard(file) or extension(file) in VIDEO_EXTENSIONS
    kept = [] if is_known else [each for each in query.split("&") if not _is_secret(each)]
    name = f"{file}?{'&'.join(kept)}" if kept else file
    if name != f"{file}?{query}":
        _full[name] = f"{file}?{query}"
    return name + (found["member"] or "")


def whole(name: str) -> str:
    """The address to ask for, by its name."""
    return _full.get(name, name)


def _is_secret(parameter: str) -> bool:
    return _SECRET.fullmatch(unquote_plus(parameter.partition("=")[0])) is not None
