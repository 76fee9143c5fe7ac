"""The ledger answers from names alone, and keeps of a finished window that it is finished."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.outputs import FreeLease, begin, job_file

from speechmill.actors.records.part_name import PartName
from speechmill.cluster.storage import open_storage
from speechmill.errors import JobChanged
from speechmill.jobs.corpus import Position
from speechmill.jobs.output import ledger as module
from speechmill.jobs.output.claim import Claim
from speechmill.jobs.output.holdings import counted_parts
from speechmill.jobs.output.ledger import Ledger, list_manifests, window_digest
from speechmill.jobs.output.output_file import OutputFile
from speechmill.jobs.output.plan_log import WindowPlan

NUM_SHARDS = 3


def part(window: int, index: int | None, digest: str = "aa") -> PartName:
    return PartName(window, index, 2, 0, 10, digest)


def plan(window: int) -> WindowPlan:
    digests = {part(window, index).shard_id: "aa" for index in range(NUM_SHARDS)}
    return WindowPlan(6, Position(), NUM_SHARDS, window_digest(digests), b"", 1.0, 0.5)


@settings(max_examples=min(20, settings.default.max_examples), deadline=None)
@given(st.sets(st.tuples(st.integers(0, 5), st.integers(0, NUM_SHARDS - 1))), st.integers(0, 6))
def test_it_says_the_same_with_a_plan_and_without(committed: set[tuple[int, int]], num_planned: int) -> None:
    parts = [part(*one) for one in committed]
    known, unknown = Ledger.of(parts, [plan(window) for window in range(num_planned)]), Ledger.of(parts)
    assert (known.totals, len(known)) == (unknown.totals, len(unknown))
    assert len(known) == len(committed)
    for window in range(6):
        for index in range(NUM_SHARDS):
            name = part(window, index)
            assert (
                known.is_done(name.shard_id, "aa")
                == unknown.is_done(name.shard_id, "aa")
                == ((window, index) in committed)
            )
        is_all = {(window, index) for index in range(NUM_SHARDS)} <= committed
        assert known.is_complete(window) == (is_all and window < num_planned)
        assert not unknown.is_complete(window)
        unknown.expect(window, NUM_SHARDS)
        assert unknown.is_complete(window) == is_all


def test_a_window_whose_last_part_is_committed_takes_a_bit() -> None:
    ledger = Ledger()
    ledger.expect(0, NUM_SHARDS)
    for index in range(NUM_SHARDS):
        assert not ledger.is_complete(0)
        ledger.add(part(0, index))
    assert ledger.is_complete(0)
    assert not ledger._open
    assert not ledger._expected
    ledger.add(part(0, 1, "bb"))
    assert (len(ledger), ledger.totals.num_ok) == (NUM_SHARDS, 2 * NUM_SHARDS), "a second manifest counts for nothing"


def test_a_window_with_other_rows_than_planned_is_not_complete() -> None:
    ledger = Ledger.of([part(0, 0), part(0, 1, "bb"), part(0, 2)], [plan(0)])
    assert not ledger.is_complete(0)
    with pytest.raises(JobChanged, match="000000-0001 was committed with other rows"):
        ledger.is_done("000000-0001", "aa")


def test_a_second_manifest_of_a_complete_window_is_not_counted() -> None:
    parts = [*(part(0, index) for index in range(NUM_SHARDS)), PartName(0, 1, 1, 1, 5, "aa")]
    ledger = Ledger.of(parts, [plan(0)])
    assert ledger.is_complete(0)
    assert ledger.totals.num_rows == 2 * NUM_SHARDS


@given(st.integers(1, 2_000_000), st.integers(0, 10**7))
def test_every_manifest_is_in_exactly_one_of_the_pieces_that_are_listed(num_windows: int, window: int) -> None:
    pieces = list(module._prefixes(num_windows))
    assert len(set(pieces)) == len(pieces)
    assert sum(part(window, 0).key.startswith(piece) for piece in pieces) == 1


def test_many_windows_are_listed_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MANY_WINDOWS", 2)
    storage = open_storage(str(tmp_path))
    windows = [0, 1, 2, 99, 100, 250, 9_999, 123_456, 1_000_000, 1_234_567]
    for window in windows:
        for index in range(NUM_SHARDS):
            storage.put(part(window, index).key, b"never opened")
    listed = [PartName.parse(entry.key) for entry in list_manifests(storage, 101)]
    ledger = Ledger.of(listed, [plan(window) for window in range(101)])
    assert len(ledger) == NUM_SHARDS * len(windows)
    assert [window for window in windows if ledger.is_complete(window)] == [0, 1, 2, 99, 100]


def test_an_empty_manifest_says_nothing(tmp_path: Path) -> None:
    """Story: a store kept an empty object of an upload that broke off; its name was believed, eight rows were lost."""
    storage = open_storage(str(tmp_path))
    claim = begin(storage, job_file())
    whole = PartName(0, 0, 8, 0, 900, "aa", claim.begin_commit(), "0" * 16)
    empty = PartName(0, 1, 8, 0, 900, "bb", claim.begin_commit(), "0" * 16)
    storage.put(whole.key, b"{}\n")
    storage.put(empty.key, b"")
    output = OutputFile.load(storage)
    assert list(counted_parts(storage, output)) == [whole]
    ledger = Ledger()
    Claim.resume(storage, FreeLease(), output, (), storage.list, ledger.add)
    assert (len(ledger), ledger.totals.num_rows) == (1, 8)
    assert not ledger.is_done(empty.shard_id, "bb")
