"""`tone` that keeps a journal of what it speaks, so that work done twice can be counted whoever is killed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from speechmill.actors.models.base import ModelConfig
from speechmill.actors.models.tone import Tone
from speechmill.actors.records.utterance import Segment

JOURNAL = "CHAOS_JOURNAL"
"""The environment variable that names the file."""

FIRST_WORD = "Row"
"""Of every text of the corpus."""


class Journalled(Tone):
    """Notes every row and its characters when its batch begins: a batch that is killed counts as a whole."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self._measured = Tone(replace(config, options={**config.options, "cell_s": 0.0}))

    def speak(self, segments: Sequence[Segment]) -> list[Any]:
        """See `Tone.speak`. What batches are measured with takes no time, and is not noted."""
        if not segments[0].text.startswith(FIRST_WORD):
            return self._measured.speak(segments)
        lines = [f"{segment.row} {len(segment.text)}\n" for segment in segments]
        # One write: those of several processes do not mix.
        with Path(os.environ[JOURNAL]).open("ab", buffering=0) as journal:
            journal.write("".join(lines).encode())
        return super().speak(segments)


def chars_spoken(journal: Path) -> int:
    """Characters of all rows that were begun, each as often as it was."""
    if not journal.exists():
        return 0
    return sum(int(line.split()[1]) for line in journal.read_text(encoding="ascii").splitlines())
