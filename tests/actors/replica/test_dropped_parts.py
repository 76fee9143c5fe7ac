"""Parts that are dropped or handed back, before their turn and while they are spoken."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError
from queue import Queue
from typing import Any

import pytest
from support.waiting import HANG_S

from speechmill.actors.models.base import ModelConfig
from speechmill.actors.records.record import Record
from speechmill.actors.replica import clip_results
from speechmill.actors.replica.receipt import ReplicaConfig

from .memory_store import Dropping, MemoryStore, joined, records, replica, utterances


def test_a_part_that_is_dropped_before_its_turn_is_never_spoken() -> None:
    store = MemoryStore()
    made = replica(store)
    made.drop("job", "p")
    assert made.speak("job", "p", utterances("One.", "Two.")) is None
    assert (store.parts["p"].clips, store.parts["p"].is_aborted) == ({}, True)
    assert made.progress("job").rows == 0
    receipt = made.speak("job", "q", utterances("One.", "Two."))
    assert receipt is not None
    assert receipt.num_ok == 2


def test_a_part_that_is_dropped_ends_with_its_batch_and_its_rows_do_not_count() -> None:
    store = MemoryStore()
    made = replica(store, Dropping)
    Dropping.drop = lambda: made.drop("job", "p")
    rows = utterances("x" * 300, "DROP me.", *["A row of text."] * 600)
    assert made.speak("job", "p", rows) is None
    assert store.parts["p"].is_aborted
    assert not store.parts["p"].is_closed
    assert (made.progress("job").rows, made.progress("job").audio_s) == (0, pytest.approx(0.0, abs=1e-9))


def test_a_clip_that_is_being_encoded_when_its_part_is_dropped_is_not_added(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part in a container would begin a file on the local disk once more."""
    store = MemoryStore()
    made = joined(ReplicaConfig(ModelConfig("tone"), batch_rows=1), store, Dropping)
    is_encoding, is_aborted = threading.Event(), threading.Event()
    ends: Queue[BaseException | None] = Queue()
    encode, end_of_clip = clip_results.encode, clip_results.Clips._end

    def encode_late(*arguments: Any) -> bytes:
        is_encoding.set()
        assert is_aborted.wait(HANG_S)
        return encode(*arguments)

    def end_and_tell(self: clip_results.Clips, *arguments: Any) -> Record | None:
        try:
            return end_of_clip(self, *arguments)
        except BaseException as error:
            ends.put(error)
            raise
        finally:
            ends.put(None)

    def drop() -> None:
        assert is_encoding.wait(HANG_S)
        made.drop("job", "p")

    monkeypatch.setattr(clip_results, "encode", encode_late)
    monkeypatch.setattr(clip_results.Clips, "_end", end_and_tell)
    Dropping.drop = drop
    assert made.speak("job", "p", utterances("A longer row of text.", "DROP me.")) is None
    is_aborted.set()
    assert isinstance(ends.get(timeout=HANG_S), CancelledError)
    assert store.parts["p"].clips == {}


def test_a_part_that_is_handed_back_holds_what_was_done_and_names_the_rest() -> None:
    store = MemoryStore()
    config = ReplicaConfig(ModelConfig("tone", options={"audio_char_s": 0.01}), batch_rows=2)
    made = joined(config, store, Dropping)
    Dropping.drop = lambda: made.hand_back("job", "p")
    rows = utterances(*["A longer row of text."] * 4, "DROP me.", "So.", *["Hm."] * 20)
    first = made.speak("job", "p", rows)
    assert first is not None
    spoken = {record.row: record.pcm_sha256 for record in records(first)}
    assert (first.num_ok, store.parts["p"].clips.keys()) == (len(spoken), spoken.keys())
    assert 5 <= len(spoken) <= 6, "the batch that was being spoken ends, and no other begins"
    assert store.parts["p"].is_closed
    assert sorted([*spoken, *first.left]) == list(range(len(rows)))
    rest = made.speak("job", "q", [row for row in rows if row.row in first.left])
    whole = made.speak("job", "r", rows)
    assert rest is not None
    assert whole is not None
    spoken |= {record.row: record.pcm_sha256 for record in records(rest)}
    assert spoken == {record.row: record.pcm_sha256 for record in records(whole)}
    assert rest.left == whole.left == ()


def test_a_part_that_is_handed_back_before_its_turn_leaves_nothing() -> None:
    store = MemoryStore()
    made = replica(store)
    made.hand_back("job", "p")
    assert made.speak("job", "p", utterances("One.", "Two.")) is None
    assert store.parts["p"].is_aborted
    made.hand_back("another", "p")
    assert made.speak("job", "p", utterances("One.", "Two.")) is not None, "a part's end is the end of its orders"


def test_what_is_spoken_for_a_job_that_leaves_ends_with_its_batch() -> None:
    store = MemoryStore()
    made = replica(store, Dropping)
    Dropping.drop = lambda: made.leave("job")
    assert made.speak("job", "p", utterances("DROP me.", *["A row of text."] * 600)) is None
    assert store.parts["p"].is_aborted
    assert made.speak("job", "q", utterances("One.")) is None
