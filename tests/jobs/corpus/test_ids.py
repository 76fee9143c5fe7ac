"""The index answers like a set, whatever the calls, and through every merge, spill and load."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmill.errors import StorageFull
from speechmill.jobs.corpus import IdIndex
from speechmill.jobs.corpus.bloom_filter import BloomFilter, Hashes
from speechmill.jobs.corpus.sorted_runs import PAGE, FileRun, MemoryRun, SortedRun, merged

CALLS = st.lists(st.lists(st.integers(0, 60), max_size=12), max_size=40)
SETS = st.lists(st.sets(st.integers(0, 2**64 - 1) | st.integers(0, 40), max_size=40), min_size=1, max_size=6)


def spread(numbers: Sequence[int]) -> Hashes:
    """Hashes of numbers, spread over 64 bits."""
    return np.asarray(numbers, np.uint64) * np.uint64(0x9E3779B97F4A7C15)


def repeats(calls: Sequence[Sequence[int]]) -> list[list[int]]:
    seen: set[int] = set()
    answers: list[list[int]] = []
    for ids in calls:
        answers.append([])
        for position, name in enumerate(ids):
            if name in seen:
                answers[-1].append(position)
            seen.add(name)
    return answers


@given(CALLS, st.integers(2, 20), st.integers(0, 4))
def test_it_answers_like_a_set(calls: list[list[int]], spill_size: int, most_log2_words: int) -> None:
    index = IdIndex(spill_size=spill_size, most_log2_words=most_log2_words)
    assert [index.add(spread(ids)) for ids in calls] == repeats(calls)
    assert len(index) == len({name for ids in calls for name in ids})


@given(SETS, CALLS, st.integers(2, 20))
def test_what_was_loaded_was_seen(parts: list[set[int]], calls: list[list[int]], spill_size: int) -> None:
    index, known = IdIndex(spill_size=spill_size), set[int]()
    fresh: list[list[int]] = []
    for part in parts:
        fresh.append(sorted(part - known))
        known |= part
    index.load([np.sort(spread(part)) for part in fresh], sum(map(len, fresh)))
    assert len(index) == len(known)
    first, *rest = repeats([sorted(known), *calls])
    assert first == []
    assert [index.add(spread(ids)) for ids in calls] == rest


def test_runs_merge_and_spill_and_forget_nothing() -> None:
    index = IdIndex(spill_size=500, most_log2_words=6)
    for start in range(0, 20_000, 100):
        assert index.add(spread(range(start, start + 100))) == []
    assert len(index) == 20_000
    assert len(index._runs) <= 10
    assert any(isinstance(run, FileRun) for run in index._runs)
    assert index.add(spread(range(0, 20_000, 7))) == list(range(2858))
    assert index.add(spread([20_001, 19_999, 20_001])) == [1, 2]


@given(SETS, st.integers(1, 30))
def test_merging_keeps_every_hash_in_order(parts: list[set[int]], at_once: int) -> None:
    known: set[int] = set()
    runs: list[SortedRun] = []
    for number, part in enumerate(parts):
        hashes = np.asarray(sorted(part - known), np.uint64)
        known |= part
        runs.append(MemoryRun(hashes) if number % 2 else FileRun())
        if isinstance(runs[-1], FileRun):
            runs[-1].append(hashes)
    result = merged([run for run in runs if len(run)], 0, at_once) if known else MemoryRun(np.zeros(0, np.uint64))
    assert result.read(0, len(result)).tolist() == sorted(known)


def test_a_run_of_many_pages_finds_its_own_and_no_other() -> None:
    hashes = np.sort(spread(range(1, 10 * PAGE + 3)))
    run = FileRun()
    for start in range(0, len(hashes), 700):
        run.append(hashes[start : start + 700])
    assert run.holds(hashes).all()
    others = np.sort(spread(range(10 * PAGE + 3, 20 * PAGE)))
    assert not run.holds(others).any()
    assert [run.rank(int(value)) for value in hashes[::97]] == list(range(0, len(hashes), 97))


@given(st.sets(st.integers(0, 2**64 - 1), max_size=200), st.integers(0, 10))
def test_a_sieve_lets_through_whatever_was_added(added: set[int], log2_words: int) -> None:
    bloom = BloomFilter(log2_words)
    hashes = np.asarray(sorted(added), np.uint64)
    bloom.add(hashes)
    assert bloom.may_hold(hashes).all()


def test_a_sieve_holds_back_nearly_all_others() -> None:
    bloom = BloomFilter(10)
    bloom.add(np.sort(spread(range(4_000))))
    assert bloom.may_hold(np.sort(spread(range(4_000, 104_000)))).mean() < 0.02


def test_no_room_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setattr("tempfile.tempdir", f"{tmp_path}/absent")
    with pytest.raises(StorageFull, match=r"set TMPDIR, or input\.id: null"):
        FileRun()
