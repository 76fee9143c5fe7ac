"""`driver.json` in a store: read, and written only over what was read.

Guaranteed: as `Storage.put_if` promises, if `is_exclusive`. Else it is compared before and after the write, and two
that write in the same moment may both believe that theirs is there.
Not known here: when to write, and whether its holder is alive.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...actors.records.keys import DRIVER_KEY
from ...errors import StorageConflict, StorageMissing
from ..storage import Storage
from .record import LeaseRecord


@dataclass(frozen=True, slots=True)
class FoundRecord:
    """`driver.json` as read; `holder` is None if it holds something else."""

    holder: LeaseRecord | None
    tag: str


class LeaseFile:
    """Of one output."""

    def __init__(self, storage: Storage, *, is_exclusive: bool = True) -> None:
        self._storage = storage
        self.is_exclusive = is_exclusive
        self.location = storage.location(DRIVER_KEY)

    def read(self) -> FoundRecord | None:
        """What is there."""
        try:
            found = self._storage.get_tagged(DRIVER_KEY)
        except StorageMissing:
            return None
        try:
            return FoundRecord(LeaseRecord.parse(found.data), found.tag)
        except ValueError:
            return FoundRecord(None, found.tag)

    def write(self, holder: LeaseRecord, tag: str | None) -> str:
        """Write over the object of this tag (None: where there is none); its new tag.

        Raises:
            StorageConflict: The object is no longer the one that was read
        """
        data = holder.encode()
        if self.is_exclusive:
            return self._storage.put_if(DRIVER_KEY, data, tag)
        before = self.read()
        if (before and before.tag) != tag:
            raise StorageConflict(f"writing {self.location}: another writer came first")
        self._storage.put(DRIVER_KEY, data)
        after = self._storage.get_tagged(DRIVER_KEY)
        if after.data != data:
            raise StorageConflict(f"writing {self.location}: another writer came right after")
        return after.tag
