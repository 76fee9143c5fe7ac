"""Parquet, through pyarrow's own writer."""

from __future__ import annotations

import datetime
import decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from speechmill.actors.records.utterance import Failure, Utterance
from speechmill.errors import CorpusError
from speechmill.jobs.corpus import Corpus, InputOptions


def rows_of(path: Path, columns: dict[str, object], **options: object) -> list[Utterance | Failure]:
    pq.write_table(pa.table(columns), path, row_group_size=700)
    corpus = Corpus(InputOptions(str(path), **options))
    corpus.check()
    return list(corpus.rows())


def test_rows_come_in_order_over_row_groups_and_batches(tmp_path: Path) -> None:
    ids = [f"id-{n}" for n in range(3000)]
    rows = rows_of(tmp_path / "a.parquet", {"id": ids, "text": ids, "n": range(3000)})
    assert [row.id for row in rows] == ids
    assert [row.row for row in rows] == list(range(3000))
    assert rows[2999].metadata == {"n": 2999}


def test_values_become_what_json_has(tmp_path: Path) -> None:
    (row,) = rows_of(
        tmp_path / "a.parquet",
        {
            "text": pa.array(["Hello."]).dictionary_encode(),
            "seed": pa.array([2.0]),
            "none": pa.array([float("nan")]),
            "when": pa.array([datetime.date(2024, 5, 1)]),
            "price": pa.array([decimal.Decimal("1.50")]),
            "tags": pa.array([["a", "b"]]),
            "raw": pa.array([b"caf\xc3\xa9"]),
            "binary": pa.array([b"\xff\x00"]),
        },
    )
    assert isinstance(row, Utterance)
    assert (row.text, row.seed) == ("Hello.", 2)
    assert row.metadata == {
        "none": None,
        "when": "2024-05-01",
        "price": "1.50",
        "tags": '["a", "b"]',
        "raw": "café",
        "binary": "/wA=",
    }


def test_only_the_columns_that_count_are_read(tmp_path: Path) -> None:
    columns = {"text": ["Hello."], "a": [1], "b": [2], "speaker": ["Ann"]}
    assert rows_of(tmp_path / "a.parquet", columns, metadata=())[0].metadata == {}
    assert rows_of(tmp_path / "a.parquet", columns, metadata=("b", "text"))[0].metadata == {"b": 2, "text": "Hello."}


def test_null_and_wrong_types_fail_their_row(tmp_path: Path) -> None:
    rows = rows_of(tmp_path / "a.parquet", {"text": pa.array([None, "b"]), "id": pa.array([None, 4])})
    assert [type(row) for row in rows] == [Failure, Utterance]
    assert "a.parquet row 1: the id (column 'id') is empty" in rows[0].reason
    (row,) = rows_of(tmp_path / "b.parquet", {"text": pa.array([["x"]])})
    assert "is a list, not a string" in row.reason


def test_a_bad_byte_in_a_string_fails_its_row_only(tmp_path: Path) -> None:
    offsets = pa.py_buffer(b"\0\0\0\0\5\0\0\0\x09\0\0\0\x0d\0\0\0")
    text = pa.StringArray.from_buffers(3, offsets, pa.py_buffer(b"Hellocaf\xe9Fine"))
    rows = rows_of(tmp_path / "a.parquet", {"text": text})
    assert [type(row) for row in rows] == [Utterance, Failure, Utterance]
    assert "a.parquet row 2: column 'text': byte 0xE9 at byte 4 is not UTF-8" in rows[1].reason
    (row,) = rows_of(tmp_path / "b.parquet", {"text": pa.array([b"caf\xe9"])})
    assert "byte 0xE9 at byte 4" in row.reason


def test_a_file_cut_short_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["Hello."] * 1000}), path)
    content = path.read_bytes()
    for damaged in (content[: len(content) // 2], b"", b"text\nHello\n", content[:4] + b"\xff" * 99 + content[103:]):
        path.write_bytes(damaged)
        corpus = Corpus(InputOptions(str(path)))
        with pytest.raises(CorpusError, match=r"a.parquet is no parquet file, or is damaged or cut short"):
            list(corpus.rows())


def test_no_rows(tmp_path: Path) -> None:
    assert rows_of(tmp_path / "a.parquet", {"text": pa.array([], pa.string())}) == []
