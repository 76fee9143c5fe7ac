"""Where a replica puts its clips, as it sees it. The containers and stores behind this are the job's business."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class PartWriter(Protocol):
    """One attempt at one part, as the replica sees it."""

    def add(self, row: int, id: str, encoded: bytes, sidecar: Mapping[str, object]) -> tuple[str, str | int | None]:
        """Take one clip; where it will lie: (object key, member or row in it)."""
        ...

    def close(self) -> None:
        """Everything is stored when this returns."""
        ...

    def abort(self) -> None:
        """Forget what was taken; objects already stored are orphans."""
        ...


class PartStore(Protocol):
    """What opens parts. It travels to the replica, so it can be pickled."""

    def check(self) -> None:
        """Raise StorageMissing if this machine does not see the output that the driver writes to."""
        ...

    def open_part(self, name: str) -> PartWriter:
        """A writer for a part of this unique name."""
        ...
