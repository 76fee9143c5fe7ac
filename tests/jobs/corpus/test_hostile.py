"""Values that no row should hold: each is a failed row with its reason, never the end of the run."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from speechmill.actors.records.utterance import Failure, Utterance
from speechmill.jobs.corpus import Corpus, InputOptions


@pytest.mark.parametrize("depth", [400, 900])
def test_metadata_nested_too_deeply(tmp_path: Path, depth: int) -> None:
    path = tmp_path / "deep.jsonl"
    path.write_text('{"text": "One.", "m": ' + "[" * depth + "]" * depth + '}\n{"text": "Two."}\n', encoding="utf-8")
    rows = list(Corpus(InputOptions(uri=str(path))).rows())
    assert [row.row for row in rows] == [0, 1]
    assert isinstance(rows[1], Utterance)


def test_a_date_that_python_lacks(tmp_path: Path) -> None:
    path = tmp_path / "late.parquet"
    late = pa.array([0, 2**62, 0], pa.timestamp("ms"))
    pq.write_table(pa.table({"text": ["One.", "Two.", "Three."], "at": late}), path)
    rows = list(Corpus(InputOptions(uri=str(path))).rows())
    assert [type(row) for row in rows] == [Utterance, Failure, Utterance]
    assert isinstance(rows[1], Failure)
    assert "'at'" in rows[1].reason
