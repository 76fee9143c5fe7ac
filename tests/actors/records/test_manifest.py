"""Manifests: records in the order of their rows; errors name the object and the line."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechmill.actors.records.manifest import decode_records, encode_records
from speechmill.actors.records.record import Record
from speechmill.errors import JobError

from .drawn import FAILED, records


@settings(deadline=None)
@given(st.lists(records, max_size=5, unique_by=lambda record: record.row), st.randoms())
def test_a_manifest_holds_its_records_in_row_order(rows: list[Record], random) -> None:
    shuffled = rows.copy()
    random.shuffle(shuffled)
    data = encode_records(shuffled)
    assert data == encode_records(rows)
    assert list(decode_records(data, "m")) == sorted(rows, key=lambda record: record.row)


def test_errors_name_the_object_and_the_line() -> None:
    good = FAILED.to_json() + "\n"
    with pytest.raises(JobError, match=r"^m\.jsonl, line 2: missing or unknown"):
        list(decode_records((good + "{}\n").encode(), "m.jsonl"))
    with pytest.raises(JobError, match=r"^m\.jsonl, line 2: row 3 comes after row 3"):
        list(decode_records((good * 2).encode(), "m.jsonl"))
    with pytest.raises(JobError, match=r"^m\.jsonl: .* cut off"):
        list(decode_records(good.encode()[:-1], "m.jsonl"))
    with pytest.raises(JobError, match="line 1"):
        list(decode_records(b"\xff\xfe\n", "m.jsonl"))
    assert list(decode_records(b"", "m.jsonl")) == []


def test_text_that_utf8_cannot_hold_is_kept_as_an_escape() -> None:
    record = replace(FAILED, id="\ud800x", text="line\u2028sep\x85\x00")
    data = encode_records([record])
    assert data.count(b"\n") == 1
    assert list(decode_records(data, "m")) == [record]
