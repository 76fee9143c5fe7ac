"""What the machines of the protocol ask of a store, and what it answers.

Guaranteed: requests and answers are values; a request may be sent again as it stands. Not known here: stores.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from ...actors.records.keys import ROOT_KEY
from .root import Root


@dataclass(frozen=True, slots=True)
class RootFile:
    """The content of `job.json`: the root, and whatever else stands there.

    Attributes:
        is_intact: It was read as it was written, so far as it says that of itself.
    """

    root: Root
    body: Any
    is_intact: bool = True


@dataclass(frozen=True, slots=True)
class Get:
    """Read the root. Answered by Found or Missing."""

    key: str = ROOT_KEY


@dataclass(frozen=True, slots=True)
class PutIf:
    """Write the root over the one of this tag; None: where there is none. Answered by Written or Refused."""

    key: str
    file: RootFile
    base: str | None


@dataclass(frozen=True, slots=True)
class Put:
    """Write an object. Answered by Written."""

    key: str
    value: Any


@dataclass(frozen=True, slots=True)
class AwaitAudio:
    """Wait until these objects have landed, which others write. Answered by Done."""

    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class List:
    """The next page of keys with this prefix, after a key; of one listing, or of one begun anew. Answered by Page."""

    prefix: str
    after: str | None


@dataclass(frozen=True, slots=True)
class ReadNames:
    """Read a manifest for the keys that it names. Answered by Named, or Missing if it is gone or unreadable."""

    key: str


@dataclass(frozen=True, slots=True)
class ReadObjects:
    """Read what a manifest names. Answered by Done or Missing."""

    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove objects; absent ones do not matter. Answered by Done."""

    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """The root as it was at one moment, with its tag."""

    file: RootFile
    tag: str


@dataclass(frozen=True, slots=True)
class Written:
    """A write was carried out; its tag if it was the root's."""

    tag: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """Keys in order. `empty` are those of objects without a byte, as broken uploads leave them: they never count."""

    keys: tuple[str, ...]
    is_last: bool
    empty: tuple[str, ...] = ()

    @property
    def end(self) -> str | None:
        return max((*self.keys[-1:], *self.empty[-1:]), default=None)


@dataclass(frozen=True, slots=True)
class Named:
    """The keys that a manifest names."""

    keys: frozenset[str]


class Reply(Enum):
    """Answers without a content."""

    DONE = auto()
    MISSING = auto()
    REFUSED = auto()


DONE, MISSING, REFUSED = Reply
StoreRequest = Get | PutIf | Put | AwaitAudio | List | ReadNames | ReadObjects | Delete
StoreAnswer = Found | Written | Page | Named | Reply
