"""How many slots are of use, by trying; and what is run before the first row, so that every kernel is there for it.

Guaranteed: trying takes seconds, not minutes, and says whether the machine was quiet enough to trust it. Nothing is
learned of memory here: how many slots have room is the caller's knowledge.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .chunks import Chunker, ChunkPolicy
from .request import Request, Sampling

if TYPE_CHECKING:
    from .network import Network
    from .shared import SharedEngine

_POSITIONS = 256
_LEAST_GAIN = 0.05
_TIME_S, _MOST_PASSES = 20.0, 12
"""After this time, or so many passes, the machine is not quiet: a pass takes a second or two, and three are enough."""
_ALIKE = 1.15
"""The second fastest try of a quiet machine takes at most this much of the fastest."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What was found by trying.

    Attributes:
        most: The most rows that were to be tried
        step_s: Seconds of a step by the rows in it, the fastest try of each
        is_quiet: Whether a second try of each took about as long: else something disturbed them
    """

    most: int
    step_s: Mapping[int, float]
    is_quiet: bool

    @property
    def slots(self) -> int:
        """The fewest rows with which a row's share of a step is about the shortest; the most where that is not known.

        More rows are hardly ever slower for each, so too many cost less than too few.
        """
        if not self.is_quiet:
            return self.most
        shares = {slots: seconds / slots for slots, seconds in sorted(self.step_s.items())}
        best = min(shares.values())
        return next(slots for slots, share in shares.items() if share * (1 - _LEAST_GAIN) <= best)


def tried_slots(most: int) -> tuple[int, ...]:
    """Numbers of rows to try: powers of two, and about `most`, ascending.

    The last is rounded down to a quarter of its power of two: what memory has room for is a little different at each
    start, and would be measured at each.
    """
    if most < 1:
        return ()
    quarter = max(1, 2 ** (most.bit_length() - 1) // 4)
    return tuple(sorted({most // quarter * quarter, *(2**power for power in range(most.bit_length()))}))


@torch.inference_mode()
def choose_slots(
    network: Network, device: torch.device, tried: Sequence[int], clock: Callable[[], float] = time.perf_counter
) -> Choice:
    """Try steps of so many rows that are in the middle of a line, in passes over all of them; `tried` is ascending.

    Another process disturbs for a while: tries of one number lie apart, and the fastest counts.
    """
    trial = _Trial(network, device, max(tried), clock)
    tries: dict[int, list[float]] = {rows: [] for rows in tried}
    began = clock()
    for number in range(_MOST_PASSES):
        for rows in tried:
            if clock() > began + _TIME_S:
                return Choice(max(tried), {}, is_quiet=False)
            tries[rows] = sorted([*tries[rows], trial.step_s(rows)])[:2]
        # The first pass warms up: workspaces and kernels are made.
        if number > 1 and all(second <= _ALIKE * first for first, second in tries.values()):
            return Choice(max(tried), {rows: tries[rows][0] for rows in tried}, is_quiet=True)
    return Choice(max(tried), {}, is_quiet=False)


def warm(engine: SharedEngine, network: Network, slots: int) -> None:
    """Rows of every kind that kernels make a difference of: one, several of different lengths, as many as go."""
    for count in sorted({1, min(2, slots), slots, slots + 1}):
        prompts = [torch.zeros(2 + row % 3, network.hidden, dtype=network.dtype) for row in range(count)]
        sampling = Sampling(min_steps=1, max_steps=3)
        for _ in engine.run([Request(row, prompt, row, sampling) for row, prompt in enumerate(prompts)]):
            pass


def warm_windows(decode: Callable[[Tensor, Tensor], Tensor], step: Tensor, policy: ChunkPolicy, most: int) -> None:
    """Decode a window of each length that a stream of up to `most` steps has: a GPU's kernels are chosen by shape.

    Args:
        decode: Of steps [1, channels, steps] and their number, int64 [1]
        step: [channels], any
    """
    chunker, lengths = Chunker(policy), set[int]()
    while (chunk := chunker.next(most, is_complete=False)) is not None:
        lengths.add(chunk.num_window_steps)
    for length in sorted(lengths):
        decode(step.expand(length, -1).T[None], torch.tensor([length]))


class _Trial:
    """Steps in a cache of their own."""

    def __init__(self, network: Network, device: torch.device, most: int, clock: Callable[[], float]) -> None:
        self._network, self._device, self._clock = network, device, clock
        self._cache = network.cache(most, _POSITIONS)

    def step_s(self, rows: int) -> float:
        """Seconds of a step."""
        starts = torch.full((rows,), _POSITIONS - 1, device=self._device)
        x = torch.zeros(rows, 1, self._network.hidden, dtype=self._network.dtype, device=self._device)
        self._wait()
        began = self._clock()
        hidden = self._network.hiddens(x, self._cache, 0, starts, _POSITIONS)
        self._network.logits(hidden[:, 0])
        self._wait()
        return self._clock() - began

    def _wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
