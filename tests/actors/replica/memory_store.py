"""A store in memory, a model to which something happens while it speaks, and replicas with both."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speechmill.actors.models.base import ModelConfig
from speechmill.actors.models.tone import Tone
from speechmill.actors.records.manifest import decode_records
from speechmill.actors.records.record import Record
from speechmill.actors.records.utterance import Segment, Utterance
from speechmill.actors.replica.receipt import JobConfig, Receipt, ReplicaConfig
from speechmill.actors.replica.replica import Replica


@dataclass
class MemoryPart:
    """A part in memory."""

    clips: dict[int, bytes] = field(default_factory=dict)
    is_closed: bool = False
    is_aborted: bool = False

    def add(self, row: int, id: str, encoded: bytes, sidecar: Mapping[str, object]) -> tuple[str, str]:
        assert not self.is_closed
        assert not self.is_aborted
        self.clips[row] = encoded
        return "audio/part", str(row)

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_aborted = True


@dataclass
class MemoryStore:
    """Opens parts in memory, and keeps them."""

    parts: dict[str, MemoryPart] = field(default_factory=dict)

    def check(self) -> None:
        """It is where its user is."""

    def open_part(self, name: str) -> MemoryPart:
        self.parts[name] = MemoryPart()
        return self.parts[name]


class Dropping(Tone):
    """Has done to it what `drop` does while it speaks a certain text."""

    drop: Callable[[], None]

    def speak(self, segments: Sequence[Segment]) -> list[NDArray[np.float32]]:
        if any("DROP" in segment.text for segment in segments):
            type(self).drop()
        return super().speak(segments)


def utterances(*texts: str) -> list[Utterance]:
    return [Utterance(row, f"id-{row}", text, seed=row) for row, text in enumerate(texts)]


def replica(store: MemoryStore, model: type[Tone] | None = None, **options: Any) -> Replica:
    config = ModelConfig("tone", options={"audio_char_s": 0.01} | options)
    return joined(ReplicaConfig(config), store, model)


def joined(config: ReplicaConfig, store: MemoryStore, model: type[Tone] | None = None) -> Replica:
    made = Replica(config)
    made.join("job", JobConfig(config.model, "wav", pause_s=0.5), store)
    if model is not None:
        give(made, model(config.model))
    return made


def give(made: Replica, model: Tone) -> None:
    """Put another model in the place of the one that was measured."""
    assert made._voice is not None
    made._voice = replace(made._voice, model=model, memory=model.memory())


def records(receipt: Receipt) -> list[Record]:
    found = list(decode_records(receipt.manifest, "receipt"))
    assert len(found) == receipt.num_ok + receipt.num_failed
    return found
