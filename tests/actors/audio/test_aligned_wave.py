"""Alignments: sums of pieces, pauses and cuts, and where a model's words are heard in its sound."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from speechmill.actors.audio.aligned_wave import AlignedWave, row_alignment
from speechmill.actors.audio.encoding import join
from speechmill.actors.models.base import Model, ModelConfig
from speechmill.actors.models.hibari import Hibari
from speechmill.actors.records.utterance import Segment


def wave(*words: tuple[str, int, int], ends: tuple[int, ...] = (10, 30, 40, 100)) -> AlignedWave:
    return AlignedWave.of(np.zeros(ends[-1], np.float32), words, np.array(ends))


def test_words_are_placed_by_their_tokens_and_what_is_computed_has_none() -> None:
    made = wave(("a", 0, 1), ("b", 1, 3))
    assert made.words == (("a", 0, 10), ("b", 10, 40))
    assert AlignedWave.of(np.asarray(made), [("b", 1, 3)], np.array([10, 30, 40]), lead=3).words == (("b", 7, 40),)
    for other in (made * 2, made[1:], np.concatenate((made, made)).astype(np.float32)):
        assert getattr(other, "words", ()) == ()
    assert type(np.asarray(made)) is np.ndarray


def test_pieces_pauses_and_cuts_are_summed() -> None:
    pieces, pauses_s = [wave(("a", 0, 2)), wave(("b", 1, 2), ("c", 2, 4))], [0.1, 0.25]
    assert row_alignment(pieces, pauses_s, 100) == [("a", 0.1, 0.4), ("b", 1.45, 1.65), ("c", 1.65, 2.35)]
    assert len(join(pieces, 100, pauses_s)) == 235
    cut = row_alignment(pieces, pauses_s, 100, cut_s=0.2, duration_s=2.0)
    assert cut == [("a", 0.0, 0.2), ("b", 1.25, 1.45), ("c", 1.45, 2.0)]


def test_a_row_with_a_piece_without_words_has_no_alignment() -> None:
    assert row_alignment([wave(("a", 0, 1)), np.zeros(5, np.float32)], [0, 0], 100) is None
    assert row_alignment([wave()], [0], 100) is None
    assert row_alignment([], [], 100) == []


@pytest.fixture(scope="module", params=[pytest.param("onnx", marks=pytest.mark.slow), "torch"])
def model(request: pytest.FixtureRequest) -> Model:
    return Hibari(ModelConfig("hibari", backend=request.param))


def spoken(model: Model, *texts: str, speed: float = 1.0) -> list[AlignedWave]:
    segments = [
        Segment(row, 0, text, model.prepare(text, ""), 5, model.info.default_voice, speed)
        for row, text in enumerate(texts)
    ]
    waves = model.speak(segments)
    assert all(isinstance(some, AlignedWave) for some in waves)
    return waves  # pyright: ignore[reportReturnType]


def loudness(samples: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.mean(np.square(np.asarray(samples, np.float64)))))


TEXT = "Seven green boats, eleven old nets, and one lamp."


@pytest.mark.parametrize("speed", [1.0, 0.6])
def test_words_are_loud_and_the_pauses_beside_them_are_not(model: Model, speed: float) -> None:
    (samples,) = spoken(model, TEXT, speed=speed)
    words = {word: (first, end) for word, first, end in samples.words}
    assert list(words) == ["Seven", "green", "boats", "eleven", "old", "nets", "and", "one", "lamp"]
    inside = [loudness(samples[first:end]) for first, end in words.values()]
    before, after = samples[: words["Seven"][0] - 1200], samples[words["lamp"][1] + 1200 :]
    pauses = [samples[words["boats"][1] : words["eleven"][0]], samples[words["nets"][1] : words["and"][0]]]
    assert min(inside) > 5 * loudness(before)
    assert not len(after) or min(inside) > 5 * loudness(after)
    for pause in pauses:
        assert loudness(pause[: len(pause) // 2]) < 0.5 * min(inside), "a comma is quieter than every word"


def test_words_of_a_row_are_the_same_in_every_batch_and_last_as_the_speed_says(model: Model) -> None:
    (alone,) = spoken(model, TEXT)
    together = spoken(model, "Short.", TEXT, "Another text that is longer than both of the others, by some words.")
    assert together[1].words == alone.words
    (fast,) = spoken(model, TEXT, speed=2.0)
    assert [word for word, _, _ in fast.words] == [word for word, _, _ in alone.words]
    length = alone.words[-1][2] - alone.words[0][1]
    assert 0.4 * length < fast.words[-1][2] - fast.words[0][1] < 0.75 * length
