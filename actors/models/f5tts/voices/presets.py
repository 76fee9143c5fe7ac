"""The voices that a job names: recordings with their words, and one that comes with speechmill.

Guarantees that a preset that is returned can be spoken with: it was read, it is no silence, and it is long enough.
Not known here: recordings that rows bring, which come already read.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from .....errors import ModelError, RowRejected
from ....records.reference import Reference
from ..options import ClipFile
from .prompt import trimmed

DEFAULT_VOICE = "heart"
"""Spoken by the voice of that name of hibari, whose weights are Apache-2.0."""
_DEFAULT = ClipFile(
    str(Path(__file__).parent / "heart.flac"),
    "The lamp in the hall is still lit, and the letter lies under the door.",
)
REFERENCE_S = (1.0, 15.0)
"""Shortest and longest recording; the longer it is, the longer each row takes, and the less of 22 s is left for it."""


def read_presets(named: Mapping[str, ClipFile]) -> Mapping[str, Reference]:
    """The presets of a job by name, after the one that every job has.

    Raises:
        ModelError: A file is missing, no recording, silent, too short or too long
    """
    return {name: _read(name, file) for name, file in {DEFAULT_VOICE: _DEFAULT, **named}.items()}


def _read(name: str, file: ClipFile) -> Reference:
    import soundfile

    where = f"model.options.voices.{name}.clip {file.clip}"
    shortest, longest = REFERENCE_S
    try:
        with soundfile.SoundFile(file.clip) as opened:
            duration_s, rate = opened.frames / opened.samplerate, opened.samplerate
            if not shortest <= duration_s <= longest:
                raise ModelError(
                    f"{where} is {duration_s:.1f} s long; a voice of f5tts has {shortest:g} to {longest:g} s"
                )
            samples = opened.read(dtype="float32", always_2d=True).mean(1)
    except (OSError, RuntimeError, ValueError) as error:  # soundfile's own error is a RuntimeError
        raise ModelError(f"{where} cannot be read as audio: {error}") from error
    reference = Reference.of(samples, rate, file.text)
    try:
        trimmed(reference)
    except RowRejected as error:
        raise ModelError(f"{where}: {error}") from error
    return reference
