"""Corpora as the field has them: delimiters, headers and none, lists of recordings, spreadsheets' exports."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmill.actors.records.utterance import Failure, Utterance
from speechmill.errors import CorpusError
from speechmill.jobs.corpus import Column, Corpus, InputOptions
from speechmill.jobs.corpus.dialect import DELIMITERS, proven_by_header

CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
NAMES = st.lists(
    st.text(st.characters(codec="utf-8", categories=("L", "N")), min_size=1, max_size=6), max_size=3, unique=True
).filter(lambda names: "text" not in names)
LJSPEECH = 'A-1|The "Ox" at 8.|The "Ox" at eight.\nA-2|"Quoted," he said.|"Quoted," he said.\nA-3|One, two.|One, two.\n'


def said(path: Path, **options: Any) -> str:
    with pytest.raises(CorpusError) as caught:
        Corpus(InputOptions(str(path), **options)).check()
    return str(caught.value)


@given(
    st.sampled_from(DELIMITERS), NAMES, st.integers(0, 3), st.lists(st.tuples(CELLS, CELLS, CELLS, CELLS), max_size=6)
)
def test_the_header_proves_the_delimiter(
    tmp_path_factory: pytest.TempPathFactory, delimiter: str, others: list[str], at: int, records: list[tuple[str, ...]]
) -> None:
    """Whatever the fields hold: other delimiters, quotes, line ends."""
    names = [*others[:at], "text", *others[at:]]
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerow(names)
    writer.writerows(record[: len(names)] for record in records)
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    path.write_bytes(buffer.getvalue().encode())
    rows = list(Corpus(InputOptions(str(path), id=None, seed=None, voice=None, speed=None)).rows())
    place = names.index("text")
    if delimiter in "\t|" and any("\n" in field or "\r" in field for record in records for field in record):
        return  # there, lines that have all their fields are records of their own
    assert [row.text for row in rows] == [record[place] for record in records]


@given(st.sampled_from(DELIMITERS), st.sampled_from(DELIMITERS), st.lists(st.sampled_from(["a", "b c"]), max_size=3))
def test_the_delimiter_of_the_format_comes_first(own: str, other: str, names: list[str]) -> None:
    """A header that names the text in both ways was read with the format's own delimiter, and still is."""
    line = own.join([*names, "text", f"x{other}y"])
    assert proven_by_header(line.split, own, "text") == own


def test_a_spreadsheet_of_europe(read) -> None:
    one, two, three = read(
        "a.csv", '\ufeffid;text;speed;seed\r\n1;"A boat; an old one.";1;\r\n2;Hi, you;1,5;7\r\n3;x;1.5;"8,0"\r\n'
    )
    assert (one.text, one.speed, two.text, two.speed, two.seed, three.speed, three.seed) == (
        "A boat; an old one.", 1.0, "Hi, you", 1.5, 7, 1.5, 8,
    )  # fmt: skip


def test_a_comma_is_no_decimal_sign_where_it_ends_a_field(read) -> None:
    (row,) = read("a.tsv", "text\tspeed\nHi\t1,5\n")
    assert "speed '1,5' is not a number" in row.reason


@pytest.mark.parametrize("first", ["sep=;\r\n", '"sep=;"\n', "SEP=;\n"])
def test_a_line_that_tells_the_delimiter(read, first: str) -> None:
    (row,) = read("a.csv", first + "id;text\nx;1,5\n")
    assert (row.id, row.text) == ("x", "1,5")


@pytest.mark.parametrize("delimiter", [";", "|", "\t", "^", "\x1f", "¦"])
def test_a_delimiter_that_is_named(read, delimiter: str) -> None:
    content = "id,note|text".replace("|", delimiter) + "\n" + "x|y".replace("|", delimiter) + "\n"
    (row,) = read("a.csv", content, delimiter=delimiter)
    assert (row.text, row.metadata) == ("y", {"id,note": "x"})


@pytest.mark.parametrize("content", ['id|text\na|"Open\nb|it\'s "so"\n', 'id\ttext\na\t"Open\nb\tit\'s "so"\n'])
def test_quotes_of_those_who_do_not_quote(read, content: str) -> None:
    assert [row.text for row in read("a.csv", content)] == ['"Open', 'it\'s "so"']


def test_without_a_header_the_job_names_the_columns(read) -> None:
    options = {"header": False, "columns": ("id", "text", "who")}
    rows = read("a.csv", '\na,"Hi, you",x\n\nb,No.,y\nc,broken\n', **options)
    assert [(row.row, row.id, row.text, row.metadata) for row in rows[:2]] == [
        (0, "a", "Hi, you", {"who": "x"}),
        (1, "b", "No.", {"who": "y"}),
    ]
    assert "line 5: 2 fields where input.columns has 3: is one missing?" in rows[2].reason
    assert read("a.csv", "", **options) == []
    assert read("b.tsv", "a\tHi, you\tx\n", **options)[0].text == "Hi, you"


