"""Histograms of values whose range is not known beforehand, in memory that does not grow with their number. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

MAX_CELLS = 4096
_FIRST_WIDTH = 2.0**-10
_LARGEST = 1e12


@dataclass(frozen=True, slots=True)
class Bin:
    """The number of values from `begin` on, below `end`."""

    begin: float
    end: float
    count: int


class Histogram:
    """Counts of values in cells of one width, which doubles when there are too many cells.

    No value is lost: the counts sum to the number of finite values that were added. The order of the values does not
    matter.
    """

    def __init__(self) -> None:
        self._cells: Counter[int] = Counter()
        self._width = _FIRST_WIDTH
        self.num_values = 0
        self.total = 0.0
        self.smallest, self.largest = math.inf, -math.inf

    def add(self, value: float) -> None:
        """Count a value; one that is not finite, or above 10**12 in size, is left out."""
        if not abs(value) <= _LARGEST:
            return
        self.num_values += 1
        self.total += value
        self.smallest, self.largest = min(self.smallest, value), max(self.largest, value)
        self._cells[math.floor(value / self._width)] += 1
        while len(self._cells) > MAX_CELLS:
            self._width *= 2
            halved: Counter[int] = Counter()
            for cell, count in self._cells.items():
                halved[cell // 2] += count
            self._cells = halved

    @property
    def mean(self) -> float:
        """Of all values; nan if there are none."""
        return self.total / self.num_values if self.num_values else math.nan

    def quantile(self, share: float) -> float:
        """The value below which `share` of the values are, to the width of a cell; nan if there are none."""
        wanted, seen = share * self.num_values, 0
        for cell, count in sorted(self._cells.items()):
            seen += count
            if seen >= wanted:
                return min(max((cell + 0.5) * self._width, self.smallest), self.largest)
        return math.nan

    def bins(self, num_bins: int = 40) -> Sequence[Bin]:
        """At most about `num_bins` bins of one round width over the values.

        The last half per cent at either end is in the first and the last bin, so that a few outliers do not press all
        others into one bin.
        """
        if not self.num_values:
            return ()
        low, high = self.quantile(0.005), self.quantile(0.995)
        width = _round_width((high - low) / num_bins, self._width)
        first, last = math.floor(low / width), math.floor(high / width)
        counts = [0] * (last - first + 1)
        for cell, count in self._cells.items():
            place = math.floor((cell + 0.5) * self._width / width) - first
            counts[min(max(place, 0), last - first)] += count
        return tuple(Bin((first + i) * width, (first + i + 1) * width, count) for i, count in enumerate(counts))


def _round_width(width: float, least: float) -> float:
    """The next of 1, 2 and 5 times a power of ten from `width` on, and not below the cells' own width."""
    width = max(width, least, 1e-9)
    power = 10.0 ** math.floor(math.log10(width))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= width * (1 - 1e-9))
