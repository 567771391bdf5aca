"""Whether a file lies on a file system that the kernel makes up, such as /proc, where reading may do something."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from functools import cache
from typing import Final

_MAGIC: Final = frozenset(
    (
        *(
            0x9FA0,
            0x62656572,
            0x62656570,
            0x64626720,
            0x74726163,
            0x73636673,
        ),  # proc, sys, config, debug, trace, security
        *(0x27E0EB, 0x63677270, 0x7655821, 0xCAFE4A11),  # cgroup, cgroup2, resctrl, bpf
        *(0x6165676C, 0xDE5E81E4, 0x9FA1, 0x9FA2, 0xABBA1974),  # pstore, efivars, openprom, usb, xen
        *(0xF97CFF8C, 0x43415D53, 0x5A3C69F0),  # selinux, smack, apparmor
        *(0x42494E4D, 0x65735543, 0x19800202, 0x1CD1, 0x6C6F6F70),  # binfmt_misc, fusectl, mqueue, devpts, binder
        *(0x6E736673, 0x50494446, 0x09041934, 0x50495045, 0x534F434B),  # ns, pid, anonymous inodes, pipe, socket
        *(0x67596969, 0x6E667364, 0x0A647361),  # rpc_pipefs, nfsd, functionfs
    )
)
"""What statfs(2) calls such file systems; most are in the kernel's include/uapi/linux/magic.h. tmpfs, as of /dev/shm,
is not among them: what lies there was written by somebody.
"""


def is_special(path: str | int, device: int) -> bool:
    """Whether the file at a path, or open under a number, is on such a file system; `device` is its `st_dev`.

    Looks without opening the file. Knows Linux; elsewhere nothing is special but what is no file.
    """
    known = _KNOWN.get(device)
    if known is None:
        magic = _magic(path)
        known = magic in _MAGIC
        if magic is not None:
            if len(_KNOWN) > 10_000:  # as automounts can make ever new ones
                _KNOWN.clear()
            _KNOWN[device] = known
    return known


_KNOWN: dict[int, bool] = {}
"""By device, as of one file system all files are special or none."""


def _magic(path: str | int) -> int | None:
    calls = _calls()
    if calls is None:
        return None
    by_path, by_number = calls
    buffer = ctypes.create_string_buffer(512)  # struct statfs has 120 bytes; the type comes first
    failed = by_number(path, buffer) if isinstance(path, int) else by_path(os.fsencode(path), buffer)
    return None if failed else ctypes.c_uint32.from_buffer(buffer).value


@cache
def _calls() -> tuple[Callable[..., int], Callable[..., int]] | None:
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None, use_errno=True)
    return library.statfs, library.fstatfs
