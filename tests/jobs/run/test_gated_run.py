"""Jobs with judges, end to end: exact manifests over replicas, kills and continued runs."""

from __future__ import annotations

import os
import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
import support
from support.hosted import Hosted
from support.measured import measured

import speechmill
from speechmill.actors.models.tone import fault_of
from speechmill.actors.records.record import Record
from speechmill.cluster.storage import open_storage
from speechmill.errors import JobChanged, RunStopped, TooManyAttempts
from speechmill.jobs.output.status import status
from speechmill.jobs.run.progress import Snapshot
from speechmill.jobs.verify import verify

from .test_run import records_of, sentences, write_csv

pytestmark = pytest.mark.usefixtures("hosted_replicas")
SHARE, CHAR_S = 0.25, 0.002


@pytest.fixture
def on_ray(ray_head: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Runs on Ray, whose nodes find the judge of the tests by its name; their replicas share a process."""
    folder = Path(ray_head.folder) / "support"
    folder.mkdir(exist_ok=True)
    for name in ("__init__.py", "judges.py"):
        shutil.copy(Path(support.__file__).parent / name, folder / name)
    monkeypatch.setattr("speechmill.cluster.pool.replica_source.Spawned", Hosted)
    ray.init(address=ray_head.address, log_to_driver=False)
    yield
    ray.shutdown()


def job_of(tmp_path: Path, num_rows: int, *, share: float = SHARE, judge: Any = None, **sections: Any) -> Any:
    rows = [row | {"seed": number} for number, row in enumerate(sentences(num_rows))]
    options = measured(audio_char_s=CHAR_S, bad_share=share, **sections.pop("options", {}))
    judges = {
        "judges": ["support.judges:ToneCheck"],
        "options": {"support.judges:ToneCheck": {"char_s": CHAR_S} | (judge or {})},
        "attempts": 3,
    }
    return speechmill.Job(
        input={"uri": str(write_csv(tmp_path / "corpus.csv", rows))},
        model={"name": "tone", "options": options},
        output={"uri": str(tmp_path / sections.pop("to", "out"))},
        quality=judges | sections.pop("quality", {}),
        cluster={"replicas": sections.pop("replicas", 1), "cpus_per_replica": 0.5, "ray_from_rows": 5_000},
        sharding={"shard_rows": sections.pop("shard_rows", 10)},
        **sections,
    )


def wanted(num_rows: int) -> list[tuple[str, int, int]]:
    """What each row ends as: its status, its attempt, and how many were rejected."""
    ends: list[tuple[str, int, int]] = []
    for seed in range(num_rows):
        passed = [attempt for attempt in range(3) if not fault_of(seed, attempt, SHARE)]
        ends.append(("ok", passed[0], passed[0]) if passed else ("failed", 2, 3))
    return ends


def ends_of(records: list[Record]) -> list[tuple[str, int | None, int]]:
    return [(record.status, record.attempt, len(record.rejected or ())) for record in records]


@pytest.mark.parametrize(("replicas", "shard_rows"), [(1, 1_000), (2, 7), (4, 20)])
def test_the_manifest_is_exact_on_any_number_of_replicas(tmp_path: Path, replicas: int, shard_rows: int) -> None:
    result = job_of(tmp_path, 120, replicas=replicas, shard_rows=shard_rows, judge={"delay_s": 0.002}).run()
    ends = wanted(120)
    assert ends_of(records_of(result.output)) == ends
    counts = Counter((state, attempt) for state, attempt, _ in ends)
    assert (result.num_failed, result.exit_code) == (counts["failed", 2], 1)
    assert list(result.gate.passed) == [counts["ok", attempt] for attempt in range(3)]
    assert result.verdicts.num_again == counts["ok", 1] + counts["ok", 2]
    assert result.verdicts.num_rejected == counts["failed", 2]
    storage = open_storage(result.output)
    assert status(storage).verdicts == result.verdicts
    report = verify(storage)
    assert (report.problems, report.num_clips, report.num_orphans) == ((), result.num_ok, 0)


def test_a_run_that_was_interrupted_goes_on_and_hears_nothing_twice_that_is_committed(tmp_path: Path) -> None:
    log = tmp_path / "heard.txt"
    job = job_of(tmp_path, 200, options={"cell_s": 0.0001}, judge={"log": str(log)}, replicas=2)

    def interrupt(snapshot: Snapshot) -> None:
        if snapshot.rows_committed >= 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        job.run(observe=interrupt)
    committed = records_of(str(tmp_path / "out"))
    assert 20 <= len(committed) < 200
    before = len(log.read_text().splitlines())
    result = job.run()
    assert ends_of(records_of(result.output)) == wanted(200)
    again = set(log.read_text().splitlines()[before:])
    assert not again & {record.id for record in committed}
    assert status(open_storage(result.output)).verdicts == result.verdicts, "earlier runs are counted"


@pytest.mark.replica_processes
def test_replicas_killed_while_verdicts_are_out_change_nothing(tmp_path: Path) -> None:
    killed: set[int] = set()

    def kill_one(snapshot: Snapshot) -> None:
        for state in snapshot.replicas:
            is_judging = state.home is not None and state.progress.gate.num_judged > 10 and state.shard_id
            if is_judging and state.home and len(killed) < 2 and state.home.pid not in killed:
                killed.add(state.home.pid)
                os.kill(state.home.pid, signal.SIGKILL)
                return

    judge = {"delay_s": 0.02}
    result = job_of(tmp_path, 200, judge=judge, options={"cell_s": 0.0001}, replicas=2).run(observe=kill_one)
    assert len(killed) == 2
    assert ends_of(records_of(result.output)) == wanted(200)


def test_other_judges_or_attempts_are_another_job_and_their_place_is_not(tmp_path: Path) -> None:
    job_of(tmp_path, 20).run()
    for quality in ({"attempts": 2}, {"on_reject": "keep"}, {"share": 0.5}, {"on_unheard": "fail"}):
        with pytest.raises((JobChanged, speechmill.JobError), match="quality"):
            job_of(tmp_path, 20, quality=quality).run()
    assert job_of(tmp_path, 20, quality={"max_mean_attempts": 9, "place": {"timeout_s": 9}}).run().num_rows == 20


def test_a_run_in_which_all_is_rejected_stops_and_says_so(tmp_path: Path) -> None:
    job = job_of(tmp_path, 2_000, share=1.0, shard_rows=300)
    with pytest.raises(TooManyAttempts, match=r"rows took 3\.00 attempts each.*rejected most often by tone-check"):
        job.run()
    assert issubclass(TooManyAttempts, RunStopped)


@pytest.mark.usefixtures("on_ray")
@pytest.mark.parametrize("misbehaviour", ["none", "dies", "hangs"])
def test_judges_in_actors_of_their_own_say_the_same(tmp_path: Path, misbehaviour: str) -> None:
    judge: dict[str, Any] = {"cost_s": 0.1, "delay_s": 0.01}
    judge |= {"hang": "Row 7"} if misbehaviour == "hangs" else {}
    dies = tmp_path / "dies"
    if misbehaviour == "dies":
        dies.touch()
        judge["die"] = str(dies)
    # A judge that is only slow on a busy machine must not seem to hang three times.
    place = {"where": "actors", "cpus": 0.25, "timeout_s": 1.5 if misbehaviour == "hangs" else 60.0}
    result = job_of(tmp_path, 60, judge=judge, quality={"place": place}, replicas=2).run()
    assert not dies.exists(), "an actor has ended at it, and another one was asked"
    assert ends_of(records_of(result.output)) == wanted(60)
    assert result.gate.num_unheard == 0
