"""The index answers like a set, whatever the calls, and through every merge and spill."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from speechmill.jobs.corpus import IdIndex

CALLS = st.lists(st.lists(st.integers(0, 60).map(str), max_size=12), max_size=40)


def repeats(calls: Sequence[Sequence[str]]) -> list[list[int]]:
    seen: set[str] = set()
    answers: list[list[int]] = []
    for ids in calls:
        answers.append([])
        for position, name in enumerate(ids):
            if name in seen:
                answers[-1].append(position)
            seen.add(name)
    return answers


@given(CALLS, st.integers(1, 8), st.integers(2, 20))
def test_it_answers_like_a_set(calls: list[list[str]], set_size: int, spill_size: int) -> None:
    index = IdIndex(set_size=set_size, spill_size=spill_size)
    assert [index.add(ids) for ids in calls] == repeats(calls)
    assert len(index) == len({name for ids in calls for name in ids})


def test_runs_merge_and_spill_and_forget_nothing() -> None:
    index = IdIndex(set_size=64, spill_size=500)
    for start in range(0, 20_000, 100):
        assert index.add([f"id-{number}" for number in range(start, start + 100)]) == []
    assert len(index) == 20_000
    runs = index._runs
    assert len(runs) <= 10
    assert any(isinstance(run, np.memmap) for run in runs)
    assert index.add([f"id-{number}" for number in range(0, 20_000, 7)]) == list(range(2858))
    assert index.add(["new", "id-19999", "new"]) == [1, 2]


def test_odd_ids_are_ids() -> None:
    index = IdIndex()
    assert index.add(["", "é", "e\u0301", "\ud800", "a" * 10_000]) == []
    assert index.add(["é", "\ud800"]) == [0, 1]
    assert index.add([]) == []
