"""Streamed speech: a text, or a text that arrives in parts, is spoken piece by piece in order.

Guaranteed: the audio of a piece depends on its text, voice, seed, speed and place in the text, as in a job. So a text
of one clause sounds exactly as the row of a job with this seed.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ...errors import RowRejected
from ..audio.encoding import silence
from ..models.base import Model
from ..records.reference import Reference
from ..records.stream_handle import StreamHandle
from ..records.utterance import Prepared, Segment
from ..text.clauses import ChunkSize, chunk_tokens_of, spoken_pieces
from ..text.front_end import FrontEnd
from ..text.splitting import fit_pieces, split_text
from .priority_lock import PriorityLock

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PAUSE_S = 0.2
"""Silence between two pieces, in seconds: a job's default."""


def speak_stream(
    model: Model,
    text: str | Iterable[str],
    *,
    voice: str = "",
    seed: int = 0,
    speed: float = 1.0,
    reference: Reference | None = None,
    pause_s: float = PAUSE_S,
    streaming_text_chunk_size: ChunkSize = "auto",
    begun: Callable[[Segment], None] | None = None,
    listener: StreamHandle | None = None,
    turns: PriorityLock | None = None,
) -> Generator[NDArray[np.float32]]:
    """Speak a text: pieces float32 [num_samples] at the model's rate, each as soon as it is there, and silences.

    Args:
        text: The text, or its parts as they arrive
        reference: A recording to speak with the voice of; None for that of `voice`
        pause_s: Seconds of silence between two pieces
        streaming_text_chunk_size: See `clauses.chunk_tokens_of`
        begun: Called with every segment right before it is spoken
        listener: Ends the stream once it has gone; gets the times of the work before the first piece
        turns: Lock for a model that speaks one batch at a time; the stream takes it for each piece. None if no other
            thread uses the model, or if several may use it at once

    Raises:
        SpecError: The pause or the chunk size is wrong; raised at once
        RowError: A piece cannot be spoken; raised while pieces are read, after those before it
        RowRejected: Nothing in the text can be spoken; raised at the end of the text
        ModelError: The model raised it, while pieces are read
    """
    pause = silence(model.info.sample_rate, pause_s)
    tokens = chunk_tokens_of(text, streaming_text_chunk_size)
    voice = voice or model.info.default_voice
    heard = reference or model.preset(voice)
    stream = _Stream(model, voice, seed, speed, heard, tokens, listener or StreamHandle(), turns, FrontEnd(model.info))
    return stream.pieces(text, pause, begun)


@dataclass(frozen=True, slots=True)
class _Stream:
    """The stream of one text to one listener."""

    model: Model
    voice: str
    seed: int
    speed: float
    reference: Reference | None
    chunk_tokens: int | None
    listener: StreamHandle
    turns: PriorityLock | None
    front_end: FrontEnd

    def pieces(
        self, text: str | Iterable[str], pause: NDArray[np.float32], begun: Callable[[Segment], None] | None
    ) -> Generator[NDArray[np.float32]]:
        is_silent = True
        for segment in self._segments(text):
            if begun is not None:
                begun(segment)
            if segment.index and len(pause):
                yield pause.copy()
            for wave in self._waves(segment):
                if len(wave):
                    is_silent = False
                    self.listener.hears()
                    yield wave
        if is_silent and not self.listener.is_gone:
            raise RowRejected("no audio: the model gave 0 samples")

    def _segments(self, text: str | Iterable[str]) -> Iterator[Segment]:
        index = 0
        for piece in spoken_pieces(text, self.model.info.split_chars, self.chunk_tokens):
            for fitting, prepared in self._fitting(piece):
                if self.listener.is_gone:
                    return
                yield Segment(0, index, fitting, prepared, self.seed, self.voice, self.speed, reference=self.reference)
                index += 1
        if not index and not self.listener.is_gone:
            raise RowRejected("nothing in the text can be spoken")

    def _fitting(self, piece: str) -> list[tuple[str, Prepared]]:
        """The piece in parts that fit the model, each with its tokens."""
        with self._turn() as has_turn, self.listener.spending("text"):
            info = self.model.info
            if not has_turn:
                return []
            pieces = [
                cut
                for part in self.front_end.read(piece, self.voice).parts
                for cut in split_text(part.text, info.split_chars, is_read=info.takes_words)
            ]
            prepare = self.model.prepare
            if self.reference is not None:
                prepare = partial(self.model.prepare_like, self.reference, "")
            return list(fit_pieces(pieces, self.voice, info.max_length, prepare))

    def _waves(self, segment: Segment) -> Iterator[NDArray[np.float32]]:
        """The model's waveforms. The lock is held for each of them, and not while the listener takes it."""
        with closing(self.model.stream(segment, self.listener)) as waves:
            while True:
                with self._turn() as has_turn:
                    wave = next(waves, None) if has_turn else None
                if wave is None:
                    return
                yield wave

    def _turn(self) -> AbstractContextManager[bool]:
        return nullcontext(enter_result=True) if self.turns is None else self.turns.stream(self.listener)
