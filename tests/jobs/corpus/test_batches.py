"""Rows that are read many at a time are those that are read one by one, with the same places."""

from __future__ import annotations

import io
from pathlib import Path
from unittest.mock import patch

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechmill.jobs.corpus import Corpus, InputOptions
from speechmill.jobs.corpus import delimited as delimited_module
from speechmill.jobs.corpus.reader import Position, RawRow, Reader

PIECES = st.sampled_from(
    [
        "a,Hello.\n",
        "b,Good day.\r\n",
        "é,naïve\n",
        'c,"two\nlines"\n',
        "\n",
        'd,"open\n',
        "e,too,many\n",
        "f\xff,x\n",
        'g,"He said ""no"", then left."\r',
        "h,\u2028 odd\n",
        "i\tTab, and comma\n",
        "\x00,nul\n",
        '"',
    ],
)


def reader_of(path: Path) -> Reader:
    corpus = Corpus(InputOptions(str(path), max_chars=40))
    return corpus.open_reader(corpus.files[0])


def one_by_one(reader: Reader, start: Position) -> list[tuple[RawRow, int, int]]:
    return [(row, reader.offset, reader.number) for row in reader.rows(None, start)]


def check(path: Path, most_rows: int) -> None:
    """Compare from the first row, then from the middle."""
    start = Position()
    for _ in range(2):
        alone = one_by_one(reader_of(path), start)
        reader = reader_of(path)
        reader.most_rows = most_rows
        num_rows = 0
        for batch in reader.batches(None, start):
            assert 1 <= len(batch) <= most_rows
            found = list(zip(batch.numbers, batch.rows, strict=True))
            assert found == [row for row, _, _ in alone[num_rows : num_rows + len(found)]]
            num_rows += len(found)
            assert (reader.offset, reader.number) == alone[num_rows - 1][1:]
        assert num_rows == len(alone)
        if not alone:
            return
        _, offset, number = alone[len(alone) // 2]
        start = Position(0, offset, number)


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
@settings(max_examples=50)
@given(pieces=st.lists(PIECES, max_size=12), most_rows=st.integers(1, 6), num_lines=st.integers(1, 5))
def test_lines(tmp_path_factory: pytest.TempPathFactory, name: str, pieces: list[str], most_rows: int, num_lines: int):
    path = tmp_path_factory.mktemp("in") / name
    header = "id,text\n" if name == "a.csv" else "id\ttext\n"
    body = "".join(pieces if name == "a.csv" else [piece.replace(",", "\t") for piece in pieces])
    path.write_bytes((header + body).encode("utf-8").replace("ÿ".encode(), b"\xff"))
    with patch.object(delimited_module, "_TOGETHER_LINES", num_lines):
        check(path, most_rows)


@settings(max_examples=40)
@given(
    texts=st.lists(st.sampled_from([b"Hello.", b"", "naïve".encode(), b"caf\xe9"]), max_size=9),
    most_rows=st.integers(1, 5),
    group=st.integers(1, 4),
)
def test_parquet(tmp_path_factory: pytest.TempPathFactory, texts: list[bytes], most_rows: int, group: int) -> None:
    path = tmp_path_factory.mktemp("in") / "a.parquet"
    # Bytes that are no UTF-8 in a column of text, as careless writers leave them.
    lengths = [0]
    for text in texts:
        lengths.append(lengths[-1] + len(text))
    offsets = pa.array(lengths, pa.int32()).buffers()[1]
    column = pa.StringArray.from_buffers(len(texts), offsets, pa.py_buffer(b"".join(texts)))
    buffer = io.BytesIO()
    pq.write_table(pa.table({"text": column}), buffer, row_group_size=group)
    path.write_bytes(buffer.getvalue())
    check(path, most_rows)
