"""Speech that is heard while it is made: a text, or one that arrives in parts, spoken piece by piece in order.

Guaranteed: what a piece sounds like depends on its text, voice, seed, speed and place in the text, as in a job; so a
text of one clause sounds exactly as the row of a job with this seed. Not known here: who listens, and how fast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from ..errors import RowRejected
from .audio import silence
from .clauses import spoken_pieces
from .models.base import Model
from .segment import Segment
from .text import fit_pieces

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PAUSE_S = 0.2
"""Silence between two pieces, in seconds: what a job has by default."""


def speak_stream(
    model: Model,
    text: str | Iterable[str],
    *,
    voice: str = "",
    seed: int = 0,
    speed: float = 1.0,
    pause_s: float = PAUSE_S,
    begun: Callable[[Segment], None] | None = None,
) -> Iterator[NDArray[np.float32]]:
    """Speak a text: float32 [num_samples] at the model's rate, each as soon as it is there, silences among them.

    begun   is told of every segment right before it is spoken
    Raises SpecError for a wrong pause at once. While it is read: RowError for a piece that cannot be spoken (what came
    before it is spoken already), RowRejected at the end of a text in which nothing can be, and ModelError.
    """
    pause = silence(model.info.sample_rate, pause_s)
    segments = _segments(model, text, voice or model.info.default_voice, seed, speed)
    return _spoken(model, segments, pause, begun)


def _segments(model: Model, text: str | Iterable[str], voice: str, seed: int, speed: float) -> Iterator[Segment]:
    index = 0
    for piece in spoken_pieces(text, model.info.split_chars):
        for fitting, tokens in fit_pieces([piece], voice, model.info.max_length, model.prepare):
            yield Segment(0, index, fitting, tokens, seed, voice, speed)
            index += 1
    if not index:
        raise RowRejected("nothing in the text can be spoken")


def _spoken(
    model: Model,
    segments: Iterator[Segment],
    pause: NDArray[np.float32],
    begun: Callable[[Segment], None] | None,
) -> Iterator[NDArray[np.float32]]:
    is_silent = True
    for segment in segments:
        if begun is not None:
            begun(segment)
        if segment.index and len(pause):
            yield pause.copy()
        for wave in model.stream(segment):
            if len(wave):
                is_silent = False
                yield wave
    if is_silent:
        raise RowRejected("no audio: the model gave 0 samples")
