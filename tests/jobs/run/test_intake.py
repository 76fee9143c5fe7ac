"""A run's intake and commits around a pool that is none: windows in, manifests out, every row once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from support.outputs import FreeLease, begin, job_file

from speechmill.actors.batcher.stats import BatchStats
from speechmill.actors.models.base import ModelConfig
from speechmill.actors.models.registry import describe
from speechmill.actors.records.manifest import encode_records
from speechmill.actors.records.part_name import PartName
from speechmill.actors.records.record import Record
from speechmill.actors.records.utterance import Failure, Shard, Utterance
from speechmill.actors.replica.receipt import Receipt
from speechmill.cluster.scheduling.shard_tracker import CompletedShard
from speechmill.cluster.storage import open_storage
from speechmill.errors import CorpusError
from speechmill.jobs.corpus import Position
from speechmill.jobs.output.ledger import Ledger
from speechmill.jobs.output.plan_log import WindowPlan
from speechmill.jobs.output.totals import Totals
from speechmill.jobs.planning.planner import Planned
from speechmill.jobs.planning.windows import Window
from speechmill.jobs.run import committer as committing
from speechmill.jobs.run.commits import Commits
from speechmill.jobs.run.committer import SLOW_S, Committer
from speechmill.jobs.run.intake import Intake
from speechmill.jobs.run.progress import Tracker

INFO = describe(ModelConfig("tone"))
WAIT_S = 10.0


class Mill:
    """A pool that ends every shard at once; it wants a shard at a time."""

    def __init__(self) -> None:
        self.fed: list[Shard] = []
        self.is_told_all = False

    @property
    def is_idle(self) -> bool:
        return not self.fed

    @property
    def wants_more(self) -> bool:
        return not self.fed and not self.is_told_all

    def feed(self, shards: Sequence[Shard], *, is_all: bool = False) -> None:
        self.fed += shards
        self.is_told_all |= is_all

    def collect(self) -> Iterator[CompletedShard]:
        for shard in self.fed:
            records = [
                Record.of_utterance(u, model="tone", model_revision="1", default_voice="tone", error="silent")
                for u in shard.utterances
            ]
            stats = BatchStats(num_batches=1, cells_total=4)
            receipt = Receipt(0, len(records), 0, 1.0, stats, 1, encode_records(records))
            yield CompletedShard(shard, (receipt,), ())
        self.fed = []


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def planned(window: int, num_shards: int, num_rejected: int, *, is_last: bool = False) -> Planned:
    """A window of shards of two rows each, and of rows that are rejected."""
    rows = [Utterance(100 * window + n, f"{window} {n}", "Hello.", n) for n in range(2 * num_shards)]
    shards = tuple(
        Shard(window, index, tuple(rows[2 * index : 2 * index + 2]), f"{index:012x}", 2.0)
        for index in range(num_shards)
    )
    rejected = tuple(Failure(100 * window + 50 + n, f"bad {n}", "no text", "") for n in range(num_rejected))
    plan = WindowPlan(len(rows) + num_rejected, Position(), 0, "", b"", 2.0 * num_shards, 1.0 if is_last else 0.5)
    return Planned(plan, Window(window, tuple(rows), rejected, is_last=is_last), shards, 0.0)


class Bench:
    """Intake and commits over a real output in a folder."""

    def __init__(self, folder: Path, windows: Sequence[Planned], ledger: Ledger | None = None) -> None:
        self.storage = open_storage(str(folder))
        self.ledger = ledger or Ledger()
        self.clock = Clock()
        self.committer = Committer(self.storage, FreeLease(), begin(self.storage, job_file()))
        self.tracker = Tracker(Totals(), 0.0)
        self.commits = Commits(INFO, "speak", self.ledger, self.committer, self.tracker, {})
        self.intake = Intake(iter(windows), self.commits, self.tracker, self.clock)

    def run(self, mill: Mill) -> None:
        """The loop of a run."""
        while not (self.intake.is_done and mill.is_idle and self.commits.is_idle):
            self.intake.feed(mill)
            for completed in mill.collect():
                self.commits.add_shard(completed)
            self.commits.settle(0.01)
        self.committer.close()

    @property
    def manifests(self) -> list[str]:
        return [PartName.parse(entry.key).shard_id for entry in self.storage.list("manifest/")]


def test_every_shard_and_every_rejected_row_is_committed_once(tmp_path: Path) -> None:
    bench, mill = Bench(tmp_path, [planned(0, 2, 1), planned(1, 0, 3), planned(2, 3, 0, is_last=True)]), Mill()
    assert bench.intake.has_work(WAIT_S)
    bench.run(mill)
    assert mill.is_told_all
    assert bench.intake.num_rows == bench.ledger.totals.num_rows == bench.tracker.figures.new_rows == 14
    shards = ["000000-0000", "000000-0001", "000002-0000", "000002-0001", "000002-0002"]
    assert sorted(bench.manifests) == sorted([*shards, "000000-rejected", "000001-rejected"])
    assert bench.tracker.figures.batches.num_batches == 5


def test_windows_that_are_all_rejected_are_committed_without_a_pool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There may be more of them than may wait for the store."""
    monkeypatch.setattr(committing, "MAX_WAITING", 2)
    bench = Bench(tmp_path, [planned(n, 0, 2, is_last=n == 9) for n in range(10)])
    assert not bench.intake.has_work(WAIT_S)
    bench.run(Mill())
    assert bench.ledger.totals == Totals(0, 20, 0.0)


def test_rejected_rows_of_an_earlier_run_are_not_committed_again(tmp_path: Path) -> None:
    window = planned(0, 1, 2, is_last=True)
    assert window.window is not None
    ledger = Ledger.of([PartName(0, None, 0, 2, 0, window.window.rejected_digest)])
    bench = Bench(tmp_path, [window], ledger)
    bench.run(Mill())
    assert bench.manifests == ["000000-0000"]
    assert bench.ledger.totals.num_rows == 4


def test_nothing_is_fed_while_too_much_waits_for_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committing, "MAX_WAITING", 0)
    bench, mill = Bench(tmp_path, [planned(0, 1, 0, is_last=True)]), Mill()
    bench.intake.feed(mill)
    assert mill.fed == []
    bench.intake.stop()


def test_replicas_that_wait_for_the_corpus_are_a_notice(tmp_path: Path) -> None:
    def endless() -> Iterator[Planned]:
        yield planned(0, 1, 0)
        bench.intake.stop()

    bench, mill = Bench(tmp_path, []), Mill()
    bench.intake = Intake(endless(), bench.commits, bench.tracker, bench.clock)
    bench.intake.begin()
    bench.clock.now_s = SLOW_S / 2
    assert bench.intake.notice == ""
    bench.clock.now_s = SLOW_S
    assert "waited for the corpus for 10 s" in bench.intake.notice
    assert bench.intake.has_work(WAIT_S)
    mill.feed([planned(1, 1, 0).todo[0]])
    bench.intake.feed(mill)
    assert bench.intake.notice == ""


def test_what_planning_raises_ends_the_run(tmp_path: Path) -> None:
    def broken() -> Iterator[Planned]:
        yield planned(0, 0, 1)
        raise CorpusError("a.csv is no file")

    bench = Bench(tmp_path, [])
    intake = Intake(broken(), bench.commits, bench.tracker, bench.clock)
    with pytest.raises(CorpusError, match="no file"):
        intake.has_work(WAIT_S)
    assert intake.num_rows == 1
