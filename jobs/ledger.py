"""What is done, read off the names of the committed manifests: one listing, no object opened.

A part is done when its manifest is there. Its name carries the shard, its counts and the digest of its rows, so a
resumed run knows what to skip and notices a corpus that is no longer the one it began with.
"""

from __future__ import annotations

from ..actors.manifest import MANIFEST_PREFIX, PartName
from ..cluster.storage import Storage
from ..errors import JobChanged
from .progress import Totals


class Ledger:
    """The committed parts of one output."""

    def __init__(self) -> None:
        self._digests: dict[str, str] = {}
        self.totals = Totals()

    @classmethod
    def load(cls, storage: Storage) -> Ledger:
        """The ledger of an output, empty where nothing was committed."""
        ledger = cls()
        for entry in storage.list(MANIFEST_PREFIX):
            ledger.add(PartName.parse(entry.key))
        return ledger

    def __len__(self) -> int:
        return len(self._digests)

    def add(self, part: PartName) -> None:
        """Count a part in; the second manifest of a shard is not counted again (`verify` reports it)."""
        if part.shard_id not in self._digests:
            self._digests[part.shard_id] = part.digest
            self.totals = self.totals.plus(part.num_ok, part.num_failed, part.audio_ms / 1000)

    def is_done(self, shard_id: str, digest: str) -> bool:
        """Whether the shard is committed. Raises JobChanged when other rows were committed under its id."""
        known = self._digests.get(shard_id)
        if known is not None and known != digest:
            raise JobChanged(
                f"shard {shard_id} was committed with other rows than the corpus holds now. Restore the corpus, "
                "or start anew with --overwrite or another output.uri."
            )
        return known is not None
