"""Waveforms that know when each word is heard, and the alignment of a whole row made of them.

Guaranteed: an alignment ascends, lies within the clip, and is exact to the model's own step; silences before segments,
and what was cut off at the beginning, are counted. Where one piece of a row is without words, the row is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..records.utterance import WordSpan

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DIGITS = 4
"""Of seconds in an alignment: a tenth of a millisecond."""


class AlignedWave(np.ndarray):
    """Samples float32 [num_samples] with their words. What is computed from them has none.

    Attributes:
        words: In order: the word, its first sample, and the sample after its last
    """

    words: tuple[WordSpan, ...]

    def __array_finalize__(self, obj: Any, /) -> None:
        self.words = ()

    @classmethod
    def of(
        cls, samples: NDArray[np.float32], words: Sequence[WordSpan], ends: NDArray[np.int64], lead: int = 0
    ) -> AlignedWave:
        """Samples of a text whose words are known by their tokens.

        Args:
            samples: float32 [num_samples]
            words: Each with its first token, and the token after its last
            ends: int64 [num_tokens], the sample after the last of each token
            lead: Samples by which the second token is heard before the first one, a pad, has ended
        """
        wave = np.ascontiguousarray(samples).view(cls)
        starts = np.concatenate(([0], ends))
        starts[1:2] = np.maximum(starts[1:2] - lead, 0)
        wave.words = tuple((word, int(starts[first]), int(starts[end])) for word, first, end in words)
        return wave


def row_alignment(
    pieces: Sequence[NDArray[np.float32]],
    pauses_s: Sequence[float],
    sample_rate: int,
    *,
    cut_s: float = 0.0,
    duration_s: float | None = None,
) -> list[tuple[str, float, float]] | None:
    """The words of a row with the seconds where they begin and end; None where a piece has no words.

    Args:
        pieces: The segments as the model gave them
        pauses_s: Seconds of silence before each segment, as for `join`
        sample_rate: Hz, of the pieces
        cut_s: Seconds that were removed at the beginning afterwards
        duration_s: Seconds of the clip as it is stored; None if nothing was removed at its end
    """
    words: list[tuple[str, float, float]] = []
    offset = 0
    for piece, pause_s in zip(pieces, pauses_s, strict=True):
        offset += round(pause_s * sample_rate)
        if not isinstance(piece, AlignedWave) or not piece.words:
            return None
        words += [
            (word, (offset + first) / sample_rate, (offset + end) / sample_rate) for word, first, end in piece.words
        ]
        offset += len(piece)
    most_s = offset / sample_rate - cut_s if duration_s is None else duration_s
    return [(word, _within(begin - cut_s, most_s), _within(end - cut_s, most_s)) for word, begin, end in words]


def _within(seconds: float, most_s: float) -> float:
    return round(min(max(seconds, 0.0), most_s), _DIGITS)
