"""Laws of fitting: what was made of few terms is found again, and never a negative one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmill.actors.batcher.batch_shape import BatchShape
from speechmill.actors.batcher.fit import MEMORY_TERMS, TERMS, TIME_TERMS, Curve, fit

GRID = [BatchShape(rows, longest) for longest in (25, 100, 400) for rows in (1, 4, 16, 64)]


def values_of(coefficients: dict[str, float]) -> list[float]:
    return [Curve(coefficients).at(shape) for shape in GRID]


@pytest.mark.parametrize("hidden", ["square", "row", "batch"])
def test_a_hidden_term_is_discovered(hidden: str) -> None:
    """Without the square the curve would be right on the grid's short rows and far off on long ones."""
    truth = {"cell": 1_000.0, hidden: {"square": 20.0, "row": 40_000.0, "batch": 3e6}[hidden]}
    found = fit(GRID, values_of(truth), MEMORY_TERMS)
    assert found.coefficients == pytest.approx(truth)
    assert found.at(BatchShape(7, 1_600)) == pytest.approx(Curve(truth).at(BatchShape(7, 1_600)))
    assert found.excess < 1e-9


def test_where_single_rows_were_all_that_fitted_more_rows_take_memory_and_no_time() -> None:
    shapes, values = [BatchShape(1, 25)], [5.0]
    assert fit(shapes, values, MEMORY_TERMS).coefficients == {"cell": pytest.approx(0.2)}
    assert fit(shapes, values, TIME_TERMS).coefficients == {"batch": pytest.approx(5.0)}


def test_terms_that_tell_nothing_are_left_out() -> None:
    assert fit(GRID, values_of({"cell": 5.0}), MEMORY_TERMS).coefficients == pytest.approx({"cell": 5.0})


@given(
    st.dictionaries(st.sampled_from(TIME_TERMS), st.floats(1e-9, 1e3), min_size=1),
    st.floats(0, 0.1),
    st.integers(0, 2**32 - 1),
)
def test_whatever_was_measured_no_coefficient_is_negative_and_the_excess_is_told(
    truth: dict[str, float], noise: float, seed: int
) -> None:
    chance = np.random.default_rng(seed)
    measured = [value * (1 + noise * chance.random()) for value in values_of(truth)]
    curve = fit(GRID, measured, TIME_TERMS)
    assert all(coefficient > 0 for coefficient in curve.coefficients.values())
    for shape, value in zip(GRID, measured, strict=True):
        assert value <= curve.at(shape) * (1 + curve.excess) * (1 + 1e-9)
    assert curve.error <= 0.1 + 0.02


@given(st.lists(st.tuples(st.integers(1, 64), st.integers(1, 500), st.floats(0, 1e6)), min_size=1, max_size=12))
def test_any_measurements_give_a_curve(measured: list[tuple[int, int, float]]) -> None:
    shapes = [BatchShape(rows, longest) for rows, longest, _ in measured]
    curve = fit(shapes, [value for *_, value in measured], TIME_TERMS)
    assert all(curve.at(shape) >= 0 for shape in shapes)


def test_measurements_of_nothing_are_the_zero_curve() -> None:
    assert fit(GRID, [0.0] * len(GRID), MEMORY_TERMS).at(BatchShape(9, 9)) == 0.0
    assert fit([], [], MEMORY_TERMS).at(BatchShape(9, 9)) == 0.0


@given(st.sampled_from(sorted(TERMS)), st.integers(1, 100), st.integers(1, 100), st.integers(1, 400))
def test_every_term_grows_with_rows_and_length(name: str, rows: int, more: int, longest: int) -> None:
    curve = Curve({name: 1.0})
    assert curve.at(BatchShape(rows + more, longest)) >= curve.at(BatchShape(rows, longest))
    assert curve.at(BatchShape(rows, longest + more)) >= curve.at(BatchShape(rows, longest))
