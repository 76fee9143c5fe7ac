"""Decodes finished rows to waveforms, in batches of their own beside the token loop.

Rows wait until there are enough for a batch. A batch is sorted by length and masked, and each waveform is cut to its
own length. Guaranteed: every row that is put in comes out once, and other rows in its batch change its samples by float
rounding at most. On a GPU batches are launched by a thread of their own, on a stream of its own, so that the token loop
goes on meanwhile: the launches of a batch take longer than those of a step.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Decode = Callable[[Tensor, Tensor], Tensor]
"""Steps [batch, channels, steps] and lengths int64 [batch] to waveforms float32 [batch, samples]."""


@dataclass(frozen=True, slots=True, eq=False)
class _Batch:
    """A batch that is being decoded.

    Attributes:
        rows: Key and samples of each row
        waves: Float32 [rows, samples] in main memory, and the event behind which they are there; None without CUDA,
            where they are there at once
    """

    rows: Sequence[tuple[int, int]]
    waves: Future[tuple[Tensor, torch.cuda.Event | None]]

    @property
    def is_done(self) -> bool:
        """Whether `result` waits for nothing."""
        if not self.waves.done():
            return False
        if self.waves.exception() is not None:
            return True
        event = self.waves.result()[1]
        return event is None or event.query()

    def result(self) -> Tensor:
        """The waveforms; errors of decoding pass."""
        waves, event = self.waves.result()
        if event is not None:
            event.synchronize()
        return waves


class Decoder:
    """Rows by key.

    Args:
        batch_steps: Steps of speech in one batch, padding included
        num_samples: Returns the samples of a row from its number of steps
        launcher: The one thread that decodes on CUDA; several decoders may share it
    """

    def __init__(
        self,
        decode: Decode,
        num_samples: Callable[[int], int],
        batch_steps: int,
        device: torch.device,
        launcher: ThreadPoolExecutor | None = None,
    ) -> None:
        self._decode, self._num_samples, self._batch_steps = decode, num_samples, batch_steps
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._launcher = launcher or decoding_thread(device)
        self._waiting: list[tuple[int, Tensor]] = []
        self._running: deque[_Batch] = deque()

    def put(self, key: int, steps: Tensor) -> None:
        """Add a finished row: [steps, channels], at least one step."""
        self._waiting.append((key, steps))

    @property
    def is_full(self) -> bool:
        """Whether more rows wait than fill a batch: sorted, half of them make a batch with little padding."""
        return sum(len(steps) for _, steps in self._waiting) > 2 * self._batch_steps

    def take(self, *, is_last: bool) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Waveforms that are ready: of full batches, or of all rows if `is_last`."""
        while self._waiting and (is_last or self.is_full):
            self._launch(self._next_batch())
        while self._running and (is_last or self._running[0].is_done):
            batch = self._running.popleft()
            waves = batch.result()
            for number, (key, samples) in enumerate(batch.rows):
                yield key, waves[number, :samples].numpy().copy()

    def _next_batch(self) -> list[tuple[int, Tensor]]:
        """The longest rows that fit into a batch together; at least one."""
        self._waiting.sort(key=lambda row: (len(row[1]), row[0]))
        longest = len(self._waiting[-1][1])
        first = max(0, len(self._waiting) - max(1, self._batch_steps // longest))
        batch = self._waiting[first:][::-1]
        del self._waiting[first:]
        return batch

    def _launch(self, batch: Sequence[tuple[int, Tensor]]) -> None:
        rows = [(key, self._num_samples(len(steps))) for key, steps in batch]
        drawn = [steps for _, steps in batch]
        if self._stream is None or self._launcher is None:
            waves = Future[tuple[Tensor, torch.cuda.Event | None]]()
            waves.set_result((self._waves(drawn), None))
        else:
            is_drawn = torch.cuda.Event()
            is_drawn.record()
            waves = self._launcher.submit(self._waves_beside, drawn, is_drawn, self._stream)
        self._running.append(_Batch(rows, waves))

    def _waves_beside(
        self, drawn: Sequence[Tensor], is_drawn: torch.cuda.Event, stream: torch.cuda.Stream
    ) -> tuple[Tensor, torch.cuda.Event | None]:
        """Start a batch on a stream, once its steps are drawn: the waveforms in pinned memory, and when they are there.

        The tensors are those of the token loop's stream, so their memory is kept until this one has read them.
        """
        with torch.inference_mode(), torch.cuda.stream(stream):
            stream.wait_event(is_drawn)
            for steps in drawn:
                steps.record_stream(stream)
            waves = self._waves(drawn)
            host = torch.empty(waves.shape, dtype=waves.dtype, pin_memory=True)
            host.copy_(waves, non_blocking=True)
            event = torch.cuda.Event()
            event.record()
        return host, event

    def _waves(self, drawn: Sequence[Tensor]) -> Tensor:
        """Float32 [rows, samples] of steps [steps, channels] each."""
        lengths = torch.tensor([len(steps) for steps in drawn])
        padded = torch.nn.utils.rnn.pad_sequence(list(drawn), batch_first=True)
        return self._decode(padded.transpose(1, 2), lengths)


def decoding_thread(device: torch.device) -> ThreadPoolExecutor | None:
    """A thread for batches on CUDA; None for other devices, where decoding computes in the thread that asks for it."""
    return ThreadPoolExecutor(1, "decoding") if device.type == "cuda" else None
