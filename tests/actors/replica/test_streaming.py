"""Speech in pieces: it adds up to what a job makes of the same pieces, whatever the text's arrival."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from speechmill.actors.audio.encoding import join
from speechmill.actors.models.base import ModelConfig, ModelInfo
from speechmill.actors.models.hibari import Hibari
from speechmill.actors.models.tone import Tone
from speechmill.actors.records.stream_handle import StreamHandle
from speechmill.actors.records.utterance import Prepared, Segment, Utterance
from speechmill.actors.replica.streaming import PAUSE_S, speak_stream
from speechmill.actors.text.clauses import spoken_pieces
from speechmill.actors.text.splitting import fit_segments
from speechmill.errors import RowRejected, SpecError, TextTooLong
from speechmill.jobs.spec.job import TextSpec

TEXT = "When the rain had stopped, we went out. It was cold! Nobody had told us so, and we had no coats with us."


class Words(Tone):
    """A tone that takes 5 words of letters at once, and none of anything else; it gives its sound in halves."""

    @classmethod
    def describe(cls, config: ModelConfig) -> ModelInfo:
        return replace(super().describe(config), split_chars=300)

    def prepare(self, text: str, voice: str) -> Prepared:
        return Prepared.of(range(len([word for word in text.split() if any(map(str.isalpha, word))])))

    def stream(self, segment: Segment, listener: StreamHandle) -> Generator[NDArray[np.float32]]:
        (wave,) = self.speak([segment])
        middle = len(wave) // 2
        yield from (wave[:middle], wave[:0], wave[middle:])


def tone(**options: object) -> Tone:
    return Tone(ModelConfig("tone", options=options))


def words() -> Words:
    return Words(ModelConfig("words", options={"max_length": 5}))


def job_row(model: Tone | Hibari, pieces: Sequence[str], **row: object) -> NDArray[np.float32]:
    """These pieces as the segments of one row of a job, spoken one by one and joined."""
    spoken: list[NDArray[np.float32]] = []
    for piece in pieces:
        told = {"seed": 0, "voice": model.info.default_voice, "speed": 1.0, **row}
        utterance = Utterance(0, "x", piece, told["seed"], told["voice"], told["speed"])  # type: ignore[arg-type]
        for segment in fit_segments(utterance, model.info.split_chars, model.info.max_length, model.prepare):
            here = Segment(9, len(spoken), segment.text, segment.prepared, segment.seed, segment.voice, segment.speed)
            spoken += model.speak([here])
    return join(spoken, model.info.sample_rate, [PAUSE_S if index else 0.0 for index in range(len(spoken))])


@given(
    st.lists(st.integers(0, len(TEXT)), max_size=6),
    st.integers(0, 2**63 - 1),
    st.sampled_from([0.5, 1.0, 2.0]),
    st.sampled_from([None, 1, 10]),
)
@settings(max_examples=min(25, settings.default.max_examples))
def test_all_pieces_together_are_the_row_of_a_job_of_these_segments(
    cuts: list[int], seed: int, speed: float, size: int | None
) -> None:
    model = tone()
    places = [0, *sorted(cuts), len(TEXT)]
    arriving = (TEXT[start:end] for start, end in pairwise(places))
    heard = np.concatenate(list(speak_stream(model, arriving, seed=seed, speed=speed, streaming_text_chunk_size=size)))
    pieces = list(spoken_pieces(TEXT, model.info.split_chars, size))
    assert len(pieces) > 1
    assert np.array_equal(heard, job_row(model, pieces, seed=seed, speed=speed))


def test_a_text_of_one_clause_sounds_exactly_as_the_row_of_a_job() -> None:
    import torch

    torch.set_num_threads(1)
    model = Hibari(ModelConfig("hibari"))
    text = "The boat was late again this morning."
    heard = list(speak_stream(model, text, seed=7))
    assert len(heard) == 1
    assert np.array_equal(heard[0], job_row(model, [text], seed=7))
    assert not np.array_equal(heard[0], job_row(model, [text], seed=8))


def test_a_model_that_streams_is_heard_piece_by_piece_and_too_many_tokens_are_cut() -> None:
    begun: list[Segment] = []
    heard = list(speak_stream(words(), "one two three four five six seven eight", begun=begun.append))
    assert [segment.index for segment in begun] == list(range(len(begun)))
    assert " ".join(segment.text for segment in begun) == "one two three four five six seven eight"
    assert len(begun) > 1
    assert all(segment.length <= 5 for segment in begun)
    assert len(heard) == 3 * len(begun) - 1  # two halves each, a silence between
    assert all(len(wave) for wave in heard)


def test_a_pause_stands_between_pieces_only_and_may_be_none() -> None:
    model = tone(sample_rate=1000)
    first, pause, second = speak_stream(model, "A heading\n\nThe text", pause_s=0.5)
    assert not pause.any()
    assert (len(pause), pause.dtype) == (500, np.float32)
    alone = list(speak_stream(model, "A heading\n\nThe text", pause_s=0))
    assert [len(wave) for wave in alone] == [len(first), len(second)]


def test_the_first_piece_is_spoken_before_the_second_is_asked_for() -> None:
    asked: list[str] = []

    def arriving() -> Iterator[str]:
        for part in ("When it rained, w", "e stayed.", " The end."):
            asked.append(part)
            yield part

    speech = speak_stream(tone(), arriving())
    assert asked == []
    next(speech)
    assert asked == ["When it rained, w"]


def test_a_piece_without_anything_to_speak_is_skipped() -> None:
    begun: list[Segment] = []
    list(speak_stream(words(), "***\n\n12 34\n\nThe end.", begun=begun.append))
    assert [(segment.index, segment.text) for segment in begun] == [(0, "The end.")]


@pytest.mark.parametrize("text", ["", " \n\n ", "123 ... !", "***"])
def test_nothing_to_speak_at_all_is_said(text: str) -> None:
    with pytest.raises(RowRejected, match="nothing in the text can be spoken"):
        list(speak_stream(words(), text))


def test_a_model_that_gives_no_samples_is_said() -> None:
    class Mute(Tone):
        def speak(self, segments: Sequence[Segment]) -> list[NDArray[np.float32]]:
            return [np.zeros(0, np.float32) for _ in segments]

    with pytest.raises(RowRejected, match="0 samples"):
        list(speak_stream(Mute(ModelConfig("mute")), "Hello."))


def test_an_error_comes_after_what_was_spoken_before_it() -> None:
    speech = speak_stream(tone(max_length=30), "This goes well.\n\n" + "a" * 99)
    assert len(next(speech))
    with pytest.raises(TextTooLong, match="more than 30 characters"):
        list(speech)


def test_a_text_that_arrives_is_spoken_in_chunks_and_one_that_is_there_in_sentences() -> None:
    text = "When it rained, all of the village stayed in the kitchen, and nobody came. The end."

    def spoken(text: str | list[str], **how: int | None) -> list[str]:
        begun: list[Segment] = []
        list(speak_stream(tone(), text, begun=begun.append, **how))  # type: ignore[arg-type]
        return [segment.text for segment in begun]

    sentences = ["When it rained,", "all of the village stayed in the kitchen, and nobody came.", "The end."]
    chunks = ["When it rained,", "all of the village stayed in the kitchen,", "and nobody came. The end."]
    assert spoken(text) == spoken([text], streaming_text_chunk_size=None) == sentences
    assert spoken([text]) == spoken(text, streaming_text_chunk_size=10) == chunks


def test_a_wrong_chunk_size_is_said_before_anything_is_spoken() -> None:
    with pytest.raises(SpecError, match="streaming_text_chunk_size is 0"):
        speak_stream(tone(), "Hello.", streaming_text_chunk_size=0)


@pytest.mark.parametrize("pause_s", [-1.0, float("nan"), float("inf")])
def test_a_wrong_pause_is_said_before_anything_is_spoken(pause_s: float) -> None:
    with pytest.raises(SpecError, match="pause"):
        speak_stream(tone(), "Hello.", pause_s=pause_s)


def test_the_pause_is_the_one_of_a_job() -> None:
    assert TextSpec().pause_s == PAUSE_S
