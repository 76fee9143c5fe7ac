"""Records are read back as they were written, and nothing else is read at all."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings

from speechmill.actors.records.record import Record
from speechmill.errors import JobError

from .drawn import FAILED, records


@settings(deadline=None)
@given(records)
def test_a_record_is_read_back_as_written(record: Record) -> None:
    line = record.to_json()
    assert "\n" not in line
    assert Record.from_json(line) == record
    assert Record.from_json(line).to_json() == line


def test_keys_stand_in_the_order_of_the_fields() -> None:
    """The reserved ones come last, and only where they are set."""
    names = list(Record.__dataclass_fields__)
    assert list(json.loads(FAILED.to_json())) == names[:-12]
    reserved = {"normalized_text": "x", "attempt": 1, "verdict": "rejected", "scores": {"a": 0.5}, "heard": "y"}
    trial = {"attempt": 0, "judge": "signal", "reasons": ["gap 2 s > 1.2 s"], "duration_s": 1.5}
    reserved |= {"unheard_by": ["mos"], "rejected": [trial], "alignment": [("x", 0.0, 0.5)], "language": "en"}
    reserved |= {"asked_seed": 4, "kept": {"run": 1, "row": 2, "metadata": {"page": 3}}}
    reserved |= {"reference": {"clip": "a.wav", "text": "x", "digest": "ab"}}
    assert list(json.loads(replace(FAILED, **reserved).to_json())) == names
    assert names[-12:] == list(reserved)
    assert FAILED.to_json().startswith('{"row":3,"id":"a","status":"failed","error":"empty text","text":"x"')


def edited(**changes: object) -> str:
    return json.dumps({**json.loads(FAILED.to_json()), **changes})


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("", "not one line of JSON"),
        ("[1]", "list"),
        ("null", "NoneType"),
        ("[" * 100_000, "not one line of JSON"),
        (edited(extra=1), "extra"),
        (FAILED.to_json().replace('"id":"a",', ""), "id"),
        (FAILED.to_json().replace('"id":"a"', '"id":"a","id":"b"'), "twice"),
        (edited(row="3"), "row is '3'"),
        (edited(row=True), "row is True"),
        (edited(row=-1), "rows count from 0"),
        (edited(row=1.0), "row is 1.0"),
        (edited(seed=float("nan")), "NaN"),
        (FAILED.to_json().replace('"speed":null', '"speed":1e999'), "finite"),
        (FAILED.to_json().replace('"row":3', '"row":' + "9" * 5000), "not one line of JSON"),
        (edited(row=2**63), "below"),
        (FAILED.to_json().replace('"speed":null', '"speed":1' + "0" * 400), "finite"),
        (edited(status="done"), "'ok' or 'failed'"),
        (edited(status="ok"), "every audio field"),
        (edited(error=None), "needs an error"),
        (edited(member="x"), "no audio field"),
        (edited(audio="audio/x"), "no audio field"),
        (edited(refined="x"), "no audio field or refined"),
        (edited(refined=1), "refined is 1"),
        (edited(status="ok", error=None, refined=" "), "needs a text"),
        (edited(status="ok", refined="x"), "no error"),
        (edited(status="ok", error=None, refined="x", audio="audio/x"), "no audio field"),
        (edited(status="ok", error=None, refined="x", member=3), "no audio field"),
        (edited(metadata={"a": [1]}), "metadata 'a' is a list"),
        (edited(metadata=None), "metadata is None"),
    ],
)
def test_a_line_that_no_record_writes_is_refused(line: str, reason: str) -> None:
    with pytest.raises(JobError, match=reason):
        Record.from_json(line)


def test_metadata_that_is_no_json_names_the_row() -> None:
    with pytest.raises(JobError, match=r"row 3: metadata .*bytes"):
        replace(FAILED, metadata={"x": b"bytes"}).to_json()  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("name", ["audio_bytes", "sample_rate", "num_samples", "num_segments"])
def test_an_ok_record_without_audio_is_refused(name: str) -> None:
    numbers = {"audio_bytes": 1, "sample_rate": 1, "num_samples": 1, "num_segments": 1, name: 0}
    with pytest.raises(JobError, match=f"{name} is 0"):
        replace(
            FAILED,
            status="ok",
            error=None,
            audio="audio/x",
            audio_format="wav",
            audio_sha256="",
            duration_s=1.0,
            pcm_sha256="",
            **numbers,
        )
