"""The arithmetic of a running job: rows, rates and time left, from what was reported and a clock."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.in_process import PoolHere, SpeakingHere

import speechmill
from speechmill.actors.batcher.stats import BatchStats
from speechmill.actors.replica.receipt import ReplicaProgress
from speechmill.cluster.pool.replica_state import ReplicaState, ReplicaStatus
from speechmill.jobs.output.totals import Totals
from speechmill.jobs.run.progress import Tracker


def replica(rows: int = 0, audio_s: float = 0.0, cost_s: float = 0.0, shard: str = "000000-0000") -> ReplicaState:
    progress = ReplicaProgress(
        rows, 0, audio_s, BatchStats(num_batches=1, synthesis_s=1.0, cells_filled=90, cells_total=100)
    )
    return ReplicaState(0, None, ReplicaStatus.SPEAKING, shard, progress, rows, audio_s, cost_s)


def test_before_anything_is_known_nothing_is_claimed() -> None:
    snapshot = Tracker(Totals(), started_s=10.0).snapshot(11.0, [])
    assert (snapshot.rows_done, snapshot.rows_total, snapshot.rtfx, snapshot.batch_fill) == (0, 0, 0.0, None)
    assert (snapshot.eta_s, snapshot.elapsed_s, snapshot.is_total_exact) == (None, 1.0, False)


def test_rows_in_flight_count_as_done_and_not_as_committed() -> None:
    tracker = Tracker(Totals(), started_s=0.0)
    tracker.record_window(100, 50.0, 0.0, fraction_read=1.0)
    tracker.record_start(0.0)
    tracker.record_commit(20, 5, audio_s=60.0, cost_s=12.5)
    snapshot = tracker.snapshot(10.0, [replica(rows=10, audio_s=30.0, cost_s=5.0)])
    assert (snapshot.rows_done, snapshot.rows_committed, snapshot.num_failed) == (35, 25, 5)
    assert snapshot.audio_s == pytest.approx(90.0)
    assert snapshot.rtfx == pytest.approx(9.0)
    assert snapshot.eta_s == pytest.approx(10.0 * (50.0 - 17.5) / 17.5)


def test_what_waits_for_the_store_is_done_and_not_committed() -> None:
    """Story: rows that were handed in and not stored yet were in neither count, and the bar went back."""
    tracker = Tracker(Totals(), started_s=0.0)
    tracker.record_window(100, 50.0, 0.0, fraction_read=1.0)
    tracker.record_start(0.0)
    in_flight = tracker.snapshot(10.0, [replica(rows=25, audio_s=60.0, cost_s=12.5)])
    tracker.record_pending(Totals(20, 5, 60.0), cost_s=12.5)
    waiting = tracker.snapshot(10.0, [replica()])
    tracker.record_pending(Totals(), 0.0)
    tracker.record_commit(20, 5, audio_s=60.0, cost_s=12.5)
    stored = tracker.snapshot(10.0, [replica()])
    for snapshot in (in_flight, waiting, stored):
        assert (snapshot.rows_done, snapshot.audio_s, snapshot.eta_s) == (25, 60.0, 30.0)
    assert [snapshot.rows_committed for snapshot in (in_flight, waiting, stored)] == [0, 0, 25]


def test_the_total_is_estimated_from_the_bytes_read_until_the_end() -> None:
    tracker = Tracker(Totals(), started_s=0.0)
    tracker.record_window(1_000, 10.0, 0.0, fraction_read=0.25)
    snapshot = tracker.snapshot(0.0, [])
    assert (snapshot.rows_total, snapshot.is_total_exact) == (4_000, False)
    tracker.record_window(200, 2.0, 0.0, fraction_read=1.0)
    snapshot = tracker.snapshot(0.0, [])
    assert (snapshot.rows_total, snapshot.is_total_exact) == (1_200, True)


def test_a_resumed_run_reports_all_rows_but_its_own_rate() -> None:
    tracker = Tracker(Totals(num_ok=50, audio_s=1_000.0), started_s=0.0)
    tracker.record_window(100, 100.0, 50.0, fraction_read=1.0)
    tracker.record_start(0.0)
    tracker.record_commit(25, 0, audio_s=100.0, cost_s=25.0)
    snapshot = tracker.snapshot(10.0, [])
    assert (snapshot.rows_done, snapshot.audio_s) == (75, 1_100.0)
    assert snapshot.rtfx == pytest.approx(10.0)
    assert snapshot.eta_s == pytest.approx(10.0)
    assert tracker.figures.new_audio_s == pytest.approx(100.0)
    assert (tracker.figures.new_rows, tracker.figures.speaking_s) == (25, 10.0)


def test_the_clock_of_speaking_starts_with_the_first_shard() -> None:
    tracker = Tracker(Totals(), started_s=0.0)
    tracker.snapshot(5.0, [replica(shard="")])
    assert tracker.figures.speaking_s == 0.0
    tracker.record_start(7.0)
    tracker.record_start(8.0)
    tracker.snapshot(9.0, [replica()])
    tracker.record_deaths(3)  # also those after the last snapshot
    figures = tracker.figures
    assert (figures.speaking_s, figures.num_replicas, figures.num_deaths) == (2.0, 1, 3)


def test_batch_fill_is_of_the_receipts_and_until_then_of_what_replicas_say() -> None:
    tracker = Tracker(Totals(), started_s=0.0)
    assert tracker.snapshot(0.0, [replica()]).batch_fill == pytest.approx(0.9)
    tracker.record_batches(BatchStats(num_batches=1, cells_filled=30, cells_total=40))
    assert tracker.snapshot(0.0, [replica()]).batch_fill == pytest.approx(0.75)


def test_replicas_that_die_after_the_last_row_are_counted(
    tmp_path: Path, speaking_here: SpeakingHere, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Story: the losers of the last race may die while the run waits for them; its result said that none had."""
    monkeypatch.setattr(PoolHere, "finish", lambda pool, timeout_s: setattr(pool, "num_deaths", 2))
    (tmp_path / "corpus.csv").write_text("text\nOne.\nTwo.\n", encoding="utf-8")
    where = {"input": {"uri": str(tmp_path / "corpus.csv")}, "output": {"uri": str(tmp_path / "out")}}
    result = speechmill.Job(**where, model={"name": "tone"}).run()
    assert (result.num_ok, result.num_deaths, speaking_here.num_pools) == (2, 2, 1)
