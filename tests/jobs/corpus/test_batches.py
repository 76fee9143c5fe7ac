"""Rows that are read many at a time are those that are read one by one, with the same places."""

from __future__ import annotations

import bisect
import io
import json
from pathlib import Path
from unittest.mock import patch

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechmill.errors import CorpusError
from speechmill.jobs.corpus import Corpus, InputOptions
from speechmill.jobs.corpus import delimited as delimited_module
from speechmill.jobs.corpus import jsonl as jsonl_module
from speechmill.jobs.corpus import tape as tape_module
from speechmill.jobs.corpus import txt as txt_module
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
@settings(max_examples=min(50, settings.default.max_examples))
@given(pieces=st.lists(PIECES, max_size=12), most_rows=st.integers(1, 6), num_lines=st.integers(1, 5))
def test_lines(tmp_path_factory: pytest.TempPathFactory, name: str, pieces: list[str], most_rows: int, num_lines: int):
    path = tmp_path_factory.mktemp("in") / name
    header = "id,text\n" if name == "a.csv" else "id\ttext\n"
    body = "".join(pieces if name == "a.csv" else [piece.replace(",", "\t") for piece in pieces])
    path.write_bytes((header + body).encode("utf-8").replace("ÿ".encode(), b"\xff"))
    with patch.object(delimited_module, "_TOGETHER_LINES", num_lines):
        check(path, most_rows)


@settings(max_examples=min(50, settings.default.max_examples))
@given(
    lines=st.lists(
        st.sampled_from(
            [
                b'{"id": "a", "text": "One."}\n',
                b'{"id": "b", "text": "At 10:30."}\r\n',
                '{"id": "é", "text": "naïve \u2028"}\n'.encode(),
                b'{"text": "Another order.", "id": "c"}\n',
                b'{"text": "No id."}\n',
                b'{"text": "Twice.", "text": "said"}\n',
                b'{"id": "a", "text": {"text": 1, "text": 2}}\n',
                b'{"id": "d", "text": "\\ud83d"}\n',
                b'{"id": "d", "text": "\\ud83d\\ude00"}\n',
                b'{"id": "f", "text": NaN}\n',
                b'{"id": "f", "text": "caf\xe9"}\n',
                b"{}\n",
                b'{"id": 1}, {"id": 2}\n',
                b'{"id": "g",\n',
                b'"text": "Half a line."}\n',
                b"[1]\n",
                b" \t\n",
                b"\n",
                b'{"id": "long", "text": "' + 60 * b"x" + b'"}\n',
                b'{"id": "wide", "text": "Blanks."}'.ljust(60) + b"\n",
            ]
        ),
        max_size=12,
    ),
    is_cut=st.booleans(),
    most_rows=st.integers(1, 6),
    num_bytes=st.sampled_from([1, 60, 1_000]),
)
def test_json_lines(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], is_cut: bool, most_rows: int, num_bytes: int
) -> None:
    path = tmp_path_factory.mktemp("in") / "a.jsonl"
    path.write_bytes(b"".join(lines)[: -1 if is_cut else None])
    with patch.multiple(jsonl_module, TOGETHER_CHARS=num_bytes, MAX_LINE=60):
        check(path, most_rows)


@pytest.mark.parametrize("end", [b"", b"\n", b'{"text": "more"}\n'])
def test_json_lines_of_which_the_beginning_is_a_row_may_be_too_long(tmp_path: Path, end: bytes) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text": "One."}\n' + b'{"text": "wide"}'.ljust(60) + end + b'{"text": "Last."}\n')
    with patch.object(jsonl_module, "MAX_LINE", 60):
        check(path, most_rows=9)


def test_json_lines_as_deep_as_can_just_be_read_are_rows_each(tmp_path: Path) -> None:
    """To look for keys that come twice goes a little deeper than to read."""

    def nested(depth: int) -> str:
        return '{"text": "x", "m": ' + '{"a": ' * depth + "1" + "}" * (depth + 1)

    def is_too_deep(depth: int) -> bool:
        try:
            json.loads(nested(depth))
        except RecursionError:
            return True
        return False

    limit = bisect.bisect_left(range(1 << 17), True, key=is_too_deep)
    assert limit < 1 << 17
    path = tmp_path / "a.jsonl"
    path.write_text("".join(f"{nested(depth)}\n" for depth in range(limit - 30, limit + 2)))
    reader = reader_of(path)
    reader.most_rows = 1
    assert [number for batch in reader.batches(None) for number in batch.numbers] == list(range(1, 33))


@settings(max_examples=min(50, settings.default.max_examples))
@given(
    lines=st.lists(st.sampled_from(["One.\n", "Two \r\n", "naïve\r", "\n", " \u3000\r\n", "b\xff\n", "\u2028x\n"])),
    is_cut=st.booleans(),
    most_rows=st.integers(1, 6),
    num_chars=st.sampled_from([1, 10, 1_000]),
)
def test_plain_text(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], is_cut: bool, most_rows: int, num_chars: int
) -> None:
    path = tmp_path_factory.mktemp("in") / "a.txt"
    path.write_bytes("".join(lines)[: -1 if is_cut else None].encode().replace("ÿ".encode(), b"\xff"))
    with patch.object(txt_module, "TOGETHER_CHARS", num_chars):
        check(path, most_rows)


def test_plain_text_is_read_up_to_a_line_that_never_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("One.\nTwo.\n" + 40 * "x" + "\nFour.\n")
    reader = reader_of(path)
    reader.most_rows = 9
    with patch.object(txt_module, "MAX_LINE", 30), patch.object(tape_module, "MAX_LINE", 30):
        batches = reader.batches(None)
        assert next(batches).rows == [{"text": "One."}, {"text": "Two."}]
        with pytest.raises(CorpusError, match="line 3 is longer than 30 characters"):
            next(batches)


@settings(max_examples=min(40, settings.default.max_examples))
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
