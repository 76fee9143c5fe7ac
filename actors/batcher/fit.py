"""Curves over the shapes of batches: non-negative sums of a few terms, fitted to measurements. Pure.

The main term is V = rows * longest * coefficient. Other terms are kept only if the measurements cannot be explained
without them; so attention that grows with the square of the length is found in the measurements.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from .batch_shape import BatchShape

Array = NDArray[np.float64]

TERMS: Mapping[str, Callable[[Array, Array], Array]] = {
    "cell": lambda rows, longest: rows * longest,
    "batch": lambda rows, longest: np.ones_like(rows * longest),
    "row": lambda rows, longest: rows + 0.0 * longest,
    "square": lambda rows, longest: rows * longest**2,
    "row_cell": lambda rows, longest: rows**2 * longest,
}
"""Terms that a cost may grow with. "square" is attention without flash; "row_cell" is a cache that rows overflow."""

MEMORY_TERMS = ("cell", "batch", "row", "square")
# If measurements leave it open (only single rows were small enough), more rows are assumed to cost memory, but no time.
# The first assumption keeps batches within memory; the second is soon corrected by measurements if it is wrong.
TIME_TERMS = ("batch", "cell", "row", "square", "row_cell")

TOLERANCE = 0.002
"""Fewer terms are taken if their relative error (root mean square) is below this, or hardly above the least."""
NEARLY = 1.15
NOISE = 0.02
"""Bytes below this share of the largest get the weight of that share: caches and workspaces are as large."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A cost over shapes: the sum of coefficient times term, each coefficient 0 or more.

    Attributes:
        error: Root mean square of the relative errors over the measurements, made larger for each term, because a
            curve with as many terms as measurements fits them all and proves nothing
        excess: The largest relative distance of a measurement above the curve
    """

    coefficients: Mapping[str, float]
    error: float = 0.0
    excess: float = 0.0

    def at(self, shape: BatchShape) -> float:
        """The cost of one batch."""
        return float(self.over_rows(np.asarray([float(shape.rows)]), shape.longest)[0])

    def over_rows(self, rows: Array, longest: int) -> Array:
        """The cost of batches of these numbers of rows, all of one length."""
        length = np.asarray(float(longest))
        total = np.zeros_like(rows)
        for name, coefficient in self.coefficients.items():
            total += coefficient * TERMS[name](rows, length)
        return total

    def scaled(self, factor: float) -> Curve:
        """The curve times a factor."""
        return Curve({name: factor * c for name, c in self.coefficients.items()}, self.error, self.excess)


_EPSILON = float(np.finfo(np.float64).eps)
_LEAST = 1e-100
"""If all values are below it, they count as 0: squares of their reciprocals are infinite."""


def fit_seconds(shapes: Sequence[BatchShape], seconds: Sequence[float], weights: Sequence[float] = ()) -> Curve:
    """The curve of seconds over shapes; `weights`: the weight of each measurement, by default all equal."""
    return fit(shapes, seconds, TIME_TERMS, weights)


def fit_bytes(shapes: Sequence[BatchShape], num_bytes: Sequence[int], weights: Sequence[float] = ()) -> Curve:
    """The curve of peak bytes over shapes; `weights`: the weight of each measurement, by default all equal."""
    return fit(shapes, num_bytes, MEMORY_TERMS, weights, NOISE)


def fit(
    shapes: Sequence[BatchShape],
    values: Sequence[float],
    terms: Sequence[str],
    weights: Sequence[float] = (),
    noise: float = 0.0,
) -> Curve:
    """The curve of the fewest terms that fits the values (least squares of the relative errors).

    Args:
        values: A cost for each shape, 0 or more
        noise: Values below this share of the largest get the weight of that share
    """
    target = np.asarray(values, np.float64)
    if not target.size or not target.max() > _LEAST:
        return Curve({})
    scale = np.maximum(target, max(noise, 1e-9) * target.max())
    weight = np.sqrt(np.asarray(weights or [1.0] * len(values), np.float64))
    rows = np.asarray([shape.rows for shape in shapes], np.float64)
    longest = np.asarray([shape.longest for shape in shapes], np.float64)
    columns = {name: TERMS[name](rows, longest) / scale for name in terms}
    right = target / scale
    fits = _positive_fits(columns, right, weight)
    enough = max(TOLERANCE, NEARLY * min(error for error, _, _ in fits))
    # min keeps the first of equals: among equally good terms, the one that is named first.
    fewest = min(len(names) for error, names, _ in fits if error <= enough)
    error, names, solution = min((f for f in fits if len(f[1]) == fewest), key=lambda f: round(f[0], 4))
    predicted = sum(columns[name] * c for name, c in zip(names, solution, strict=True))
    excess = float(np.max((right - predicted) / np.maximum(predicted, 1e-12)))
    spare = max(1, len(values) - len(names))
    coefficients = dict(zip(names, map(float, solution), strict=True))
    return Curve(coefficients, error * math.sqrt(len(values) / spare), max(0.0, excess))


def _positive_fits(
    columns: Mapping[str, Array], right: Array, weight: Array
) -> list[tuple[float, tuple[str, ...], Array]]:
    """The least squares of each combination of columns whose solution is above 0, fewest columns first.

    Args:
        columns: float64 [num_values] each
        right: What they shall sum up to, float64 [num_values]
        weight: Of each value, float64 [num_values]

    Returns:
        Of each combination the root mean square of its residuals, its names, and a coefficient for each name
    """
    design = np.stack([column * weight for column in columns.values()], axis=1)
    norm = np.linalg.norm(design, axis=0)  # terms differ by many powers of ten
    # A rotation keeps all distances: instead of a row for each value there is then one for each term.
    q, small = np.linalg.qr(design / norm)
    wanted = q.T @ (right * weight)
    beyond = right * weight - q @ wanted  # no combination reaches it
    beyond_square, weight_square = float(beyond @ beyond), float(weight @ weight)
    names, fits = tuple(columns), list[tuple[float, tuple[str, ...], Array]]()
    for size in range(1, min(len(names), len(right)) + 1):
        chosen = np.asarray(list(combinations(range(len(names)), size)))
        parts = small[:, chosen].transpose(1, 0, 2)  # [num_combinations, num_terms, size]
        solutions = np.linalg.pinv(parts, rcond=len(right) * _EPSILON) @ wanted
        residuals = (parts @ solutions[:, :, None])[:, :, 0] - wanted
        errors = np.sqrt(((residuals**2).sum(axis=1) + beyond_square) / weight_square)
        for at in np.flatnonzero((solutions > 0).all(axis=1)).tolist():
            some = chosen[at].tolist()
            fits.append((float(errors[at]), tuple(names[term] for term in some), solutions[at] / norm[some]))
    return fits
