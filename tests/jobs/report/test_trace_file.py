"""A trace read back: the one that a run writes, whole or cut off."""

from __future__ import annotations

from pathlib import Path

import pytest

from speechmill.cluster.pool.attempt_span import AttemptSpan
from speechmill.errors import SpecError
from speechmill.jobs.report.trace_file import MAX_REPLICAS, read_trace
from speechmill.jobs.run.trace import open_trace


def span(replica: int, began_s: float, ended_s: float, outcome: str = "spoken", rows: int = 50) -> AttemptSpan:
    return AttemptSpan(replica, f"host:{replica}", "000000-0001", "", rows, began_s, ended_s, outcome)


def written(path: Path, *spans: AttemptSpan) -> Path:
    with open_trace(str(path)) as trace:
        assert trace is not None
        for some in spans:
            trace.add(some)
    return path


def test_rows_are_conserved_and_a_waiting_task_begins_when_the_replica_is_free(tmp_path: Path) -> None:
    file = written(
        tmp_path / "trace",
        span(0, 100, 110),
        span(0, 100, 120),  # sent with the one before, spoken after it
        span(1, 100, 130, "died"),
        span(0, 110, 140, "second"),
    )
    timeline = read_trace(file)
    assert timeline.seconds == 40
    assert timeline.num_replicas == 2
    bin_s = timeline.seconds / len(timeline.rows_per_s)
    assert sum(timeline.rows_per_s) * bin_s == pytest.approx(100)
    assert sum(timeline.busy_share) * bin_s * 2 == pytest.approx(40 + 30)
    assert [(bar.began_s, bar.ended_s, bar.outcome) for bar in timeline.bars[0]] == [
        (0, 20, "spoken"),
        (20, 40, "second"),
    ]
    assert timeline.homes == {0: "replica 0 host:0", 1: "replica 1 host:1"}
    assert timeline.outcomes == {"spoken": 2, "died": 1, "second": 1}


def test_a_trace_that_was_cut_off_or_edited_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    file = written(tmp_path / "trace", span(0, 0, 10))
    with file.open("a") as out:
        out.write('{"tid": 0, "ph": "X", "cat": "spoken", "ts": 1e400, "dur": 1, "args": {"rows": 1}},\n')
        out.write('{"tid": -1, "ph": "X", "cat": "spoken", "ts": 1, "dur": 1, "args": {"rows": 1}},\n')
        out.write("[" * 100_000 + "\n")
        out.write('{"tid": 0, "ph": "X", "na')
    timeline = read_trace(file)
    assert timeline.outcomes == {"spoken": 1}
    assert timeline.num_unread >= 4


def test_memory_is_that_of_the_replicas_shown(tmp_path: Path) -> None:
    spans = [span(replica, at, at + 1) for at in range(1000) for replica in (at % 60, 0)]
    timeline = read_trace(written(tmp_path / "trace", *spans))
    assert len(timeline.bars) == MAX_REPLICAS
    assert timeline.num_replicas == 60
    assert max(map(len, timeline.bars.values())) < 800


@pytest.mark.parametrize("content", [b"", b"[\n", b"\x00\xff\xfe", b'{"a": 1}'])
def test_a_file_without_attempts_is_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "trace"
    file.write_bytes(content)
    with pytest.raises(SpecError, match="holds no attempt"):
        read_trace(file)
    with pytest.raises(SpecError, match="cannot be read"):
        read_trace(tmp_path / "missing")
