"""How loud a clip is from moment to moment, and where in it there is speech.

A clip's frames depend on the clip alone. Not known here: thresholds of judges.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FRAME_S = 0.02
SILENCE_DB = -120.0
"""The level of digital silence; nothing is lower."""
ACTIVE_BELOW_PEAK_DB = 35.0
"""A frame is active if it is at most this far below the clip's own level …"""
ACTIVE_DB = -55.0
"""… and above this level, in dBFS."""


@dataclass(frozen=True, slots=True)
class Levels:
    """A clip in frames of 20 ms.

    Attributes:
        db: float32 [num_frames], root mean square of each frame in dBFS; at least one frame
        level_db: The 95th percentile of them: how loud the speech is
    """

    db: NDArray[np.float32]
    level_db: float

    @classmethod
    def of(cls, samples: NDArray[np.float32], sample_rate: int) -> Levels:
        """The levels of float32 [num_samples]; what is left of the last frame is a frame, too, filled with silence."""
        size = max(1, round(FRAME_S * sample_rate))
        num_frames = max(1, -(-len(samples) // size))
        padded = np.zeros(num_frames * size, np.float32)
        padded[: len(samples)] = samples
        # [num_samples] -> [num_frames, size]
        frames = padded.reshape(num_frames, size)
        power = np.einsum("ij,ij->i", frames, frames) / np.float32(size)
        db = np.maximum(10.0 * np.log10(np.maximum(power, 1e-12)), SILENCE_DB).astype(np.float32)
        return cls(db, float(np.percentile(db, 95)))

    @property
    def is_active(self) -> NDArray[np.bool_]:
        """Bool [num_frames]: where there is speech, or something as loud."""
        return self.db > max(ACTIVE_DB, self.level_db - ACTIVE_BELOW_PEAK_DB)

    @property
    def active_s(self) -> float:
        """Seconds of active frames."""
        return float(self.is_active.sum()) * FRAME_S


def longest_run_s(is_in: NDArray[np.bool_]) -> float:
    """Seconds of the longest run of true frames in bool [num_frames]."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], is_in, [False])).astype(np.int8)))
    # Edges alternate: a run begins, a run ends.
    runs = edges[1::2] - edges[::2]
    return float(runs.max()) * FRAME_S if len(runs) else 0.0
