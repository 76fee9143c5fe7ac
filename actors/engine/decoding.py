"""Decodes finished rows to waveforms, in batches of their own beside the token loop.

Rows wait until there are enough for a batch. A batch is sorted by length and masked, and each waveform is cut to its
own length. Guaranteed: every row that is put in comes out once, and other rows in its batch change its samples by float
rounding at most. On a GPU batches run on a stream of their own, so that the token loop goes on meanwhile.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Decode = Callable[[Tensor, Tensor], Tensor]
"""Steps [batch, channels, steps] and lengths int64 [batch] to waveforms float32 [batch, samples]."""


class Decoder:
    """Rows by key.

    Args:
        batch_steps: Steps of speech in one batch, padding included
        num_samples: Returns the samples of a row from its number of steps
    """

    def __init__(
        self, decode: Decode, num_samples: Callable[[int], int], batch_steps: int, device: torch.device
    ) -> None:
        self._decode, self._num_samples, self._batch_steps = decode, num_samples, batch_steps
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._waiting: list[tuple[int, Tensor]] = []
        self._running: deque[tuple[Sequence[tuple[int, int]], Tensor, torch.cuda.Event | None]] = deque()

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
        while self._running and (is_last or self._is_done(self._running[0])):
            rows, waves, event = self._running.popleft()
            if event is not None:
                event.synchronize()
            for number, (key, samples) in enumerate(rows):
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
        lengths = torch.tensor([len(steps) for _, steps in batch])
        rows = [(key, self._num_samples(len(steps))) for key, steps in batch]
        if self._stream is None:
            self._running.append((rows, self._waves(batch, lengths), None))
            return
        self._stream.wait_stream(torch.cuda.current_stream(self._stream.device))
        with torch.cuda.stream(self._stream):
            for _, steps in batch:
                steps.record_stream(self._stream)
            waves = self._waves(batch, lengths)
            host = torch.empty(waves.shape, dtype=waves.dtype, pin_memory=True)
            host.copy_(waves, non_blocking=True)
            event = torch.cuda.Event()
            event.record()
        self._running.append((rows, host, event))

    def _waves(self, batch: Sequence[tuple[int, Tensor]], lengths: Tensor) -> Tensor:
        padded = torch.nn.utils.rnn.pad_sequence([steps for _, steps in batch], batch_first=True)
        return self._decode(padded.transpose(1, 2), lengths)

    @staticmethod
    def _is_done(running: tuple[object, Tensor, torch.cuda.Event | None]) -> bool:
        event = running[2]
        return event is None or event.query()
