"""Objects read whole, up to a size: an edited object, or a sparse file on a disk, may be larger than the memory."""

from __future__ import annotations

import io

from ...cluster.storage import Storage
from ...errors import JobError

SMALL_BYTES = 1 << 26
"""Limit for an object with a few fields, such as job.json."""
MANIFEST_BYTES = 1 << 30


class TooLarge(JobError):
    """An object that speechmill cannot have written."""


def get_bounded(storage: Storage, key: str, max_bytes: int = SMALL_BYTES) -> bytes:
    """The whole object.

    Raises:
        StorageMissing: There is no such object
        TooLarge: The object has more than `max_bytes`
    """
    with storage.open(key) as file:
        size = file.seek(0, io.SEEK_END)
        if size > max_bytes:
            where = storage.location(key)
            raise TooLarge(f"{where} has {size:,} bytes; what speechmill writes there has {max_bytes:,} at most")
        file.seek(0)
        return file.read()
