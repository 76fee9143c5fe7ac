"""Encodes samples as they are made into the bytes of a response, without blocking the event loop.

Guaranteed: long encodings run in threads, second by second. An encoder may be closed at any time, even while it runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ....actors.audio.encoding import encode
from ....actors.audio.stream_encoder import LIVE_FORMATS, LiveEncoder
from ....errors import SpecError
from .aac import AAC, AacEncoder, has_aac

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_CHEAP = ("pcm", "wav")
"""Formats whose encoding only copies: a thread would cost more."""

_FIRST_S = 0.25
"""Seconds of audio encoded first: enough to get bytes in every format; a whole second of opus would take 13 ms."""


def formats_at(sample_rate: int) -> tuple[str, ...]:
    """Names of the formats that can hold audio of this rate in Hz."""
    known = (*LIVE_FORMATS, AAC) if has_aac() else LIVE_FORMATS
    return tuple(name for name in known if _can_hold(name, sample_rate))


def _can_hold(name: str, sample_rate: int) -> bool:
    try:
        mime_of(name, sample_rate)
    except SpecError:
        return False
    return True


def mime_of(name: str, sample_rate: int) -> str:
    """The media type of a format at this rate.

    Raises:
        SpecError: There is no such format, or it does not have this rate
    """
    encoder = _encoder(name, sample_rate)
    try:
        return encoder.mime
    finally:
        encoder.close()


def _encoder(name: str, sample_rate: int) -> LiveEncoder | AacEncoder:
    return AacEncoder(sample_rate) if name == AAC else LiveEncoder(name, sample_rate)


class Encoding:
    """An encoder for a coroutine, which feeds it and closes it."""

    def __init__(self, name: str, sample_rate: int) -> None:
        self._encoder = _encoder(name, sample_rate)
        self._is_cheap = name in _CHEAP
        self._first_samples = max(1, round(sample_rate * _FIRST_S))
        self._part_samples = sample_rate
        self.mime = self._encoder.mime

    def parts(self, pcm: NDArray[np.int16]) -> Iterator[NDArray[np.int16]]:
        """Cut int16 [num_samples] into parts of a second, to be fed one by one; the very first is shorter."""
        first, self._first_samples = pcm[: self._first_samples], 0
        if len(first):
            yield first
        for start in range(len(first), len(pcm), self._part_samples):
            yield pcm[start : start + self._part_samples]

    async def feed(self, part: NDArray[np.int16]) -> bytes:
        """Encode a part; the bytes that are ready, maybe none."""
        feed = self._encoder.feed
        return feed(part) if self._is_cheap else await asyncio.to_thread(feed, part)

    async def finish(self) -> bytes:
        """The last bytes."""
        finish = self._encoder.finish
        return finish() if self._is_cheap else await asyncio.to_thread(finish)

    def close(self) -> None:
        """Free the encoder. If a cancelled coroutine has left its thread running, wait for it: a second of audio."""
        self._encoder.close()


async def encoded(pcm: NDArray[np.int16], sample_rate: int, name: str) -> bytes:
    """A whole file of int16 [num_samples], as a job writes it; pcm: the samples, little-endian.

    Raises:
        RowRejected: There are no samples
    """
    if name == "pcm":
        return pcm.astype("<i2", copy=False).tobytes()
    if name == AAC:
        return await asyncio.to_thread(_whole_aac, pcm, sample_rate)
    return await asyncio.to_thread(encode, pcm, sample_rate, name)


def _whole_aac(pcm: NDArray[np.int16], sample_rate: int) -> bytes:
    encoder = AacEncoder(sample_rate)
    return encoder.feed(pcm) + encoder.finish()
