"""A voice given by a recording: what a row says of it, and the clip once it has been read. Standard library only.

Guaranteed: two references are equal if and only if their sound, rate and words are. Not known here: files, formats,
models.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class NamedClip:
    """A recording as a row names it.

    Attributes:
        clip: A path or an s3:// URI, as the row has it
        text: The words in the recording
        folder: Where a relative path begins: the folder or s3:// prefix of the corpus file. It says where the clip
            lies today, and is part of no digest
    """

    clip: str
    text: str
    folder: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Reference:
    """A recording of a voice, decoded, with its words. Make it with `of`.

    Attributes:
        samples: float32 [num_samples] in -1 … 1, one channel, at the clip's own rate
        sample_rate: Hz
        text: The words in it
        digest: 32 hexadecimal digits of the rate and the samples, not of the words: by it, embeddings are cached
    """

    samples: NDArray[np.float32] = field(repr=False, compare=False)
    sample_rate: int
    text: str
    digest: str

    @classmethod
    def of(cls, samples: NDArray[np.float32], sample_rate: int, text: str) -> Self:
        """The reference of these samples, float32 [num_samples]."""
        hashed = hashlib.blake2b(sample_rate.to_bytes(4, "little"), digest_size=16)
        hashed.update(samples.astype("<f4", copy=False).tobytes())
        return cls(samples, sample_rate, text, hashed.hexdigest())

    @property
    def duration_s(self) -> float:
        """Length of the clip in seconds."""
        return len(self.samples) / self.sample_rate


class ClipStore(Protocol):
    """What reads clips that rows name. It travels to the replica, so it can be pickled."""

    def location(self, named: NamedClip) -> str:
        """The full path or URI of a clip."""
        ...

    def read(self, location: str, max_bytes: int) -> bytes:
        """The bytes of a clip.

        Raises:
            RowRejected: There is no such clip, it has more bytes, or it cannot be read
            RunStopped: The store does not answer
        """
        ...
