"""A clip on its way into an export: a WAV file at the rate asked for, and what the lists say of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Literal

from ...actors.audio.encoding import encode, pcm16
from ...actors.audio.finishing import resample
from ...actors.records.json_line import dumps
from ...actors.records.record import Record
from ...cluster.containers.base import stem
from ...cluster.storage import Storage
from ..output.reader import decoded

Split = Literal["train", "validation"]
SPLITS: tuple[Split, Split] = ("train", "validation")


@dataclass(frozen=True, slots=True)
class SplitRule:
    """Which clips are for validation. The same rows and seed give the same split, whatever else is exported.

    Attributes:
        validation: The share of rows, or of voices; 0 for none
        by: "row", so that every voice is in both; "voice", so that no voice is
    """

    validation: float = 0.05
    seed: int = 0
    by: Literal["row", "voice"] = "row"

    def split_of(self, record: Record) -> Split:
        """The part of the data that a clip belongs to."""
        name = record.voice if self.by == "voice" else record.id
        digest = hashlib.blake2b(f"{self.seed}\0{name}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
        return "validation" if int.from_bytes(digest, "little") < self.validation * 2**64 else "train"


@dataclass(frozen=True, slots=True)
class ExportedClip:
    """One clip.

    Attributes:
        name: Unique in the export, and sorts as the corpus: row and a harmless form of the id
        text, normalized_text: On one line; the second is the first where the model was given no other
        metadata: The row's other columns, as a JSON object
        wav: The file; empty once it is written
    """

    row: int
    id: str
    name: str
    split: Split
    text: str
    normalized_text: str
    voice: str
    seed: int
    speed: float
    sample_rate: int
    num_samples: int
    metadata: str = "{}"
    wav: bytes = field(default=b"", repr=False)

    @property
    def duration_s(self) -> float:
        return self.num_samples / self.sample_rate

    @classmethod
    def of(
        cls, storage: Storage, record: Record, data: bytes, sample_rate: int | None, rule: SplitRule
    ) -> ExportedClip:
        """Decode a clip and encode it anew.

        Args:
            storage: The output, for messages
            data: The clip as it is stored
            sample_rate: Hz; None for its own

        Raises:
            JobError: The bytes are no audio
        """
        samples, own_rate = decoded(storage, record, data)
        rate = sample_rate or own_rate
        pcm = pcm16(resample(samples, own_rate, rate))
        text = _line(record.text)
        return cls(
            row=record.row,
            id=_line(record.id),
            name=stem(record.row, record.id),
            split=rule.split_of(record),
            text=text,
            normalized_text=text if record.normalized_text is None else _line(record.normalized_text),
            voice=_line(record.voice),
            seed=record.seed or 0,
            speed=1.0 if record.speed is None else record.speed,
            sample_rate=rate,
            num_samples=len(pcm),
            metadata=dumps(record.metadata),
            wav=encode(pcm, rate, "wav"),
        )


def _line(text: str) -> str:
    """A text on one line that UTF-8 can hold: runs of white space become a space."""
    return " ".join(text.encode("utf-8", "backslashreplace").decode("utf-8").split())
