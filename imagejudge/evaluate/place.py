"""Where labelled images lie: a path on disk, or an address, which is used in the same way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote, unquote

from imagejudge.common import existing
from imagejudge.errors import UsageError
from imagejudge.images.names import is_image, is_shard
from imagejudge.images.remote import UnknownAddressError, refuse_name, state_of
from imagejudge.images.remote_folder import list_address

_TABLES = (".csv", ".jsonl", ".json")


@dataclass(frozen=True)
class _Listing:
    """All files below one address, asked for once."""

    root: str

    @cached_property
    def files(self) -> frozenset[str]:
        """Their addresses; of what is no folder, its own alone. Raises `UsageError` where nothing can be found out."""
        if is_shard(self.root) or is_image(self.root) or self.root.endswith(_TABLES):
            return frozenset((self.root,))
        try:
            found = list_address(self.root)
            if found == {self.root: None}:
                state_of(self.root)  # raises if there is nothing
        except FileNotFoundError:
            hint = "check the address of the data set; its server has to list folders"
            raise UsageError(f"nothing is at {self.root}", hint) from None
        except OSError as error:
            raise UsageError(f"{self.root} cannot be listed: {error.strerror or error}", "try again") from None
        except UnknownAddressError as error:
            raise UsageError(f"{self.root} {error}", "or download the data set") from None
        for folder, why in found.items():
            if why is not None:  # what lies there would be left out without a word
                raise UsageError(f"{folder} cannot be listed: {why.strerror or why}", "try again")
        return frozenset(self.root + _written(self.root, each[len(self.root) :]) for each in found)

    @cached_property
    def folders(self) -> frozenset[str]:
        """The addresses of all folders that hold any of them."""
        ways = (file[len(self.root) :].split("/")[:-1] for file in self.files if file != self.root)
        return frozenset(self.root + "/".join(way[:depth]) for way in ways for depth in range(1, len(way) + 1))


@dataclass(frozen=True, order=True)
class Address:
    """A file or folder in a network, with as much of a `Path` as adapters use.

    What is not below the address that the user named was not listed, and is taken to be there: reading it tells.
    """

    address: str
    _listing: _Listing = field(repr=False, compare=False)

    @classmethod
    def of(cls, address: str) -> Address:
        """Of a data set. Raises `UsageError` for one with the name of a user in it."""
        refuse_name(address)
        address = address.rstrip("/")
        return cls(address, _Listing(address))

    def __str__(self) -> str:
        return self.address

    def __truediv__(self, below: str) -> Address:
        written = quote(below) if _is_web(self.address) else below
        return Address(f"{self.address}/{written}", self._listing)

    @property
    def name(self) -> str:
        """The last part of it, as people write it."""
        return _plain(self.address, self.address.rpartition("/")[2])

    @property
    def suffix(self) -> str:
        """The ending of its name, with the dot."""
        stem, dot, ending = self.name.rpartition(".")
        return dot + ending if stem else ""

    @property
    def parent(self) -> Address:
        """The folder it lies in."""
        return Address(self.address.rpartition("/")[0], self._listing)

    def is_file(self) -> bool:
        """Whether it was listed, or cannot be."""
        is_below = f"{self.address}/".startswith(f"{self._listing.root}/")
        return self.address in self._listing.files or not is_below

    def is_dir(self) -> bool:
        """Whether files below it were listed."""
        return self.address in self._listing.folders

    def iterdir(self) -> Iterator[Address]:
        """The files and folders in it, in the order of their names."""
        start = f"{self.address}/"
        listed = self._listing.files | self._listing.folders
        names = {each[len(start) :].partition("/")[0] for each in listed if each.startswith(start)}
        return (Address(start + name, self._listing) for name in sorted(names))

    def files(self) -> Iterator[Address]:
        """All files below it."""
        return (Address(file, self._listing) for file in self._listing.files if file.startswith(f"{self.address}/"))


def _is_web(address: str) -> bool:
    return address.startswith(("http://", "https://"))


def _plain(address: str, part: str) -> str:
    """A part of an address without the escapes (`%20`) that those of the web have."""
    return unquote(part) if _is_web(address) else part


def _written(address: str, part: str) -> str:
    """The same part with the escapes that `Address` writes: servers differ in what they escape."""
    return quote(unquote(part)) if _is_web(address) else part


Place: TypeAlias = Path | Address


def is_file(place: Place) -> bool:
    """Whether there is a file, and not a folder; of an address as `Address.is_file` says."""
    return place.is_file() if isinstance(place, Address) else existing.is_file(place)


def is_folder(place: Place) -> bool:
    """Whether there is a folder."""
    return place.is_dir() if isinstance(place, Address) else existing.is_folder(place)


def all_below(folder: Place) -> Iterator[Place]:
    """All files in a folder and below it."""
    return folder.files() if isinstance(folder, Address) else folder.rglob("*")
