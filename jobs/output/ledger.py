"""The committed parts of an output, from the names of the manifests: one listing, no object is opened.

A part is done when its manifest is there. The manifest's name holds the shard, its counts and the digest of its rows.
So a continued run can skip the part, and a changed corpus is noticed. A window whose parts are all done is kept as one
bit; the parts of other windows are kept one by one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b

from ...actors.records.keys import MANIFEST_PREFIX
from ...actors.records.part_name import PartName
from ...cluster.storage import Entry, Storage
from ...errors import JobChanged
from ..corpus.parallel import in_order
from .plan_log import WindowPlan
from .row_bitmap import RowBitmap
from .totals import Totals

MANY_WINDOWS = 1_000
"""Above so many windows, manifests are listed in several pieces at once."""


class Ledger:
    """The committed parts of one output. Threads may share it.

    Args:
        plans: The plans of the first windows; they tell which windows are complete
    """

    def __init__(self, plans: Sequence[WindowPlan] = ()) -> None:
        self._plans = plans
        self._open: dict[int, dict[str, str]] = {}
        self._complete = RowBitmap()
        self._expected: dict[int, int] = {}
        self._num_parts = 0
        self._lock = threading.Lock()
        self.totals = Totals()

    @classmethod
    def of(cls, counted: Iterable[PartName], plans: Sequence[WindowPlan] = ()) -> Ledger:
        """The ledger of these parts."""
        ledger = cls(plans)
        for part in counted:
            ledger.add(part)
        return ledger

    def __len__(self) -> int:
        return self._num_parts

    def add(self, part: PartName) -> None:
        """Count a part. A second manifest of the same shard is not counted (`verify` reports it)."""
        with self._lock:
            parts = self._open.setdefault(part.window, {})
            if part.shard_id in parts or part.window in self._complete:
                return
            parts[part.shard_id] = part.digest
            self._num_parts += 1
            audio_s = part.audio_ms / 1000
            self.totals = self.totals.plus(part.num_ok, part.num_failed, audio_s, part.num_unspoken, part.verdicts)
            plan = self._plans[part.window] if part.window < len(self._plans) else None
            is_planned = plan is not None and len(parts) == plan.num_parts and window_digest(parts) == plan.digest
            if is_planned or len(parts) == self._expected.get(part.window):
                self._close(part.window)

    def expect(self, window: int, num_parts: int) -> None:
        """Set the number of parts of a window; `is_done` was called for each of them, or they will be added."""
        with self._lock:
            if len(self._open.get(window, ())) == num_parts:
                self._close(window)
            elif window not in self._complete:
                self._expected[window] = num_parts

    def is_complete(self, window: int) -> bool:
        """Whether every part of the window is committed, as far as this ledger can tell."""
        with self._lock:
            return window in self._complete

    def is_done(self, shard_id: str, digest: str) -> bool:
        """Whether the shard is committed.

        Raises:
            JobChanged: Other rows were committed under its id
        """
        window = int(shard_id.partition("-")[0])
        with self._lock:
            if window in self._complete:
                return True
            known = self._open.get(window, {}).get(shard_id)
        if known is not None and known != digest:
            raise JobChanged(
                f"shard {shard_id} was committed with other rows than the corpus holds now. Restore the corpus, "
                "or start anew with --overwrite or another output.uri."
            )
        return known is not None

    def _close(self, window: int) -> None:
        self._complete.add(window)
        self._open.pop(window, None)
        self._expected.pop(window, None)


def window_digest(parts: Mapping[str, str]) -> str:
    """The digest of all parts of a window, in the order of their shards: 12 hexadecimal digits."""
    lines = [f"{shard_id} {digest}\n" for shard_id, digest in sorted(parts.items())]
    return blake2b("".join(lines).encode(), digest_size=6).hexdigest()


def list_manifests(storage: Storage, num_windows: int = 0) -> Iterator[Entry]:
    """All manifests, those of a window together. With many planned windows, pieces are listed at once."""
    pieces = _prefixes(num_windows) if num_windows > MANY_WINDOWS else [MANIFEST_PREFIX]
    for entries in in_order(lambda prefix: list(storage.list(prefix)), pieces):
        yield from entries


def _prefixes(num_windows: int) -> Iterable[str]:
    """Prefixes of manifests: every manifest has exactly one. Each covers a hundred of the planned windows."""
    planned = f"{min((num_windows - 1) // 100, 9999):04d}"
    yield from (f"{MANIFEST_PREFIX}{hundred:04d}" for hundred in range(int(planned) + 1))
    for length in reversed(range(4)):
        yield from (f"{MANIFEST_PREFIX}{planned[:length]}{digit}" for digit in range(int(planned[length]) + 1, 10))
