"""Measures how many slots are of use; and warms up, so that every kernel is there before the first row.

Guaranteed: the measurement takes seconds, not minutes, and tells whether the machine was quiet enough to trust it. The
caller decides how many slots the memory has room for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..device.card import time_of
from .chunks import Chunker, ChunkPolicy
from .network import RegionNetwork
from .request import Request, Sampling
from .step.graphs import StepGraphs
from .step.shape import StepShape

if TYPE_CHECKING:
    from .network import Network
    from .shared import SharedEngine

_POSITIONS = 256
_LEAST_GAIN = 0.05
_TIMED_PROMPT, _TIMED_STEPS = 64, (2, 18)
_TIME_S, _MOST_PASSES = 20.0, 12
"""The machine is not quiet if the tries need more time or passes: a pass takes a second or two, three are enough."""
_ALIKE = 1.15
"""On a quiet machine, the second fastest try takes at most this many times as long as the fastest."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The result of the measurement.

    Attributes:
        most: The most rows to be tried
        step_s: Seconds of a step by its number of rows, the fastest try of each
        is_quiet: Whether a second try of each took about as long; if not, another process has disturbed them
    """

    most: int
    step_s: Mapping[int, float]
    is_quiet: bool

    @property
    def slots(self) -> int:
        """The fewest rows with which a row's share of a step is about the shortest; `most` if that is not known.

        More rows are hardly ever slower for each row, so too many cost less than too few.
        """
        if not self.is_quiet:
            return self.most
        shares = {slots: seconds / slots for slots, seconds in sorted(self.step_s.items())}
        best = min(shares.values())
        return next(slots for slots, share in shares.items() if share * (1 - _LEAST_GAIN) <= best)


def tried_slots(most: int) -> tuple[int, ...]:
    """Numbers of rows to try: powers of two, and about `most`, ascending.

    The last is rounded down to a quarter of its power of two: the room in memory differs a little at each start, and
    every new number would be measured anew.
    """
    if most < 1:
        return ()
    quarter = max(1, 2 ** (most.bit_length() - 1) // 4)
    return tuple(sorted({most // quarter * quarter, *(2**power for power in range(most.bit_length()))}))


@torch.inference_mode()
def choose_slots(
    network: Network, device: torch.device, tried: Sequence[int], clock: Callable[[], float] = time.perf_counter
) -> Choice:
    """Measure steps with each number of rows, in passes over all numbers; `tried` is ascending.

    The rows are in the middle of their texts. Another process may disturb for a while, so the tries of one number lie
    apart, and the fastest counts.
    """
    trial = _Trial(network, device, max(tried), clock)
    tries: dict[int, list[float]] = {rows: [] for rows in tried}
    began = clock()
    for number in range(_MOST_PASSES):
        for rows in tried:
            if clock() > began + _TIME_S:
                return Choice(max(tried), {}, is_quiet=False)
            tries[rows] = sorted([*tries[rows], trial.step_s(rows)])[:2]
        # The first pass warms up: it makes workspaces, kernels and graphs.
        if number > 1 and all(second <= _ALIKE * first for first, second in tries.values()):
            return Choice(max(tried), {rows: tries[rows][0] for rows in tried}, is_quiet=True)
    return Choice(max(tried), {}, is_quiet=False)


def step_times(
    engine: SharedEngine, network: Network, device: torch.device, tried: Sequence[int]
) -> dict[int, tuple[float, float]]:
    """By numbers of rows: seconds of a step of this engine, and of these the seconds in which the device computes.

    Rows are drawn for a few steps and for some more: the difference leaves out their prompts. A number is left out if
    the device's time is not known, or if another process has disturbed it so much that more steps took less time.
    """
    few, many = _TIMED_STEPS
    found: dict[int, tuple[float, float]] = {}
    for rows in tried:
        times = [time_of(partial(_draw, engine, network, rows, steps), device.type) for steps in (few, many)]
        if times[0] is None or times[1] is None:
            continue
        seconds, device_s = ((more - less) / (many - few) for less, more in zip(*times, strict=True))
        if seconds > 0 and device_s > 0:
            found[rows] = seconds, min(device_s, seconds)
    return found


def _draw(engine: SharedEngine, network: Network, rows: int, steps: int) -> None:
    """Draw rows of so many steps each."""
    prompt = torch.zeros(_TIMED_PROMPT, network.hidden, dtype=network.dtype)
    opening = torch.zeros(1, network.hidden, dtype=network.dtype) if isinstance(network, RegionNetwork) else None
    sampling = Sampling(min_steps=steps, max_steps=steps)
    for _ in engine.run([Request(row, prompt, row, sampling, opening=opening) for row in range(rows)]):
        pass


def warm(engine: SharedEngine, network: Network, slots: int) -> None:
    """Speak rows for every shape that has its own kernels: one row, several of different lengths, as many as fit."""
    for count in sorted({1, min(2, slots), slots, slots + 1}):
        prompts = [torch.zeros(2 + row % 3, network.hidden, dtype=network.dtype) for row in range(count)]
        sampling = Sampling(min_steps=1, max_steps=3)
        opening = torch.zeros(1, network.hidden, dtype=network.dtype) if isinstance(network, RegionNetwork) else None
        rows = [Request(row, prompt, row, sampling, opening=opening) for row, prompt in enumerate(prompts)]
        for _ in engine.run(rows):
            pass


def warm_windows(decode: Callable[[Tensor, Tensor], Tensor], step: Tensor, policy: ChunkPolicy, most: int) -> None:
    """Decode a window of each length that a stream of up to `most` steps has: a GPU's kernels are chosen by shape.

    Args:
        decode: Decodes steps [1, channels, steps] of the given number, int64 [1]
        step: Any step, [channels]
    """
    chunker, lengths = Chunker(policy), set[int]()
    while (chunk := chunker.next(most, is_complete=False)) is not None:
        lengths.add(chunk.num_window_steps)
    for length in sorted(lengths):
        decode(step.expand(length, -1).T[None], torch.tensor([length]))


class _Trial:
    """Steps in a cache of their own: on CUDA graphs, as the engine's are."""

    def __init__(self, network: Network, device: torch.device, most: int, clock: Callable[[], float]) -> None:
        self._network, self._device, self._clock = network, device, clock
        self._cache = network.cache(most, _POSITIONS)
        self._starts = torch.full((most,), _POSITIONS - 1, device=device)
        self._x = torch.zeros(most, 1, network.hidden, dtype=network.dtype, device=device)
        self._graphs = StepGraphs(self._step, device)

    def step_s(self, rows: int) -> float:
        """Seconds of a step with so many rows."""
        self._wait()
        began = self._clock()
        self._graphs.run(StepShape(rows, rows, _POSITIONS, 0))
        self._wait()
        return self._clock() - began

    def _step(self, shape: StepShape) -> None:
        x, starts = self._x[: shape.computed], self._starts[: shape.computed]
        hidden = self._network.hiddens(x, self._cache, 0, starts, shape.reach)
        self._network.logits(hidden[:, 0])

    def _wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
