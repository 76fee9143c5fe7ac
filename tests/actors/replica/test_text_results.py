"""A replica that refines text, with a model that does what it is told: every row accounted for, whatever happens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from speechmill.actors.batcher.tuner import Tuner
from speechmill.actors.models.base import AutoregressiveModel, ModelConfig, ModelInfo, SlotUsage
from speechmill.actors.models.tone import Tone
from speechmill.actors.records.manifest import decode_records
from speechmill.actors.records.part import PartWriter
from speechmill.actors.records.record import Record
from speechmill.actors.records.utterance import Prepared, Segment, Utterance
from speechmill.actors.replica.loaded_model import LoadedModel
from speechmill.actors.replica.receipt import JobConfig, Receipt, ReplicaConfig
from speechmill.actors.replica.replica import Replica
from speechmill.errors import BatchOutOfMemory, ModelError, RowError, RowRejected, SpeechmillError

CONFIG = ModelConfig("tone", task="refine")
WORDS = ["plain", "REJECT", "BROKEN", "MUTE", "LONG"]


class Shouting(AutoregressiveModel):
    """Refined text is in capitals, last row first; some words make it fail, and it holds only so many rows.

    most_rows    more at once are out of memory, after one row
    breaks_after rows after which nothing works any more
    """

    def __init__(self, config: ModelConfig, most_rows: int = 1_000, breaks_after: int = 1_000) -> None:
        self.info = self.describe(config)
        self._most_rows, self._left = most_rows, breaks_after

    @classmethod
    def describe(cls, config: ModelConfig) -> ModelInfo:
        info = Tone.describe(replace(config, task="speak"))
        return replace(info, tasks=("speak", "refine"), split_chars=60, max_length=60)

    def prepare(self, text: str, voice: str) -> Prepared:
        return Prepared.of(map(ord, text) if any(map(str.isalnum, text)) else ())

    def unspoken(self, text: str) -> str:
        return "~" if "~" in text else ""

    def reserve(self, usable_bytes: int, slots: int | None) -> int:
        return 1

    def usage(self) -> SlotUsage:
        return SlotUsage()

    def speak_rows(self, segments: Sequence[Segment]) -> Iterator[tuple[Segment, NDArray[np.float32] | RowError]]:
        raise AssertionError("it is asked for text")

    def refine_rows(self, segments: Sequence[Segment]) -> Iterator[tuple[Segment, str | RowError]]:
        for number, segment in enumerate(reversed(segments)):
            if self._left <= 0:
                raise RuntimeError("CUDA error: device-side assert triggered")
            if number == 1 and len(segments) > self._most_rows:
                raise BatchOutOfMemory(f"{len(segments)} rows")
            if "LONG" in segment.text:
                raise BatchOutOfMemory("it never fits")
            if "BROKEN" in segment.text:
                raise ZeroDivisionError("division by zero")
            self._left -= 1
            if "REJECT" in segment.text:
                yield segment, RowRejected("it is refused")
            else:
                yield segment, " " if "MUTE" in segment.text else segment.text.upper()


@dataclass(frozen=True)
class NoParts:
    """A store that nothing is put into."""

    def check(self) -> None:
        """It is there."""

    def open_part(self, name: str) -> PartWriter:
        raise AssertionError("texts need no part")


def joined() -> Replica:
    made = Replica(ReplicaConfig(CONFIG))
    made.join("job", JobConfig(CONFIG, "wav"), NoParts())
    return made


def refine(texts: list[str], **limits: int) -> Receipt:
    made = joined()
    model = Shouting(CONFIG, **limits)
    made._voice = LoadedModel(model, Tuner(None, model.info.batch_limit, None, None), None, None)
    receipt = made.speak("job", "p", [Utterance(row, f"id-{row}", text, seed=row) for row, text in enumerate(texts)])
    assert made.progress("job").rows == len(texts)
    assert made.progress("job").failed == receipt.num_failed
    return receipt


def records(receipt: Receipt) -> list[Record]:
    return list(decode_records(receipt.manifest, "receipt"))


def test_the_last_row_of_a_batch_that_ran_out_of_memory_is_tried_alone() -> None:
    """One of two rows was done when memory ran out; the other was taken to be alone and given up."""
    receipt = refine(["One row.", "Another row."], most_rows=1)
    assert (receipt.num_ok, receipt.num_failed, receipt.batches.num_out_of_memory) == (2, 0, 1)


@settings(deadline=None)
@given(st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=8), max_size=12), st.integers(1, 12))
def test_every_row_is_refined_or_failed_for_a_reason_of_its_own(rows: list[list[str]], most_rows: int) -> None:
    """Each row begins with a good one, so that the replica is never at fault."""
    texts = ["A good row.", *(" ".join(words) for words in rows)]
    receipt = refine(texts, most_rows=most_rows)
    found = records(receipt)
    assert [record.row for record in found] == list(range(len(texts)))
    assert (receipt.num_ok + receipt.num_failed, receipt.audio_ms, receipt.bytes_written) == (len(texts), 0, 0)
    for record, text in zip(found, texts, strict=True):
        is_good = not any(word in text for word in WORDS[1:])
        assert record.refined == (text.upper() if is_good else None)
        assert (record.status, record.text, record.seed) == ("ok" if is_good else "failed", text, record.row)


def test_a_long_text_is_refined_in_pieces_and_joined_by_spaces() -> None:
    text = "This sentence has exactly fifty characters, I hope. " * 4
    (record,) = records(refine([text + "~"]))
    assert record.refined == (text + "~").upper()
    assert record.unspoken == "~"
    (failed,) = records(refine(["A good row.", text + "And here is one that is to be REJECTED at once, alas."]))[1:]
    assert (failed.status, failed.error) == ("failed", "it is refused")


def test_reasons_are_told() -> None:
    errors = [str(record.error) for record in records(refine(["good", "MUTE", "REJECT", "BROKEN", "LONG", "!"]))]
    assert errors[1:4] == ["refining left no words", "it is refused", "ZeroDivisionError: division by zero"]
    assert "does not fit into memory alone" in errors[4]
    assert errors[5] == "nothing in the text can be spoken"


def test_a_device_that_breaks_in_mid_shard_fails_no_innocent_row() -> None:
    with pytest.raises(RuntimeError, match="device-side assert"):
        refine(["A row of text."] * 10, breaks_after=4)


def test_a_model_that_speaks_batches_cannot_refine() -> None:
    made = joined()
    with pytest.raises(ModelError, match="tone cannot refine text") as caught:
        made.speak("job", "p", [])
    assert isinstance(caught.value, SpeechmillError)
