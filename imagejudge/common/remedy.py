"""What helps where a file cannot be written, by why it cannot."""

from __future__ import annotations

import errno
from typing import Final

_REMEDIES: Final = {
    errno.ENOSPC: "free space",
    errno.EDQUOT: "free space",
    errno.EFBIG: "allow larger files",
    errno.EROFS: "make it writable",
    errno.EACCES: "make it writable",
    errno.EPERM: "make it writable",
    errno.ENOENT: "make its folder",
}


def remedy(error: OSError, instead: str = "", then: str = "") -> str:
    """A hint: what removes the cause, or what can be done `instead`; and what to do `then`."""
    either = ", or ".join(filter(None, (_REMEDIES.get(error.errno or 0), instead)))
    return ", then ".join(filter(None, (either, then)))
