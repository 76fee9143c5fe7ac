"""A part that is to be committed, made of a completed shard or of a window's rejected rows. Pure.

Guaranteed: its name and its manifest count the same rows, and each row of the shard once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from ...actors.models.base import ModelInfo
from ...actors.records.manifest import decode_records, encode_records
from ...actors.records.part_name import PartName
from ...actors.records.record import Record
from ...actors.records.utterance_columns import rows_of
from ...actors.records.verdicts import NO_VERDICTS
from ...cluster.scheduling.retry import PoisonRow
from ...cluster.scheduling.shard_tracker import CompletedShard
from ..output.texts import encode_texts
from ..planning.windows import KeptPart, Window
from ..verify import rows_digest

NO_SEEDS: Mapping[int, int] = {}


@dataclass(frozen=True, slots=True)
class PendingPart:
    """A part to be stored.

    Attributes:
        name: The part's name without its stamp, which is added when the part is written, as is a missing `content`
        manifest: The content of the manifest: JSON lines
        texts: The refined rows as JSON lines; None for audio
        cost_s: Estimated seconds on one replica
        is_kept: Its rows were made by an earlier run
    """

    name: PartName
    manifest: bytes
    texts: bytes | None = None
    cost_s: float = 0.0
    is_kept: bool = False

    @classmethod
    def of_shard(
        cls, completed: CompletedShard, info: ModelInfo, asked_seeds: Mapping[int, int] = NO_SEEDS, *, is_text: bool
    ) -> Self:
        """The part of a shard: the records of its receipts in order, then those of its poisoned rows.

        Args:
            asked_seeds: By row, the corpus's seed, where an update speaks another one
        """
        shard, receipts = completed.shard, completed.receipts
        name = PartName(
            window=shard.window,
            index=shard.index,
            num_ok=sum(receipt.num_ok for receipt in receipts),
            num_failed=sum(receipt.num_failed for receipt in receipts) + len(completed.poisoned),
            audio_ms=sum(receipt.audio_ms for receipt in receipts),
            digest=shard.digest,
            num_unspoken=sum(receipt.num_unspoken for receipt in receipts),
            verdicts=sum((receipt.verdicts for receipt in receipts), NO_VERDICTS),
        )
        assert name.num_ok + name.num_failed == len(shard.utterances), f"rows lost in shard {shard.id}: {name}"
        has_others = any(row in asked_seeds for row in rows_of(shard.utterances)) if asked_seeds else False
        if len(receipts) == 1 and not completed.poisoned and not has_others:
            manifest, name = receipts[0].manifest, replace(name, content=receipts[0].content)
        else:
            records = [r for receipt in receipts for r in decode_records(receipt.manifest, shard.id)]
            records += [poisoned_record(row, info) for row in completed.poisoned]
            manifest = encode_records(
                replace(record, asked_seed=asked_seeds[record.row]) if record.row in asked_seeds else record
                for record in records
            )
        texts = encode_texts(decode_records(manifest, shard.id)) if is_text else None
        return cls(name, manifest, texts, shard.cost_s)

    @classmethod
    def of_rejected(cls, window: Window, info: ModelInfo) -> Self | None:
        """The part of a window's rejected rows; None if it has none."""
        if not window.rejected:
            return None
        records = [Record.of_failure(failure, info.name, info.revision) for failure in window.rejected]
        return cls(PartName.of(window.index, None, window.rejected_digest, records), encode_records(records))

    @classmethod
    def of_kept(cls, kept: KeptPart, *, is_text: bool) -> Self:
        """The part of rows that an update keeps."""
        name = PartName.of(kept.window, kept.index, rows_digest(kept.records), kept.records)
        is_with_texts = is_text and kept.index is not None
        texts = encode_texts(kept.records) if is_with_texts else None
        return cls(name, encode_records(kept.records), texts, is_kept=True)

    @property
    def num_bytes(self) -> int:
        return len(self.manifest) + len(self.texts or b"")


def poisoned_record(row: PoisonRow, info: ModelInfo) -> Record:
    """The record of a row that killed its replicas."""
    return Record.of_utterance(
        row.utterance,
        model=info.name,
        model_revision=info.revision,
        default_voice=info.default_voice,
        error=f"{row.deaths} replicas died speaking this row; the last one said: {row.cause}",
    )
