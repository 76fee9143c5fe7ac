"""Speech as a response: the bytes as they are made, or a whole file with its length.

Guaranteed: nothing is sent before there is audio, so that earlier failures have an HTTP status of their own. A stream
gets its end only if its speech is whole.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ..http_problem import HttpProblem
from .encoding import Encoding, encoded, mime_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WRITE_BYTES = 65_536
"""A whole file is written in parts of this size, so that a slow client can be told from a stalled one."""

_NO_TOKENS = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
"""The count of tokens at the end of OpenAI's streams; here it is always 0."""

Headers = Mapping[str, str]


class AudioReader(Protocol):
    """Where the bytes of a response go: a `ClientStream`, or a WebSocket."""

    has_begun: bool

    async def begin(self, status: int, headers: Headers) -> None:
        """Tell that audio follows right away."""
        ...

    async def take(self, data: bytes, *, is_last: bool = False) -> None:
        """Take a part of the bytes."""
        ...


class AudioResponse(Protocol):
    """A response that takes the pieces of a speech in order. Call `begin` first, and `close` last in any case."""

    def begin(self, headers: Headers) -> None:
        """Take the headers, which are known when the first audio is there; they are sent with it."""
        ...

    async def take(self, pcm: NDArray[np.int16]) -> None:
        """Take the next piece, int16 [num_samples]."""
        ...

    async def finish(self) -> None:
        """End the response: the speech is whole."""
        ...

    def close(self) -> None:
        """Free resources."""
        ...


class StreamedResponse:
    """The bytes of an encoder as they are made, in chunks."""

    def __init__(self, reader: AudioReader, name: str, sample_rate: int) -> None:
        self._reader = reader
        self._encoding = Encoding(name, sample_rate)
        self._headers: dict[str, str] = {}
        self._mime = self._encoding.mime

    def begin(self, headers: Headers) -> None:
        """Keep the headers for the first bytes."""
        self._headers = {"Content-Type": self._mime, **headers}

    async def take(self, pcm: NDArray[np.int16]) -> None:
        """Encode the samples, and send the bytes that are ready."""
        for part in self._encoding.parts(pcm):
            await self._pass_on(await self._encoding.feed(part))

    async def finish(self) -> None:
        """Send the rest and the end."""
        await self._pass_on(await self._encoding.finish())
        await self._reader.take(self._end(), is_last=True)

    def close(self) -> None:
        """Free the encoder."""
        self._encoding.close()

    async def _pass_on(self, data: bytes) -> None:
        if not data:
            return
        if not self._reader.has_begun:
            await self._reader.begin(200, self._headers)
        await self._reader.take(self._framed(data))

    def _framed(self, data: bytes) -> bytes:
        return data

    def _end(self) -> bytes:
        return b""


class EventResponse(StreamedResponse):
    """The bytes of an encoder as OpenAI's server-sent events."""

    def begin(self, headers: Headers) -> None:
        """Keep the headers for the first event."""
        super().begin(headers)
        self._headers["Content-Type"] = "text/event-stream; charset=utf-8"

    def _framed(self, data: bytes) -> bytes:
        return _event({"type": "speech.audio.delta", "audio": base64.b64encode(data).decode("ascii")})

    def _end(self) -> bytes:
        return _event({"type": "speech.audio.done", "usage": _NO_TOKENS})


class WholeResponse:
    """A whole file, as a job writes it."""

    def __init__(self, reader: AudioReader, name: str, sample_rate: int) -> None:
        self._reader = reader
        self._name = name
        self._sample_rate = sample_rate
        self._headers: Headers = {}
        self._pieces: list[NDArray[np.int16]] = []

    def begin(self, headers: Headers) -> None:
        """Keep the headers."""
        self._headers = headers

    async def take(self, pcm: NDArray[np.int16]) -> None:
        """Keep the samples."""
        self._pieces.append(pcm)

    async def finish(self) -> None:
        """Encode all samples and send the file."""
        data = await encoded(np.concatenate(self._pieces), self._sample_rate, self._name)
        about = {"Content-Type": mime_of(self._name, self._sample_rate), "Content-Length": str(len(data))}
        await self._reader.begin(200, {**self._headers, **about})
        for start in range(0, len(data), _WRITE_BYTES):
            part = data[start : start + _WRITE_BYTES]
            await self._reader.take(part, is_last=start + len(part) == len(data))

    def close(self) -> None:
        """Do nothing: there is nothing to free."""


def problem_event(problem: HttpProblem) -> bytes:
    """An event that tells why a stream breaks off; the event of its end is not sent after it."""
    return _event({"type": "error", **problem.body()})


def _event(content: Mapping[str, object]) -> bytes:
    return b"data: " + json.dumps(content).encode("ascii") + b"\n\n"
