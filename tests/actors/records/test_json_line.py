"""Lines of JSON: what JSON lacks, and many at once."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from speechmill.actors.records.json_line import dumps, dumps_all
from speechmill.actors.records.record import Record

from .drawn import FAILED

JSON_TEXT = st.text(st.characters(codec=None), max_size=4)


def test_numbers_that_json_lacks_become_null() -> None:
    assert dumps({"a": float("nan"), "b": {"c": float("-inf")}, "d": 1.5}) == '{"a":null,"b":{"c":null},"d":1.5}'
    assert Record.from_json(replace(FAILED, metadata={"x": float("nan")}).to_json()).metadata == {"x": None}


@given(
    st.lists(
        st.dictionaries(st.sampled_from(["a", 'b"', "é"]), JSON_TEXT | st.none() | st.floats(), max_size=2), max_size=4
    )
    | st.lists(st.fixed_dictionaries({"a": JSON_TEXT, 'b"': JSON_TEXT}), max_size=4)
)
def test_many_lines_are_those_of_each(values: list[dict[str, object]]) -> None:
    assert dumps_all(values) == "".join(map(dumps, values))
