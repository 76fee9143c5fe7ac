"""A store that takes its time, in a file of its own: replicas that are processes import it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from speechmill.errors import StorageMissing

from .waiting import HANG_S


class SlowPart:
    """Is stored when its store lets it."""

    def __init__(self, hold: str) -> None:
        self.hold = hold

    def add(self, row: int, id: str, encoded: bytes, sidecar: Mapping[str, object]) -> tuple[str, None]:
        """Take a clip."""
        return f"audio/{row}", None

    def close(self) -> None:
        """Store; the process that finds the file, and removes it, does not come to an end with it."""
        if not self.hold:
            return
        try:
            Path(self.hold).unlink()
        except FileNotFoundError:
            return
        time.sleep(HANG_S)

    def abort(self) -> None:
        """Nothing is kept."""


class SlowStore:
    """A store far away; `is_shared` False is one that the replica's node does not share.

    Args:
        hold: Path of a file; the first part that finds it there removes it and is stored for ever. Empty: none is
        behind: Of the shard whose parts begin only once the file is gone, the id
    """

    def __init__(self, hold: str = "", behind: str = "", *, is_shared: bool = True) -> None:
        self.hold, self.behind = hold, behind
        self.is_shared = is_shared

    def check(self) -> None:
        """Look for what the driver has written."""
        if not self.is_shared:
            raise StorageMissing("output.uri is not what the driver sees")

    def open_part(self, name: str) -> SlowPart:
        """Begin a part."""
        while self.behind and name.startswith(self.behind) and Path(self.hold).exists():
            time.sleep(0.01)
        return SlowPart(self.hold)
