"""Csv and tsv as they are found in the wild."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmill.actors.records.utterance import Failure, Utterance
from speechmill.errors import CorpusError
from speechmill.jobs.corpus import Corpus, InputOptions, tape

CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
RECORDS = st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=12)


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@given(records=RECORDS)
def test_what_the_csv_module_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, line_end: str, records: list[tuple[str, str, str]]
) -> None:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator=line_end, quoting=csv.QUOTE_ALL)
    writer.writerow(["text", "note", "more"])
    writer.writerows(records)
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    path.write_bytes(buffer.getvalue().encode())
    rows = list(Corpus(InputOptions(str(path), id=None)).rows())
    assert [(row.text, row.metadata) for row in rows] == [(t, {"note": n, "more": m}) for t, n, m in records]
    assert [row.row for row in rows] == list(range(len(records)))
    assert [type(row) is Utterance for row in rows] == [bool(t.strip()) for t, _, _ in records]


def test_a_byte_order_mark_is_no_part_of_the_first_column(read) -> None:
    assert [row.id for row in read("a.csv", "\ufeffid,text\nx,Hello.\n")] == ["x"]


def test_a_quoted_field_holds_lines_quotes_and_commas(read) -> None:
    (row, after) = read("a.csv", 'id,text\r\nx,"one\r\ntwo, ""three"""\r\ny,end\r\n')
    assert row.text == 'one\r\ntwo, "three"'
    assert after.id == "y"


def test_blank_lines_are_no_rows(read) -> None:
    rows = read("a.csv", "\nid,text\n\nx,Hello.\n\n\ny,World.\n\n")
    assert [(row.row, row.id) for row in rows] == [(0, "x"), (1, "y")]


def test_a_bad_byte_fails_its_row_only(read, tmp_path: Path) -> None:
    x, bad, y = read("a.csv", b"id,text\nx,Hello\nb,caf\xe9 au lait\ny,caf\xc3\xa9\n")
    assert isinstance(bad, Failure)
    assert bad.reason == (
        f"{tmp_path}/a.csv line 3: column 'text': byte 0xE9 at character 4 is not UTF-8; save the file as UTF-8"
    )
    assert (x.text, y.text) == ("Hello", "café")


def test_a_cut_character_does_not_swallow_the_line_end(read) -> None:
    bad, good = read("a.csv", b"text\nHello \xe2\x80\nWorld\n")
    assert isinstance(bad, Failure)
    assert "byte 0xE2 at character 7" in bad.reason
    assert good.text == "World"


def test_too_many_and_too_few_fields_fail_their_row_only(read) -> None:
    rows = read("a.csv", "id,text\na,Hello, world\nb\nc,Fine.\n")
    assert [type(row) for row in rows] == [Failure, Failure, Utterance]
    assert "line 2: 3 fields where the header has 2: quote a text that holds commas" in rows[0].reason
    assert "line 3: 1 fields where the header has 2: is one missing?" in rows[1].reason
    assert [row.id for row in rows] == ["row-000000000", "row-000000001", "c"]


def test_a_stray_quote_costs_one_line(read) -> None:
    """Read plainly, the quote opens a field that runs to the next quote, and the rows between vanish in it."""
    lines = [f"{number},Line {number}.\n" for number in range(50)]
    lines[3] = '3,"Never closed.\n'
    lines[20] = '20,"Quoted, well."\n'
    rows = read("a.csv", "id,text\n" + "".join(lines))
    assert [row.row for row in rows if isinstance(row, Failure)] == [3]
    assert "line 5: the record that starts here cannot be read" in rows[3].reason
    assert [row.id for row in rows if isinstance(row, Utterance)] == [str(n) for n in range(50) if n != 3]
    assert rows[20].text == "Quoted, well."


def test_a_stray_quote_before_a_long_rest_costs_one_line(read) -> None:
    rows = read("a.csv", 'id,text\nx,"Never closed.\n' + "".join(f"{n},Line {n}.\n" for n in range(12_000)))
    assert [row.row for row in rows if isinstance(row, Failure)] == [0]
    assert "longer than 131,072 characters" in rows[0].reason
    assert len(rows) == 12_001


def test_a_bad_quote_inside_a_record_loses_no_line(read) -> None:
    rows = read("a.csv", 'id,text\nx,"one\nsaid "hello" again\nthree"\ny,Fine.\n')
    assert [type(row) for row in rows] == [Failure, Failure, Failure, Utterance]


def test_a_nul_byte_fails_its_row_only(read) -> None:
    bad, good = read("a.csv", b"id,text\nx,He\0llo\ny,Fine.\n")
    assert isinstance(bad, Failure)
    assert "NUL" in bad.reason
    assert good.id == "y"


def test_a_line_without_end_is_an_error(read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tape, "MAX_LINE", 1000)
    with pytest.raises(CorpusError, match=r"a.csv line 3 is longer than 1,000 characters: is this text\?"):
        read("a.csv", "text\nHello.\n" + "x" * 1000)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "a.csv is empty: its first line has to name the columns"),
        ("\ufeff\n\n", "a.csv is empty"),
        ("text,id,text\n", "a.csv has two columns named 'text'"),
        ('"text,id\nx,Hello\n', "a.csv has no readable header in line 1"),
        (b"text,caf\xe9\n", "line 1: byte 0xE9 at character 8 is not UTF-8"),
        ("text\nHello".encode("utf-16"), "a.csv is UTF-16: save it as UTF-8"),
    ],
)
def test_a_header_that_is_none_is_an_error(read, content: bytes | str, message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        read("a.csv", content)


def test_a_header_alone_is_a_file_of_no_rows(read) -> None:
    assert read("a.csv", "id,text") == []


def test_unnamed_columns_get_a_name(read) -> None:
    (row,) = read("a.csv", ",text\n0,Hello.\n")
    assert row.metadata == {"column_1": "0"}


def test_tsv_with_quotes_and_without(read) -> None:
    """Some writers of tsv quote as csv does; most do not quote at all."""
    rows = read("a.tsv", 'id\ttext\na\t"Hi," he said.\nb\t"one\ntwo"\nc\t"open\nd\tclosed"\ne\t"so ""what"""\n')
    assert [(row.id, row.text) for row in rows] == [
        ("a", '"Hi," he said.'),
        ("b", "one\ntwo"),
        ("c", '"open'),
        ("d", 'closed"'),
        ("e", 'so "what"'),
    ]


def test_a_tsv_line_of_too_many_fields_fails(read) -> None:
    bad, good = read("a.tsv", "id\ttext\na\tHi\tho\nb\tFine.\n")
    assert "3 fields where the header has 2: is there a tab in a text?" in bad.reason
    assert good.id == "b"
