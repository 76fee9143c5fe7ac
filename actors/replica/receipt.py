"""The messages of a replica: its configuration and that of a job in, its progress and a receipt for each call out."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..batcher.stats import NO_BATCHES, BatchStats
from ..models.base import ModelConfig
from ..text.front_end import TextRules


@dataclass(frozen=True, slots=True)
class JobConfig:
    """What a job asks of the replicas that it has, or borrows.

    Attributes:
        model: What it wants to be spoken with; a replica that has another one refuses the job
        audio_format: Of its clips, as in `output.audio`
        pause_s: Seconds of silence between the segments of a row
        text: How texts are read
    """

    model: ModelConfig
    audio_format: str
    pause_s: float = 0.0
    text: TextRules = field(default_factory=TextRules)


@dataclass(frozen=True, slots=True)
class ReplicaConfig:
    """What the process of a replica needs: its model, and how much of the machine it may use.

    Attributes:
        batch_rows: Rows in a batch; None for the fastest that fits
        vram_utilization: Share of its memory that it may use, above 0 and up to 1
        batch_s: Expected seconds that a batch may take; None for any. Where streams are spoken beside jobs, one that
            comes in the middle of a batch waits for its end
        cpus, gpus: What it was given: a part of a device is a part of the memory
    """

    model: ModelConfig
    batch_rows: int | None = None
    vram_utilization: float = 0.9
    batch_s: float | None = None
    cpus: float = 1.0
    gpus: float = 1.0


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of the utterances of one call. `manifest` is JSON lines, one per utterance, in row order.

    Attributes:
        busy_s: Seconds from the first text to the last sample
        num_unspoken: Rows that are spoken without some of their text
        left: Rows that were handed back: nothing was spoken of them, and the manifest knows none
    """

    num_ok: int
    num_failed: int
    audio_ms: int
    busy_s: float
    batches: BatchStats
    bytes_written: int
    manifest: bytes
    left: tuple[int, ...] = ()
    num_unspoken: int = 0


@dataclass(frozen=True, slots=True)
class ReplicaProgress:
    """What a replica has done since it started: for a live display, never for accounts.

    Attributes:
        unspoken: Rows with text that the model leaves out
    """

    rows: int = 0
    failed: int = 0
    audio_s: float = 0.0
    batches: BatchStats = NO_BATCHES
    unspoken: int = 0

    def __add__(self, other: ReplicaProgress) -> ReplicaProgress:
        return ReplicaProgress(
            self.rows + other.rows,
            self.failed + other.failed,
            self.audio_s + other.audio_s,
            self.batches + other.batches,
            self.unspoken + other.unspoken,
        )
