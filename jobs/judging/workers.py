"""The parts of a corpus heard by several processes of a cluster, whichever of them die.

Guaranteed: every part is given back once, with a verdict on each of its clips, in the order in which they are done.
When a process dies, what it had told of its part stays, and the rest is heard by another one, clip by clip; a clip of
which two processes died is unheard.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from ...actors.gate.config import GateConfig
from ...actors.gate.stats import NO_GATE, GateStats
from ...cluster.session import ReplicaPlan
from ...errors import ReplicasLost, SpeechmillError
from .audio_corpus import AudioPart
from .hearing import CHUNK_CLIPS, HeardClips
from .judged_clip import JudgedClip
from .worker import JudgeWorker, spawned

MAX_DEATHS = 20
"""Of workers in a row without a clip between them."""
SILENT_S = 1_800.0
"""A worker that has not told of a clip for so long is treated as dead."""
_LOOK_S = 1.0


@dataclass(frozen=True, slots=True)
class HeardPart:
    """A part with its verdicts."""

    part: AudioPart
    clips: tuple[JudgedClip, ...]
    stats: GateStats


class PartHearers(Protocol):
    """What hears the parts of a corpus."""

    def hear(self, parts: Iterator[AudioPart], observe: Callable[[HeardClips], None]) -> Iterator[HeardPart]:
        """The parts as they are done; `observe` is called with clips as they are heard."""
        ...


class InProcess:
    """Hears one part after the other in this process: for small corpora."""

    def __init__(self, config: GateConfig) -> None:
        self._config = config

    def hear(self, parts: Iterator[AudioPart], observe: Callable[[HeardClips], None]) -> Iterator[HeardPart]:
        """The parts, in order."""
        worker = JudgeWorker(self._config)
        try:
            worker.load()
            for part in parts:
                task = _Task(part)
                worker.begin(part, 0, CHUNK_CLIPS, frozenset())
                while (heard := worker.more()) is not None:
                    task.add(heard)
                    observe(heard)
                yield task.done
        finally:
            worker.close()


@dataclass(slots=True)
class _Task:
    """A part, and what is told of it."""

    part: AudioPart
    clips: list[JudgedClip] = field(default_factory=list[JudgedClip])
    stats: GateStats = NO_GATE
    deaths: dict[int, int] = field(default_factory=dict[int, int])

    def add(self, heard: HeardClips) -> None:
        self.clips += heard.clips
        self.stats += heard.stats

    @property
    def done(self) -> HeardPart:
        return HeardPart(self.part, tuple(self.clips), self.stats)

    @property
    def passed_over(self) -> frozenset[int]:
        """Clips of which two processes died while they heard nothing else."""
        return frozenset(at for at, num in self.deaths.items() if num > 1)

    def died(self) -> None:
        """The process of this part has died, at the first clip that is not told, if it told clip by clip."""
        self.deaths[len(self.clips)] = self.deaths.get(len(self.clips), 0) + 1

    @property
    def chunk(self) -> int:
        return 1 if self.deaths else CHUNK_CLIPS


@dataclass(slots=True, eq=False)
class _Running:
    """A worker; `answers` refers to the call under way, None between two calls."""

    actor: Any
    task: _Task | None = None
    answers: Any = None
    since_s: float = 0.0
    is_ready: bool = False


class Workers:
    """Processes of a Ray cluster that this process is connected to."""

    def __init__(self, plan: ReplicaPlan, config: GateConfig) -> None:
        import ray

        self._plan = plan
        self._config = ray.put(config)
        self._deaths = 0

    def hear(self, parts: Iterator[AudioPart], observe: Callable[[HeardClips], None]) -> Iterator[HeardPart]:
        """The parts as they are done.

        Raises:
            JobError: A judge cannot be loaded, or a part cannot be read
            ReplicasLost: Workers die without hearing anything
        """
        import ray

        again: deque[_Task] = deque()
        workers: list[_Running] = []
        if not self._has_more(parts, again):
            return
        try:
            while True:
                while len(workers) < self._plan.num_replicas and (not workers or again or self._has_more(parts, again)):
                    workers.append(self._spawn())
                for worker in workers:
                    if worker.is_ready and worker.task is None and (again or self._has_more(parts, again)):
                        self._begin(worker, again.popleft())
                waited = {worker.answers: worker for worker in workers if worker.answers is not None}
                if not again and not any(worker.task for worker in workers):
                    return
                ready, _ = ray.wait(list(waited), num_returns=1, timeout=_LOOK_S, fetch_local=False)
                for answers in ready:
                    done = self._take(waited[answers], workers, again, observe)
                    if done is not None:
                        yield done
                self._end_silent(workers, again)
        finally:
            for worker in workers:
                ray.kill(worker.actor)

    @staticmethod
    def _has_more(parts: Iterator[AudioPart], again: deque[_Task]) -> bool:
        part = next(parts, None)
        if part is not None:
            again.append(_Task(part))
        return part is not None

    def _spawn(self) -> _Running:
        actor = spawned(self._config, self._plan.cpus, self._plan.gpus)
        return _Running(actor, answers=actor.load.remote(), since_s=time.monotonic())

    def _begin(self, worker: _Running, task: _Task) -> None:
        worker.task, worker.since_s = task, time.monotonic()
        worker.actor.begin.remote(task.part, len(task.clips), task.chunk, task.passed_over)
        worker.answers = worker.actor.more.remote()

    def _take(
        self, worker: _Running, workers: list[_Running], again: deque[_Task], observe: Callable[[HeardClips], None]
    ) -> HeardPart | None:
        """Take the next answer of a worker; its part, if that is done."""
        import ray
        from ray.exceptions import RayActorError, RayTaskError

        try:
            if worker.task is None:
                ray.get(worker.answers)
                worker.is_ready, worker.answers = True, None
                return None
            heard = cast("HeardClips | None", ray.get(worker.answers))
        except RayTaskError as error:
            cause: Any = getattr(error, "cause", error)
            raise cause if isinstance(cause, SpeechmillError) else error from error
        except RayActorError as error:
            self._lost(worker, workers, again, error)
            return None
        task = worker.task
        if heard is None:
            worker.task = worker.answers = None
            return task.done
        self._deaths, worker.since_s = 0, time.monotonic()
        worker.answers = worker.actor.more.remote()
        task.add(heard)
        observe(heard)
        return None

    def _lost(self, worker: _Running, workers: list[_Running], again: deque[_Task], error: Exception) -> None:
        workers.remove(worker)
        self._deaths += 1
        if self._deaths > MAX_DEATHS:
            told = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ReplicasLost(f"judges' processes died {self._deaths} times without hearing a clip: {told}") from error
        if worker.task is not None:
            worker.task.died()
            again.appendleft(worker.task)

    def _end_silent(self, workers: list[_Running], again: deque[_Task]) -> None:
        """Kill workers that have told nothing for too long; those that still load are Ray's to place."""
        import ray

        for worker in list(workers):
            if worker.task is not None and time.monotonic() - worker.since_s > SILENT_S:
                ray.kill(worker.actor)
                self._lost(worker, workers, again, TimeoutError(f"silent for {SILENT_S:.0f} s"))