TOLD: list[tuple[str, dict[str, Any], str]] = [
    (
        "id,sentence\n1,Hi\n",
        {},
        "no column 'text'; its columns: id, sentence. Name the one to be spoken: --set input.te",
    ),
    ("id;sentence\n1;Hi\n", {}, "its columns: id, sentence. Name the one to be spoken: --set input.text=sentence"),
    ("id|my text\n1|Hi\n", {}, "Name the one to be spoken: --set input.text='\"my text\"'"),
    ("a,b\n1,Hi\n", {}, "its columns: a, b. Name the one to be spoken: --set input.text=COLUMN"),
    ("uid,text\n1,Hi\n", {"id": Column("id")}, "--set input.id=uid, or --set input.id=null for none."),
    ("text\nHi\n", {"seed": Column("seed")}, "--set input.seed=null for none."),
    (LJSPEECH, {}, "If the first line is a row already: --set input.format=ljspeech for id|text"),
    ("1,Hello to you.\n2,Bye.\n", {}, "--set input.header=false --set 'input.columns=[column_1, column_2]'"),
    (
        "a|b\n",
        {"header": False, "columns": ("id", "text")},
        '1 fields, and input.columns names 2; between "|" they have',
    ),
    ("a,b,c\n", {"header": False, "columns": ("id", "text")}, "rows have 3 fields, and input.columns names 2"),
    ("a,b\n", {"header": False, "columns": ("id", "txt")}, "has no column 'text' (did you mean 'txt'?)"),
    (
        "Hi.\n",
        {"format": "ljspeech"},
        'between "|" its rows have 1 fields, and ljspeech has id|text, id|text|normalized',
    ),
    ("Hi.\n", {"format": "txt", "delimiter": ";"}, "is read as txt, which has no use for input.delimiter"),
    ("Hi.\n", {"format": "txt", "id": Column("id")}, "has no column 'id'"),
]


@pytest.mark.parametrize(("content", "options", "told"), TOLD)
def test_a_message_names_the_key_that_cures_it(
    tmp_path: Path, content: str, options: dict[str, Any], told: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(content)
    assert told in said(path, **options)


def test_ljspeech_as_it_is_published(read) -> None:
    """No header and no quoting: a field that begins with a quote keeps it, and takes no other line with it."""
    rows = read("metadata.csv", LJSPEECH, format="ljspeech")
    assert [(row.id, row.text, row.metadata["normalized"]) for row in rows] == [
        tuple(line.split("|")) for line in LJSPEECH.splitlines()
    ]
    normalized = read("metadata.csv", LJSPEECH, format="ljspeech", text="normalized")
    assert normalized[0].text == 'The "Ox" at eight.'
    assert normalized[0].metadata == {"text": 'The "Ox" at 8.'}


def test_a_bad_first_row_does_not_say_how_wide_the_others_are(read) -> None:
    bad, *rows = read("metadata.csv", "A-0|broken\n" + LJSPEECH, format="ljspeech")
    assert "line 1: 2 fields where the first lines have 3" in bad.reason
    assert [type(row) for row in rows] == [Utterance] * 3
    told = read("metadata.csv", LJSPEECH + "A-4|a|b|c\n", format="ljspeech")[-1].reason
    assert 'line 4: 4 fields where the first lines have 3: is there a "|" in a text?' in told


@pytest.mark.parametrize(
    ("line", "row_id", "metadata"),
    [
        ("wavs/a.wav|Hello.", "wavs/a.wav", {}),
        ("wavs/a.wav|12|Hello.", "wavs/a.wav", {"speaker": "12"}),
        ("wavs/a.wav|ann|EN|Hello.", "wavs/a.wav", {"speaker": "ann", "language": "EN"}),
    ],
)
def test_filelists(read, line: str, row_id: str, metadata: dict[str, str]) -> None:
    (row,) = read("train.txt", line + "\n", format="filelist")
    assert (row.id, row.text, row.metadata) == (row_id, "Hello.", metadata)
    (row,) = read("train.txt", line + "\n", format="filelist", columns=(*"abcd"[: line.count("|")], "text"))
    assert (row.id, row.text) == ("row-000000000", "Hello.")


def test_a_filelist_is_not_spoken_path_by_path(tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    path.write_text("\nwavs/a.WAV|Hello.\n")
    assert "--set input.format=filelist" in said(path)
    assert [row.text for row in Corpus(InputOptions(str(path), format="txt")).rows()] == ["wavs/a.WAV|Hello."]


@pytest.mark.parametrize("key", ["text", "line"])
@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), max_size=9), max_size=9),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_a_sentence_a_line(tmp_path_factory: pytest.TempPathFactory, key: str, lines: list[str], end: str) -> None:
    path = tmp_path_factory.mktemp("txt") / "a.txt"
    path.write_bytes("".join(line + end for line in lines).encode())
    rows = list(Corpus(InputOptions(str(path), text=key)).rows())
    spoken = [line.removeprefix("\ufeff") if not at else line for at, line in enumerate(lines)]
    spoken = [line for line in spoken if line and not line.isspace()]
    assert [(row.row, row.id, row.text) for row in rows] == [(n, f"row-{n:09d}", line) for n, line in enumerate(spoken)]


