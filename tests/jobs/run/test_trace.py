"""A trace: every attempt once, readable at any moment; the gauges say what the snapshot does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import speechmill
from speechmill.cluster.pool.attempt_span import AttemptSpan
from speechmill.errors import SpecError
from speechmill.jobs.run.metrics import GAUGES, values_of
from speechmill.jobs.run.trace import open_trace


def events(path: Path) -> list[dict[str, Any]]:
    """As the viewers read it: an array whose end may be missing."""
    return json.loads(path.read_text().rstrip().rstrip(",") + "]")


@pytest.mark.usefixtures("hosted_replicas")
def test_a_job_leaves_a_span_for_each_part_and_the_gauges_are_known(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("text\n" + "\n".join(f"Row number {n}." for n in range(60)))
    seen: list[dict[str, float]] = []
    job = speechmill.Job(
        input={"uri": str(tmp_path / "c.csv")},
        model={"name": "tone", "options": {"audio_char_s": 0.01}},
        output={"uri": str(tmp_path / "out"), "audio": "wav"},
        cluster={"replicas": 1},
        sharding={"shard_rows": 10},
    )
    job.run(observe=lambda snapshot: seen.append(values_of(snapshot)), trace=str(tmp_path / "trace.json"))
    spans = [event for event in events(tmp_path / "trace.json") if event["ph"] == "X"]
    spoken = [span for span in spans if span["args"]["outcome"] in ("spoken", "copy")]
    assert sum(span["args"]["rows"] for span in spoken) == 60
    assert all(span["dur"] >= 0 and span["ts"] >= 0 for span in spans)
    assert {event["args"]["name"].split()[1] for event in events(tmp_path / "trace.json") if event["ph"] == "M"} == {
        "0"
    }
    assert set(seen[-1]) <= set(GAUGES)
    assert seen[-1]["rows_committed"] == 60


def test_a_trace_that_was_broken_off_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    with pytest.raises(KeyError), open_trace(str(path)) as trace:
        assert trace is not None
        trace.add(AttemptSpan(3, "node:7", "000000-0001", "p", 5, 10.0, 12.5, "spoken"))
        raise KeyError
    name, span = events(path)
    assert name["args"]["name"] == "replica 3 node:7"
    assert (span["ts"], span["dur"], span["tid"]) == (0, 2_500_000, 3)


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="--trace"), open_trace(str(tmp_path / "away" / "t.json")):
        pass
