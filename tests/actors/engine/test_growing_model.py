"""A text that arrives: at any pace, in any parts, beside any rows, it is spoken as the row of a job."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from support.growing import CPU, LETTERS, POSITIONS, WINDOW, Typist
from support.waiting import eventually

from speechmill.actors.engine.engine import Engine
from speechmill.actors.engine.growth import Growth
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
    return {row: spoken(model, [row])[row] for row in range(9)}


@pytest.mark.parametrize(("seed", "deterministic"), [(0, True), (2, False)])
def test_windows_follow_each_other_at_any_pace_though_rows_are_parked_and_exchanged(
    alone: dict[int, Wave], seed: int, deterministic: bool
) -> None:
    """Several exchanges of slots before one step: each moved as many positions as the row had that stood there last."""
    model, chance = typist(1), random.Random(seed)
    engine = Engine(model.net, 3, POSITIONS, CPU, is_fixed=deterministic, beside_urgent=(None, 0, 1, 4)[seed % 4])
    channels = {row: TextChannel() for row in range(5)}
    texts = {row: text_of(row) for row in channels}
    engine.add(replace(model._whole(segment_of(model, row)).start(), key=row) for row in range(5, 9))
    growths = {
        row: Growth(model.grow(segment_of(model, row, "")), channel, lambda part: model.tokens_of(part, ""))
        for row, channel in channels.items()
    }
    engine.add(replace(growth.start(), key=row, is_urgent=True) for row, growth in growths.items())
    lengths: dict[int, int] = {}
    while texts or not engine.is_idle:
        while texts and chance.random() < 0.3:
            row, size = chance.choice(list(texts)), chance.choice([1, 2, 7, 40])
            channels[row].feed(texts[row][:size])
            texts[row] = texts[row][size:]
            if not texts[row]:
                del texts[row]
                channels[row].end()
        for row, growth in growths.items():
            if growth.is_ready:
                part = growth.take()
                engine.extend(row, part.embeddings, is_last=part.is_last)
        for ended in engine.step():
            assert ended.key not in lengths
            lengths[ended.key] = ended.num_steps
            wave = model.decode(ended.codes.T[None], torch.tensor([ended.num_steps]))[0].numpy()
            np.testing.assert_array_equal(wave, alone[ended.key], f"row {ended.key}")
    assert lengths.keys() == alone.keys()


@pytest.mark.parametrize(("slots", "deterministic"), [(3, False)])
def test_streams_whose_texts_arrive_sound_as_rows_of_a_job(
    alone: dict[int, Wave], slots: int, deterministic: bool
) -> None:
    model, chance = typist(slots, deterministic=deterministic), random.Random(slots)
    channels = {row: TextChannel() for row in range(5)}
    texts = {row: text_of(row) for row in channels}
    with ThreadPoolExecutor(16) as threads:
        job = threads.submit(spoken, model, range(5, 9))
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
    for row in range(3):
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


class Watched(TextChannel):
    """A text that counts how often its reader looks."""

    num_looks = 0

    @property
    def is_ready(self) -> bool:
        """Whether something has come."""
        self.num_looks += 1
        return super().is_ready


def test_text_wakes_the_thread_that_it_is_for_and_no_other() -> None:
    """With hundreds of streams, to wake all for every token takes longer than a step."""
    model, channels, handle = typist(4), [Watched() for _ in range(4)], StreamHandle()
    asleep = model._ready._engine("speak")._asleep
    with ThreadPoolExecutor(4) as threads:
        heard = [threads.submit(arriving, model, row, channel, handle) for row, channel in enumerate(channels)]
        eventually(lambda: len(asleep) == 4, every_s=0.001)
        before = [channel.num_looks for channel in channels]
        channels[0].feed("a")
        eventually(lambda: channels[0].has_room and len(asleep) == 4 and channels[0].num_looks > before[0] + 1)
        assert [channel.num_looks for channel in channels[1:]] == before[1:]
        handle.leave()
        for one in heard:
            one.result(60)
