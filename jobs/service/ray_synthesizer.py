"""A replica on the Ray cluster as a `Synthesizer`: started, kept alive, streamed from.

Guaranteed: a replica that dies is replaced, and `is_ready` is false until the new one is warm. A stream whose reader
leaves is cancelled.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError

from ...actors.models.base import ModelInfo
from ...actors.models.registry import describe
from ...actors.records.speech import AudioChunk, SpeechInput
from ...actors.replica.receipt import ReplicaConfig
from ...actors.replica.replica import ReplicaInfo
from ...cluster.pool.actor import STREAM_OPTIONS
from ...cluster.pool.replica_source import Spawned
from ...cluster.pool.replica_supervisor import ReplicaSupervisor, cause_of, loading_error, summary
from ...cluster.session import ReplicaPlan
from ...errors import ReplicasLost, SpeechmillError

LOG = logging.getLogger("speechmill.service")
MAX_DEATHS_IN_A_ROW = 2
"""Deaths in a row after which the service is unhealthy; three for the replica itself come on top."""
_AGAIN_S = 1.0


class RaySynthesizer:
    """One replica of a service. Call `start` before `speak`; `stop` ends the replica."""

    def __init__(self, service: str, config: ReplicaConfig, plan: ReplicaPlan) -> None:
        """`plan`: the resources of a replica; one is started, whatever the number in the plan."""
        source = Spawned(replace(plan, num_replicas=1), config, service)
        self._replicas = ReplicaSupervisor(source, max_deaths_in_a_row=MAX_DEATHS_IN_A_ROW)
        self._info = describe(config.model)
        self._warm: Any = None  # the actor, once it is warm
        self._restart: asyncio.Task[None] | None = None

    @property
    def info(self) -> ModelInfo:
        """The model."""
        return self._info

    async def start(self) -> ReplicaInfo:
        """Start the replica and wait until it is warm.

        Raises:
            ModelError: The model cannot be loaded
            ReplicasLost: The replica died
        """
        (actor,) = self._replicas.admit()
        try:
            found: ReplicaInfo = await actor.warm.remote()
        except RayError as error:
            self._replicas.give_up(actor, error)
            raise loading_error(error) from error
        self._warm = actor
        self._replicas.record_success()
        LOG.info("replica ready on %s: loaded in %.1f s, warm in %.1f s", found.host, found.load_s, found.warm_s)
        return found

    async def is_ready(self) -> bool:
        """Whether the replica is warm, so that it speaks a text right away."""
        return self._warm is not None

    async def speak(self, speech: SpeechInput, /) -> AsyncGenerator[AudioChunk, None]:
        """See `Synthesizer.speak`."""
        async for chunk in self.streamed(self.actor, speech):
            yield chunk

    def open(self, speech: SpeechInput, /) -> RayOpenSpeech:
        """See `Synthesizer.open`."""
        return RayOpenSpeech(self, speech)

    @property
    def actor(self) -> Any:
        """The replica.

        Raises:
            ReplicasLost: There is none at the moment
        """
        if self._warm is None:
            raise ReplicasLost("the replica is being started again")
        return self._warm

    async def streamed(self, actor: Any, speech: SpeechInput, text_id: str = "") -> AsyncGenerator[AudioChunk, None]:
        """The chunks of `ReplicaActor.stream`; see there."""
        chunks = actor.stream.options(**STREAM_OPTIONS).remote(speech, text_id)
        try:
            with self.noticing(actor):
                async for reference in chunks:
                    yield await reference
        finally:
            ray.cancel(chunks)

    @contextmanager
    def noticing(self, actor: Any) -> Generator[None]:
        """Replace a replica during whose call the block fails, if it is at fault.

        Raises:
            SpeechmillError: The model raised it
            ReplicasLost: The replica is at fault
        """
        try:
            yield
        except RayActorError as error:
            self._replace(actor, error)
            raise ReplicasLost("the replica died while it spoke") from error
        except RayTaskError as error:
            cause = cause_of(error)
            if isinstance(cause, SpeechmillError):
                raise cause from error
            # A model should not raise this, so the replica is at fault.
            self._replace(actor, error)
            raise ReplicasLost(f"the replica failed: {summary(error)}") from error

    async def check(self) -> None:
        """Replace the replica if it is dead.

        Raises:
            ReplicasLost: Too many replicas died in a row
        """
        if (actor := self._warm) is not None:
            try:
                await actor.num_streams.remote()
            except RayActorError as error:
                self._replace(actor, error)
        self._replicas.check()

    def stop(self) -> None:
        """End the replica."""
        if self._restart is not None:
            self._restart.cancel()
        self._warm = None
        self._replicas.end()

    def _replace(self, actor: Any, error: Exception) -> None:
        """Start another replica in place of a dead one; once for each."""
        if self._replicas.give_up(actor, error):
            self._warm = None
            LOG.warning("the replica died; another is started")
            self._restart = asyncio.get_running_loop().create_task(self._start_again())

    async def _start_again(self) -> None:
        """Start until a replica is warm, or too many died."""
        while True:
            try:
                await self.start()
                return
            except SpeechmillError as error:
                LOG.error("no new replica: %s", error)
            await asyncio.sleep(_AGAIN_S)
            try:
                self._replicas.check()
            except ReplicasLost:
                return  # `check` raises it again


class RayOpenSpeech:
    """A speech whose text arrives, on a replica: an `OpenSpeech`."""

    def __init__(self, replica: RaySynthesizer, speech: SpeechInput) -> None:
        self._replica, self._speech = replica, speech
        self._text_id = uuid.uuid4().hex
        self._has_begun = asyncio.Event()
        self._actor: Any = None  # while its text is open there
        self._is_ended = False

    async def feed(self, text: str, /) -> None:
        """See `OpenSpeech.feed`."""
        if self._is_ended:
            raise ValueError("the text has ended: nothing can be added")
        await self._send(text, is_last=False)

    async def end(self) -> None:
        """See `OpenSpeech.end`."""
        if not self._is_ended:
            self._is_ended = True
            await self._send("", is_last=True)

    async def _send(self, text: str, *, is_last: bool) -> None:
        await self._has_begun.wait()
        if (actor := self._actor) is None:
            return
        with self._replica.noticing(actor):
            if not await actor.feed.remote(self._text_id, text, is_last=is_last):
                self._actor = None

    async def chunks(self) -> AsyncGenerator[AudioChunk, None]:
        """See `OpenSpeech.chunks`."""
        actor: Any = None
        try:
            actor = self._replica.actor
            with self._replica.noticing(actor):
                await actor.open.remote(self._text_id, self._speech.text)
            self._actor = actor
            self._has_begun.set()
            async for chunk in self._replica.streamed(actor, self._speech, self._text_id):
                yield chunk
        finally:
            if actor is not None:
                # A stream that is cancelled before it has begun leaves its text open, maybe one that is being opened.
                actor.close.remote(self._text_id)
            self._actor = None
            self._has_begun.set()
