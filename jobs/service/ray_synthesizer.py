"""A replica on the Ray cluster as a `Synthesizer`: spawned, kept alive, streamed from.

Guaranteed: a replica that dies is replaced, and until the new one is warm the speaker is not ready; a stream whose
reader goes away is cancelled. Not known here: HTTP, who asks.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from typing import Any

import ray
from ray.exceptions import RayActorError, RayTaskError

from ...actors.models.base import ModelInfo
from ...actors.models.registry import describe
from ...actors.replica.receipt import ReplicaConfig
from ...actors.replica.replica import ReplicaInfo
from ...actors.replica.streaming import SpeechInput
from ...cluster.pool.actor import STREAM_OPTIONS
from ...cluster.pool.replica_source import replica_name, spawn
from ...errors import ModelError, ReplicasLost, SpeechmillError
from .synthesizer import Piece, Script

LOG = logging.getLogger("speechmill.service")
MAX_DEATHS_IN_A_ROW = 5
"""Of replicas that died before they were warm; then the service itself is unhealthy."""
_AGAIN_S = 1.0


class RaySynthesizer:
    """One replica of a service. `start` it, then it speaks; `stop` ends it."""

    def __init__(self, service: str, config: ReplicaConfig, cpus: float, gpus: float) -> None:
        self._service, self._config, self._cpus, self._gpus = service, config, cpus, gpus
        self._info = describe(config.model)
        self._actor: Any = None
        self._home: ReplicaInfo | None = None
        self._deaths_in_a_row = 0
        self._mending: asyncio.Task[None] | None = None

    @property
    def info(self) -> ModelInfo:
        """The model."""
        return self._info

    @property
    def is_healthy(self) -> bool:
        """Whether there is a replica, or hope for one."""
        return self._deaths_in_a_row < MAX_DEATHS_IN_A_ROW

    async def start(self) -> ReplicaInfo:
        """Spawn the replica and wait until it is warm. Raises ModelError, and ReplicasLost if it dies."""
        self._actor = spawn(self._config, self._cpus, self._gpus, replica_name(self._service))
        try:
            home: ReplicaInfo = await self._actor.warm.remote()
        except RayActorError as error:
            raise ReplicasLost(f"the replica died while it was loaded: {error}") from error
        except RayTaskError as error:
            ray.kill(self._actor)
            cause = _cause(error)
            raise cause if isinstance(cause, SpeechmillError) else ModelError(f"cannot be loaded: {cause}") from error
        self._home, self._deaths_in_a_row = home, 0
        LOG.info("replica ready on %s: loaded in %.1f s, warm in %.1f s", home.host, home.load_s, home.warm_s)
        return home

    async def is_ready(self) -> bool:
        """Whether a script would be spoken right away."""
        return self._home is not None

    async def speak(self, script: Script, /) -> AsyncGenerator[Piece, None]:
        """See `Synthesizer.speak`."""
        if self._home is None:
            raise ReplicasLost("the replica is being started again")
        actor = self._actor
        wanted = SpeechInput(script.text, script.voice, script.seed, script.speed)
        pieces = actor.stream.options(**STREAM_OPTIONS).remote(wanted)
        try:
            async for reference in pieces:
                heard = await reference
                yield Piece(heard.samples, heard.spent_s)
        except RayActorError as error:
            self._lost(actor)
            raise ReplicasLost("the replica died while it spoke") from error
        except RayTaskError as error:
            cause = _cause(error)
            if isinstance(cause, SpeechmillError):
                raise cause from error
            # The model is not to be trusted after what no model should raise.
            ray.kill(actor)
            self._lost(actor)
            raise ReplicasLost(f"the replica failed: {cause}") from error
        finally:
            ray.cancel(pieces)

    async def check(self) -> None:
        """Look whether the replica lives. Raises ReplicasLost when none can be kept alive."""
        if self._home is not None:
            actor = self._actor
            try:
                await actor.num_streams.remote()
            except RayActorError:
                self._lost(actor)
        if not self.is_healthy:
            raise ReplicasLost(f"{self._deaths_in_a_row} replicas died in a row before they were warm")

    def stop(self) -> None:
        """End the replica."""
        if self._mending is not None:
            self._mending.cancel()
        self._home = None
        if self._actor is not None:
            ray.kill(self._actor)

    def _lost(self, actor: Any) -> None:
        """Start another in its place, once for each that died."""
        if actor is not self._actor or self._home is None:
            return
        self._home = None
        LOG.warning("the replica died; another is started")
        self._mending = asyncio.get_running_loop().create_task(self._mend())

    async def _mend(self) -> None:
        while self.is_healthy:
            try:
                await self.start()
            except SpeechmillError as error:
                self._deaths_in_a_row += 1
                LOG.error("no new replica: %s", error)
                await asyncio.sleep(_AGAIN_S)
            else:
                return


def _cause(error: RayTaskError) -> BaseException:
    cause: BaseException | None = getattr(error, "cause", None)
    return error if cause is None else cause
