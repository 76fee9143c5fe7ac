"""A replica as a Ray actor: its calls run in threads, its streams are Ray's streaming generators.

Guaranteed: the actor answers while it speaks. A stream makes no more than its reader takes (`STREAM_OPTIONS`). A stream
that is cancelled (`ray.cancel`) leaves its slot within a step of the model, also while it waits for its reader or for
its text.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import ray

from ...actors.records.part import PartStore
from ...actors.records.speech import AudioChunk, SpeechInput
from ...actors.records.stream_handle import StreamHandle
from ...actors.records.text_channel import TextChannel
from ...actors.records.utterance import Utterance
from ...actors.replica.receipt import JobConfig, Receipt, ReplicaConfig, ReplicaProgress
from ...actors.replica.replica import Replica, ReplicaInfo
from .judge_actor import NodeJudges

STREAM_OPTIONS: dict[str, Any] = {"num_returns": "streaming", "_generator_backpressure_num_objects": 8}
"""Pieces that may wait for the reader: some seconds of audio."""

_MAX_CALLS = 32
_MAX_STREAMS = 1_024

T = TypeVar("T")


class ReplicaActor:
    """`Replica`, to be wrapped by `ray.remote`."""

    def __init__(self, config: ReplicaConfig) -> None:
        self._replica = Replica(config)
        self._calls = ThreadPoolExecutor(_MAX_CALLS, "call")
        self._streams = ThreadPoolExecutor(_MAX_STREAMS, "stream")
        self._texts: dict[str, TextChannel] = {}
        self._device = config.model.device

    async def device(self) -> str:
        """The device of the model, "cpu" or "cuda"; it can be asked before the model is loaded."""
        return self._device

    async def load(self) -> ReplicaInfo:
        """See `Replica.load`."""
        return await self._call(self._replica.load)

    async def warm(self) -> ReplicaInfo:
        """See `Replica.warm`."""
        return await self._call(self._replica.warm)

    async def join(self, job: str, config: JobConfig, store: PartStore) -> ReplicaInfo:
        """See `Replica.join`."""
        node = ray.get_runtime_context().get_node_id()
        return replace(await self._call(partial(self._join, job, config, store, node)), node=node)

    def _join(self, job: str, config: JobConfig, store: PartStore, node: str) -> ReplicaInfo:
        if config.gate is None or config.gate.place.where != "actors":
            return self._replica.join(job, config, store)
        judges = NodeJudges(job, config.gate, node)
        judges.start()
        return self._replica.join(job, config, store, judges.hire)

    async def leave(self, job: str) -> None:
        """See `Replica.leave`."""
        self._replica.leave(job)

    async def progress(self, job: str) -> ReplicaProgress:
        """See `Replica.progress`."""
        return self._replica.progress(job)

    async def num_streams(self) -> int:
        """See `Replica.num_streams`."""
        return self._replica.num_streams

    async def drop(self, job: str, part: str) -> None:
        """See `Replica.drop`."""
        self._replica.drop(job, part)

    async def hand_back(self, job: str, part: str) -> None:
        """See `Replica.hand_back`."""
        self._replica.hand_back(job, part)

    async def speak(self, job: str, part: str, utterances: Sequence[Utterance]) -> Receipt | None:
        """See `Replica.speak`."""
        return await self._call(partial(self._replica.speak, job, part, utterances))

    async def open(self, text_id: str, text: str) -> None:
        """Announce a text that arrives; `stream` comes next, and `feed`.

        Args:
            text_id: A name of its own
            text: What is there already; "" for nothing
        """
        self._texts[text_id] = channel = TextChannel()
        channel.feed(text)

    async def feed(self, text_id: str, text: str, *, is_last: bool = False) -> bool:
        """Add to an open text, and wait while too much of it is still to be spoken.

        Returns:
            Whether the text is open; it is closed once its stream has ended
        """
        channel = self._texts.get(text_id)
        if channel is None:
            return False
        channel.feed(text)
        if is_last:
            channel.end()
            return True
        has_room, loop = asyncio.Event(), asyncio.get_running_loop()
        channel.when_room(lambda: loop.call_soon_threadsafe(has_room.set))
        await has_room.wait()
        return text_id in self._texts

    async def close(self, text_id: str) -> None:
        """Close an open text, whether its stream has begun or not; one that is not open is ignored."""
        if (channel := self._texts.pop(text_id, None)) is not None:
            channel.close()

    async def stream(self, wanted: SpeechInput, text_id: str = "") -> AsyncGenerator[AudioChunk]:
        """See `Replica.stream`; call it with `STREAM_OPTIONS`.

        Args:
            text_id: The open text that is to be spoken in place of `wanted.text`; "" for none
        """
        arriving = self._texts.get(text_id)
        if text_id and arriving is None:
            return  # closed before its stream began
        listener = StreamHandle()
        pieces = self._replica.stream(wanted, listener, arriving)
        making: Future[AudioChunk | None] | None = None
        try:
            while True:
                making = self._streams.submit(next, pieces, None)
                heard = await asyncio.wrap_future(making)
                if heard is None:
                    return
                yield heard
        finally:
            listener.leave()
            if (channel := self._texts.pop(text_id, None)) is not None:
                channel.close()
            # The generator may be running in its thread; to close it before the step has ended would raise.
            if making is not None:
                making.add_done_callback(lambda _: self._streams.submit(pieces.close))

    async def _call(self, call: Callable[[], T]) -> T:
        return await asyncio.wrap_future(self._calls.submit(call))
