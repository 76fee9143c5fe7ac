"""Parts between the pool and the ledger: handed to the committer, and counted once they are stored.

Guaranteed: a row counts as committed when its manifest is in the store, not before.
"""

from __future__ import annotations

from collections.abc import Callable

from ...actors.batcher.stats import BatchStats
from ...actors.models.base import ModelInfo
from ...cluster.scheduling.shard_tracker import CompletedShard
from ..output.ledger import Ledger
from ..output.totals import Totals
from ..planning.windows import Window
from .committer import Committer
from .pending_part import PendingPart
from .progress import Tracker


class Commits:
    """The commits of one run."""

    def __init__(self, info: ModelInfo, task: str, ledger: Ledger, committer: Committer, tracker: Tracker) -> None:
        self._info = info
        self._is_text = task == "refine"
        self._ledger = ledger
        self._committer = committer
        self._tracker = tracker

    @property
    def has_room(self) -> bool:
        """Whether more may be spoken; false while too much waits for the store."""
        return self._committer.has_room

    @property
    def is_idle(self) -> bool:
        """Whether all is stored and counted."""
        return self._committer.is_idle

    @property
    def notice(self) -> str:
        """What a person should know while the store takes nothing."""
        return self._committer.notice

    @property
    def totals(self) -> Totals:
        """What is committed, runs before included."""
        return self._ledger.totals

    def add_shard(self, completed: CompletedShard) -> None:
        """Hand in a completed shard."""
        self._committer.add(PendingPart.of_shard(completed, self._info, is_text=self._is_text))
        self._tracker.record_batches(sum((receipt.batches for receipt in completed.receipts), BatchStats()))

    def add_rejected(self, window: Window) -> None:
        """Hand in the rows of a window that cannot be spoken, unless an earlier run did."""
        part = PendingPart.of_rejected(window, self._info)
        if part is not None and not self._ledger.is_done(part.name.shard_id, part.name.digest):
            self._committer.add(part)

    def add_cleanup(self, cleanup: Callable[[], object]) -> None:
        """Have something removed when no part waits."""
        self._committer.add_cleanup(cleanup)

    def settle(self, timeout_s: float) -> None:
        """Count what is stored as committed; wait for a part at most so long. Raises what writing raised."""
        for part in self._committer.stored(timeout_s):
            name = part.name
            self._ledger.add(name)
            self._tracker.record_commit(name.num_ok, name.num_failed, name.audio_ms / 1000, part.cost_s)
        self._tracker.record_pending(*self._committer.pending)
