"""Judges that hear parts, as a Ray actor in a cluster or in this process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...actors.gate.config import GateConfig
from ...actors.gate.gate import Gate
from .audio_corpus import AudioPart
from .hearing import HeardClips, hear_part


class JudgeWorker:
    """Loaded judges that hear one part after the other, to be wrapped by `ray.remote`.

    A part is begun, and then told piece by piece, by plain calls: these work through Ray's client, too.
    """

    def __init__(self, config: GateConfig) -> None:
        self._config = config
        self._gate: Gate | None = None
        self._told: Iterator[HeardClips] = iter(())

    def load(self) -> None:
        """Load the judges.

        Raises:
            ModelError: A judge, its weights or its options are wrong
        """
        self._gate = Gate(self._config)

    def begin(self, part: AudioPart, start: int, chunk: int, passed_over: frozenset[int]) -> None:
        """Begin a part, see `hear_part`."""
        assert self._gate is not None, "load comes first"
        self._told = hear_part(part, self._gate, start=start, chunk=chunk, passed_over=passed_over)

    def more(self) -> HeardClips | None:
        """The next clips of the part; None at its end.

        Raises:
            JobError: The part as a whole cannot be read
            StorageUnavailable: The store does not answer
        """
        return next(self._told, None)

    def close(self) -> None:
        """End the judges."""
        if self._gate is not None:
            self._gate.close()


def spawned(config: Any, cpus: float, gpus: float) -> Any:
    """A worker in the cluster. `config`: a reference to a GateConfig."""
    import ray

    remote: Any = ray.remote(JudgeWorker)
    return remote.options(num_cpus=cpus, num_gpus=gpus, max_restarts=0).remote(config)
