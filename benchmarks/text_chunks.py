"""What the size of a chunk of text costs and brings: pieces, pauses, words misheard, and playback that runs dry.

An answer is five sentences of the corpus, and each sentence begins one; `hibari` speaks each as text that arrives word
by word, once for each size. Spoken for real: lengths, pieces, RTF, and what Whisper tiny.en hears of the answers that
share no sentence, by the recipe of `tests/test_quality.py`. Arithmetic from that: when a piece could be heard, had the
words come at a steady rate and the core been ours alone. Playback begins with the first audio and goes on in real time;
an underrun is a piece that comes after all before has been played.

    python benchmarks/text_chunks.py [--sizes 1 5 10 20 40 none] [--words-per-s 5 15] [--corpus FILE.csv] [--tiny]
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from common import machine, parsed, show

import speechmill
from speechmill.actors.models.base import Model
from speechmill.actors.records.utterance import Segment

if TYPE_CHECKING:
    from numpy.typing import NDArray

TESTS = Path(__file__).parent.parent / "tests"
DEMO_CHARS = range(40, 300)
"""Shorter rows are no sentences of an answer, and the longest is a story."""

TINY = {"sizes": ["5", "none"], "sentences": 2, "answer": 2}
COLUMNS = ["tokens", "pieces", "longer", "misheard"]


@dataclass(frozen=True, slots=True)
class Sentence:
    """As it is written, and as it is read aloud."""

    written: str
    spoken: str


@dataclass(slots=True)
class Piece:
    """A piece as it was spoken: the words that had to be there, and seconds of audio with the pause before it."""

    num_words: int
    audio_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, spoken.

    samples   float32 [num_samples]
    spent_s   CPU seconds of speaking it, which other work on the machine does not lengthen
    """

    num_words: int
    pieces: list[Piece]
    samples: NDArray[np.float32]
    audio_s: float
    spent_s: float


