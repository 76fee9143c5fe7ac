"""What a report says of the rows that were read: histograms, voices, reasons. Pure; memory does not grow with rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from ...actors.records.record import Record
from .histogram import Histogram
from .picks import MAX_SCORES

MAX_VOICES = 500
MAX_REASONS = 200
MAX_FAILED = 200
MAX_ATTEMPTS = 20
OTHER = "(others)"
NO_VOICE = "(none)"
"""The voice of rows that were rejected as they were read."""
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")


@dataclass(slots=True)
class VoiceFigures:
    """The rows of one voice."""

    num_ok: int = 0
    num_failed: int = 0
    num_rejected: int = 0
    audio_s: float = 0.0
    num_chars: int = 0
    scores: dict[str, tuple[int, float]] = field(default_factory=dict[str, tuple[int, float]])

    @property
    def chars_per_s(self) -> float:
        """Characters spoken in a second of audio; 0 without audio."""
        return self.num_chars / self.audio_s if self.audio_s else 0.0

    def mean_score(self, name: str) -> float | None:
        """The mean of a score; None if no row has it."""
        count, total = self.scores.get(name, (0, 0.0))
        return total / count if count else None


class Summary:
    """Sums over records.

    Attributes:
        durations_s: Seconds of each clip
        chars_per_s: Characters of the text as spoken, per second of each clip
        scores: By the name of the score; at most MAX_SCORES names
        voices: At most MAX_VOICES names, the rest under OTHER
        verdicts: Rows by the verdict of a judge, where there is one
        attempts: Rows by how often they were spoken, where that is noted; MAX_ATTEMPTS and more count as one
        reasons: Failed rows by their reason, numbers and quoted words left out
        failed: The first MAX_FAILED failed rows that were read
    """

    def __init__(self) -> None:
        self.durations_s, self.chars_per_s = Histogram(), Histogram()
        self.scores: dict[str, Histogram] = {}
        self.voices: dict[str, VoiceFigures] = {}
        self.verdicts: Counter[str] = Counter()
        self.attempts: Counter[int] = Counter()
        self.reasons: Counter[str] = Counter()
        self.failed: list[Record] = []
        self.num_rows = self.num_unspoken = self.num_aligned = self.num_failed_read = 0

    def add(self, record: Record) -> None:
        """Sum up a row that was drawn."""
        self.num_rows += 1
        self.num_unspoken += bool(record.unspoken) and record.status == "ok"
        self.num_aligned += record.alignment is not None
        verdict = getattr(record, "verdict", None)
        if isinstance(verdict, str) and (verdict in self.verdicts or len(self.verdicts) < MAX_SCORES):
            self.verdicts[verdict] += 1
        attempts = getattr(record, "attempts", None)
        if isinstance(attempts, int):
            self.attempts[min(attempts, MAX_ATTEMPTS)] += 1
        voice = self._voice(record.voice)
        if record.status == "failed":
            voice.num_failed += 1
            return
        voice.num_ok += 1
        voice.num_rejected += verdict == "rejected"
        for name, score in (record.scores or {}).items():
            if name in self.scores or len(self.scores) < MAX_SCORES:
                self.scores.setdefault(name, Histogram()).add(score)
                count, total = voice.scores.get(name, (0, 0.0))
                voice.scores[name] = count + 1, total + score
        if record.duration_s:
            num_chars = len(spoken_text(record))
            self.durations_s.add(record.duration_s)
            self.chars_per_s.add(num_chars / record.duration_s)
            voice.audio_s += record.duration_s
            voice.num_chars += num_chars

    def add_failed(self, record: Record) -> None:
        """Note a failed row, whether its part was drawn or not."""
        self.num_failed_read += 1
        reason = kind_of(record.error or "")
        self.reasons[reason if reason in self.reasons or len(self.reasons) < MAX_REASONS else OTHER] += 1
        if len(self.failed) < MAX_FAILED:
            self.failed.append(record)

    def _voice(self, name: str) -> VoiceFigures:
        name = name or NO_VOICE
        if name not in self.voices and len(self.voices) >= MAX_VOICES:
            name = OTHER
        return self.voices.setdefault(name, VoiceFigures())

    @property
    def by_voice(self) -> Mapping[str, VoiceFigures]:
        """The voices, the one with the most rows first."""
        rows = {name: -(some.num_ok + some.num_failed) for name, some in self.voices.items()}
        return {name: self.voices[name] for name in sorted(rows, key=lambda name: (rows[name], name))}


def spoken_text(record: Record) -> str:
    """The text as a model was given it, as far as the manifest has it."""
    return record.normalized_text or record.refined or record.text


def kind_of(reason: str) -> str:
    """A reason without the words and numbers of its row, so that like ones are counted together."""
    return _NUMBER.sub("N", _QUOTED.sub("…", reason))[:160]
