"""The records that travel: rows become utterances, utterances segments, segments a clip or a failure.

Standard library only. Every record is immutable; nothing here knows a model, a file or a cluster.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .reference import NamedClip, Reference

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

JsonScalar = str | int | float | bool | None
"""What a metadata value may be."""
WordSpan = tuple[str, int, int]
"""A word of a text, and where it is among the tokens or samples: its first one, and the one after its last."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """One row of the corpus, valid and ready to be spoken.

    Attributes:
        row: 0-based position in the corpus: the key under which rows are conserved
        id: The user's own name for it, unique in the corpus
        voice: A voice of the model, or "" for the model's default
        seed: 0 … 2**63 - 1; all randomness of the row comes from it
        speed: 1.0 is the voice's own pace, 2.0 twice as fast
        metadata: The row's other columns, carried into the manifest
        language: Of the text, as in "en-GB"; "" for the voice's or the text's own
        reference: The recording whose voice is spoken with, in place of `voice`
    """

    row: int
    id: str
    text: str
    seed: int
    voice: str = ""
    speed: float = 1.0
    metadata: Mapping[str, JsonScalar] = field(default_factory=dict)
    language: str = ""
    reference: NamedClip | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A piece of text as a model reads it.

    Attributes:
        tokens: Phoneme or token ids; empty when nothing in the text can be spoken
        length: What memory and time go by at speed 1: the number of tokens for most models, reference and generated
            frames for a model that clones. Texts are split, batches packed and costs measured by it
        words: The words of the text in order with their tokens, for a model that knows how long each token lasts

    Raises:
        ValueError: For tokens whose length is below 1
    """

    tokens: tuple[int, ...]
    length: int
    words: tuple[WordSpan, ...] = ()

    def __post_init__(self) -> None:
        if self.tokens and self.length < 1:
            raise ValueError(f"{len(self.tokens)} tokens have the length {self.length}; it has to be 1 or more")

    @classmethod
    def of(cls, tokens: Iterable[int], words: tuple[WordSpan, ...] = ()) -> Prepared:
        """Tokens of a model whose memory and time go by their number."""
        ids = tuple(tokens)
        return cls(ids, len(ids), words)


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of an utterance that the model can speak at once.

    Attributes:
        row, index: Which utterance, and which piece of it (0-based)
        prepared: What the model reads of the text
        language: As the row names it, "" where it names none
        attempt: How often the row was spoken before and rejected by the job's judges. It is part of what is drawn, and
            of nothing else: the voice stays, also where it comes from the seed
        reference: The recording whose voice is spoken with, of the row or of the preset that `voice` names; None for
            another kind of voice. What is cached of it goes by its digest
    """

    row: int
    index: int
    text: str
    prepared: Prepared
    seed: int
    voice: str
    speed: float
    language: str = ""
    attempt: int = 0
    reference: Reference | None = None

    @property
    def tokens(self) -> tuple[int, ...]:
        """What the model reads: phoneme or token ids."""
        return self.prepared.tokens

    @property
    def length(self) -> int:
        """Cells that the segment occupies in a batch: its prepared length, and more where slow speech makes more."""
        length = self.prepared.length
        return length if self.speed >= 1 else math.ceil(length / self.speed)


@dataclass(frozen=True, slots=True)
class Clip:
    """One utterance as audio: `samples` is float32 [num_samples] in -1 … 1 at `sample_rate` Hz."""

    id: str
    samples: NDArray[np.float32]
    sample_rate: int
    metadata: Mapping[str, object] = field(default_factory=dict)

    @property
    def duration_s(self) -> float:
        return len(self.samples) / self.sample_rate


@dataclass(frozen=True, slots=True)
class Failure:
    """A row that was not spoken, and why. `text` is the row's text where it could be read."""

    row: int
    id: str
    reason: str
    text: str = ""
    metadata: Mapping[str, JsonScalar] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Shard:
    """Utterances that one replica speaks and writes as one part.

    Attributes:
        window, index: Which window of the corpus, and which shard of it; the same corpus and job give the same shards
        digest: Of everything in the rows that the output depends on: a changed corpus is noticed on resume
        cost_s: Estimated seconds on one replica, for balance only
    """

    window: int
    index: int
    utterances: Sequence[Utterance]
    digest: str
    cost_s: float

    @property
    def id(self) -> str:
        """As in "000012-0003": window and index."""
        return f"{self.window:06d}-{self.index:04d}"


def seed_of(job_seed: int, row_id: str) -> int:
    """The seed of a row that brings none: 63 bits of a hash of the job's seed and the row's id."""
    digest = hashlib.blake2b(f"{job_seed}\0{row_id}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1
