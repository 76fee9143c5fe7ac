"""Json lines: every line that is not blank is one row, whatever it holds."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmill.actors.records.utterance import Failure, Utterance, seed_of
from speechmill.errors import CorpusError
from speechmill.jobs.corpus import Corpus, InputOptions, jsonl


@given(st.lists(st.binary(max_size=30).filter(lambda line: line.strip() and b"\n" not in line), max_size=10))
def test_every_line_is_a_row(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]) -> None:
    path = tmp_path_factory.mktemp("jsonl") / "a.jsonl"
    path.write_bytes(b"\n".join([b'{"text":"first"}', *lines]))
    rows = list(Corpus(InputOptions(str(path))).rows())
    assert [row.row for row in rows] == list(range(len(lines) + 1))
    assert isinstance(rows[0], Utterance)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).filter(str.strip), st.booleans())
def test_text_comes_through(tmp_path_factory: pytest.TempPathFactory, text: str, ensure_ascii: bool) -> None:
    path = tmp_path_factory.mktemp("jsonl") / "a.jsonl"
    path.write_text(json.dumps({"text": text}, ensure_ascii=ensure_ascii), encoding="utf-8")
    assert [row.text for row in Corpus(InputOptions(str(path))).rows()] == [text]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"text": "Hello"', "no JSON: Expecting ',' delimiter at character 18"),
        (b'["Hello"]', "a JSON array where an object {…} is wanted"),
        (b"null", "a JSON null where an object"),
        (b'{"text": NaN}', "the text (column 'text') is empty"),
        (b'{"text": -Infinity}', "the text (column 'text') is a float, not a string: -inf"),
        (b'{"text": Nan}', "no JSON: Expecting value at character 10"),
        (b'{"text": "caf\xe9"}', "byte 0xE9 at byte 14 is not UTF-8"),
        (b'{"text": "\\ud83d!"}', "half a surrogate pair (U+D83D) at character 11 is not UTF-8"),
        (b"[" * 200_000, "no JSON that can be read"),
        (b'{"text": ' + b"1" * 5000 + b"}", "no JSON that can be read"),
        (b'{"text": "a\\u0000b"}', "the text holds a NUL character"),
        (b'{"id": "x"}', "the row has no 'text'"),
        (b'{"text": null}', "the text (column 'text') is empty"),
        (b'{"text": true}', "the text (column 'text') is a bool, not a string: True"),
        (b'{"text": ["a"]}', "the text (column 'text') is a list, not a string: ['a']"),
        (b'{"text": "x", "id": {"a": 1}}', "the id (column 'id') is neither text nor a number: {'a': 1}"),
        (b'{"text": "x", "id": null}', "the id (column 'id') is empty"),
        (b'{"text": "x", "voice": 3}', "voice 3 is not a name"),
    ],
)
def test_a_bad_line_fails_alone(read, line: bytes, reason: str) -> None:
    before, bad, after = read("a.jsonl", b'{"text": "before"}\n' + line + b'\n{"text": "after"}\n')
    assert isinstance(bad, Failure)
    assert "a.jsonl line 2: " + reason in bad.reason
    assert (before.text, after.text, after.row) == ("before", "after", 2)


def test_values_keep_their_types(read) -> None:
    line = {"id": 17, "text": 42, "seed": 5.0, "speed": 1, "n": None, "b": True, "f": 0.5, "nested": {"ä": [1]}}
    (row,) = read("a.jsonl", json.dumps(line) + "\n")
    assert (row.id, row.text, row.seed, row.speed) == ("17", "42", 5, 1.0)
    assert row.metadata == {"n": None, "b": True, "f": 0.5, "nested": '{"ä": [1]}'}


def test_numbers_that_json_has_not_are_null_as_metadata_and_nothing_elsewhere(read) -> None:
    """Python writes NaN and Infinity, pandas writes NaN in place of what is missing; such a row was lost."""
    line = (
        '{"text": "x", "id": "a", "seed": NaN, "speed": NaN, "voice": NaN, "snr": NaN, "up": Infinity, '
        '"down": -Infinity, "big": 1e999, "nested": {"a": [NaN, 1.5], "b": [[Infinity]], "c": "NaN"}}\n'
    )
    row, other = read("a.jsonl", line + '{"text": "y", "seed": "nan", "speed": " NaN", "snr": "NaN"}\n')
    nested = '{"a": [null, 1.5], "b": [[null]], "c": "NaN"}'
    assert row == Utterance(
        0, "a", "x", seed_of(0, "a"), "", 1.0, dict.fromkeys(("snr", "up", "down", "big"), None) | {"nested": nested}
    )
    assert (other.seed, other.speed, other.metadata) == (seed_of(0, other.id), 1.0, {"snr": "NaN"})


def test_blank_lines_are_no_rows_and_the_last_line_needs_no_end(read) -> None:
    rows = read("a.ndjson", '\ufeff\n{"text": "a"}\r\n  \n\n{"text": "b"}')
    assert [(row.row, row.id, row.text) for row in rows] == [(0, "row-000000000", "a"), (1, "row-000000001", "b")]


def test_an_endless_line_fails_alone(read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl, "MAX_LINE", 50)
    rows = read("a.jsonl", '{"text": "' + "x" * 180 + '"}\n{"text": "b"}\n')
    assert [type(row) for row in rows] == [Failure, Utterance]
    assert "line 1: the line is longer than 50 bytes" in rows[0].reason


def test_an_empty_file_has_no_rows(read) -> None:
    assert read("a.jsonl", b"") == []


def test_a_json_array_is_not_json_lines(tmp_path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('[\n{"text": "a"}\n]\n')
    corpus = Corpus(InputOptions(str(path)))
    assert [type(row) for row in corpus.rows()] == [Failure, Utterance, Failure]
    path.write_text('[{"text": "a"}]\n')
    with pytest.raises(CorpusError, match="line 1: a JSON array where an object"):
        corpus.check()


def test_keys_may_come_and_go(read, tmp_path) -> None:
    rows = read("a.jsonl", '{"text": "a"}\n{"text": "b", "id": "x", "seed": 7}\n{"text": "c"}\n')
    assert [row.id for row in rows] == ["row-000000000", "x", "row-000000002"]
    assert rows[1].seed == 7
    Corpus(InputOptions(str(tmp_path / "a.jsonl"))).check()
