"""The shapes that a step is computed in. Few of them: on a GPU each is a graph of its own. Pure.

Guaranteed: a step is computed for at least the rows that take part, with a reach of at least their longest one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..request import Sampling

_GRAPH_BYTES = 8 * 2**20
"""Memory that the driver takes for a captured step, beside the tensors of the step. An estimate: not measured."""
POSITIONS_STEP = 64
"""Without graphs, the reach of attention grows in steps of so many positions: little work beyond the longest row."""
_ROWS = (1, 2, 4, 8, 16, 32, 48)
_LEAST_REACH = 256
_LEAST_TOP = 64


@dataclass(frozen=True, slots=True)
class StepShape:
    """All that a step depends on beside tensors on the device.

    Attributes:
        computed: The first slots, which are computed
        ready: How many of them take part; None if only the device knows, and the others are masked
        reach: The first positions of the cache that attention looks at
        top: How many of the likeliest codes are looked at
    """

    computed: int
    ready: int | None
    reach: int
    top: int


def reads_ends_late(device_type: str) -> bool:
    """Whether the ends of a step are read after the next one was started.

    A GPU computes the next step meanwhile. A CPU would only compute one step more of every row that has ended.
    """
    return device_type == "cuda"


def row_buckets(slots: int) -> tuple[int, ...]:
    """Numbers of rows that steps are computed for, ascending: about a third more than take part, at most twice."""
    found, power = [*_ROWS], 64
    while power < slots:
        found += [power, power * 3 // 2]
        power *= 2
    return (*(rows for rows in found if rows < slots), slots)


def reach_buckets(positions: int) -> tuple[int, ...]:
    """Reaches of attention, ascending: a short row reads at most twice its positions."""
    found, reach = list[int](), _LEAST_REACH
    while reach < positions:
        found.append(reach)
        reach *= 2
    return (*found, positions)


def stepped(reach: int, positions: int) -> int:
    """A reach without graphs, at most `positions`."""
    return min(positions, -(-reach // POSITIONS_STEP) * POSITIONS_STEP)


def top_bucket(top: int, vocabulary: int) -> int:
    """How many of the likeliest codes are looked at: for any common top-K the same."""
    return min(vocabulary, _LEAST_TOP) if top <= _LEAST_TOP else vocabulary


def looks_at_all(samplings: Iterable[Sampling]) -> bool:
    """Whether some steps of rows that draw so look at all codes: such a shape should not be met only while speaking."""
    return any(sampling.free_steps > 0 or sampling.top_k > _LEAST_TOP for sampling in samplings)


def bucket(number: int, buckets: tuple[int, ...]) -> int:
    """The least bucket that holds the number; the largest if none does."""
    return next((size for size in buckets if size >= number), buckets[-1])


def common_shapes(slots: int, positions: int, top: int, *, is_fixed: bool) -> Iterator[StepShape]:
    """The shapes that nearly all steps have, the largest first: the memory of that one serves the others.

    Args:
        top: How many of the likeliest codes they look at
        is_fixed: All steps have the same shape
    """
    if is_fixed:
        yield StepShape(slots, None, positions, top)
        return
    for rows in reversed(row_buckets(slots)):
        for reach in reversed(reach_buckets(positions)):
            yield StepShape(rows, None, reach, top)


def graph_bytes(slots: int, positions: int, *, is_fixed: bool) -> int:
    """Memory of the graphs of all common shapes, beside the tensors of a step."""
    shapes = common_shapes(slots, positions, _LEAST_TOP, is_fixed=is_fixed)
    return _GRAPH_BYTES * sum(1 for _ in shapes)
