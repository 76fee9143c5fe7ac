"""A model of one's own in a job: a beep for every letter, high or low as the voice says.

python examples/own_model.py [OUTPUT]
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import speechmill
from speechmill.errors import ModelError

RATE, BEEP_S, VOICES = 16_000, 0.08, ("low", "high")


class Beeps(speechmill.Model):
    """Sines of 80 ms; a batch may mix voices, seeds and speeds."""

    @classmethod
    def describe(cls, config: speechmill.ModelConfig) -> speechmill.ModelInfo:
        """The model under this configuration.

        Raises:
            ModelError: For what it does not have
        """
        for name in config.options:
            raise ModelError(f"model.options.{name} is not an option of Beeps; it has none")
        if config.backend not in ("auto", "numpy"):
            raise ModelError(f'model.backend "{config.backend}" does not exist for Beeps; leave it at "auto"')
        voice = config.voice or "low"
        if voice not in VOICES:
            raise ModelError(f'model.voice "{voice}" is not a voice of Beeps: {", ".join(VOICES)}')
        return speechmill.ModelInfo(
            name="beeps",
            revision="1",
            backend="numpy",
            sample_rate=RATE,
            voices=VOICES,
            default_voice=voice,
            max_length=500,
            split_chars=200,
            batch_limit=speechmill.BatchLimit(max_rows=32, max_cells=32 * 500),
            base_s=0.001,
            char_s=0.0001,
            audio_char_s=BEEP_S,
        )

    def __init__(self, config: speechmill.ModelConfig) -> None:
        self.info = self.describe(config)

    def prepare(self, text: str, voice: str) -> speechmill.Prepared:
        """A token for each letter or digit."""
        return speechmill.Prepared.of(ord(letter) for letter in text.lower() if letter.isalnum())

    def speak(self, segments: Sequence[speechmill.Segment]) -> list[NDArray[np.float32]]:
        """A wave for each segment, which depends on nothing else."""
        return [self._beeps(segment) for segment in segments]

    def _beeps(self, segment: speechmill.Segment) -> NDArray[np.float32]:
        chance = np.random.default_rng([segment.seed, segment.index])
        octave = 2 if segment.voice == "high" else 1
        time_s = np.arange(round(BEEP_S / segment.speed * RATE)) / RATE
        pitches_hz = [octave * (200 + token + chance.uniform(-5, 5)) for token in segment.tokens]
        return np.concatenate([0.3 * np.sin(2 * np.pi * hz * time_s) for hz in pitches_hz]).astype(np.float32)


def main(output: str) -> None:
    """Speak two rows with two voices, in one batch."""
    folder = Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    corpus = folder / "corpus.csv"
    corpus.write_text("text,voice,seed\nabc,low,1\nxyz,high,2\n", encoding="utf-8")
    result = speechmill.Job(
        input={"uri": str(corpus)}, model={"name": "own_model:Beeps"}, output={"uri": str(folder / "beeps")}
    ).run()
    print(f"{result.num_ok} rows, {result.audio_s:.2f} s of audio in {result.output}")


if __name__ == "__main__":
    main(*(sys.argv[1:] or [tempfile.mkdtemp()]))