def test_a_bad_line_of_text_fails_alone(read) -> None:
    one, bad, two = read("a.txt", b"One.\n\ncaf\xe9\nTwo.")
    assert (one.text, two.text) == ("One.", "Two.")
    assert "a.txt line 3: byte 0xE9 at character 4 is not UTF-8" in bad.reason


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.txt", "a.jsonl"])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_wide_encodings_are_told_without_a_mark(tmp_path: Path, name: str, encoding: str) -> None:
    content = '{"text": "Größe"}\n' if name == "a.jsonl" else "text\nGröße, 你好.\n"
    (tmp_path / name).write_bytes(content.encode(encoding))
    told = said(tmp_path / name) if name != "a.txt" else ""
    if not told:
        with pytest.raises(CorpusError) as caught:
            list(Corpus(InputOptions(str(tmp_path / name))).rows())
        told = str(caught.value)
    assert f"is {encoding[:6].upper()} without a byte order mark: save it as UTF-8" in told
    assert f"iconv -f {encoding[:6].upper()}{encoding[-2:].upper()} " in told


@pytest.mark.parametrize("content", ["text\n你好\n", "text\nx\0y\0\n", "\0\0\0\0text\nHi\n", "t\n", "t\0\n"])
def test_other_files_are_not_told_so(read, content: str) -> None:
    try:
        read("a.csv", content, text="t" if content == "t\n" else "text")
    except CorpusError as error:
        assert "UTF-" not in str(error)


PLACES: dict[str, tuple[str, dict[str, Any]]] = {
    "a.txt": ("\ufeffOne.\r\n\r\nZwölf.\nThree.\rcafé\n\n \nEnd", {}),
    "b.txt": ('a|One.\nb|"Two\n\nc|Zwölf\nd|"a"\n', {"format": "filelist"}),
    "c.csv": ('\n\na,One.\nb,"Zwölf\nlines"\n\nc,"open\nd,End', {"header": False, "columns": ("id", "text")}),
    "d.csv": ('sep=;\r\n\r\nid;text\r\na;Eins.\r\nb;"Zwölf;\r\nx"\r\n\r\nc;z;y\r\nd;End', {}),
    "e.csv": ('\ufeffid|text\na|"One\nb|Zwölf\n\nc|"two\nlines"\nd|End', {}),
}


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize("is_zipped", [False, True])
def test_reading_goes_on_at_every_row(tmp_path: Path, name: str, is_zipped: bool) -> None:
    content, options = PLACES[name]
    path = tmp_path / name
    path.write_bytes(gzip.compress(content.encode()) if is_zipped else content.encode())
    corpus = Corpus(InputOptions(str(path), **options))
    corpus.check()
    whole = corpus.stream().take(99).rows
    assert len(whole) >= 4
    assert any("ö" in row.text for row in whole)
    for num_rows in range(1, len(whole)):
        first, second = corpus.stream(), corpus.stream()
        assert first.take(num_rows).rows == whole[:num_rows]
        second.seek(first.position, first.row)
        assert second.take(99).rows == whole[num_rows:]


@pytest.mark.parametrize("max_chars", [20_000, 300_000])
@pytest.mark.parametrize("end", ["", "\n"])
def test_a_field_may_be_as_long_as_a_text(read, max_chars: int, end: str) -> None:
    """The csv module stops at 131,072 characters by itself."""
    text = ("word " * 20 + end) * 2_500
    *long, after = read("a.csv", f'id,text\na,"{text}"\nb,Fine.\n', max_chars=max_chars)
    assert after.text == "Fine."
    if max_chars > len(text):
        assert [row.text for row in long] == [text]
    else:
        assert {type(row) for row in long} == {Failure}
        assert "input.max_chars" in long[0].reason


def test_a_field_within_the_limit_that_fails_does_not_take_lines_with_it(read) -> None:
    rows = read(
        "a.csv", 'id,text\nx,"Never closed.\n' + "".join(f"{n},Line {n}.\n" for n in range(40_000)), max_chars=300_000
    )
    assert [row.row for row in rows if isinstance(row, Failure)] == [0]
    assert "longer than 300,000 characters" in rows[0].reason
