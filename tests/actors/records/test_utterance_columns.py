"""Utterances as columns are the sequence that a tuple of them is."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import fields

from hypothesis import given
from hypothesis import strategies as st

from speechmill.actors.records.reference import NamedClip
from speechmill.actors.records.utterance import Utterance
from speechmill.actors.records.utterance_columns import UtteranceColumns, rows_of, texts_of

TEXT = st.text(max_size=5)
UTTERANCES = st.lists(
    st.builds(
        Utterance,
        row=st.integers(0, 99),
        id=TEXT,
        text=TEXT,
        seed=st.integers(0, 2**63 - 1),
        voice=TEXT,
        speed=st.sampled_from([0.5, 1.0]),
        metadata=st.dictionaries(TEXT, st.none() | TEXT, max_size=2),
        language=st.sampled_from(["", "en"]),
        reference=st.none() | st.builds(NamedClip, TEXT, TEXT),
    ),
    max_size=6,
)


@given(UTTERANCES, st.integers(-7, 7), st.integers(-7, 7))
def test_it_is_the_same_sequence(utterances: list[Utterance], start: int, end: int) -> None:
    columns: Sequence[Utterance] = UtteranceColumns.of(utterances)
    assert list(columns) == utterances
    assert (len(columns), bool(columns)) == (len(utterances), bool(utterances))
    assert [columns[at] for at in range(len(columns))] == utterances
    assert list(columns[start:end]) == utterances[start:end]
    assert list(reversed(columns)) == utterances[::-1]
    assert columns == tuple(utterances)
    assert columns != (*utterances, Utterance(100, "", "", 0))
    assert list(rows_of(columns)) == list(rows_of(utterances))
    assert list(texts_of(columns)) == list(texts_of(utterances))


@given(UTTERANCES)
def test_it_is_cut_joined_and_sent(utterances: list[Utterance]) -> None:
    columns = UtteranceColumns.of(utterances)
    order = sorted(range(len(utterances)), key=lambda at: utterances[at].text)
    assert list(columns.at(order)) == [utterances[at] for at in order]
    assert UtteranceColumns.joined([columns[:2], columns[2:3], columns[3:]]) == columns
    assert UtteranceColumns.joined([]) == ()
    assert pickle.loads(pickle.dumps(columns)) == columns
    assert UtteranceColumns.of(columns) is columns


def test_each_field_of_an_utterance_has_its_column_in_the_same_order() -> None:
    """Columns are filled by place: a new field of `Utterance` without a column would shift none, and be lost."""
    plurals = {f"{field.name}{'' if field.name == 'metadata' else 's'}" for field in fields(Utterance)}
    columns = [field.name for field in fields(UtteranceColumns)]
    assert set(columns) == plurals
    assert [column.removesuffix("s") for column in columns] == [field.name for field in fields(Utterance)]
