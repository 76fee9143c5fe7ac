"""What is handed out, as laws: every row once, shards whole until the end is in sight, then by share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmill.actors.records.utterance import Shard, Utterance
from speechmill.cluster.scheduling.retry import Task
from speechmill.cluster.scheduling.speed import SpeedEstimates, remaining_s
from speechmill.cluster.scheduling.task_queue import LEAST_ROWS, TaskQueue


def shards_of(sizes: list[int], row_s: float = 1.0) -> list[Shard]:
    """Shards of equal rows that are estimated at `row_s` each."""
    starts = [sum(sizes[:index]) for index in range(len(sizes))]
    return [
        Shard(
            0,
            index,
            tuple(Utterance(row, str(row), "x" * 20, 0) for row in range(start, start + size)),
            "d",
            size * row_s,
        )
        for index, (start, size) in enumerate(zip(starts, sizes, strict=True))
    ]


def look_ahead(queue: TaskQueue, shards: Iterator[Shard], num_shards: int) -> list[Shard]:
    """Add what the queue wants, one by one; those that were added."""
    added: list[Shard] = []
    while queue.wants(num_shards):
        shard = next(shards, None)
        queue.add([] if shard is None else [shard], is_all=shard is None)
        added += [] if shard is None else [shard]
    return added


@given(
    st.lists(st.integers(1, 60), max_size=12),
    st.floats(0.01, 1.0),
    st.floats(0.05, 20.0),
    st.integers(0, 8),
    st.floats(0.0, 3.0),
)
def test_every_row_is_handed_out_once(sizes: list[int], share: float, pace: float, ahead: int, row_s: float) -> None:
    work = shards_of(sizes, row_s)
    source, queue = iter(work), TaskQueue()
    new = look_ahead(queue, source, ahead)
    rows: list[int] = []
    num_tasks, num_cuts = 0, 0
    while found := queue.take(share, pace, is_alone=True):
        task, was_cut = found
        num_tasks, num_cuts = num_tasks + 1, num_cuts + was_cut
        rows += [u.row for u in task.utterances]
        new += look_ahead(queue, source, ahead)
    new += look_ahead(queue, source, 1_000)
    while found := queue.take(share, pace, is_alone=True):
        num_tasks, num_cuts = num_tasks + 1, num_cuts + found[1]
        rows += [u.row for u in found[0].utterances]
    assert sorted(rows) == list(range(sum(sizes)))
    assert new == work
    assert num_tasks == len(work) + num_cuts
    assert queue.left_s == pytest.approx(0.0, abs=1e-6)


def test_shards_stay_whole_until_the_last_is_in_sight() -> None:
    queue, source = TaskQueue(), iter(shards_of([100] * 10))
    look_ahead(queue, source, 4)
    assert not queue.is_all_seen
    assert queue.take(0.01, 1.0, is_alone=True) is not None
    task, was_cut = queue.take(0.01, 1.0, is_alone=True) or pytest.fail("there is work")
    assert (len(task.utterances), was_cut) == (100, False)
    look_ahead(queue, source, 100)
    assert queue.is_all_seen
    task, was_cut = queue.take(0.1, 1.0, is_alone=True) or pytest.fail("there is work")
    assert was_cut
    assert LEAST_ROWS <= len(task.utterances) <= 800 * 0.1


def test_a_suspect_goes_only_where_it_is_alone_and_is_never_cut() -> None:
    (shard,) = shards_of([100])
    queue = TaskQueue()
    look_ahead(queue, iter([]), 1)
    queue.put_back([Task(shard, shard.utterances, deaths=1, cost_s=100.0)])
    assert queue.take(0.01, 1.0, is_alone=False) is None
    task, was_cut = queue.take(0.01, 1.0, is_alone=True) or pytest.fail("there is work")
    assert (len(task.utterances), was_cut) == (100, False)


@given(st.lists(st.tuples(st.floats(0.1, 100.0), st.floats(0.5, 4.0)), min_size=12, max_size=30))
def test_a_replica_is_known_by_its_last_tasks(tasks: list[tuple[float, float]]) -> None:
    speeds = SpeedEstimates()
    for cost_s, pace in tasks:
        speeds.record_task(0, cost_s, cost_s * pace)
    assert min(pace for _, pace in tasks) * 0.99 <= speeds.of(0) <= max(pace for _, pace in tasks) * 1.01
    for _ in range(40):
        speeds.record_task(0, 50.0, 500.0)
    assert speeds.of(0) == pytest.approx(10.0, rel=0.01)
    assert speeds.of(1) == speeds.typical


@given(st.floats(0.1, 1e3), st.floats(0.0, 1e4), st.floats(0.0, 1.0))
def test_what_remains_is_never_negative_and_progress_is_believed(
    expected_s: float, took_s: float, share: float
) -> None:
    assert remaining_s(expected_s, took_s, share) >= 0.0
    assert remaining_s(expected_s, took_s, 1.0) == 0.0
    assert remaining_s(expected_s, 0.0, 0.0) == expected_s
