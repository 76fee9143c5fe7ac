"""What a shard's receipts, a row that kills and a window's rejected rows become: one part, every row once."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from speechmill.actors.batcher.stats import NO_BATCHES
from speechmill.actors.models.base import ModelConfig
from speechmill.actors.models.registry import describe
from speechmill.actors.records.manifest import decode_records, encode_records
from speechmill.actors.records.record import Record
from speechmill.actors.records.utterance import Failure, Shard, Utterance
from speechmill.actors.replica.receipt import Receipt
from speechmill.cluster.scheduling.retry import PoisonRow
from speechmill.cluster.scheduling.shard_tracker import CompletedShard
from speechmill.jobs.planning.windows import Window
from speechmill.jobs.run.pending_part import PendingPart

INFO = describe(ModelConfig("tone"))
ROWS = tuple(Utterance(row, f"id {row}", f"Text {row}.", row) for row in range(6))
SHARD = Shard(3, 7, ROWS, "0123456789ab", 4.5)


def receipt(rows: tuple[Utterance, ...], **refined: object) -> Receipt:
    """Of rows that were refined, and of rows that failed."""
    names = {"model": INFO.name, "model_revision": INFO.revision, "default_voice": INFO.default_voice}
    records = [
        Record.of_utterance(row, **names, refined=f"{row.text} Really.")
        if refined.get("ok", True)
        else Record.of_utterance(row, **names, error="no")
        for row in rows
    ]
    num_ok = sum(record.status == "ok" for record in records)
    return Receipt(num_ok, len(rows) - num_ok, 0, 1.0, NO_BATCHES, 1, encode_records(records))


def test_one_receipt_is_the_manifest_as_it_stands() -> None:
    only = receipt(ROWS, ok=False)
    part = PendingPart.of_shard(CompletedShard(SHARD, (only,), ()), INFO, is_text=False)
    assert part.manifest is only.manifest
    assert (part.name.shard_id, part.name.num_ok, part.name.num_failed, part.name.digest) == (
        SHARD.id,
        0,
        6,
        SHARD.digest,
    )
    assert (part.texts, part.cost_s, part.num_bytes) == (None, 4.5, len(only.manifest))


def test_the_hash_of_a_manifest_is_the_replica_s_unless_the_manifest_is_made_anew() -> None:
    only = replace(receipt(ROWS), content="0123456789abcdef")
    assert PendingPart.of_shard(CompletedShard(SHARD, (only,), ()), INFO, is_text=False).name.content == only.content
    part = PendingPart.of_shard(CompletedShard(SHARD, (only,), ()), INFO, {ROWS[0].row: 7}, is_text=False)
    assert (part.name.content, part.manifest != only.manifest) == ("", True)


def test_receipts_of_pieces_and_rows_that_kill_become_one_manifest_with_every_row_once() -> None:
    completed = CompletedShard(
        SHARD, (receipt(ROWS[:2]), receipt(ROWS[3:])), (PoisonRow(SHARD, ROWS[2], 3, "no such device"),)
    )
    part = PendingPart.of_shard(completed, INFO, is_text=True)
    records = list(decode_records(part.manifest, SHARD.id))
    assert sorted(record.row for record in records) == list(range(6))
    (failed,) = [record for record in records if record.status == "failed"]
    assert failed.row == 2
    assert failed.error == "3 replicas died speaking this row; the last one said: no such device"
    assert (part.name.num_ok, part.name.num_failed) == (5, 1)
    assert part.texts is not None
    assert [json.loads(line)["text"] for line in part.texts.splitlines()] == [
        f"Text {row}. Really." for row in (0, 1, 3, 4, 5)
    ]
    assert part.num_bytes == len(part.manifest) + len(part.texts)


def test_a_shard_that_lost_a_row_is_never_committed() -> None:
    with pytest.raises(AssertionError, match="rows lost in shard 000003-0007"):
        PendingPart.of_shard(CompletedShard(SHARD, (receipt(ROWS[:5]),), ()), INFO, is_text=False)


def test_rejected_rows_of_a_window_are_a_part_of_their_own() -> None:
    assert PendingPart.of_rejected(Window(1, ROWS, (), is_last=True), INFO) is None
    window = Window(1, (), (Failure(9, "nine", "no text", ""), Failure(10, "ten", "twice", "x")), is_last=True)
    part = PendingPart.of_rejected(window, INFO)
    assert part is not None
    assert (part.name.shard_id, part.name.num_failed, part.name.digest) == (
        "000001-rejected",
        2,
        window.rejected_digest,
    )
    assert [record.error for record in decode_records(part.manifest, "x")] == ["no text", "twice"]
