"""Voices of ChatTTS: drawn from a seed, or read from the strings that its users pass around.

Guarantees that a seed gives the same voice on every device and with every version of every library (its numbers come
from a hash; only the last bit of a float64 could differ, which float16 all but never shows), that strings round-trip
exactly, and that a damaged one is refused with what is wrong. Voices drawn here are not those that ChatTTS draws
from the same seed: there they depend on the device. Knows nothing of what a voice sounds like.
"""

from __future__ import annotations

import hashlib
import lzma

import numpy as np
from numpy.typing import NDArray

from .....errors import RowRejected
from ..checkpoint.layout import EOS_CODE, FULL
from . import base16384

# ChatTTS packs with a dictionary of 64 MiB. The longest string holds half a mebibyte, so that one mebibyte reads and
# writes the same bytes, in a twentieth of the time.
_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": 1 << 20}]
_DRAWS_PER_HASH = 8


def sampled(seed: int, hidden: int = FULL.hidden, stat: NDArray[np.float16] | None = None) -> NDArray[np.float16]:
    """The speaker of a seed: float16 [hidden], normally distributed.

    `stat` is float16 [2, hidden], the standard deviations and then the means; None for 1 and 0.

    Raises:
        RowRejected: If the statistics are so large that a number is beyond float16
    """
    std, mean = (np.ones(hidden), np.zeros(hidden)) if stat is None else stat.astype(np.float64)
    with np.errstate(over="ignore"):
        vector = (mean + std * _normal(seed, hidden)).astype(np.float16)
    return _finite(vector, "the speaker drawn from the statistics")


def encode_speaker(vector: NDArray[np.float16]) -> str:
    """A speaker, float16 [hidden], as a string."""
    return base16384.encode(_compress(vector.astype("<f2").tobytes()))


def decode_speaker(text: str, hidden: int = FULL.hidden) -> NDArray[np.float16]:
    """The speaker of a string: float16 [hidden], finite.

    Raises:
        RowRejected: If the string is damaged
    """
    data = _decompress(base16384.decode(text), 2 * hidden, "the speaker string")
    return _finite(np.frombuffer(data, "<f2").astype(np.float16), "the speaker string")


def encode_statistics(stat: NDArray[np.float16]) -> str:
    """Standard deviations and means of all speakers, float16 [2, hidden], as a string."""
    return base16384.encode(stat.astype("<f2").tobytes())


def decode_statistics(text: str, hidden: int = FULL.hidden) -> NDArray[np.float16]:
    """Standard deviations and means of all speakers: float16 [2, hidden].

    Raises:
        RowRejected: If damaged
    """
    data = base16384.decode(text)
    if len(data) != 4 * hidden:
        raise RowRejected(
            f"the speaker statistics have {len(data)} bytes where {4 * hidden} are needed: copy them again"
        )
    stat = _finite(np.frombuffer(data, "<f2").astype(np.float16), "the speaker statistics").reshape(2, hidden)
    if (stat[0] < 0).any():
        raise RowRejected(f"the speaker statistics have a standard deviation of {stat[0].min()}; none is below 0")
    return stat


def encode_audio_prompt(codes: NDArray[np.uint16]) -> str:
    """An audio prompt, uint16 [num_vq, steps] of at most 65,535 steps, as a string."""
    if codes.ndim != 2 or max(codes.shape) > 0xFFFF:
        raise ValueError(f"codes have shape {codes.shape}; it has to be [num_vq, steps], each at most 65,535")
    shape = np.array(codes.shape, "<u2").tobytes()
    return base16384.encode(shape + _compress(codes.astype("<u2").tobytes()))


def decode_audio_prompt(text: str, num_vq: int = FULL.num_vq) -> NDArray[np.uint16]:
    """The audio prompt of a string: uint16 [num_vq, steps], steps > 0, codes in 0 … 624.

    Raises:
        RowRejected: The row cannot be spoken, with the reason
    """
    data = base16384.decode(text)
    rows, steps = np.frombuffer(data[:4], "<u2").tolist() if len(data) >= 4 else (0, 0)
    if rows != num_vq or steps == 0:
        raise RowRejected(
            f"the audio prompt says that it has {rows} codebooks of {steps} steps where {num_vq} of at least 1 are "
            "needed: is it a speaker string, or cut off?"
        )
    codes = np.frombuffer(_decompress(data[4:], 2 * rows * steps, "the audio prompt"), "<u2").astype(np.uint16)
    if codes.max() >= EOS_CODE:
        raise RowRejected(f"the audio prompt holds the code {codes.max()}; codes are 0 … {EOS_CODE - 1}: copy it again")
    return codes.reshape(rows, steps)


def _normal(seed: int, count: int) -> NDArray[np.float64]:
    """Box-Muller over hashes of (seed, counter): float64 [count], between -8.7 and 8.7."""
    num_pairs = -(-count // 2)
    num_hashes = -(-2 * num_pairs // _DRAWS_PER_HASH)
    hashes = (hashlib.blake2b(f"speaker\0{seed}\0{counter}".encode()).digest() for counter in range(num_hashes))
    words = np.frombuffer(b"".join(hashes), "<u8")[: 2 * num_pairs]
    uniform = ((words >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    radius, angle = np.sqrt(-2 * np.log(uniform[:num_pairs])), 2 * np.pi * uniform[num_pairs:]
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:count]


def _compress(data: bytes) -> bytes:
    return lzma.compress(data, format=lzma.FORMAT_RAW, filters=_FILTERS)


def _decompress(data: bytes, num_bytes: int, what: str) -> bytes:
    """Exactly `num_bytes` bytes, and never more in memory, whatever the string claims."""
    decompressor = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=_FILTERS)
    try:
        plain = decompressor.decompress(data, num_bytes + 1)
    except (lzma.LZMAError, EOFError) as error:
        raise RowRejected(f"{what} is damaged ({error}): copy it again") from error
    if len(plain) > num_bytes:
        raise RowRejected(f"{what} holds more than the {num_bytes} bytes that this model takes")
    if not decompressor.eof:
        raise RowRejected(f"{what} ends after {len(plain)} of {num_bytes} bytes: it is cut off, copy it again")
    if len(plain) != num_bytes or decompressor.unused_data:
        raise RowRejected(
            f"{what} holds {len(plain)} bytes, and {len(decompressor.unused_data)} after its end, where this model "
            f"takes {num_bytes} and none: it is of another model, or damaged"
        )
    return plain


def _finite(values: NDArray[np.float16], what: str) -> NDArray[np.float16]:
    if not np.isfinite(values).all():
        raise RowRejected(f"{what} holds a number that is infinite or not a number: it is damaged, copy it again")
    return values
