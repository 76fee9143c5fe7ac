"""ChatTTS below texts and voices: lines of tokens in, audio or tokens out, as the engine draws them.

For whatever measures the networks or compares them with others; jobs go through `model.Chattts`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ....errors import RowError
from ...engine.request import Request, Sampling
from ...engine.step.usage import Usage
from ...engine.step_settings import Task
from ...engine.step_synthesis import StepSynthesis
from ...records.stream_handle import StreamHandle
from .checkpoint.weights import Checkpoint
from .networks import ChatttsNetworks
from .options import Options

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """What is spoken at once.

    Attributes:
        tokens: Of the prompt
        speaker: float16 [hidden]; None where the voice is that of the sample, or any
        sample: Codes of speech in the voice, uint16 [num_vq, steps], which the line continues
        seed: Of all that is drawn
    """

    tokens: tuple[int, ...]
    speaker: NDArray[np.float16] | None
    sample: NDArray[np.uint16] | None
    seed: int
    sampling: Sampling


class ChatttsSpeech:
    """The networks of a checkpoint, and what runs them."""

    def __init__(self, checkpoint: Checkpoint, device: str, dtype: str, options: Options) -> None:
        self.networks = ChatttsNetworks(checkpoint, device, dtype, options)
        self.synthesis = StepSynthesis(self.networks)

    @property
    def usage(self) -> Usage:
        """How the slots were used so far."""
        return self.synthesis.usage

    def reserve(self, usable_bytes: int, slots: int | None, positions: int, text_positions: int, most: int) -> int:
        """As `StepSynthesis.reserve`, with the positions of a row that is spoken and of one that is refined, or 0."""
        wanted: dict[Task, int] = {"speak": positions, "refine": text_positions}
        return self.synthesis.reserve(
            usable_bytes, slots, {task: count for task, count in wanted.items() if count}, most
        )

    def speak(self, lines: Iterable[Line]) -> Iterator[tuple[int, NDArray[np.float32] | RowError]]:
        """Speak lines: the number of each, and its waveform float32 [num_samples] or why there is none."""
        return self.synthesis.speak(self._requests(lines))

    def stream(self, line: Line, listener: StreamHandle) -> Iterator[NDArray[np.float32]]:
        """Speak one line before all others: pieces of its waveform float32 [num_samples] as they are drawn."""
        [request] = self._requests([line])
        return self.synthesis.stream(request, listener)

    def refine(self, lines: Iterable[Line]) -> Iterator[tuple[int, list[int] | RowError]]:
        """Write lines as they would be spoken: the number of each, and its tokens or why there are none."""
        return self.synthesis.refine(self._requests(lines))

    def _requests(self, lines: Iterable[Line]) -> list[Request]:
        return [
            Request(number, self.networks.prompt(line.tokens, line.speaker, line.sample), line.seed, line.sampling)
            for number, line in enumerate(lines)
        ]