def main() -> None:
    """All sizes over the same answers, the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--sizes", nargs="+", default=["1", "5", "10", "20", "40", "none"], help="the last one compares"
    )
    parser.add_argument("--words-per-s", type=float, nargs="+", default=[5.0, 15.0])
    parser.add_argument("--corpus", type=Path, help="a CSV with a column text; default: the demo corpus")
    parser.add_argument("--sentences", type=int, default=40)
    parser.add_argument("--answer", type=int, default=5, help="sentences in an answer")
    arguments = parsed(parser, "two answers, two sizes, and no recogniser listens", **TINY)
    gate = load_gate()
    sentences = read_sentences(gate, arguments.corpus, arguments.sentences)
    model = speechmill.say("Hello.").model
    spoken: dict[str, list[Answer]] = {}
    misheard: dict[str, tuple[int, int]] = {}
    for size in arguments.sizes:
        print(f"{size} …", file=sys.stderr)
        tokens = None if size == "none" else int(size)
        spoken[size] = [speak(model, answer, tokens) for answer in answers(sentences, arguments.answer)]
        if not arguments.tiny:
            misheard[size] = hear(gate, model, sentences, arguments.answer, spoken[size])
    report(arguments, spoken, misheard)


def load_gate() -> ModuleType:
    """The quality gate's own module; what it needs of its extra it imports when it listens."""
    spec = importlib.util.spec_from_file_location("quality_gate", TESTS / "test_quality.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read_sentences(gate: ModuleType, corpus: Path | None, count: int) -> list[Sentence]:
    """So many rows: of the demo corpus from all over it, of another one its first."""
    if corpus is not None:
        with corpus.open(newline="", encoding="utf-8") as file:
            return [
                Sentence(row["text"], row["text"]) for row, _ in zip(csv.DictReader(file), range(count), strict=False)
            ]
    spoken = gate.expected_words()
    rows = [row for row in gate.read_rows(gate.CORPUS) if len(row["text"]) in DEMO_CHARS]
    step = max(1, len(rows) // count)
    return [Sentence(row["text"], spoken[row["id"]]) for row in rows[::step][:count]]


def answers(sentences: Sequence[Sentence], length: int) -> list[str]:
    """An answer from each sentence on; after the last comes the first."""
    ring = [*sentences, *sentences[: length - 1]]
    return [" ".join(each.written for each in ring[start : start + length]) for start in range(len(sentences))]


def speak(model: Model, text: str, tokens: int | None) -> Answer:
    """Speak an answer whose words arrive one by one, each when it is asked for."""
    words = text.split()
    num_arrived = 0
    pieces: list[Piece] = []

    def arriving() -> Iterator[str]:
        nonlocal num_arrived
        for position, word in enumerate(words):
            num_arrived = position + 1
            yield f" {word}"

    def begun(_segment: Segment) -> None:
        pieces.append(Piece(num_arrived))

    waves: list[NDArray[np.float32]] = []
    began = time.thread_time()
    speech = speechmill.say(arriving(), model=model, streaming_text_chunk_size=tokens, begun=begun)
    for wave in speech:
        waves.append(wave)
        pieces[-1].audio_s += len(wave) / speech.sample_rate
    spent_s = time.thread_time() - began
    samples = np.concatenate(waves)
    return Answer(len(words), pieces, samples, len(samples) / speech.sample_rate, spent_s)


def hear(
    gate: ModuleType, model: Model, sentences: Sequence[Sentence], length: int, spoken: Sequence[Answer]
) -> tuple[int, int]:
    """Word errors and words of the answers that share no sentence."""
    starts = range(0, len(sentences) - length + 1, length)
    clips = [(str(start), spoken[start].samples, model.info.sample_rate) for start in starts]
    expected = {str(start): " ".join(each.spoken for each in sentences[start : start + length]) for start in starts}
    heard = gate.score(clips, expected)
    print(gate.report(heard, 0), file=sys.stderr)
    return sum(row.errors for row in heard), sum(row.num_words for row in heard)


def play(answer: Answer, words_per_s: float, rtf: float) -> tuple[float, list[float]]:
    """Seconds from the question to the first audio, and the seconds of each underrun, for words at a steady rate."""
    ready_s = ends_s = first_s = 0.0
    gaps: list[float] = []
    for piece in answer.pieces:
        ready_s = max(ready_s, piece.num_words / words_per_s) + rtf * piece.audio_s
        if not first_s:
            first_s = ready_s
        elif ready_s > ends_s:
            gaps.append(ready_s - ends_s)
        ends_s = max(ends_s, ready_s) + piece.audio_s
    return first_s, gaps


def report(
    arguments: argparse.Namespace, spoken: dict[str, list[Answer]], misheard: dict[str, tuple[int, int]]
) -> None:
    """The table: a line for each size, underruns for each rate of arrival."""
    base_s = sum(answer.audio_s for answer in spoken[arguments.sizes[-1]])
    columns, rows, figures = list(COLUMNS), [], {}
    for rate in arguments.words_per_s:
        columns += [f"first at {rate:g}/s", "underruns: all, longest"]
    for size, found in spoken.items():
        num_words, audio_s = sum(each.num_words for each in found), sum(each.audio_s for each in found)
        rtf = statistics.median(each.spent_s / each.audio_s for each in found)
        errors, out_of = misheard.get(size, (0, 0))
        told: dict[str, Any] = {
            "pieces_per_100_words": round(100 * sum(len(each.pieces) for each in found) / num_words, 2),
            "added_s_per_100_words": round(100 * (audio_s - base_s) / num_words, 2),
            "added": round(audio_s / base_s - 1, 4),
            "word_errors": errors,
            "num_words_heard": out_of,
            "rtf": round(rtf, 5),
            "words_per_s_spoken": round(num_words / audio_s, 2),
        }
        row = [size, f"{told['pieces_per_100_words']:.1f}", f"{told['added_s_per_100_words']:+.2f} s"]
        row.append(f"{errors / out_of:.1%}" if out_of else "")
        for rate in arguments.words_per_s:
            came = told[f"at_{rate:g}_words_per_s"] = arrivals(found, rate, rtf)
            row.append(f"{came['first_s']:.2f} s")
            row.append(f"{came['underruns']}: {came['underrun_s']:.1f} s, {came['longest_s']:.1f} s")
        rows.append(row)
        figures[size] = told
    num_answers = len(spoken[arguments.sizes[-1]])
    title = f"{num_answers} answers of {arguments.answer} sentences, hibari; per 100 words, against the last line"
    show(title, columns, rows, {"sizes": figures, "num_answers": num_answers, "machine": machine()})


def arrivals(found: Sequence[Answer], words_per_s: float, rtf: float) -> dict[str, float]:
    """First audio (median), and underruns of all answers together."""
    played = [play(answer, words_per_s, rtf) for answer in found]
    gaps = [gap for _, each in played for gap in each]
    return {
        "first_s": round(statistics.median(first_s for first_s, _ in played), 3),
        "underruns": len(gaps),
        "answers_with_underruns": sum(bool(each) for _, each in played),
        "underrun_s": round(sum(gaps), 2),
        "longest_s": round(max(gaps, default=0.0), 2),
    }


if __name__ == "__main__":
    main()
