"""Windows of utterances into shards of nearly equal cost and similar lengths. Pure and deterministic.

The same window and the same rules give the same shards, whatever the cluster: a resumed run recomputes their ids.
So nothing measured enters here, and neither does the number of replicas; the last window is cut finer and finer
towards its end, so that replicas finish together however many there are.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..actors.models.base import ModelInfo
from ..actors.segment import Shard, Utterance

RULES = 1
"""The version of what follows: raise it with any change of how a window is cut, or old outputs cannot be told apart."""

TAPER = 16
"""In the last window a shard takes one part in `TAPER` of what is left, down to `TAPER_ROWS` rows."""
TAPER_ROWS = 8


@dataclass(frozen=True, slots=True)
class CostModel:
    """Estimated seconds of a row on one replica, and of its audio: linear in its characters."""

    base_s: float
    char_s: float
    audio_char_s: float

    @classmethod
    def of(cls, info: ModelInfo) -> CostModel:
        """The estimates that a model gives of itself."""
        return cls(info.base_s, info.char_s, info.audio_char_s)

    def seconds(self, utterance: Utterance) -> float:
        """Seconds that a replica needs for the utterance."""
        return self.base_s + self.char_s * len(utterance.text)

    def audio_s(self, utterance: Utterance) -> float:
        """Seconds of audio that it will become."""
        return self.audio_char_s * len(utterance.text) / utterance.speed


@dataclass(frozen=True, slots=True)
class ShardLimits:
    """The most that a shard may hold: rows, and estimated seconds of audio (which bounds the object's size)."""

    max_rows: int
    max_audio_s: float


def shard_window(
    window: int, utterances: Sequence[Utterance], cost: CostModel, limits: ShardLimits, *, is_last: bool
) -> list[Shard]:
    """The window's utterances as shards, longest first; each utterance exactly once."""
    ordered = sorted(utterances, key=lambda u: (-cost.seconds(u), u.row))
    seconds = [cost.seconds(u) for u in ordered]
    left = sum(seconds)
    # Audio per second of work differs by length and speed: the densest rows say how much work a shard may hold.
    densest = max((cost.audio_s(u) / second for u, second in zip(ordered, seconds, strict=True)), default=0.0)
    # A little below the limit, so that it does not cut a shard of even cost short and leave a rest.
    max_s = 0.95 * limits.max_audio_s
    num_shards = max(math.ceil(len(ordered) / limits.max_rows), math.ceil(left * densest / max_s), 1)
    shards: list[Shard] = []
    start = 0
    while start < len(ordered):
        even = left / max(1, num_shards - len(shards))
        target = min(even, left / TAPER) if is_last else even
        least = TAPER_ROWS if is_last else 1
        end = _end(ordered, seconds, start, target, least, cost, limits)
        shards.append(_shard(window, len(shards), ordered[start:end], sum(seconds[start:end])))
        left -= sum(seconds[start:end])
        start = end
    return shards


def _end(
    ordered: Sequence[Utterance],
    seconds: Sequence[float],
    start: int,
    target: float,
    least: int,
    cost: CostModel,
    limits: ShardLimits,
) -> int:
    """Where the shard that begins at `start` ends: at its target cost, never over a limit, never empty."""
    end, total, audio_s = start, 0.0, 0.0
    while end < len(ordered) and end - start < limits.max_rows:
        audio_s += cost.audio_s(ordered[end])
        if end > start and audio_s > limits.max_audio_s:
            break
        # The row that crosses the target goes to the nearer side.
        if end - start >= least and total + seconds[end] / 2 > target:
            break
        total += seconds[end]
        end += 1
    return max(end, start + 1)


def _shard(window: int, index: int, utterances: Sequence[Utterance], cost_s: float) -> Shard:
    return Shard(window, index, tuple(utterances), digest(utterances), cost_s)


def digest(utterances: Sequence[Utterance]) -> str:
    """A hash of everything in these rows that the output depends on: 12 hexadecimal digits."""
    hashed = hashlib.blake2b(digest_size=6)
    for u in utterances:
        row = [u.row, u.id, u.text, u.seed, u.voice, u.speed, dict(u.metadata)]
        hashed.update(json.dumps(row).encode())
    return hashed.hexdigest()
