"""A speech corpus to be judged: parts of clips, each clip with its row.

Guaranteed by every part: it can be sent to another process, it gives its clips in the same order each time, a clip
that cannot be read is one all the same, and nothing in the corpus is changed.
Not known here: judges.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ...actors.audio import encoding as audio
from ...actors.records.utterance import Utterance
from ...cluster.storage import S3Options

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CorpusKind = Literal["output", "table", "parquet", "webdataset"]
PART_ROWS = 256
"""Rows of a table that are judged together: what is heard again after a kill, at most, by each worker."""


@dataclass(frozen=True, slots=True)
class Sound:
    """A clip's audio: float32 [num_samples] as 16-bit samples have it (k / 32767), at `sample_rate` Hz."""

    samples: NDArray[np.float32]
    sample_rate: int


@dataclass(frozen=True, slots=True)
class FoundClip:
    """A clip of the corpus, and the row that was spoken.

    Attributes:
        utterance: The row, as a job would speak it again
        audio: Where the clip lies, for people: a path, or a key and the member in it
        load: Reads and decodes the clip; raises JobError or RowError where that cannot be done, and StorageUnavailable
        heard_text: The text as it should be heard, where that is not the utterance's
        language: As in "en"; "" where it is not known
        attempt: How often the row was spoken before
        num_tokens: The model's count of the text at speed 1; 0 where it is not known
        fault: Why there is nothing to judge: the row itself is wrong; "" in all others
    """

    utterance: Utterance
    audio: str
    load: Callable[[], Sound]
    heard_text: str = ""
    language: str = ""
    attempt: int = 0
    num_tokens: int = 0
    fault: str = ""


@dataclass(frozen=True, slots=True)
class AudioPart(ABC):
    """Some clips that are judged together.

    Attributes:
        name: Of the part in its corpus, as files may be named: "000012", "000012-0003"
        digest: 12 hexadecimal digits; another one where the part has other rows or clips
        num_clips: As far as it is known without reading them; an estimate for some
    """

    name: str
    digest: str
    num_clips: int

    @property
    def is_remote(self) -> bool:
        """Whether each clip is fetched by a request of its own, so that several at once are worth it."""
        return False

    @abstractmethod
    def clips(self) -> Iterator[FoundClip]:
        """The clips, in order.

        Raises:
            JobError: The part as a whole cannot be read
            StorageUnavailable: The store does not answer
        """


@dataclass(frozen=True, slots=True)
class AudioCorpus:
    """A corpus that was opened.

    Attributes:
        parts: Gives its parts, in the same order each time
        num_failed: Rows of an output of ours that have no clip, since they failed
        model: The model that spoke it, where that is known
        varies: Whether another seed makes another clip, as far as it is known
    """

    uri: str
    kind: CorpusKind
    parts: Callable[[], Iterator[AudioPart]]
    num_failed: int = 0
    model: str = ""
    varies: bool = True


@dataclass(frozen=True, slots=True)
class AudioCorpusOptions:
    """What is to be judged, and how it is read.

    Attributes:
        uri: An output of ours, a table with texts and paths, a folder with either or with tars, a glob of tars or of
            parquet files; a path or s3://
        format: "auto" goes by what lies there
        text, audio: Columns; None: found among the usual ones. `audio` may be a pattern, as in "wavs/{id}.wav"
        normalized: The column of the text as it should be heard
        id, voice, speed, seed: Columns, used where they are present
        root: Where relative paths begin; None: at the table's own folder
        language: Of all rows, as in "en"; "" where it is not known
    """

    uri: str
    format: str = "auto"
    text: str | None = None
    audio: str | None = None
    normalized: str | None = None
    id: str = "id"
    voice: str = "voice"
    speed: str = "speed"
    seed: str = "seed"
    root: str | None = None
    language: str = ""
    s3: S3Options | None = None


def sound_of(data: bytes) -> Sound:
    """Decode a clip as judges hear it: as 16-bit samples, whatever it is stored as.

    Raises:
        RowRejected: The bytes are no audio, or its samples are no numbers
    """
    import numpy as np

    samples, sample_rate = audio.decode(data)
    return Sound(audio.pcm16(samples).astype(np.float32) / np.float32(audio.PCM_SCALE), sample_rate)


def digest_of(*told: object) -> str:
    """A digest of what tells a part from all others."""
    body = "\0".join(map(str, told)).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(body, digest_size=6).hexdigest()
