"""Samples to the bytes of a response while they are made, without holding up the event loop.

Guaranteed: long encodings run in threads, second by second; closing is safe at any time, a running encoding included.
Not known here: what the bytes of a format look like, or who reads them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...actors.audio.encoding import encode
from ...actors.audio.stream_encoder import LIVE_FORMATS, LiveEncoder
from ...errors import SpecError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_CHEAP = ("pcm", "wav")
"""Formats whose encoding is copying: a thread would cost more."""

_FIRST_S = 0.25
"""Seconds of audio that are encoded first: enough for bytes in every format, and a whole second of opus takes 13 ms."""


def formats_at(sample_rate: int) -> tuple[str, ...]:
    """Names of the formats that can hold audio of this rate in Hz."""
    return tuple(name for name in LIVE_FORMATS if _can_hold(name, sample_rate))


def _can_hold(name: str, sample_rate: int) -> bool:
    try:
        mime_of(name, sample_rate)
    except SpecError:
        return False
    return True


def mime_of(name: str, sample_rate: int) -> str:
    """The media type of a format at this rate.

    Raises:
        SpecError: If there is no such thing
    """
    with LiveEncoder(name, sample_rate) as encoder:
        return encoder.mime


class Encoding:
    """An encoder that is fed by a coroutine, and closed by its owner."""

    def __init__(self, name: str, sample_rate: int) -> None:
        self._encoder = LiveEncoder(name, sample_rate)
        self._is_cheap = name in _CHEAP
        self._first_samples = max(1, round(sample_rate * _FIRST_S))
        self._part_samples = sample_rate
        self.mime = self._encoder.mime

    def parts(self, pcm: NDArray[np.int16]) -> Iterator[NDArray[np.int16]]:
        """int16 [num_samples] second by second, each to be fed on its own; less of the very first."""
        first, self._first_samples = pcm[: self._first_samples], 0
        if len(first):
            yield first
        for start in range(len(first), len(pcm), self._part_samples):
            yield pcm[start : start + self._part_samples]

    async def feed(self, part: NDArray[np.int16]) -> bytes:
        """The bytes that a part makes ready; there may be none yet."""
        feed = self._encoder.feed
        return feed(part) if self._is_cheap else await asyncio.to_thread(feed, part)

    async def finish(self) -> bytes:
        """The last bytes."""
        finish = self._encoder.finish
        return finish() if self._is_cheap else await asyncio.to_thread(finish)

    def close(self) -> None:
        """Free what is held. A cancelled coroutine leaves its thread behind: its second of audio is waited for."""
        self._encoder.close()


async def encoded(pcm: NDArray[np.int16], sample_rate: int, name: str) -> bytes:
    """A whole file of int16 [num_samples], as a job writes it; for pcm the samples, little-endian.

    Raises:
        RowRejected: If there are no samples
    """
    if name == "pcm":
        return pcm.astype("<i2", copy=False).tobytes()
    return await asyncio.to_thread(encode, pcm, sample_rate, name)
