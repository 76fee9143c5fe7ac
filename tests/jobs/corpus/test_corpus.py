"""The corpus as a whole: rows conserved, numbered and unique over all files; columns checked before any run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmill.actors.records.utterance import Failure, Utterance
from speechmill.errors import CorpusError
from speechmill.jobs.corpus import Column, Corpus, InputOptions

FILES = st.lists(
    st.lists(st.tuples(st.sampled_from("abcdefg"), st.sampled_from(["Hello.", ""])), max_size=6), max_size=4
)


def write(folder: Path, files: Sequence[Sequence[tuple[str, str]]]) -> str:
    for number, rows in enumerate(files):
        if number % 2:
            lines = [json.dumps({"id": name, "text": text}) for name, text in rows]
        else:
            lines = ["id,text"] + [f"{name},{text}" for name, text in rows]
        (folder / f"{number}.{'jsonl' if number % 2 else 'csv'}").write_text("".join(line + "\n" for line in lines))
    return f"{folder}/*"


@given(FILES.filter(len))
def test_rows_are_conserved_and_an_id_is_spoken_once(
    tmp_path_factory: pytest.TempPathFactory, files: list[list[tuple[str, str]]]
) -> None:
    corpus = Corpus(InputOptions(write(tmp_path_factory.mktemp("corpus"), files)))
    corpus.check()
    rows = list(corpus.rows())
    given_rows = [row for file in files for row in file]
    assert [(row.row, row.id, row.text) for row in rows] == [(n, *row) for n, row in enumerate(given_rows)]
    spoken = [row.id for row in rows if isinstance(row, Utterance)]
    assert sorted(spoken) == sorted({name for name, text in given_rows if text})
    first = {}
    for number, (name, text) in enumerate(given_rows):
        if text:
            first.setdefault(name, number)
    assert {row.id: row.row for row in rows if isinstance(row, Utterance)} == first
    assert rows == list(corpus.rows())


def test_a_duplicate_is_told_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,text,n\nx,Hello.,1\n")
    (tmp_path / "b.csv").write_text("id,text,n\ny,Hello.,2\nx,World.,3\n")
    *_, row = Corpus(InputOptions(f"{tmp_path}/*.csv")).rows()
    reason = f"{tmp_path}/b.csv line 3: id 'x' is already used by an earlier row; ids have to be unique"
    assert row == Failure(2, "x", reason, "World.", {"n": "3"})


def test_duplicates_are_found_over_many_blocks(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,text\n" + "".join(f"{n % 4000},Line {n}.\n" for n in range(5000)))
    rows = list(Corpus(InputOptions(str(path))).rows())
    assert [row.row for row in rows if isinstance(row, Failure)] == list(range(4000, 5000))


def test_ids_that_are_off_may_repeat(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,text\nx,Hello.\nx,World.\n")
    rows = list(Corpus(InputOptions(str(path), id=None)).rows())
    assert [(row.id, row.metadata) for row in rows] == [("row-000000000", {"id": "x"}), ("row-000000001", {"id": "x"})]


def test_reading_is_lazy(tmp_path: Path) -> None:
    """The first rows come before the last file is opened."""
    for name in "abc":
        (tmp_path / f"{name}.csv").write_text("text\n" + "Hello.\n" * 2000)
    corpus = Corpus(InputOptions(f"{tmp_path}/*.csv"))
    (tmp_path / "c.csv").unlink()
    rows = corpus.rows()
    assert next(rows).row == 0
    with pytest.raises(CorpusError, match=r"c.csv cannot be read"):
        list(rows)


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"text": "txt"}, r"has no column 'txt' \(did you mean 'text'\?\); its columns: text, key, note"),
        ({"id": Column("uid")}, "has no column 'uid'"),
        ({"seed": Column("seed")}, "has no column 'seed'"),
        ({"voice": Column("voices")}, "has no column 'voices'"),
        ({"metadata": ("not",)}, r"has no column 'not' \(did you mean 'note'\?\)"),
    ],
)
def test_a_column_that_is_named_has_to_exist(
    tmp_path: Path, name: str, options: dict[str, object], message: str
) -> None:
    content = "text,key,note\nHello.,k,n\n" if name == "a.csv" else '{"text": "Hello.", "key": "k", "note": "n"}\n'
    (tmp_path / name).write_text(content)
    corpus = Corpus(InputOptions(str(tmp_path / name), **options))
    with pytest.raises(CorpusError, match=message):
        corpus.check()


def test_every_file_is_checked(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text\nHello.\n")
    (tmp_path / "b.csv").write_text("sentence\nHello.\n")
    corpus = Corpus(InputOptions(f"{tmp_path}/*.csv"))
    with pytest.raises(CorpusError, match=r"b.csv has no column 'text'.*; its columns: sentence"):
        corpus.check()
    with pytest.raises(CorpusError, match=r"b.csv has no column 'text'"):
        list(corpus.rows())


def test_metadata_may_be_chosen(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,a,b\nHello.,1,2\n")
    for metadata, expected in (("all", {"a": "1", "b": "2"}), (("b",), {"b": "2"}), ((), {})):
        (row,) = Corpus(InputOptions(str(path), metadata=metadata)).rows()
        assert row.metadata == expected
