"""Parts on their way from the pool to the ledger: the committer stores them, then the ledger counts them.

Guaranteed: a row counts as committed only when its manifest is in the store.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ...actors.batcher.stats import BatchStats
from ...actors.gate.stats import NO_GATE
from ...actors.models.base import ModelInfo
from ...cluster.scheduling.shard_tracker import CompletedShard
from ..output.ledger import Ledger
from ..output.totals import Totals
from ..planning.windows import KeptPart, Window
from .committer import Committer
from .pending_part import PendingPart
from .progress import Tracker


class Commits:
    """The commits of one run."""

    def __init__(
        self,
        info: ModelInfo,
        task: str,
        ledger: Ledger,
        committer: Committer,
        tracker: Tracker,
        asked_seeds: Mapping[int, int],
    ) -> None:
        """`asked_seeds`: by row, the corpus's seed, where an update speaks another one."""
        self._asked_seeds = asked_seeds
        self._info = info
        self._is_text = task == "refine"
        self._ledger = ledger
        self._committer = committer
        self._tracker = tracker

    @property
    def has_room(self) -> bool:
        """Whether more rows may be spoken; false while too many parts wait for the store."""
        return self._committer.has_room

    @property
    def is_idle(self) -> bool:
        """Whether every part is stored and counted."""
        return self._committer.is_idle

    @property
    def notice(self) -> str:
        """A message to the user while the store takes nothing; else empty."""
        return self._committer.notice

    @property
    def totals(self) -> Totals:
        """Committed rows and audio, those of earlier runs included."""
        return self._ledger.totals

    def add_shard(self, completed: CompletedShard) -> None:
        """Queue a completed shard to be stored."""
        self._committer.add(PendingPart.of_shard(completed, self._info, self._asked_seeds, is_text=self._is_text))
        self._tracker.record_batches(sum((receipt.batches for receipt in completed.receipts), BatchStats()))
        self._tracker.record_gate(sum((receipt.gate for receipt in completed.receipts), NO_GATE))

    def add_rejected(self, window: Window) -> None:
        """Queue the rejected rows of a window to be stored, unless an earlier run has stored them."""
        part = PendingPart.of_rejected(window, self._info)
        if part is not None and not self._ledger.is_done(part.name.shard_id, part.name.digest):
            self._committer.add(part)

    def add_kept(self, kept: KeptPart) -> None:
        """Queue rows that an update keeps to be stored."""
        self._committer.add(PendingPart.of_kept(kept, is_text=self._is_text))

    def add_cleanup(self, cleanup: Callable[[], object]) -> None:
        """Queue a cleanup, to be run when no part waits."""
        self._committer.add_cleanup(cleanup)

    def settle(self, timeout_s: float) -> None:
        """Count stored parts as committed; wait at most `timeout_s` for one. Raises the error of a failed write."""
        for part in self._committer.stored(timeout_s):
            name = part.name
            self._ledger.add(name)
            record = self._tracker.record_kept if part.is_kept else self._tracker.record_commit
            record(name.num_ok, name.num_failed, name.audio_ms / 1000, part.cost_s)
        self._tracker.record_pending(*self._committer.pending)
