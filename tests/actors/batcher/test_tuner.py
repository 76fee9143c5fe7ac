"""Laws of choosing batches: within the budget, never again what did not fit, corrected by what was seen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmill.actors.batcher.batch_shape import BatchShape
from speechmill.actors.batcher.budget import Budget, size
from speechmill.actors.batcher.fit import Curve
from speechmill.actors.batcher.profile import Profile, ProfileKey, Sample
from speechmill.actors.batcher.tuner import LEAST_MARGIN, REACH, TRIAL_EVERY, Tuner
from speechmill.actors.models.base import BatchLimit
from speechmill.errors import ModelError

KEY = ProfileKey("tone", "1", "numpy", "cpu", "a machine", "", "{}")
LIMIT = BatchLimit(256, 256 * 400)
GRID = [BatchShape(rows, longest) for longest in (25, 100, 400) for rows in (1, 4, 16)]

lengths_of = st.lists(st.integers(1, 400), min_size=1, max_size=200)
budgets = st.builds(
    Budget,
    total=st.integers(500_000, 100_000_000),
    others=st.integers(0, 100_000),
    utilization=st.floats(0.3, 1.0),
    share=st.sampled_from([0.5, 1.0]),
    resident=st.integers(0, 10_000),
)


def profile_of(seconds: dict[str, float], peak: dict[str, float]) -> Profile:
    samples = [Sample(s, Curve(seconds).at(s), round(Curve(peak).at(s))) for s in GRID]
    return Profile(KEY, tuple(samples), 0, 10**9, 480.0, 1.0, 0.1)


PROFILE = profile_of({"batch": 0.01, "cell": 1e-5}, {"cell": 1_000.0, "square": 5.0})
ROOMY = Budget(10**12, 0, 0.9, 1.0, 0)


def shapes(tuner: Tuner, lengths: list[int]) -> list[BatchShape]:
    packed = tuner.pack(lengths)
    assert sorted(index for batch in packed for index in batch) == list(range(len(lengths)))
    return [BatchShape(len(batch), max(lengths[i] for i in batch)) for batch in packed]


@given(lengths_of, budgets)
def test_no_batch_of_two_rows_or_more_is_planned_over_the_budget(lengths: list[int], budget: Budget) -> None:
    tuner = Tuner(PROFILE, LIMIT, budget)
    for shape in shapes(tuner, lengths):
        assert shape.rows == 1 or PROFILE.peak.at(shape) * (1 + LEAST_MARGIN) <= budget.usable * (1 + 1e-9)
        assert shape.rows == 1 or tuner.predict(shape).peak_bytes <= budget.bound + 1


@given(lengths_of, budgets, st.integers(1, 12))
def test_what_ran_out_of_memory_is_not_planned_again(lengths: list[int], budget: Budget, times: int) -> None:
    tuner = Tuner(PROFILE, LIMIT, budget)
    for _ in range(times):
        largest = max(shapes(tuner, lengths), key=PROFILE.peak.at)
        if largest.rows == 1:
            return
        tuner.ran_out(largest)
        assert tuner.cap(largest.longest) < largest.rows


@given(lengths_of)
def test_running_out_again_and_again_ends_with_single_rows(lengths: list[int]) -> None:
    """The law by which a replica never hangs: each failure makes batches smaller."""
    tuner = Tuner(PROFILE, LIMIT, ROOMY)
    for _ in range(200):
        largest = max(shapes(tuner, lengths), key=lambda shape: shape.rows)
        if largest.rows == 1:
            return
        tuner.ran_out(largest)
    raise AssertionError("batches of several rows are still planned")


def test_a_giant_that_cannot_fit_does_not_shrink_the_batches_of_the_others() -> None:
    tuner = Tuner(PROFILE, LIMIT, Budget(500_000, 0, 0.9, 1.0, 0))
    before = tuner.cap(20)
    assert before > 1
    tuner.ran_out(BatchShape(1, 400))
    assert tuner.cap(20) == before
    tuner.ran_out(BatchShape(1, 20))
    assert tuner.cap(20) < before


def test_a_number_of_rows_is_honoured_and_refused_with_the_arithmetic_where_it_cannot_fit() -> None:
    tuner = Tuner(PROFILE, LIMIT, ROOMY, batch_rows=7)
    tuner.check(400)
    assert [shape.rows for shape in shapes(tuner, list(range(1, 31)))] == [7, 7, 7, 7, 2]
    cramped = Tuner(PROFILE, LIMIT, Budget(10_000_000, 1_000_000, 0.5, 1.0, 200_000), batch_rows=7)
    with pytest.raises(ModelError) as refused:
        cramped.check(400)
    for part in ("7 rows of length 400", size(7 * 1_200_000 * 1.02), "vram_utilization 0.5", "use 3 at most"):
        assert part in str(refused.value)
    Tuner(PROFILE, LIMIT, Budget(10_000_000, 1_000_000, 0.5, 1.0, 200_000), batch_rows=3).check(400)


def test_the_fastest_batch_is_chosen_not_the_biggest() -> None:
    """On a CPU more rows overflow its caches: four at once are faster than sixteen."""
    cpu = profile_of({"batch": 0.02, "cell": 7e-4, "row_cell": 1e-5}, {"cell": 100_000.0})
    tuner = Tuner(cpu, LIMIT, ROOMY)
    rows = {shape.rows for shape in shapes(tuner, [100] * 30)}
    assert rows <= {4, 5}


def test_log_normal_lengths_are_padded_by_less_than_a_twentieth() -> None:
    """In shards of a thousand, as the sharder cuts them, on a device whose memory ends the batches."""
    chance = np.random.default_rng(0)
    lengths = sorted(chance.lognormal(4.1, 0.99, 40_000).clip(1, 1_600).astype(int).tolist())
    filled = total = 0
    tuner = Tuner(profile_of({"batch": 0.004, "cell": 4e-7}, {"cell": 1_000.0}), LIMIT, Budget(10**7, 0, 0.9, 1.0, 0))
    for start in range(0, len(lengths), 1_000):
        shard = lengths[start : start + 1_000]
        filled += sum(shard)
        total += sum(shape.cells for shape in shapes(tuner, shard))
    assert filled / total > 0.95


def test_batches_stay_within_reach_of_what_was_tried_and_reach_grows() -> None:
    tuner = Tuner(PROFILE, LIMIT, ROOMY)
    assert tuner.cap(10) == REACH * 16 * 400 // 10 or tuner.cap(10) == LIMIT.max_rows
    small = Tuner(profile_of({"batch": 1.0}, {"cell": 1.0}), BatchLimit(10**6, 10**9), ROOMY)
    before = small.cap(10)
    assert before == REACH * PROFILE.most_cells // 10
    small.spoke(BatchShape(before, 10), 1.0, before * 10)
    assert small.cap(10) == REACH * before


def test_without_a_profile_the_models_own_limit_holds() -> None:
    tuner = Tuner(None, BatchLimit(4, 1_000), None)
    assert [shape.rows for shape in shapes(tuner, [400, 300, 10, 10, 10, 10, 10])] == [2, 4, 1]
    assert tuner.fits(BatchShape(10**6, 10**6))
    tuner.ran_out(BatchShape(4, 10))
    assert [shape.rows for shape in shapes(tuner, [10] * 4)] == [2, 2]


def test_a_machine_that_became_slower_is_slower_everywhere() -> None:
    tuner = Tuner(PROFILE, LIMIT, ROOMY)
    shape, other = BatchShape(8, 100), BatchShape(2, 30)
    for _ in range(64):
        tuner.spoke(shape, 2 * PROFILE.seconds.at(shape), round(PROFILE.peak.at(shape)))
    for each in (shape, other):
        assert tuner.predict(each).seconds == pytest.approx(2 * PROFILE.seconds.at(each), rel=0.05)


def test_sizes_that_prove_slow_are_left() -> None:
    """A profile says that rows are free; real batches of many rows say otherwise."""
    tuner = Tuner(profile_of({"batch": 0.01, "cell": 1e-5}, {"cell": 1.0}), LIMIT, ROOMY)
    truth = Curve({"batch": 0.01, "cell": 1e-5, "row_cell": 1e-5})
    num_spoken = 0
    while num_spoken < 2_000:
        for shape in shapes(tuner, [100] * 640):
            tuner.spoke(shape, truth.at(shape), 100)
            num_spoken += 1
    best = min(range(1, 257), key=lambda rows: truth.at(BatchShape(rows, 100)) / rows)
    found = max(shape.rows for shape in shapes(tuner, [100] * 256))
    assert truth.at(BatchShape(found, 100)) / found < 1.1 * truth.at(BatchShape(best, 100)) / best


def test_a_profile_measured_at_a_bad_moment_is_found_out_by_trials() -> None:
    """Batches of several rows were disturbed while they were measured: without trials, few rows stay the choice."""
    truth = Curve({"batch": 0.05, "cell": 1e-5})
    samples = [Sample(s, truth.at(s) * (20 * s.rows if s.rows > 1 else 1), s.cells) for s in GRID]
    tuner = Tuner(Profile(KEY, tuple(samples), 0, 10**9, 480.0, 1.0, 0.1), LIMIT, ROOMY)
    assert max(shape.rows for shape in shapes(tuner, [100] * (TRIAL_EVERY - 1))) <= 2
    num_spoken = 0
    while num_spoken < 1_000:
        for shape in shapes(tuner, [100] * 200):
            tuner.spoke(shape, truth.at(shape), shape.cells)
            num_spoken += 1
    assert max(shape.rows for shape in shapes(tuner, [100] * 256)) > 16


def test_a_batch_that_took_more_than_its_margin_raises_what_is_expected_of_the_next() -> None:
    tuner = Tuner(PROFILE, LIMIT, ROOMY)
    shape = BatchShape(16, 400)
    before = tuner.predict(shape).peak_bytes
    tuner.spoke(shape, 0.1, round(1.3 * PROFILE.peak.at(shape)))
    assert tuner.predict(shape).peak_bytes >= 1.3 * PROFILE.peak.at(shape) > before


def test_a_process_that_grows_gets_smaller_batches_and_still_speaks() -> None:
    """What waits for the encoder was once taken for the batch's own: short rows then seemed to need gigabytes."""
    tuner = Tuner(PROFILE, LIMIT, Budget(100_000_000, 0, 1.0, 1.0, 10_000_000))
    tuner.held(BatchShape(1, 25), 10_000_000)
    before = tuner.cap(400)
    tuner.held(BatchShape(1, 25), 70_000_000)
    assert 1 < tuner.cap(400) < before
    tuner.held(BatchShape(1, 25), 99_000_000)
    assert tuner.cap(400) == 1
    assert not tuner.fits(BatchShape(1, 400))
    assert tuner.can_ever_fit(BatchShape(1, 400))
    assert not tuner.can_ever_fit(BatchShape(100, 400))


@given(lengths_of, st.lists(st.tuples(st.sampled_from(GRID), st.floats(1e-4, 10), st.integers(0, 10**9)), max_size=40))
def test_whatever_is_learned_every_segment_is_in_one_batch(
    lengths: list[int], history: list[tuple[BatchShape, float, int]]
) -> None:
    tuner, twin = Tuner(PROFILE, LIMIT, ROOMY), Tuner(PROFILE, LIMIT, ROOMY)
    for shape, seconds, peak_bytes in history:
        tuner.spoke(shape, seconds, peak_bytes)
        twin.spoke(shape, seconds, peak_bytes)
    assert shapes(tuner, lengths) == shapes(twin, lengths)


@given(budgets)
def test_a_budget_is_within_its_share_and_what_others_leave(budget: Budget) -> None:
    assert budget.bound <= budget.utilization * budget.share * budget.total
    assert budget.bound <= budget.total - budget.others
    assert 0 <= budget.usable <= budget.bound
    assert size(budget.bound) in budget.explain()
