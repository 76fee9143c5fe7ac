"""Sound as the job asks for it: silence trimmed at both ends, another sample rate, an even loudness, in this order.

Guaranteed: a clip depends on its own samples and the settings alone; trimming never removes a frame that is less than
`SILENCE_DB` below the loudest one, so a quiet onset stays; the true peak of a levelled clip stays below `PEAK_DBFS`.
Loudness is ITU-R BS.1770-4 as torchaudio measures it. Not known here: rows, formats. torch is imported where it is
used.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import RowRejected

if TYPE_CHECKING:
    from numpy.typing import NDArray

FRAME_S = 0.01
_MOST_TABLE = 1 << 24
"""Of the product of two rates, each over their common divisor: a table of some 100 MB."""
SILENCE_DB = 60.0
"""Frames so far below the loudest one are silence. The quietest fricatives of speech are about 50 dB below."""
PEAK_DBFS = -1.0
MAX_LIMITING_DB = 6.0
"""The most that a peak is lowered by, so that the clip around it can be as loud as asked for."""
_LIMIT_DBFS = PEAK_DBFS - 0.2
_CLEARLY_BELOW_DBFS = -6.0
_LIMITER_S = 0.004
_ROUNDS = 5
_CLOSE_LU = 0.1
_OVERSAMPLING = 4
_HEADROOM = 0.25
"""torchaudio's filters clip at 1; a scaled clip is measured in their place."""
_BLOCK_S = 0.4
_REPEATED_S = 2.0
# Those of resampy's "kaiser_best", as torchaudio's documentation gives them.
_KAISER_BEST: dict[str, Any] = {
    "resampling_method": "sinc_interp_kaiser",
    "lowpass_filter_width": 64,
    "rolloff": 0.9475937167399596,
    "beta": 14.769656459379492,
}


@dataclass(frozen=True, slots=True)
class Finishing:
    """What becomes of a clip before it is encoded; None leaves it as the model made it.

    Attributes:
        sample_rate: Hz
        loudness_lufs: Integrated loudness
        trim_silence_s: Seconds of silence that stay before the first and after the last sound
    """

    sample_rate: int | None = None
    loudness_lufs: float | None = None
    trim_silence_s: float | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """A finished clip.

    Attributes:
        samples: float32 [num_samples]
        sample_rate: Hz
        cut_s: Seconds that were removed before the first sample
        cut_end_s: Seconds that were removed after the last
    """

    samples: NDArray[np.float32]
    sample_rate: int
    cut_s: float = 0.0
    cut_end_s: float = 0.0


def finish(samples: NDArray[np.float32], sample_rate: int, how: Finishing) -> Finished:
    """Trim, resample and level a clip, float32 [num_samples] at `sample_rate` Hz."""
    cut_s = cut_end_s = 0.0
    if how.trim_silence_s is not None:
        first, end = sound_bounds(samples, sample_rate, how.trim_silence_s)
        cut_s, cut_end_s = first / sample_rate, (len(samples) - end) / sample_rate
        samples = samples[first:end]
    if how.sample_rate is not None:
        samples, sample_rate = resample(samples, sample_rate, how.sample_rate), how.sample_rate
    if how.loudness_lufs is not None:
        samples = level(samples, sample_rate, how.loudness_lufs)
    return Finished(samples, sample_rate, cut_s, cut_end_s)


