"""A text that arrives: at any pace, in any parts, beside any rows, it is spoken as the row of a job."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray
from support.growing import LETTERS, WINDOW, Typist

from speechmill.actors.models.base import ModelConfig
from speechmill.actors.records.stream_handle import StreamHandle
from speechmill.actors.records.text_channel import TextChannel
from speechmill.actors.records.utterance import Segment
from speechmill.errors import RowError, RowRejected

ROOM = 10**9
Wave = NDArray[np.float32]


def typist(slots: int, *, deterministic: bool = False) -> Typist:
    model = Typist(ModelConfig("typist", options={"deterministic": deterministic}))
    assert model.reserve(ROOM, slots) == slots
    return model


def text_of(row: int) -> str:
    """Texts of one to three windows, some of exactly one."""
    chance = random.Random(row)
    length = WINDOW if row % 5 == 4 else chance.randint(1, 3 * WINDOW)
    return "".join(chance.choice(LETTERS + " ") for _ in range(length)) + "a"


def segment_of(model: Typist, row: int, text: str | None = None) -> Segment:
    text = text_of(row) if text is None else text
    return Segment(row, 0, text, model.prepare(text, ""), row, "one", 1.0)


def spoken(model: Typist, rows: Sequence[int]) -> dict[int, Wave]:
    found: dict[int, Wave] = {}
    for segment, outcome in model.speak_rows([segment_of(model, row) for row in rows]):
        assert not isinstance(outcome, RowError) and segment.row not in found
        found[segment.row] = outcome
    return found


def arriving(model: Typist, row: int, channel: TextChannel, handle: StreamHandle | None = None) -> list[Wave]:
    return list(model.stream_arriving(segment_of(model, row, ""), channel, handle or StreamHandle()))


@pytest.fixture(scope="module")
def alone() -> dict[int, Wave]:
    model = typist(1)
    return {row: spoken(model, [row])[row] for row in range(24)}


@pytest.mark.parametrize(("slots", "deterministic"), [(2, False), (8, False), (3, True)])
def test_streams_whose_texts_arrive_sound_as_rows_of_a_job(
    alone: dict[int, Wave], slots: int, deterministic: bool
) -> None:
    model, chance = typist(slots, deterministic=deterministic), random.Random(slots)
    channels = {row: TextChannel() for row in range(12)}
    texts = {row: text_of(row) for row in channels}
    with ThreadPoolExecutor(16) as threads:
        job = threads.submit(spoken, model, range(12, 24))
        heard = {row: threads.submit(arriving, model, row, channel) for row, channel in channels.items()}
        channels[0].feed(texts.pop(0))
        channels[0].end()
        while texts:
            row = chance.choice(list(texts))
            size = chance.choice([1, 2, 7, 40])
            channels[row].feed(texts[row][:size])
            texts[row] = texts[row][size:]
            if not texts[row]:
                del texts[row]
                channels[row].end()
        for row, future in heard.items():
            np.testing.assert_array_equal(np.concatenate(future.result(60)), alone[row], f"row {row}")
        for row, wave in job.result(60).items():
            np.testing.assert_array_equal(wave, alone[row], f"row {row}")


def test_a_text_that_is_there_streams_as_it_is_spoken(alone: dict[int, Wave]) -> None:
    model = typist(2)
    for row in range(6):
        pieces = list(model.stream(segment_of(model, row), StreamHandle()))
        np.testing.assert_array_equal(np.concatenate(pieces), alone[row])
        assert len(pieces) > 1


def test_the_first_audio_leaves_before_the_text_is_complete_and_a_stalled_text_costs_others_no_step(
    alone: dict[int, Wave],
) -> None:
    model, channel, text = typist(4), TextChannel(), text_of(3)
    stream = model.stream_arriving(segment_of(model, 3, ""), channel, StreamHandle())
    channel.feed(text[:9])
    heard = [next(stream)]
    before = model.usage()
    found = spoken(model, [5])
    used = model.usage().row_steps - before.row_steps
    num_steps = len(alone[5]) // 40
    assert np.array_equal(found[5], alone[5])
    assert used >= num_steps
    channel.feed(text[9:])
    channel.end()
    heard += stream
    np.testing.assert_array_equal(np.concatenate(heard), alone[3])


def test_a_listener_who_leaves_while_the_text_stalls_frees_his_slot_though_no_thread_steps() -> None:
    model, channel, handle = typist(1), TextChannel(), StreamHandle()
    with ThreadPoolExecutor(1) as threads:
        heard = threads.submit(arriving, model, 3, channel, handle)
        channel.feed("abcdefgh")
        while model.usage().row_steps < 2:
            threading.Event().wait(0.005)
        handle.leave()
        heard.result(60)
    assert model._ready._engine("speak")._engine.is_idle


def test_a_text_of_nothing_to_speak_is_said_at_its_end() -> None:
    model, channel = typist(1), TextChannel()
    channel.feed(" 12 ")
    channel.end()
    with pytest.raises(RowRejected, match="nothing in the text can be spoken"):
        arriving(model, 1, channel)
    assert model._ready._engine("speak")._engine.is_idle


def test_more_text_than_a_speech_needs_soon_is_left_with_its_writer() -> None:
    model, channel, handle = typist(1), TextChannel(100), StreamHandle()
    stream = model.stream_arriving(segment_of(model, 1, ""), channel, handle)
    channel.feed("abcde" * 500)
    next(stream)
    channel.feed("abcde" * 500)
    for _ in range(10):
        next(stream)
    assert not channel.has_room
    stream.close()
