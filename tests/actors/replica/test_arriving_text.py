"""A model that takes text while it speaks: words go to it as they come, and it speaks what a job speaks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.growing import Typist

from speechmill.actors.models.base import ModelConfig
from speechmill.actors.records.stream_handle import StreamHandle
from speechmill.actors.records.text_channel import TextChannel
from speechmill.actors.records.utterance import Segment
from speechmill.actors.replica.streaming import speak_stream
from speechmill.errors import RowRejected

TEXT = "When the rain had stopped we went out, all of us. It was cold! None of us had told them so."


@pytest.fixture(scope="module")
def typist() -> Typist:
    model = Typist(ModelConfig("typist"))
    assert model.reserve(10**9, 3) == 3
    return model


def job_row(model: Typist, text: str, seed: int) -> np.ndarray:
    return model.speak([Segment(0, 0, text, model.prepare(text, "one"), seed, "one", 1.0)])[0]


@cache
def job_rows(model: Typist) -> dict[int, np.ndarray]:
    return {seed: job_row(model, TEXT, seed) for seed in (3, 70)}


@settings(max_examples=min(6, settings.default.max_examples // 3), deadline=None)
@given(st.lists(st.integers(0, len(TEXT)), max_size=9), st.sampled_from([3, 70]))
def test_any_parts_are_spoken_as_the_row_of_a_job(typist: Typist, cuts: list[int], seed: int) -> None:
    places = [0, *sorted(cuts), len(TEXT)]
    parts = [TEXT[start:end] for start, end in pairwise(places)]
    heard = np.concatenate(list(speak_stream(typist, parts, seed=seed)))
    assert np.array_equal(heard, job_rows(typist)[seed])


def test_audio_leaves_while_the_text_is_not_complete(typist: Typist) -> None:
    channel, told = TextChannel(), list[str]()
    stream = speak_stream(typist, channel, seed=4, begun=lambda segment: told.append(segment.text))
    channel.feed(TEXT[:40])
    heard = [next(stream)]
    assert "".join(told) and TEXT.startswith("".join(told))
    channel.feed(TEXT[40:])
    channel.end()
    heard += stream
    assert "".join(told) == TEXT
    assert np.array_equal(np.concatenate(heard), job_row(typist, TEXT, 4))


def test_a_listener_who_leaves_ends_the_writer_too(typist: Typist) -> None:
    handle, ended = StreamHandle(), threading.Event()

    def endless() -> Iterator[str]:
        try:
            while True:
                yield "one more word and "
        finally:
            ended.set()

    stream = speak_stream(typist, endless(), listener=handle)
    next(stream)
    handle.leave()
    assert list(stream) == []
    assert ended.wait(30)


def test_a_text_that_breaks_off_breaks_the_speech_off(typist: Typist) -> None:
    def broken() -> Iterator[str]:
        yield TEXT
        raise OSError("the pipe is gone")

    heard, stream = 0, speak_stream(typist, broken())
    with pytest.raises(OSError, match="the pipe is gone"):
        for wave in stream:
            heard += len(wave)


def test_nothing_to_speak_is_said(typist: Typist) -> None:
    with pytest.raises(RowRejected, match="nothing in the text can be spoken"):
        list(speak_stream(typist, ["12 ", "34"]))