def sound_bounds(samples: NDArray[np.float32], sample_rate: int, pad_s: float) -> tuple[int, int]:
    """The first sample that stays, and one more than the last: the sound and `pad_s` of silence on both sides.

    A clip without any sound stays whole.
    """
    frame = max(1, round(FRAME_S * sample_rate))
    # [num_frames]: the energy of each frame, the last one filled up with zeros.
    padded = np.zeros(-(-len(samples) // frame) * frame, dtype=np.float64)
    padded[: len(samples)] = samples
    energy = np.square(padded).reshape(-1, frame).sum(axis=1)
    loudest = float(energy.max(initial=0.0))
    if not (loudest > 0 and math.isfinite(loudest)):
        return 0, len(samples)
    sounding = np.flatnonzero(energy > loudest * 10 ** (-SILENCE_DB / 10))
    pad = round(pad_s * sample_rate)
    first, end = int(sounding[0]) * frame, (int(sounding[-1]) + 1) * frame
    return max(0, first - pad), min(len(samples), end + pad)


def resample(samples: NDArray[np.float32], sample_rate: int, new_rate: int) -> NDArray[np.float32]:
    """The clip at another rate: float32 [ceil(num_samples * new_rate / sample_rate)], by a windowed sinc.

    It may exceed -1 … 1 where it did not before.

    Raises:
        RowRejected: The rates have so small a common divisor that the table of the filter would take gigabytes
    """
    if sample_rate == new_rate or not len(samples):
        return samples
    if sample_rate * new_rate // math.gcd(sample_rate, new_rate) ** 2 > _MOST_TABLE:
        raise RowRejected(
            f"audio of {sample_rate} Hz is not resampled to {new_rate} Hz: choose rates with a larger common divisor"
        )
    import torch

    with torch.inference_mode():
        return _resampler(sample_rate, new_rate)(torch.from_numpy(np.ascontiguousarray(samples))).numpy()


@lru_cache(8)
def _resampler(sample_rate: int, new_rate: int) -> Any:
    from torchaudio.transforms import Resample

    return Resample(sample_rate, new_rate, **_KAISER_BEST)


def loudness_lufs(samples: NDArray[np.float32], sample_rate: int) -> float:
    """Integrated loudness by ITU-R BS.1770-4, in LUFS; not finite for silence.

    A clip shorter than a block of 0.4 s is measured as if it were repeated.
    """
    import torch
    from torchaudio.functional import loudness

    is_short = len(samples) < _BLOCK_S * sample_rate
    repeated = np.resize(samples, round(_REPEATED_S * sample_rate)) if is_short else samples
    scaled = repeated * np.float32(_HEADROOM)
    with torch.inference_mode():
        measured = float(loudness(torch.from_numpy(scaled)[None], sample_rate))
    return measured - 20 * math.log10(_HEADROOM)


def true_peak_dbfs(samples: NDArray[np.float32], sample_rate: int) -> float:
    """The largest value between the samples too, found at four times their rate, in dB of full scale."""
    peak = float(_envelope(samples, sample_rate).max(initial=0.0))
    return 20 * math.log10(peak) if peak > 0 else -math.inf


def _envelope(samples: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
    """The largest value at and after each sample, up to the next one: float32 [num_samples]."""
    import torch
    from torchaudio.functional import resample as oversample

    with torch.inference_mode():
        clip = torch.from_numpy(np.ascontiguousarray(samples))
        between = oversample(clip, sample_rate, _OVERSAMPLING * sample_rate, lowpass_filter_width=16)
        # [num_samples * _OVERSAMPLING] -> [num_samples]
        largest = between[: len(clip) * _OVERSAMPLING].abs().reshape(-1, _OVERSAMPLING).amax(dim=1)
        return torch.maximum(largest, clip.abs()).numpy()


def level(samples: NDArray[np.float32], sample_rate: int, target_lufs: float) -> NDArray[np.float32]:
    """The clip with this loudness, its true peak below `PEAK_DBFS`; silence stays.

    Where single peaks leave no room, they are lowered by up to `MAX_LIMITING_DB`. A clip that needs more stays quieter.
    """
    if not len(samples) or not math.isfinite(measured := loudness_lufs(samples, sample_rate)):
        return samples
    gain_db = target_lufs - measured
    if 20 * math.log10(float(np.abs(samples).max())) + gain_db < _CLEARLY_BELOW_DBFS:
        return samples * _factor(gain_db)  # the usual case; a true peak is never so far above the samples
    most_db = _LIMIT_DBFS + MAX_LIMITING_DB - true_peak_dbfs(samples, sample_rate)
    made = samples
    for _ in range(_ROUNDS):
        gain_db = min(gain_db, most_db)
        made = _limited(samples * _factor(gain_db), sample_rate)
        missing_db = target_lufs - loudness_lufs(made, sample_rate)
        if abs(missing_db) < _CLOSE_LU or (gain_db == most_db and missing_db > 0):
            break
        gain_db += missing_db
    return made


def _limited(samples: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
    """The clip with its true peaks at `_LIMIT_DBFS`: the gain falls and rises again within some milliseconds."""
    import torch
    from torch.nn.functional import avg_pool1d, max_pool1d, pad

    limit = _factor(_LIMIT_DBFS)
    envelope = _envelope(samples, sample_rate)
    if float(envelope.max()) <= limit:
        return samples
    reach = max(1, round(_LIMITER_S * sample_rate))
    with torch.inference_mode():
        allowed = torch.from_numpy(np.minimum(1.0, limit / np.maximum(envelope, limit)))[None]
        # The least gain within reach, then its mean within reach: at a peak all that is averaged is low enough.
        least = -max_pool1d(pad(-allowed, (2 * reach, 2 * reach), value=-1.0), 2 * reach + 1, stride=1)
        gain = avg_pool1d(least, 2 * reach + 1, stride=1)[0].numpy()
    limited = samples * gain
    # A gain that changes moves the values between the samples a little.
    over_db = true_peak_dbfs(limited, sample_rate) - _LIMIT_DBFS
    return limited * _factor(-over_db) if over_db > 0 else limited


def _factor(decibels: float) -> np.float32:
    return np.float32(10 ** (decibels / 20))
