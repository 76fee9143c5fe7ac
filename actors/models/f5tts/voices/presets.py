"""The voices that a job names: recordings with their words, and one that comes with speechmill.

Guarantees that a preset that is returned can be spoken with: it was read, it is no silence, and it is long enough.
Not known here: recordings that rows bring, which come already read.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from .....errors import ModelError, RowRejected
from ....records.reference import Reference
from ...presets import read_presets
from .prompt import prompt_words, trimmed

BUNDLED_VOICE = "heart"
"""Spoken by the voice of that name of hibari, whose weights are Apache-2.0."""
_BUNDLED = {
    "clip": str(Path(__file__).parent / "heart.flac"),
    "text": "The lamp in the hall is still lit, and the letter lies under the door.",
}
REFERENCE_S = (1.0, 15.0)
"""Shortest and longest recording; the longer it is, the longer each row takes, and the less of 22 s is left for it."""


def presets_of(voices: object) -> Mapping[str, Reference]:
    """The presets of `model.options.voices` by name, and the one that every job has behind them.

    Raises:
        ModelError: For what is no preset; for a clip that is missing, no recording, silent, too short or too long
    """
    presets = read_presets(voices, REFERENCE_S)
    for name, reference in presets.items():
        try:
            trimmed(reference)
            prompt_words(reference)
        except RowRejected as error:
            raise ModelError(f"model.options.voices.{name}: {error}") from error
    return {**read_presets({BUNDLED_VOICE: _BUNDLED}, REFERENCE_S), **presets}
