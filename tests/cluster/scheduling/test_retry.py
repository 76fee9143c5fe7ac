"""The retry policy as laws: rows conserved, innocents spoken, the poison row found in few deaths."""

from __future__ import annotations

import math
from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from speechmill.actors.records.utterance import Shard, Utterance
from speechmill.cluster.scheduling.retry import DEATHS_OF_A_ROW, PoisonRow, Task, after_death


def shard_of(num_rows: int) -> Shard:
    rows = tuple(Utterance(row, f"id-{row}", "text", seed=0) for row in range(num_rows))
    return Shard(0, 0, rows, "d", 1.0)


def play(num_rows: int, poison_row: set[int]) -> tuple[set[int], set[int], int]:
    """Run a shard whose poison rows kill every replica: rows spoken, rows given up, replicas lost."""
    shard = shard_of(num_rows)
    queue = deque([Task(shard, shard.utterances)])
    spoken: list[int] = []
    given_up: list[int] = []
    deaths = 0
    while queue:
        task = queue.popleft()
        rows = [u.row for u in task.utterances]
        if poison_row.isdisjoint(rows):
            spoken += rows
            continue
        deaths += 1
        outcome = after_death(task, "died", is_blamed=True)
        if isinstance(outcome, PoisonRow):
            given_up.append(outcome.utterance.row)
        else:
            assert [u for t in outcome for u in t.utterances] == list(task.utterances)
            queue.extend(outcome)
    assert len(spoken) + len(given_up) == num_rows
    return set(spoken), set(given_up), deaths


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1), max_size=4))))
def test_exactly_the_poison_rows_are_given_up(case: tuple[int, set[int]]) -> None:
    num_rows, poison_row = case
    spoken, given_up, _ = play(num_rows, poison_row)
    assert given_up == poison_row
    assert spoken == set(range(num_rows)) - poison_row


def test_one_poison_row_in_a_thousand_costs_a_logarithm_of_replicas() -> None:
    *_, deaths = play(1_000, {617})
    assert deaths <= 1 + math.ceil(math.log2(1_000)) + DEATHS_OF_A_ROW


@given(st.integers(1, 50))
def test_a_task_that_is_not_to_blame_is_tried_again_as_it_was(num_rows: int) -> None:
    shard = shard_of(num_rows)
    task = Task(shard, shard.utterances, deaths=1)
    for _ in range(10):
        assert after_death(task, "died", is_blamed=False) == [task]
