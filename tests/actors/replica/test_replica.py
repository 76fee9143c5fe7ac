"""One replica without Ray: every row accounted for, whatever the model, the encoder or the store does."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from support.waiting import HANG_S

from speechmill.actors.models.base import ModelConfig
from speechmill.actors.models.tone import Tone, ToneMemory
from speechmill.actors.records.utterance import Prepared, Segment, Utterance
from speechmill.actors.replica.receipt import ReplicaConfig
from speechmill.actors.replica.replica import MAX_PENDING_CLIPS, Replica
from speechmill.actors.text.front_end import FrontEnd, SpokenText
from speechmill.errors import ModelError, RowRejected, StorageFull

from .memory_store import Dropping, MemoryPart, MemoryStore, give, joined, records, replica, utterances


class FullStore(MemoryStore):
    """A store whose disk fills up after three clips."""

    def open_part(self, name: str) -> MemoryPart:
        part = super().open_part(name)
        add = part.add

        def add_until_full(row: int, id: str, encoded: bytes, sidecar: Mapping[str, object]) -> tuple[str, str]:
            if len(part.clips) == 3:
                raise StorageFull("no space left")
            return add(row, id, encoded, sidecar)

        part.add = add_until_full  # type: ignore[method-assign]
        return part


class Surprising(Tone):
    """Raises what no model should, for some texts or for all."""

    def speak(self, segments: Sequence[Segment]) -> list[NDArray[np.float32]]:
        if any("BROKEN" in segment.text for segment in segments):
            raise ZeroDivisionError("division by zero")
        if any("SILENT" in segment.text for segment in segments):
            raise RowRejected
        if any("NAN" in segment.text for segment in segments):
            return [np.full(10, np.nan, np.float32) if "NAN" in s.text else np.zeros(10, np.float32) for s in segments]
        return super().speak(segments)


NUM_ROWS = 120


@pytest.mark.parametrize("mixes_voices", [True, False])
def test_a_voice_a_row_costs_no_batch_where_voices_are_mixed(mixes_voices: bool) -> None:
    rows = [replace(row, speed=1.0 + row.row % 2) for row in utterances(*["Ten words."] * NUM_ROWS)]
    wanted = replica(MemoryStore(), mixes_voices=mixes_voices).speak("job", "p", rows)
    many = [replace(row, voice=f"voice {row.row}") for row in rows]
    receipt = replica(MemoryStore(), mixes_voices=mixes_voices).speak("job", "p", many)
    assert wanted is not None and receipt is not None
    assert receipt.batches.num_batches == (wanted.batches.num_batches if mixes_voices else NUM_ROWS)
    assert [r.pcm_sha256 for r in records(receipt)] == [r.pcm_sha256 for r in records(wanted)]
    assert [r.voice for r in records(receipt)] == [row.voice for row in many]


def test_every_row_is_in_the_receipt_in_order() -> None:
    store = MemoryStore()
    receipt = replica(store).speak("job", "p", utterances("One.", "A longer second row.", "", "Four."))
    assert [(r.row, r.status) for r in records(receipt)] == [(0, "ok"), (1, "ok"), (2, "failed"), (3, "ok")]
    assert store.parts["p"].clips.keys() == {0, 1, 3}
    assert store.parts["p"].is_closed
    assert receipt.bytes_written == sum(map(len, store.parts["p"].clips.values()))
    assert receipt.audio_ms == sum(r.audio_ms for r in records(receipt))


def test_a_long_row_is_one_clip_with_pauses_between_its_segments() -> None:
    text = " ".join(["This sentence has exactly fifty characters, I hope."] * 6)
    receipt = replica(MemoryStore(), max_length=60).speak("job", "p", utterances(text))
    (record,) = records(receipt)
    assert record.num_segments == 6
    spoken_s = sum(len(part) for part in [text]) * 0.01
    assert record.duration_s == pytest.approx(spoken_s - 5 * 0.01 + 5 * 0.5, abs=0.01)


class Neighbour(Tone):
    """Another process takes half of the memory once the model has been measured."""

    def memory(self) -> ToneMemory:
        memory = super().memory()
        memory.cap(50_000)
        return memory


def test_out_of_memory_packs_smaller_batches_for_the_rest_of_the_run() -> None:
    made = replica(MemoryStore(), Neighbour, memory_bytes=100_000, batch_s=0.003)
    rows = utterances(*["Twenty characters .."] * 200)
    first, second = made.speak("job", "p", rows), made.speak("job", "q", rows)
    assert (first.num_ok, first.num_failed) == (second.num_ok, second.num_failed) == (200, 0)
    assert 1 <= first.batches.num_out_of_memory <= 8
    assert second.batches.num_out_of_memory == 0
    assert second.batches.peak_bytes <= 50_000
    assert made.progress("job").batches.num_out_of_memory == first.batches.num_out_of_memory


def test_a_number_of_rows_that_cannot_fit_is_refused_with_the_arithmetic() -> None:
    config = ModelConfig("tone", options={"memory_bytes": 1_000_000, "weights_bytes": 100_000})
    made = Replica(ReplicaConfig(config, batch_rows=3, vram_utilization=0.9))
    with pytest.raises(ModelError, match=r"3 rows of length 400.* need .*vram_utilization 0\.9.*use 1 at most"):
        made.load()
    Replica(ReplicaConfig(config, batch_rows=1)).load()


def test_a_model_that_leaves_no_memory_for_a_batch_is_refused() -> None:
    config = ModelConfig("tone", options={"memory_bytes": 1_000_000, "weights_bytes": 950_000, "cell_bytes": 10})
    with pytest.raises(ModelError, match="leaves no memory for batches"):
        Replica(ReplicaConfig(config)).load()


def test_a_row_that_does_not_fit_alone_fails_with_its_numbers_and_the_others_are_spoken() -> None:
    receipt = replica(MemoryStore(), memory_bytes=300_000).speak("job", "p", utterances("Short.", "x" * 310, "Fine."))
    failed = [r for r in records(receipt) if r.status == "failed"]
    assert [r.row for r in failed] == [1]
    assert "a segment of length 310 does not fit into memory alone" in str(failed[0].error)
    assert "310000 bytes" in str(failed[0].error)


@pytest.mark.parametrize(
    ("text", "reason"), [("BROKEN", "ZeroDivisionError"), ("NAN", "not finite"), ("SILENT", "RowRejected")]
)
def test_a_model_that_breaks_on_a_row_costs_that_row_alone(text: str, reason: str) -> None:
    rows = utterances("One.", f"Two {text}.", "Three.", "Four.")
    receipt = replica(MemoryStore(), Surprising).speak("job", "p", rows)
    assert [(r.row, r.status) for r in records(receipt)] == [(0, "ok"), (1, "failed"), (2, "ok"), (3, "ok")]
    assert reason in str(records(receipt)[1].error)


def test_a_replica_in_which_nothing_works_is_at_fault_not_its_rows() -> None:
    store = MemoryStore()
    with pytest.raises(ZeroDivisionError):
        replica(store, Surprising).speak("job", "p", utterances("BROKEN one.", "BROKEN two."))
    assert store.parts["p"].is_aborted
    assert not store.parts["p"].is_closed


class Sticky(Tone):
    """A device that breaks after two batches and stays broken, as CUDA does after a device-side assert."""

    num_batches = 0

    def speak(self, segments: Sequence[Segment]) -> list[NDArray[np.float32]]:
        self.num_batches += 1
        if self.num_batches > 2:
            raise RuntimeError("CUDA error: device-side assert triggered")
        return super().speak(segments)


def test_a_device_that_breaks_in_mid_shard_fails_no_innocent_row() -> None:
    """The rows after the breakdown were once committed as failed, though nothing was wrong with them."""
    config = ReplicaConfig(ModelConfig("tone", options={"audio_char_s": 0.01}), batch_rows=2)
    made = joined(config, MemoryStore())
    give(made, Sticky(config.model))
    with pytest.raises(RuntimeError, match="device-side assert"):
        made.speak("job", "p", utterances(*["A row of text."] * 10))


class Unprepared(Tone):
    """Stumbles over one text before it is even spoken."""

    def prepare(self, text: str, voice: str) -> Prepared:
        if "BAD" in text:
            raise KeyError("BAD")
        return super().prepare(text, voice)


def test_a_text_that_cannot_be_prepared_costs_its_row_alone() -> None:
    receipt = replica(MemoryStore(), Unprepared).speak("job", "p", utterances("One.", "BAD.", "Three."))
    assert [(r.row, r.status) for r in records(receipt)] == [(0, "ok"), (1, "failed"), (2, "ok")]


def test_a_full_store_stops_the_attempt_and_the_replica_lives_on() -> None:
    store = FullStore()
    made = replica(store)
    for part in ("p", "q"):
        with pytest.raises(StorageFull):
            made.speak("job", part, utterances(*["A row of text."] * (3 * MAX_PENDING_CLIPS)))
        assert store.parts[part].is_aborted
    assert made.speak("job", "r", utterances("One.", "Two.")).num_ok == 2


def test_several_shards_at_once_are_spoken_one_after_the_other() -> None:
    store = MemoryStore()
    made = replica(store)
    shards = [[Utterance(n * 100 + r, f"{n}-{r}", f"Shard {n} row {r}.", seed=r) for r in range(50)] for n in range(4)]
    with ThreadPoolExecutor(4) as threads:
        receipts = list(threads.map(made.speak, ["job"] * 4, ["a", "b", "c", "d"], shards))
    for name, shard, receipt in zip("abcd", shards, receipts, strict=True):
        assert [r.row for r in records(receipt)] == [u.row for u in shard]
        assert store.parts[name].clips.keys() == {u.row for u in shard}
    assert made.progress("job").rows == 200


def test_the_texts_of_a_waiting_shard_are_read_while_another_is_spoken(monkeypatch: pytest.MonkeyPatch) -> None:
    made = replica(MemoryStore(), Dropping)
    is_speaking, is_read = threading.Event(), threading.Event()
    read = FrontEnd.read

    def observed(front_end: FrontEnd, text: str, voice: str = "", language: str = "") -> SpokenText:
        spoken = read(front_end, text, voice, language)
        if text == "The waiting row.":
            is_read.set()
        return spoken

    def hold() -> None:
        is_speaking.set()
        assert is_read.wait(HANG_S)

    monkeypatch.setattr(FrontEnd, "read", observed)
    Dropping.drop = staticmethod(hold)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(made.speak, "job", "p", utterances("DROP me."))
        assert is_speaking.wait(HANG_S)
        second = threads.submit(made.speak, "job", "q", utterances("The waiting row."))
        receipts = first.result(), second.result()
    assert [receipt is not None and receipt.num_ok for receipt in receipts] == [1, 1]


def test_progress_answers_while_a_shard_is_spoken() -> None:
    made = replica(MemoryStore(), Dropping)
    is_speaking, is_asked = threading.Event(), threading.Event()

    def hold() -> None:
        is_speaking.set()
        assert is_asked.wait(HANG_S)

    Dropping.drop = staticmethod(hold)
    with ThreadPoolExecutor(1) as threads:
        spoken = threads.submit(made.speak, "job", "p", utterances("DROP me.", "Two."))
        assert is_speaking.wait(HANG_S)
        assert made.progress("job").rows == 0
        is_asked.set()
        spoken.result()
    assert made.progress("job").rows == 2


def test_a_model_that_cannot_be_loaded_is_said() -> None:
    with pytest.raises(ModelError, match="did you mean"):
        replica(MemoryStore(), sample_rat=1)
