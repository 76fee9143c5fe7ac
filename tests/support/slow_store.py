"""A store that takes its time, in a file of its own: replicas that are processes import it."""

from __future__ import annotations

import time
from collections.abc import Mapping

from speechmill.errors import StorageMissing


class SlowPart:
    """Takes seconds to store what it was given."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def add(self, row: int, id: str, encoded: bytes, sidecar: Mapping[str, object]) -> tuple[str, None]:
        """Take a clip."""
        return f"audio/{row}", None

    def close(self) -> None:
        """Store."""
        time.sleep(self.seconds)

    def abort(self) -> None:
        """Nothing is kept."""


class SlowStore:
    """A store far away; `is_shared` False is one that the replica's node does not share."""

    def __init__(self, seconds: float = 0.0, *, is_shared: bool = True) -> None:
        self.seconds = seconds
        self.is_shared = is_shared

    def check(self) -> None:
        """Look for what the driver has written."""
        if not self.is_shared:
            raise StorageMissing("output.uri is not what the driver sees")

    def open_part(self, name: str) -> SlowPart:
        """Begin a part."""
        return SlowPart(self.seconds)
