"""Laws of histograms: no value is lost, and memory is bounded."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from speechmill.jobs.report.histogram import MAX_CELLS, Histogram

VALUES = st.lists(st.floats(-1e9, 1e9, allow_nan=False), max_size=300)


@given(VALUES)
def test_every_value_is_in_one_bin_whatever_the_order(values: list[float]) -> None:
    one, other = Histogram(), Histogram()
    for value in values:
        one.add(value)
    for value in reversed(values):
        other.add(value)
    assert sum(some.count for some in one.bins()) == one.num_values == len(values)
    assert one.bins() == other.bins()
    assert len(one.bins()) <= 120
    for left, right in zip(one.bins(), one.bins()[1:], strict=False):
        assert math.isclose(left.end, right.begin, abs_tol=1e-9)


def test_memory_does_not_grow_with_the_range_and_quantiles_stay_right() -> None:
    values = [float(number) for number in range(100_000)]
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    assert len(histogram._cells) <= MAX_CELLS
    assert abs(histogram.quantile(0.5) - 50_000) < 100
    assert abs(histogram.quantile(0.95) - 95_000) < 100
    assert (histogram.smallest, histogram.largest, histogram.mean) == (0, 99_999, 49_999.5)


def test_what_is_no_number_is_left_out() -> None:
    histogram = Histogram()
    for value in (math.nan, math.inf, -math.inf, 1e300):
        histogram.add(value)
    assert histogram.num_values == 0
    assert histogram.bins() == ()
    assert math.isnan(histogram.quantile(0.5))


def test_an_outlier_does_not_press_the_others_into_one_bin() -> None:
    histogram = Histogram()
    for number in range(1000):
        histogram.add(number / 100)
    histogram.add(1e6)
    bins = histogram.bins()
    assert len(bins) >= 20
    assert bins[-1].end < 20
    assert sum(some.count for some in bins) == 1001
