"""What work on a GPU takes of it: time, time in which the GPU computes, memory. The record, and how it is measured.

Not known here: models, and what is decided by the figures.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

logger = logging.getLogger(__name__)

CONTEXT_BYTES = 2**29
"""Memory that CUDA takes for each process, beside PyTorch's allocator. It is more on no card of the last years."""
_TRIES = 3


@dataclass(frozen=True, slots=True)
class CardPoint:
    """Some work of one size, measured on a GPU that nothing else used.

    Attributes:
        rows: Rows that are computed together
        units: Amount of work, in units that are the same for all points of a model
        num_bytes: Memory that the work takes, beyond what the model holds at rest
        seconds: Seconds from its start to its end
        device_s: Of these, seconds in which the GPU computed or copied
    """

    rows: int
    units: float
    num_bytes: int
    seconds: float
    device_s: float


def covered(spans: Iterable[tuple[float, float]]) -> float:
    """The length of the union of spans (start, end)."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def time_of(call: Callable[[], object], device: str = "cuda") -> tuple[float, float] | None:
    """Seconds of a call, and those in which the device computed; None if the profiler reports nothing of the device.

    The call has to end with the device idle. It runs five times: once to warm up, then for the seconds (the fastest
    counts), then under PyTorch's profiler.

    Args:
        device: "cuda", or "cpu" for the time inside operators
    """
    from torch.autograd.profiler import profile  # torch.profiler takes seconds to import

    call()
    tries: list[float] = []
    for _ in range(_TRIES):
        began = time.perf_counter()
        call()
        tries.append(time.perf_counter() - began)
    is_cuda = device == "cuda"
    try:
        profiler = profile(use_device=device if is_cuda else None, use_cpu=not is_cuda, use_kineto=True)
        with profiler:
            call()
        events = profiler.function_events or ()
    except RuntimeError as error:  # a container may forbid it
        logger.warning("the time of the device is not known: %s", error)
        return None
    busy_us = covered(
        (event.time_range.start, event.time_range.end) for event in events if event.device_type.name == device.upper()
    )
    seconds = min(tries)
    return (seconds, min(busy_us / 1e6, seconds)) if busy_us else None
