"""The list of rows to speak again: lines that a job takes as its corpus. Pure.

Guaranteed: a row comes with its text, voice and speed, and with a seed that it has not had: a function of its last seed
and of the attempt. Where the voice came from the row's seed, it is named by that seed, so that it stays the same.
"""

from __future__ import annotations

import json

from ...actors.models.voice_reference import BY_SEED
from ...actors.records.utterance import JsonScalar, seed_of
from .judged_clip import JudgedClip

COLUMNS = ("id", "text", "voice", "seed", "speed", "attempt", "rejected")
"""Of a line, in this order; the row's other columns follow, but for those that are called like one of these."""


def again_line(clip: JudgedClip) -> str:
    """The line of a rejected clip, without its newline."""
    line: dict[str, JsonScalar] = {
        "id": clip.id,
        "text": clip.text,
        "voice": f"seed:{clip.seed}" if clip.voice == BY_SEED else clip.voice,
        "seed": next_seed(clip.seed, clip.attempt + 1),
        "speed": clip.speed,
        "attempt": clip.attempt + 1,
        "rejected": f"{clip.judge}: {', '.join(clip.reasons)}",
    }
    others = {name: value for name, value in clip.metadata.items() if name not in line}
    return json.dumps({**line, **others}, ensure_ascii=False)


def next_seed(seed: int, attempt: int) -> int:
    """The seed of a row's next attempt, from that of its last one."""
    return seed_of(seed, f"attempt {attempt}")
