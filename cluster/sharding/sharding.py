"""Windows of utterances into shards of nearly equal cost and similar lengths. Pure and deterministic.

The same window and the same rules give the same shards, whatever the cluster: a resumed run recomputes their ids.
So nothing measured enters here, and neither does the number of replicas; the last window is cut finer and finer
towards its end, so that replicas finish together however many there are.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...actors.models.base import CostUnit, ModelInfo
from ...actors.records.json_line import dumps, dumps_all
from ...actors.records.utterance import Shard, Utterance
from ...actors.records.utterance_columns import UtteranceColumns

RULES = 3
"""The version of what follows: raise it with any change of how a window is cut, or old outputs cannot be told apart."""

TAPER = 16
"""In the last window a shard takes one part in `TAPER` of what is left, down to `TAPER_ROWS` rows."""
TAPER_ROWS = 8

Seconds = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CostModel:
    """Estimated seconds of a row on one replica, and of its audio: linear in the length of its text.

    Attributes:
        base_s, char_s, audio_char_s: As in `ModelInfo`
        unit: What a text's length is counted in
    """

    base_s: float
    char_s: float
    audio_char_s: float
    unit: CostUnit = "characters"

    @classmethod
    def of(cls, info: ModelInfo) -> CostModel:
        """The estimates that a model gives of itself."""
        return cls(info.base_s, info.char_s, info.audio_char_s, info.cost_unit)

    @property
    def stored(self) -> dict[str, float | str]:
        """The fields as JSON; without the unit if it is characters, as files from before there were others have it."""
        fields: dict[str, float | str] = {name: getattr(self, name) for name in ("base_s", "char_s", "audio_char_s")}
        return fields if self.unit == "characters" else fields | {"unit": self.unit}

    def length(self, text: str) -> int:
        """The length of a text in the unit."""
        return len(text) if self.unit == "characters" else len(text.encode("utf-8", "surrogatepass"))

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """The length of each text in the unit."""
        return list(map(len, texts)) if self.unit == "characters" else list(map(self.length, texts))

    def seconds(self, utterance: Utterance) -> float:
        """Seconds that a replica needs for the utterance."""
        return self.base_s + self.char_s * self.length(utterance.text)

    def audio_s(self, utterance: Utterance) -> float:
        """Seconds of audio that it will become."""
        return self.audio_char_s * self.length(utterance.text) / utterance.speed


@dataclass(frozen=True, slots=True)
class ShardLimits:
    """The most that a shard may hold: rows, and estimated seconds of audio (which bounds the object's size)."""

    max_rows: int
    max_audio_s: float


def shard_window(
    window: int, utterances: Sequence[Utterance], cost: CostModel, limits: ShardLimits, *, is_last: bool
) -> list[Shard]:
    """The window's utterances as shards, longest first; each utterance exactly once."""
    if not utterances:
        return []
    ordered, work = _ordered(UtteranceColumns.of(utterances), cost, limits)
    left = work.between(0, len(ordered))
    # A little below the limit, so that it does not cut a shard of even cost short and leave a rest.
    max_s = 0.95 * limits.max_audio_s
    num_shards = max(math.ceil(len(ordered) / limits.max_rows), math.ceil(left * work.densest / max_s), 1)
    shards: list[Shard] = []
    start = 0
    while start < len(ordered):
        even = left / max(1, num_shards - len(shards))
        target = min(even, left / TAPER) if is_last else even
        end = work.end(start, target, TAPER_ROWS if is_last else 1)
        cost_s = work.between(start, end)
        chosen = ordered[start:end]
        ascending = sorted(range(len(chosen)), key=chosen.rows.__getitem__)
        shards.append(Shard(window, len(shards), chosen, digest(chosen.at(ascending)), cost_s))
        left -= cost_s
        start = end
    return shards


def _ordered(utterances: UtteranceColumns, cost: CostModel, limits: ShardLimits) -> tuple[UtteranceColumns, _Work]:
    """The utterances with the costliest first, and their work in this order."""
    lengths = np.asarray(cost.lengths(utterances.texts), np.float64)
    seconds = cost.base_s + cost.char_s * lengths
    order = np.lexsort((np.asarray(utterances.rows), -seconds))
    speeds = np.asarray(utterances.speeds, np.float64)
    audio_s = cost.audio_char_s * lengths / speeds
    return utterances.at(order.tolist()), _Work(seconds[order], audio_s[order], limits)


class _Work:
    """Seconds of work and of audio of rows in their order, summed up from the first."""

    def __init__(self, seconds: Seconds, audio_s: Seconds, limits: ShardLimits) -> None:
        # Added one after the other, so that the sums do not depend on the version of Python or numpy.
        self._sums = np.concatenate([[0.0], np.add.accumulate(seconds)])
        self._middles = self._sums[:-1] + seconds / 2
        self._audio_s: list[float] = audio_s.tolist()
        self._audio_sums = np.add.accumulate(audio_s)
        self._limits = limits
        # Audio per second of work differs by length and speed: the densest rows say how much work a shard may hold.
        self.densest = float((audio_s / seconds).max())

    def between(self, start: int, end: int) -> float:
        """Seconds of work of the rows from `start` to before `end`."""
        return float(self._sums[end] - self._sums[start])

    def end(self, start: int, target: float, least: int) -> int:
        """Where the shard that begins at `start` ends: at its target cost, never over a limit, never empty."""
        # The row that crosses the target goes to the nearer side.
        crossing = int(np.searchsorted(self._middles, self._sums[start] + target, "right"))
        end = min(max(crossing, start + least), start + self._limits.max_rows, len(self._audio_s))
        before = self._audio_sums[start - 1] if start else 0.0
        audible = int(np.searchsorted(self._audio_sums, before + self._limits.max_audio_s, "right"))
        end = max(min(end, audible + 1), start + 1)
        # Differences of long sums are rounded: the limit itself is held exactly.
        while end - start > 1 and math.fsum(self._audio_s[start:end]) > self._limits.max_audio_s:
            end -= 1
        return end


def digest(utterances: Sequence[Utterance]) -> str:
    """A hash of everything in these rows that the output depends on: 12 hexadecimal digits.

    Rows ascend, so that it can be made anew from the rows' manifest alone.
    """
    hashed = hashlib.blake2b(digest_size=6)
    if utterances:
        columns = UtteranceColumns.of(utterances)
        ids, texts, voices = columns.ids, columns.texts, columns.voices
        numbers = [*columns.rows, *columns.seeds, *map(len, ids), *map(len, texts), *map(len, voices)]
        # Column by column, in a layout of its own: text as the lengths and then the characters of all rows.
        hashed.update(np.asarray(numbers, "<i8").tobytes())
        hashed.update(np.asarray(columns.speeds, "<f8").tobytes())
        hashed.update("".join([*ids, *texts, *voices]).encode("utf-8", "surrogatepass"))
        if any(columns.metadata):
            hashed.update(dumps_all(columns.metadata).encode())
        if any(columns.languages):
            hashed.update("\0".join(columns.languages).encode())
        if any(columns.references):
            references = [named and [named.clip, named.text] for named in columns.references]
            hashed.update(dumps({"references": references}).encode())
    return hashed.hexdigest()
