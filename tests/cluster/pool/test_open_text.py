"""Texts that arrive at a replica's actor, in this process: the actor's own methods, without Ray."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import numpy as np
import pytest

import speechmill
from speechmill.actors.models.base import ModelConfig
from speechmill.actors.records.speech import AudioChunk, SpeechInput
from speechmill.actors.replica.receipt import ReplicaConfig
from speechmill.cluster.pool.actor import ReplicaActor
from speechmill.errors import RowRejected

OPTIONS = {"audio_char_s": 0.01}
TEXT = " ".join(f"This is sentence number {n} of a long text." for n in range(12))


async def loaded() -> ReplicaActor:
    actor = ReplicaActor(ReplicaConfig(ModelConfig("tone", options=OPTIONS)))
    await actor.load()
    return actor


async def open_stream(actor: ReplicaActor, text_id: str, text: str = "") -> AsyncGenerator[AudioChunk]:
    await actor.open(text_id, text)
    return actor.stream(SpeechInput("", seed=7), text_id)


def test_a_text_is_heard_while_it_arrives_and_is_what_say_says() -> None:
    async def run() -> list[Any]:
        actor = await loaded()
        chunks = await open_stream(actor, "one", TEXT[:60])
        heard = [await anext(chunks)]
        for start in range(60, len(TEXT), 7):
            assert await actor.feed("one", TEXT[start : start + 7])
        assert await actor.feed("one", "", is_last=True)
        heard += [chunk async for chunk in chunks]
        assert not await actor.feed("one", "more"), "it is closed"
        return [chunk.samples for chunk in heard]

    said = np.concatenate(list(speechmill.say([TEXT], model="tone", seed=7, options=OPTIONS)))
    assert np.array_equal(np.concatenate(asyncio.run(run())), said)


def test_a_writer_waits_for_room_and_goes_on_when_the_reader_leaves() -> None:
    async def run() -> None:
        actor = await loaded()
        chunks = await open_stream(actor, "one", TEXT[:60])
        await anext(chunks)
        writer = asyncio.create_task(actor.feed("one", TEXT * 40))
        await asyncio.sleep(0)
        assert not writer.done(), "the stream takes no text while its reader takes no audio"
        await chunks.aclose()
        assert not await writer
        assert await actor.num_streams() <= 1

    asyncio.run(run())


def test_a_stream_that_waits_for_text_ends_when_its_reader_is_cancelled() -> None:
    async def run() -> None:
        actor = await loaded()
        chunks = await open_stream(actor, "one", TEXT[:60])
        await anext(chunks)
        waits = asyncio.create_task(anext(chunks))
        await asyncio.sleep(0.01)
        waits.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waits
        assert not await actor.feed("one", "more")
        while await actor.num_streams():
            await asyncio.sleep(0.001)

    asyncio.run(run())


def test_a_text_that_is_closed_before_its_stream_begins_is_no_text() -> None:
    async def run() -> None:
        actor = await loaded()
        chunks = await open_stream(actor, "one", "When the rain had stopped, we went out.")
        await actor.close("one")
        assert [chunk async for chunk in chunks] == []
        empty = await open_stream(actor, "two")
        await actor.feed("two", "", is_last=True)
        with pytest.raises(RowRejected):
            await anext(empty)

    asyncio.run(run())
