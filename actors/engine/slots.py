"""How many slots are of use, by trying; and steps that are taken before the first row, so that all is compiled.

Nothing is learned of memory here: how many slots have room is the caller's knowledge.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import torch

from .request import Request, Sampling

if TYPE_CHECKING:
    from .network import Network
    from .shared import SharedEngine

_POSITIONS = 256
_LEAST_GAIN = 0.05


@torch.inference_mode()
def useful_slots(network: Network, device: torch.device, most: int) -> int:
    """The fewest slots, up to `most`, with which a row's share of a step is about the shortest; 0 if there are none."""
    if most < 1:
        return 0
    tried = sorted({most, *(2**power for power in range(most.bit_length()))})
    # All of them: two rows may take longer than twice one, and four be faster again.
    shares = {slots: step_s(network, device, slots) / slots for slots in tried}
    best = min(shares.values())
    return next(slots for slots in tried if shares[slots] * (1 - _LEAST_GAIN) <= best)


@torch.inference_mode()
def step_s(network: Network, device: torch.device, slots: int) -> float:
    """Seconds of a step of so many rows that are in the middle of a line; the faster of two."""
    cache = network.cache(slots, _POSITIONS)
    starts = torch.full((slots,), _POSITIONS - 1, device=device)
    x = torch.zeros(slots, 1, network.hidden, dtype=network.dtype, device=device)
    tries: list[float] = []
    for _ in range(3):  # the first warms up
        _wait(device)
        began = time.perf_counter()
        hidden = network.hiddens(x, cache, 0, starts, _POSITIONS)
        network.logits(hidden[:, 0])
        _wait(device)
        tries.append(time.perf_counter() - began)
    return min(tries[1:])


def warm(engine: SharedEngine, network: Network, slots: int) -> None:
    """Rows of every kind that a compiler makes a difference of: one, several of different lengths, as many as go."""
    for count in sorted({1, min(2, slots), slots, slots + 1}):
        prompts = [torch.zeros(2 + row % 3, network.hidden, dtype=network.dtype) for row in range(count)]
        sampling = Sampling(min_steps=1, max_steps=3)
        for _ in engine.run([Request(row, prompt, row, sampling) for row, prompt in enumerate(prompts)]):
            pass


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
