"""No click is heard where the pieces of a stream meet, by a measure that finds planted ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from speechmill.actors.engine.chunks import Chunker, ChunkPolicy
from speechmill.actors.engine.request import Generated, Request, Sampling
from speechmill.actors.engine.shared import Drawn, SharedEngine
from speechmill.actors.models.chattts.checkpoint.layout import SAMPLE_RATE, TINY
from speechmill.actors.models.chattts.checkpoint.weights import Checkpoint
from speechmill.actors.models.chattts.options import Options
from speechmill.actors.models.chattts.speech import ChatttsSpeech, Line
from speechmill.actors.records.stream_handle import StreamHandle

pytestmark = pytest.mark.slow
Wave = NDArray[np.float32]
Decoder = Literal["hidden", "codes"]
FRAME = SAMPLE_RATE // 50
LOUDER = 1.01


def flux(wave: Wave, centre: int) -> float:
    """Spectral flux: by how much the magnitudes of the frame around a sample exceed those of the frame before."""
    frames = wave[centre - 3 * FRAME // 2 : centre + FRAME // 2].reshape(2, FRAME) * np.hanning(FRAME)
    before, here = np.abs(np.fft.rfft(frames))
    return float(np.maximum(here - before, 0).sum())


@dataclass(frozen=True)
class Flux:
    """At the borders of pieces, of the stream and of the row decoded at once; and elsewhere in the row."""

    stream: NDArray[np.float64]
    row: NDArray[np.float64]
    elsewhere: NDArray[np.float64]

    @property
    def has_clicks(self) -> bool:
        """Whether the median or the 95th percentile is higher than it would be without borders."""
        shares = (0.5, 0.95)
        ratios = np.quantile(self.stream, shares) / np.quantile(self.row, shares)
        at_once = np.quantile(self.stream / self.row, shares)
        return bool((ratios > LOUDER).any() or (at_once > LOUDER).any())


POLICIES = {
    "full": ChunkPolicy(first=6, growth=1, most=6, ahead=24, context=24),
    "default": ChunkPolicy(),
    "default in small chunks": ChunkPolicy(first=4, growth=1, most=4),
    "no look-ahead": ChunkPolicy(first=4, growth=1, most=4, ahead=0),
}


class Replayed:
    """An engine that gives rows which have been drawn, whole and as streams, step by step."""

    def __init__(self, rows: Iterable[Generated]) -> None:
        self._rows = list(rows)

    def run(self, requests: Iterable[Request]) -> Iterator[Generated]:
        """The rows, by the seeds of the requests."""
        return (replace(self._rows[request.seed], key=request.key) for request in requests)

    def stream(self, request: Request, policy: ChunkPolicy, listener: StreamHandle) -> Iterator[Drawn]:
        """The chunks of a row, cut while its steps come one by one."""
        row, chunker = self._rows[request.seed], Chunker(policy)
        for there in range(1, row.num_steps + 1):
            while (chunk := chunker.next(there, is_complete=there == row.num_steps)) is not None:
                steps = slice(chunk.window_start, chunk.window_end)
                yield Drawn(chunk, row.codes[steps], row.hiddens[steps], row if chunk.is_last else None)


class Sounds:
    """Some lines of 120 steps, drawn once, each decoded at once and as a stream."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        sampling = Sampling(min_steps=120, max_steps=120)
        self._lines = [Line((1, 2, 300, 301, 5 + seed), None, None, seed, sampling) for seed in range(3)]
        self.rows, self.pieces = cache(self._rows), cache(self._pieces)
        self._engine: Replayed | None = None

    def _loaded(self, options: Options) -> ChatttsSpeech:
        speech = ChatttsSpeech(Checkpoint.open(self._folder), "cpu", "float32", options)
        assert speech.reserve(10**9, 4, 256, 0, 64) == 4
        engines = speech.synthesis._engines
        if self._engine is None:
            rows = sorted(engines["speak"].run(speech._requests(self._lines)), key=lambda row: row.key)
            assert [row.num_steps for row in rows] == [120] * len(rows)
            self._engine = Replayed(rows)
        engines["speak"] = cast("SharedEngine", self._engine)
        return speech

    def _rows(self, decoder: Decoder) -> list[Wave]:
        speech = self._loaded(Options(decoder=decoder, incomplete="keep"))
        waves = dict(speech.speak(self._lines))
        return [wave for _, wave in sorted(waves.items()) if isinstance(wave, np.ndarray)]

    def _pieces(self, decoder: Decoder, policy: str) -> list[list[Wave]]:
        speech = self._loaded(Options(decoder=decoder, incomplete="keep", streaming=POLICIES[policy]))
        return [list(speech.stream(line, StreamHandle())) for line in self._lines]

    def flux(self, decoder: Decoder, policy: str, damage: Callable[[list[Wave]], None] = lambda pieces: None) -> Flux:
        """Where the pieces meet; they are damaged before they are joined."""
        stream, row, elsewhere = list[float](), list[float](), list[float]()
        for whole, undamaged in zip(self.rows(decoder), self.pieces(decoder, policy), strict=True):
            pieces = [piece.copy() for piece in undamaged]
            damage(pieces)
            joined = np.concatenate(pieces)
            assert len(joined) == len(whole)
            # What is held back of a chunk is faded into the step behind the border: its middle and end count, too.
            borders = np.cumsum([len(piece) for piece in pieces])[:-1]
            places = [int(border) + part * TINY.step_samples // 2 for border in borders for part in (0, 1, 2)]
            inside = range(2 * FRAME, len(whole) - FRAME)
            stream += [flux(joined, place) for place in places if place in inside]
            row += [flux(whole, place) for place in places if place in inside]
            elsewhere += [flux(whole, place) for place in inside[::FRAME]]
        return Flux(np.array(stream), np.array(row), np.array(elsewhere))


@pytest.fixture(scope="module")
def sounds(tiny_folder: Path) -> Sounds:
    return Sounds(tiny_folder)


@pytest.mark.parametrize("policy", [name for name in POLICIES if name != "no look-ahead"])
@pytest.mark.parametrize("decoder", ["hidden", "codes"])
def test_no_click_is_heard_where_pieces_meet(sounds: Sounds, decoder: Decoder, policy: str) -> None:
    found = sounds.flux(decoder, policy)
    assert len(found.stream) >= 30
    assert not found.has_clicks
    assert np.median(found.stream) < 1.1 * np.median(found.elsewhere)


def pull_apart(pieces: list[Wave]) -> None:
    for piece in pieces[1::2]:
        np.add(piece, 0.05, out=piece)


def click(pieces: list[Wave]) -> None:
    for piece in pieces[1:]:
        piece[0] += 0.1


def turn_down(pieces: list[Wave]) -> None:
    for piece in pieces[1::2]:
        np.multiply(piece, 0.9, out=piece)


def lose_samples(pieces: list[Wave]) -> None:
    for number, piece in enumerate(pieces[1:], 1):
        pieces[number] = np.concatenate((piece[12:], piece[-12:]))


@pytest.mark.parametrize("decoder", ["hidden", "codes"])
@pytest.mark.parametrize("damage", [pull_apart, click, turn_down, lose_samples])
def test_clicks_are_found_by_the_same_measure(
    sounds: Sounds, decoder: Decoder, damage: Callable[[list[Wave]], None]
) -> None:
    assert sounds.flux(decoder, "default in small chunks", damage).has_clicks
    assert sounds.flux(decoder, "full", damage).has_clicks


@pytest.mark.parametrize("decoder", ["hidden", "codes"])
def test_chunks_without_look_ahead_have_clicks(sounds: Sounds, decoder: Decoder) -> None:
    assert sounds.flux(decoder, "no look-ahead").has_clicks
