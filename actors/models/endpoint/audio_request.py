"""One request's audio, checked against the options: whole, or opened as a stream. Not known here: attempts."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ....errors import RowRejected
from .answer import BadAudio, decode_answer, samples_of_pcm
from .client import SpeechClient
from .fault import Blame, Fault, RequestFailed
from .options import EndpointOptions

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SAMPLE_BYTES = 4
Body = Mapping[str, Any]
"""The keys of a request."""
IsOver = Callable[[], bool]
"""Whether an answer is wanted no more."""


def whole_audio(options: EndpointOptions, client: SpeechClient, body: Body, is_over: IsOver) -> NDArray[np.float32]:
    """The audio of one request: float32 [num_samples] in -1 … 1 at the options' rate.

    Raises:
        RequestFailed: There is none, or it is not as the options say
    """
    data, told_rate = client.ask(body, is_over)
    try:
        decoded = decode_answer(data, options.response_format, options.max_bytes // _SAMPLE_BYTES)
    except BadAudio as error:
        raise RequestFailed(Fault(Blame.ATTEMPT, str(error))) from error
    samples = decoded.samples
    rate, wanted = decoded.sample_rate or told_rate or options.sample_rate, options.sample_rate
    if rate != wanted and not options.resample:
        raise RequestFailed(_wrong_rate(rate, wanted))
    if len(samples) > options.max_audio_s * rate:
        told = f"more than {options.max_audio_s:g} s of audio (model.options.max_audio_s)"
        raise RequestFailed(Fault(Blame.ROW, told))
    if rate != wanted:
        from ...audio.finishing import resample

        try:
            samples = resample(samples, rate, wanted).clip(-1.0, 1.0)
        except RowRejected as error:
            raise RequestFailed(Fault(Blame.FORMAT, str(error))) from error
    if not samples.any():
        raise RequestFailed(Fault(Blame.ATTEMPT, f"{len(samples)} samples of silence"))
    return samples


def opened_audio(
    options: EndpointOptions, client: SpeechClient, body: Body, is_over: IsOver
) -> Iterator[NDArray[np.float32]]:
    """The audio of one request for pcm as it comes, once its first piece is there.

    Raises:
        RequestFailed: There is none, or it has another rate; while pieces are read: it breaks off
    """
    pieces = client.pieces(body, is_over)
    first = next(pieces, None)
    if first is None:
        raise RequestFailed(Fault(Blame.ATTEMPT, "the answer is empty"))
    if first[1] not in (None, options.sample_rate):
        raise RequestFailed(_wrong_rate(first[1], options.sample_rate))
    return _samples(first[0], pieces)


def _wrong_rate(rate: int, wanted: int) -> Fault:
    return Fault(
        Blame.FORMAT,
        f"audio of {rate} Hz, where {wanted} Hz are expected; set model.options.sample_rate: {rate}, or "
        "model.options.resample: true",
    )


def _samples(first: bytes, pieces: Generator[tuple[bytes, int | None]]) -> Iterator[NDArray[np.float32]]:
    """Samples of pieces of 16-bit pcm, which may end within a sample."""
    left = first
    while True:
        whole = len(left) - len(left) % 2
        if whole:
            yield samples_of_pcm(left[:whole])
        piece = next(pieces, None)
        if piece is None:
            break
        left = left[whole:] + piece[0]
    if len(left) % 2:
        raise RequestFailed(Fault(Blame.ATTEMPT, "it ends within a sample"))
