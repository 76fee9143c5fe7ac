"""What the judges said of one clip, as a line of JSON. The fields that manifests have, too, are called as there.

Guaranteed: `JudgedClip.from_json` inverts `to_json`; what is read is checked, as a folder may have been edited.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from ...actors.gate.cascade import ClipVerdict
from ...actors.judges.base import VerdictName
from ...actors.records.utterance import JsonScalar
from ...errors import JobError
from .audio_corpus import FoundClip

AUDIO = "audio"
"""Stands where a judge's name does, for clips that are missing or cannot be decoded."""


@dataclass(frozen=True, slots=True)
class JudgedClip:
    """A clip and its verdict.

    Attributes:
        row, id, text, voice, language, seed, speed: As the row was spoken, as far as it is known
        verdict: "passed", "rejected" or "unheard"
        judge: The one that rejects it; "audio" where the clip is missing or broken
        reasons: Why it is rejected; of an unheard one why there was nothing to judge, where that is known
        unheard_by: The judges that could not tell
        scores: By judge and name, as in "signal.gap_s"
        heard: What a recogniser understood
        normalized_text: The text as it should be heard, where that is another one
        attempt: How often the row was spoken before
        duration_s: Seconds of audio; 0 where it cannot be read
        audio: Where the clip lies
        metadata: The row's other columns; kept of rejected clips only
    """

    row: int
    id: str
    verdict: VerdictName
    judge: str = ""
    reasons: tuple[str, ...] = ()
    unheard_by: tuple[str, ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict)
    heard: str = ""
    text: str = ""
    normalized_text: str = ""
    voice: str = ""
    language: str = ""
    seed: int = 0
    speed: float = 1.0
    attempt: int = 0
    duration_s: float = 0.0
    audio: str = ""
    metadata: Mapping[str, JsonScalar] = field(default_factory=dict)

    @classmethod
    def of(
        cls, clip: FoundClip, verdict: ClipVerdict, duration_s: float = 0.0, reasons: tuple[str, ...] = ()
    ) -> JudgedClip:
        """The line of a clip.

        Args:
            clip: As it was found.
            verdict: On it.
            duration_s: Of its audio.
            reasons: In place of the verdict's.
        """
        spoken = clip.utterance
        return cls(
            row=spoken.row,
            id=spoken.id,
            verdict=verdict.name,
            judge=verdict.rejected_by,
            reasons=reasons or verdict.reasons,
            unheard_by=verdict.unheard_by,
            scores=verdict.scores,
            heard=verdict.heard,
            text=spoken.text,
            normalized_text=clip.heard_text if clip.heard_text != spoken.text else "",
            voice=spoken.voice,
            language=clip.language,
            seed=spoken.seed,
            speed=spoken.speed,
            attempt=clip.attempt,
            duration_s=round(duration_s, 4),
            audio=clip.audio,
            metadata=spoken.metadata if verdict.name == "rejected" else {},
        )

    def to_json(self) -> str:
        """One line of JSON without its newline; fields that are empty are left out, but for row, id and verdict."""
        told = {name: value for name, value in asdict(self).items() if value or name in ("row", "id", "verdict")}
        return json.dumps(told, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, line: str | bytes, source: str) -> JudgedClip:
        """Read one line.

        Raises:
            JobError: It is no such line; the message names `source`
        """
        try:
            told: Any = json.loads(line)
            values = {name: _KINDS[name](value) for name, value in told.items()}
            made = cls(**values)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise JobError(
                f"{source} is no line of scores ({error!r:.120}); delete that file and judge again"
            ) from error
        if made.verdict not in ("passed", "rejected", "unheard"):
            raise JobError(f"{source} has the verdict {made.verdict!r:.40}; delete that file and judge again")
        return made


_KINDS: Mapping[str, Any] = {
    **{each.name: str for each in fields(JudgedClip)},
    **dict.fromkeys(("row", "seed", "attempt"), int),
    **dict.fromkeys(("speed", "duration_s"), float),
    **dict.fromkeys(("reasons", "unheard_by"), tuple),
    "scores": lambda value: {str(name): float(score) for name, score in value.items()},
    "metadata": dict,
}


def encode_clips(clips: Iterable[JudgedClip]) -> bytes:
    """A file of scores: a line a clip."""
    return "".join(f"{clip.to_json()}\n" for clip in clips).encode("utf-8", "backslashreplace")


def decode_clips(data: bytes, source: str) -> Iterator[JudgedClip]:
    """Read a file of scores.

    Raises:
        JobError: A line is wrong; the message names `source` and the first such line
    """
    for number, line in enumerate(data.splitlines(), 1):
        yield JudgedClip.from_json(line, f"{source} line {number}")
