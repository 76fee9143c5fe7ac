"""What an object store must do: whole objects under keys, listed in order.

Guaranteed by every store here: `put` is atomic (a reader sees the old object, the new one, or none, never half),
`list` yields keys in lexicographic order, foreign errors arrive as the errors of `speechmill.errors`, and of several
that call `put_if` with the same tag one at most succeeds, wherever `can_put_if` says so.
Not known here: what the objects mean. Stores are picklable; a copy in another process opens its own connection.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO


@dataclass(frozen=True, slots=True)
class S3Options:
    """How to reach an S3 service. Credentials are never here: they come from boto3's own chain.

    Attributes:
        endpoint_url: Any S3-compatible endpoint; None for AWS (or AWS_ENDPOINT_URL).
        region: None for boto3's default.
        max_attempts: Tries per request, with growing random pauses between them.
        timeout_s: Seconds for all tries of a request.
        anonymous: Send no credentials: for public buckets.
        addressing_style: "path" (endpoint/bucket/key) or "virtual" (bucket.endpoint/key); None for that of the profile,
            else "path" for an endpoint that is named, else boto3's own choice.
    """

    endpoint_url: str | None = None
    region: str | None = None
    max_attempts: int = 8
    timeout_s: float = 600.0
    anonymous: bool = False
    addressing_style: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """An object in a listing. `version` changes when its content does (ETag, or size and mtime)."""

    key: str
    size: int
    version: str = ""


@dataclass(frozen=True, slots=True)
class Tagged:
    """An object as it was at one moment. Its tag follows from the content: the same bytes may have the same one."""

    data: bytes
    tag: str


class Storage(ABC):
    """A prefix in an object store; all keys are relative to it, with "/" between their parts."""

    uri: str

    @abstractmethod
    def check(self, *, write: bool) -> None:
        """Raise StorageDenied, StorageMissing or StorageUnavailable if the store cannot be used; quick."""

    @abstractmethod
    def put(self, key: str, data: bytes | Path) -> None:
        """Write an object whole, from memory or from a local file. Overwrites."""

    @abstractmethod
    def get(self, key: str) -> bytes:
        """The whole object.

        Raises:
            StorageMissing: No object lies under the key
        """

    @abstractmethod
    def get_tagged(self, key: str) -> Tagged:
        """The whole object, with the tag that `put_if` compares.

        Raises:
            StorageMissing: No object lies under the key
        """

    @abstractmethod
    def put_if(self, key: str, data: bytes, tag: str | None) -> str:
        """Write an object whole if it still has this tag, or, with None, if there is none; the new tag.

        A write whose answer got lost is recognised by its bytes, so `data` must be unlike what any other writer writes.
        Any other error leaves open whether it was written. Tries for seconds, not for minutes.

        Raises:
            StorageConflict: If another writer came first: then nothing was written
        """

    @abstractmethod
    def can_put_if(self) -> bool:
        """Whether the store keeps the promise of `put_if`, found out by trying; some ignore conditions."""

    @abstractmethod
    def open(self, key: str) -> BinaryIO:
        """A seekable binary file that reads the object piece by piece.

        Raises:
            StorageMissing: No object lies under the key
        """

    @abstractmethod
    def list(self, prefix: str = "") -> Iterator[Entry]:
        """Objects whose key starts with `prefix`, in key order, however many there are."""

    @abstractmethod
    def delete(self, keys: Iterable[str]) -> int:
        """Remove objects; absent ones do not matter. The number of keys asked for."""

    def exists(self, key: str) -> bool:
        """Whether the object is there."""
        return any(entry.key == key for entry in self.list(key))

    def location(self, key: str) -> str:
        """The key as a full URI, for people and error messages."""
        return f"{self.uri.rstrip('/')}/{key}"
