"""A model that speaks step by step, written as a few hooks: the engine does the rest.

`StepwiseModel` implements `AutoregressiveModel` (slots, continuous batching, streams between rows of jobs, memory,
parking, refining). A model's hooks give the network, the prompt of a row, its sampling, and the decoding of steps to
sound. Importing this module imports no torch, so that `describe` stays light.

A network with a region (`network.RegionNetwork`) reserves positions for the prompt, behind which audio starts. Then
`opening` gives what stands between them, and the prompt may grow while audio is drawn (`growing_model.GrowingModel`).

Possible extensions, and their places:

- More than one network per step (codebooks drawn one after the other by a small network): `DeviceStep.draw` asks
  `Network.logits` once and the sampler once; a network with stages would take over these two lines. `Engine` keeps
  hidden states and codes of every step, so nothing else changes.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from ...errors import ModelError, RowError
from ..device.card import CardPoint
from ..models.base import AutoregressiveModel, SlotUsage
from ..records.stream_handle import StreamHandle
from ..records.utterance import Segment
from .request import Generated, Request, Sampling
from .step_settings import StepSettings, Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from .network import Network
    from .step_synthesis import StepSynthesis


class StepwiseModel(AutoregressiveModel):
    """A model that draws codes step by step.

    Beside `describe`, `__init__` and `prepare`, which every model has, it gives `settings`, and the hooks `positions`,
    `network`, `prompt`, `sampling` and `decode`; `text` as well if it refines. They are called from several threads.
    """

    _synthesis: StepSynthesis | None = None

    @property
    @abstractmethod
    def settings(self) -> StepSettings:
        """Settings that stay the same while the model is loaded."""

    @abstractmethod
    def positions(self) -> Mapping[Task, int]:
        """The most positions of a row, prompt and steps together, by task; only for tasks of this configuration."""

    @abstractmethod
    def network(self, task: Task) -> Network:
        """The network of a task: inputs and a cache in, hidden states and logits out (`engine.network`)."""

    @abstractmethod
    def prompt(self, segment: Segment, task: Task) -> Tensor:
        """The prompt of a row: embeddings float [length, hidden] on the model's device, at least one.

        It depends on the segment's text, voice and seed alone.

        Raises:
            RowError: The segment has no prompt
        """

    def opening(self, segment: Segment, task: Task) -> Tensor | None:
        """Inputs between the region and the first code of a row: float [length, hidden], at least one.

        None for a network without a region.
        """
        return None

    def follow(self, segment: Segment, task: Task) -> Callable[[Generated], Request | None] | None:
        """What makes the row that continues a segment's first one, for a text too long for one row: `Request.follow`.

        None if there is none.
        """
        return None

    @abstractmethod
    def sampling(self, segment: Segment, task: Task) -> Sampling:
        """The settings with which the codes of a row are drawn, and the step at which it is cut off."""

    @abstractmethod
    def decode(self, steps: Tensor, lengths: Tensor) -> Tensor:
        """Waveforms float32 [batch, samples] of steps; a row is valid up to its `timing.num_samples`.

        Padding behind a row must not change it. Runs in inference mode.

        Args:
            steps: [batch, channels, steps]: hidden states float, or codes int64, as `settings.decodes` says.
            lengths: int64 [batch], the steps of each row, on the CPU.
        """

    def text(self, tokens: Sequence[int]) -> str:
        """The text of tokens that refining has drawn. Only for models whose `tasks` name "refine"."""
        raise ModelError(f"model {self.info.name} refines no text; tasks: {', '.join(self.info.tasks)}")

    def reserve(self, usable_bytes: int, slots: int | None) -> int:
        """Slots for the longest rows of all tasks; see `AutoregressiveModel.reserve`."""
        if self._synthesis is None:
            from .step_synthesis import StepSynthesis

            self._synthesis = StepSynthesis(self)
        return self._synthesis.reserve(usable_bytes, slots, self.positions(), self.info.batch_limit.max_rows)

    def card_points(self) -> Sequence[CardPoint]:
        """Steps of several numbers of rows; see `AutoregressiveModel.card_points`."""
        return self._ready.card_points(self.positions())

    def speak_rows(self, segments: Sequence[Segment]) -> Iterator[tuple[Segment, NDArray[np.float32] | RowError]]:
        """Speak segments; each comes back once as it ends, with float32 [num_samples] or a RowError."""
        for number, outcome in self._ready.speak(self._requests(segments, "speak")):
            yield segments[number], outcome

    def stream(self, segment: Segment, listener: StreamHandle) -> Generator[NDArray[np.float32]]:
        """Speak one segment before all rows of jobs: pieces of its waveform as they are drawn."""
        [request] = self._requests([segment], "speak")
        yield from self._ready.stream(request, listener)

    def refine_rows(self, segments: Sequence[Segment]) -> Iterator[tuple[Segment, str | RowError]]:
        """Refine the texts of segments; each comes back once as it ends."""
        if "refine" not in self.info.tasks:
            yield from super().refine_rows(segments)
        for number, outcome in self._ready.refine(self._requests(segments, "refine")):
            yield segments[number], outcome if isinstance(outcome, RowError) else self.text(outcome)

    def usage(self) -> SlotUsage:
        """The use of the slots so far."""
        if self._synthesis is None:
            return SlotUsage()
        used = self._synthesis.usage
        return SlotUsage(used.row_steps, used.slot_steps)

    def _requests(self, segments: Sequence[Segment], task: Task) -> list[Request]:
        from ..models.noise import segment_seed

        return [
            Request(
                number,
                self.prompt(segment, task),
                segment_seed(segment.seed, segment.index, task, segment.attempt),
                self.sampling(segment, task),
                opening=self.opening(segment, task),
                follow=self.follow(segment, task),
            )
            for number, segment in enumerate(segments)
        ]

    @property
    def _ready(self) -> StepSynthesis:
        assert self._synthesis is not None, "reserve has to come first"
        return self._synthesis
