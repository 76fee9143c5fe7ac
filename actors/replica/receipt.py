"""The messages of a replica. In: its configuration and that of a job. Out: its progress, and a receipt of each call."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..audio.finishing import Finishing
from ..batcher.stats import NO_BATCHES, BatchStats
from ..gate.config import GateConfig
from ..gate.stats import NO_GATE, GateStats
from ..models.base import ModelConfig
from ..records.reference import ClipStore
from ..records.verdicts import NO_VERDICTS, VerdictCounts
from ..text.front_end import TextRules


@dataclass(frozen=True, slots=True)
class JobConfig:
    """The settings of a job that its replicas need, its own or borrowed ones.

    Attributes:
        model: The model of the job; a replica with another model refuses the job
        audio_format: The format of clips, as in `output.audio`
        pause_s: Seconds of silence between the segments of a row
        text: How texts are read
        gate: Judges of each clip; None for none
        finishing: What becomes of a clip before it is encoded
        alignment: Whether manifests say when each word is heard, where the model knows it
        clips: Reads the recordings that rows name as their voices; None where no row can
    """

    model: ModelConfig
    audio_format: str
    pause_s: float = 0.0
    text: TextRules = field(default_factory=TextRules)
    gate: GateConfig | None = None
    finishing: Finishing = field(default_factory=Finishing)
    alignment: bool = True
    clips: ClipStore | None = None


@dataclass(frozen=True, slots=True)
class ReplicaConfig:
    """The settings of a replica's process: its model, and its share of the machine.

    Attributes:
        batch_rows: Rows in a batch; None for the fastest number that fits
        vram_utilization: Share of its memory that the replica may use, above 0 and up to 1
        batch_s: The most expected seconds of a batch; None for no limit. A stream that comes during a batch of a job
            waits for its end
        cpus, gpus: Cores and GPUs of the replica; a share of a device is the same share of its memory
    """

    model: ModelConfig
    batch_rows: int | None = None
    vram_utilization: float = 0.9
    batch_s: float | None = None
    cpus: float = 1.0
    gpus: float = 1.0


@dataclass(frozen=True, slots=True)
class Receipt:
    """The outcome of one call of `speak`.

    Attributes:
        num_ok, num_failed: Rows by their outcome
        audio_ms: Milliseconds of audio
        busy_s: Seconds from the first text to the last sample
        batches: The batches of the call
        bytes_written: Bytes of encoded audio
        manifest: JSON lines, one per utterance, in row order
        num_unspoken: Rows that are spoken without some of their text
        left: Rows that were handed back; they are not spoken and not in the manifest
        gate: What the judges said, of all attempts of the call
        verdicts: Rows of the manifest by their verdicts
        content: Hash of the manifest's bytes, see `content_digest`; "" to have the driver make it
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
    gate: GateStats = NO_GATE
    verdicts: VerdictCounts = NO_VERDICTS
    content: str = ""


@dataclass(frozen=True, slots=True)
class ReplicaProgress:
    """The counts of a replica for one job: for the live display only.

    Attributes:
        unspoken: Rows with text that the model leaves out
        gate: What the judges said, of rows of dropped calls too
    """

    rows: int = 0
    failed: int = 0
    audio_s: float = 0.0
    batches: BatchStats = NO_BATCHES
    unspoken: int = 0
    gate: GateStats = NO_GATE

    def __add__(self, other: ReplicaProgress) -> ReplicaProgress:
        return ReplicaProgress(
            self.rows + other.rows,
            self.failed + other.failed,
            self.audio_s + other.audio_s,
            self.batches + other.batches,
            self.unspoken + other.unspoken,
            self.gate + other.gate,
        )
