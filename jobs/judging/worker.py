"""A judge's process in a cluster, as a Ray actor; and the clips of a part heard in this process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...actors.gate.config import GateConfig
from ...actors.gate.gate import Gate
from .audio_corpus import AudioPart
from .hearing import CHUNK_CLIPS, HeardClips, hear_part


class JudgeWorker:
    """Loaded judges that hear one part after the other, to be wrapped by `ray.remote`."""

    def __init__(self, config: GateConfig) -> None:
        self._config = config
        self._gate: Gate | None = None

    def load(self) -> None:
        """Load the judges.

        Raises:
            ModelError: A judge, its weights or its options are wrong
        """
        self._gate = Gate(self._config)

    def hear(
        self, part: AudioPart, start: int = 0, chunk: int = CHUNK_CLIPS, passed_over: frozenset[int] = frozenset()
    ) -> Iterator[HeardClips]:
        """See `hear_part`; call it as a streaming generator."""
        assert self._gate is not None, "load comes first"
        yield from hear_part(part, self._gate, start=start, chunk=chunk, passed_over=passed_over)

    def close(self) -> None:
        """End the judges."""
        if self._gate is not None:
            self._gate.close()


def spawned(config: Any, cpus: float, gpus: float) -> Any:
    """A worker in the cluster. `config`: a reference to a GateConfig."""
    import ray

    remote: Any = ray.remote(JudgeWorker)
    return remote.options(num_cpus=cpus, num_gpus=gpus, max_restarts=0).remote(config)
