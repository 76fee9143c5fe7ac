"""What a model says, to listen to and to read: sentences as audio files, and what a recogniser hears in them.

A sentence that cannot be spoken is a sample with its reason. Not known here: laws.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ...actors.audio.encoding import encode, pcm16, pcm_sha256
from ...errors import RowError, SpecError
from .subject import Subject
from .transcript import SampleListener


@dataclass(frozen=True, slots=True)
class SpokenSample:
    """One sentence.

    Attributes:
        file: Its audio, in the folder; "" if there is none
        error: Why there is none
        heard: What the recogniser heard; "" where none listened
    """

    text: str
    file: str
    seed: int
    num_samples: int
    duration_s: float
    pcm_sha256: str
    error: str = ""
    heard: str = ""


@dataclass(frozen=True, slots=True)
class SampleSet:
    """Sentences of one model.

    Attributes:
        word_error_rate: Errors by words of all sentences, or by characters in languages without spaces; None where no
            recogniser listened, and `transcript` says why
    """

    samples: tuple[SpokenSample, ...]
    transcript: str
    word_error_rate: float | None

    @property
    def body(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "samples": [asdict(sample) for sample in self.samples],
            "transcript": self.transcript,
            "word_error_rate": self.word_error_rate,
        }

    @property
    def line(self) -> str:
        """For people."""
        spoken = [sample for sample in self.samples if sample.file]
        audio_s = sum(sample.duration_s for sample in spoken)
        heard = self.transcript if self.word_error_rate is None else f"word error rate {self.word_error_rate:.1%}"
        return f"{len(spoken)} of {len(self.samples)} sentences spoken, {audio_s:.1f} s; transcript: {heard}"


def speak_samples(subject: Subject, language: str, folder: Path, recogniser: str | None) -> SampleSet:
    """Speak the subject's texts into WAV files of a folder, and listen to them where a recogniser is there.

    Args:
        subject: The model and its texts.
        language: Of the texts.
        folder: For the files "01.wav", "02.wav", …; made if need be.
        recogniser: A folder of a faster-whisper model; None for the one of the extra `quality`.

    Raises:
        SpecError: The folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        samples = list(_spoken(subject, folder))
    except OSError as error:
        raise SpecError(f"--out {folder} cannot be written: {error}") from error
    listener = SampleListener.find(language, recogniser)
    if isinstance(listener, str):
        return SampleSet(tuple(samples), f"skipped: {listener}", None)
    heard = [
        replace(sample, heard=listener.heard(folder / sample.file)) if sample.file else sample for sample in samples
    ]
    rate = listener.error_rate([(sample.text, sample.heard) for sample in heard])
    return SampleSet(tuple(heard), f"heard by {listener.name}", rate)


def _spoken(subject: Subject, folder: Path) -> Iterator[SpokenSample]:
    rate = subject.info.sample_rate
    for number, text in enumerate(subject.texts, start=1):
        seed = 1_000 + number
        try:
            [segment] = subject.segments([text])
            [wave] = subject.model.speak([replace(segment, seed=seed)])
        except RowError as error:
            yield SpokenSample(text, "", seed, 0, 0.0, "", error=str(error) or type(error).__name__)
            continue
        pcm = pcm16(wave)
        file = f"{number:02d}.wav"
        (folder / file).write_bytes(encode(pcm, rate, "wav"))
        yield SpokenSample(text, file, seed, len(pcm), len(pcm) / rate, pcm_sha256(pcm))
