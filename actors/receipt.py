"""What a replica is told, and what it tells: its configuration, its progress, a receipt for each call."""

from __future__ import annotations

from dataclasses import dataclass

from .models.base import ModelConfig


@dataclass(frozen=True, slots=True)
class ReplicaConfig:
    """What a replica is told once. `batch_rows` None means the model's own limit."""

    model: ModelConfig
    audio_format: str
    pause_s: float
    batch_rows: int | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of the utterances of one call. `manifest` is JSON lines, one per utterance, in row order."""

    num_ok: int
    num_failed: int
    audio_ms: int
    synthesis_s: float
    num_splits: int
    cells_filled: int
    cells_total: int
    bytes_written: int
    manifest: bytes


@dataclass(frozen=True, slots=True)
class ReplicaProgress:
    """What a replica has done since it started: for a live display, never for accounts."""

    rows: int = 0
    failed: int = 0
    audio_s: float = 0.0
    synthesis_s: float = 0.0
    cells_filled: int = 0
    cells_total: int = 0

    def __add__(self, other: ReplicaProgress) -> ReplicaProgress:
        return ReplicaProgress(
            self.rows + other.rows,
            self.failed + other.failed,
            self.audio_s + other.audio_s,
            self.synthesis_s + other.synthesis_s,
            self.cells_filled + other.cells_filled,
            self.cells_total + other.cells_total,
        )
