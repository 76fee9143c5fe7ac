"""Judges that cost much, as Ray actors on the replicas' nodes: asked again when they die, replaced when they hang.

Guaranteed: `ask` returns, whatever the actors do; a clip that no actor has judged is unheard. Samples travel as 16-bit
numbers through the node's object store. The actors end with the replica that started them, and another one starts new
ones; they end with the run in any case.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from ...actors.audio.encoding import PCM_SCALE
from ...actors.audio.finishing import resample
from ...actors.gate.config import GateConfig, GatePlace, is_dear
from ...actors.gate.local_judge import TRIES, UNHEARD, LocalJudge
from ...actors.judges.base import Hearing, JudgeConfig, JudgeInfo, Verdict
from ...errors import ModelError, ReplicasLost

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MAX_ASKED = 64
_DEATHS, _PAUSE_S, _MOST_HUNG = 6, 0.1, 2
"""How many actors may die while they hear a clip, the pause after the first, which doubles, and how many may hang."""
_START_S = 300.0
"""Seconds for an actor to be placed and its judges to be loaded."""


class JudgeActor:
    """The dear judges of a job, to be wrapped by `ray.remote`; asked by their names."""

    def __init__(self, judges: Sequence[tuple[JudgeConfig, JudgeInfo]], limit_s: float) -> None:
        self._judges = {info.name: (info, LocalJudge(config, info, limit_s)) for config, info in judges}

    def ready(self) -> bool:
        """Whether the judges are loaded."""
        return True

    def ask(self, name: str, clip: Hearing, pcm: NDArray[np.int16]) -> Verdict:
        """The judge's verdict on a clip.

        Args:
            clip: Without its samples
            pcm: int16 [num_samples] at the clip's rate
        """
        import numpy as np

        info, judge = self._judges[name]
        samples = pcm.astype(np.float32) / np.float32(PCM_SCALE)
        rate = info.sample_rate or clip.sample_rate
        if rate != clip.sample_rate:
            samples = resample(samples, clip.sample_rate, rate)
        return judge.ask(replace(clip, samples=samples, sample_rate=rate))


@dataclass(slots=True, eq=False)
class _NodeActor:
    """The handle of a judge actor, and whether it has told that its judges are loaded."""

    handle: Any
    has_started: bool = False


class NodeJudges:
    """The judge actors of a job on one node; replicas of the node share them.

    Args:
        job: Names the job among those of the cluster
        node: Ray's name of the node
    """

    def __init__(self, job: str, gate: GateConfig, node: str) -> None:
        self._job, self._node, self._place = job, node, gate.place
        self._judges = [(c, i) for c, i in zip(gate.judges, gate.infos, strict=True) if is_dear(i)]
        self._actors: dict[int, _NodeActor] = {}
        self._guard = threading.Lock()

    def start(self) -> None:
        """Start the actors, or find them.

        Raises:
            ModelError: A judge cannot be loaded
            ReplicasLost: The actors do not start
        """
        numbers = range(self._place.actors if self._judges else 0)
        started = [self._actor(number).handle.ready.remote() for number in numbers]
        try:
            ray.get(started, timeout=_START_S)
        except GetTimeoutError as error:
            raise ReplicasLost(
                f"judges did not start in {_START_S:.0f} s: each actor needs {self._place.cpus:g} CPU and "
                f"{self._place.gpus:g} GPU (quality.place) beside the replicas of its node"
            ) from error
        except RayError as error:
            said = str(error).strip().splitlines() or [type(error).__name__]
            raise ModelError(f"the job's judges cannot be loaded: {said[-1].strip():.300}") from error

    def hire(self, config: JudgeConfig, info: JudgeInfo) -> RemoteJudge:
        """One of the judges."""
        return RemoteJudge(self, info.name)

    def ask(self, name: str, clip: Hearing) -> Verdict:
        """The verdict of a judge on a clip at its own rate; `unheard` after so many tries."""
        import numpy as np

        pcm = np.rint(clip.samples * PCM_SCALE).astype(np.int16)
        bare = replace(clip, samples=np.zeros(0, np.float32))
        place = blake2b(clip.id.encode("utf-8", "surrogatepass"), digest_size=2).digest()
        number = place[0] % self._place.actors
        # The actor itself asks a judge several times.
        limit_s = (TRIES + 1) * self._place.timeout_s
        num_hung = 0
        for death in range(_DEATHS):
            if death:
                # Until the cluster knows of the death, the name leads to the dead actor. Clips that were asked together
                # are asked again apart, so that one that kills its actor takes few others with it.
                time.sleep(_PAUSE_S * 2**death * (0.5 + place[1] / 255))
            actor = self._actor(number)
            try:
                _await_start(actor)
                return ray.get(actor.handle.ask.remote(name, bare, pcm), timeout=limit_s)
            except RayTaskError:
                break  # of this clip alone
            except RayActorError:
                self._forget(number, actor, is_hanging=False)
            except GetTimeoutError:
                self._forget(number, actor, is_hanging=True)
                num_hung += 1
                if num_hung == _MOST_HUNG:
                    break
        return UNHEARD

    def close(self) -> None:
        """Leave the actors to those who still ask them."""
        with self._guard:
            self._actors.clear()

    def _actor(self, number: int) -> _NodeActor:
        with self._guard:
            if number not in self._actors:
                self._actors[number] = _NodeActor(self._handle(number, self._place))
            return self._actors[number]

    def _handle(self, number: int, place: GatePlace) -> Any:
        remote: Any = ray.remote(JudgeActor)
        return remote.options(
            name=f"judges/{self._job}/{self._node}/{number}",
            get_if_exists=True,
            num_cpus=place.cpus,
            num_gpus=place.gpus,
            max_concurrency=_MAX_ASKED,
            max_restarts=0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(self._node, soft=True),
        ).remote(self._judges, place.timeout_s)

    def _forget(self, number: int, actor: _NodeActor, *, is_hanging: bool) -> None:
        """Start another one at the next question; one that hangs is ended."""
        with self._guard:
            if self._actors.get(number) is not actor:
                return
            del self._actors[number]
        if is_hanging:
            ray.kill(actor.handle)


def _await_start(actor: _NodeActor) -> None:
    """Wait until an actor has loaded its judges: the time that this takes is no sign that it hangs."""
    if not actor.has_started:
        ray.get(actor.handle.ready.remote(), timeout=_START_S)
        actor.has_started = True


class RemoteJudge:
    """One judge of a node's actors."""

    def __init__(self, judges: NodeJudges, name: str) -> None:
        self._judges, self._name = judges, name

    def ask(self, clip: Hearing) -> Verdict:
        """Its verdict on a clip at its own rate; `unheard` if no actor answers."""
        return self._judges.ask(self._name, clip)

    def close(self) -> None:
        """Ask it nothing more."""
        self._judges.close()
