"""Manifests: records and part names are read back as they were written, and nothing else is read at all."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechmill.actors.records.json_line import dumps, dumps_all
from speechmill.actors.records.manifest import decode_records, encode_records
from speechmill.actors.records.part_name import PartName
from speechmill.actors.records.record import Record
from speechmill.actors.records.utterance import Failure
from speechmill.cluster.commit.names import Stamp
from speechmill.errors import JobError

text = st.text(max_size=20)
hashes = st.text("0123456789abcdef", min_size=64, max_size=64)
positive = st.integers(1, 2**40)
metadata = st.dictionaries(
    text,
    text | st.integers() | st.booleans() | st.none() | st.floats(allow_nan=False, allow_infinity=False),
    max_size=4,
)
finite = st.floats(0, 1e9)
aligned = st.lists(st.tuples(text, finite, finite), max_size=3)
common = {
    "normalized_text": st.none() | text,
    "attempt": st.none() | st.integers(0, 2**40),
    "scores": st.none() | st.dictionaries(text, finite, max_size=3),
    "alignment": st.none() | aligned,
    "row": st.integers(0, 2**40),
    "id": text,
    "text": text,
    "voice": text,
    "model": text,
    "model_revision": text,
    "metadata": metadata,
}
spoken = st.builds(
    Record,
    **common,
    status=st.just("ok"),
    error=st.none(),
    seed=st.integers(0, 2**63 - 1),
    speed=finite,
    audio=text,
    member=text | st.integers(0, 2**40) | st.none(),
    audio_format=text,
    audio_bytes=positive,
    audio_sha256=hashes,
    sample_rate=positive,
    num_samples=positive,
    duration_s=finite,
    pcm_sha256=hashes,
    num_segments=positive,
)
refined = st.builds(
    Record,
    **common,
    status=st.just("ok"),
    error=st.none(),
    seed=st.integers(0, 2**63 - 1),
    speed=finite,
    unspoken=text,
    refined=text.filter(str.strip),
)
failed = st.builds(
    Record,
    **common,
    status=st.just("failed"),
    error=text,
    seed=st.integers(0, 2**63 - 1) | st.none(),
    speed=finite | st.none(),
)
records = spoken | refined | failed
part_names = st.builds(
    PartName,
    window=st.integers(0, 10**8),
    index=st.integers(0, 10**6) | st.none(),
    num_ok=st.integers(0, 10**9),
    num_failed=st.integers(0, 10**9),
    audio_ms=st.integers(0, 10**12),
    digest=st.text("0123456789abcdef", min_size=1, max_size=64),
)
stamped_names = st.builds(
    replace,
    part_names,
    stamp=st.builds(lambda run, number: f"r5f3a-{run}.n{number}", st.integers(1, 10**17), st.integers(0, 10**17)),
    content=st.text("0123456789abcdef", min_size=16, max_size=16),
)
FAILED = Record.of_failure(Failure(3, "a", "empty text", "x", {"k": 1}), "tone", "1")


@settings(deadline=None)
@given(records)
def test_a_record_is_read_back_as_written(record: Record) -> None:
    line = record.to_json()
    assert "\n" not in line
    assert Record.from_json(line) == record
    assert Record.from_json(line).to_json() == line


@settings(deadline=None)
@given(st.lists(records, max_size=5, unique_by=lambda record: record.row), st.randoms())
def test_a_manifest_holds_its_records_in_row_order(rows: list[Record], random) -> None:
    shuffled = rows.copy()
    random.shuffle(shuffled)
    data = encode_records(shuffled)
    assert data == encode_records(rows)
    assert list(decode_records(data, "m")) == sorted(rows, key=lambda record: record.row)


@settings(deadline=None)
@given(part_names | stamped_names)
def test_a_part_name_is_read_back_as_written(name: PartName) -> None:
    assert PartName.parse(name.key) == name


@settings(deadline=None)
@given(
    st.text(max_size=60)
    | st.from_regex(r"manifest/[0-9]{6}/(0001|rejected)\.ok\d+\.failed\d+\.ms\d+\.[0-9a-f]+\.jsonl")
    | st.from_regex(
        r"manifest/000000/0001\.r5f3a-\d{1,2}\.n\d{1,2}\.ok1\.failed0\.ms1\.[0-9a-f]+(\.[0-9a-f]{16})?\.jsonl"
    )
)
def test_a_key_is_refused_or_is_that_part_s_only_name(key: str) -> None:
    try:
        name = PartName.parse(key)
    except JobError:
        return
    assert name.key == key
    assert bool(name.stamp) == bool(name.content)
    if name.stamp:
        Stamp.parse(name.stamp)


def test_part_names_look_as_documented() -> None:
    part = PartName(12, 3, 98, 2, 412345, "9f2c1a")
    assert part.key == "manifest/000012/0003.ok98.failed2.ms412345.9f2c1a.jsonl"
    assert part.shard_id == "000012-0003"
    rejected = PartName(12, None, 0, 7, 0, "9f2c1a")
    assert rejected.key == "manifest/000012/rejected.ok0.failed7.ms0.9f2c1a.jsonl"
    assert rejected.shard_id == "000012-rejected"


@pytest.mark.parametrize(
    "key",
    [
        "manifest/000012/0003.ok98.failed2.ms1.9F.jsonl",
        "manifest/000012/0003.ok098.failed2.ms1.9f.jsonl",
        "manifest/0000012/0003.ok98.failed2.ms1.9f.jsonl",
        "manifest/000012/0003.ok98.failed2.ms1.9f.jsonl\n",
        "manifest/00001٢/0003.ok98.failed2.ms1.9f.jsonl",
        "x/manifest/000012/0003.ok98.failed2.ms1.9f.jsonl",
    ],
)
def test_a_second_spelling_of_a_part_name_is_refused(key: str) -> None:
    with pytest.raises(JobError, match="is no manifest"):
        PartName.parse(key)


@settings(deadline=None)
@given(st.lists(records, max_size=5))
def test_a_part_is_named_by_what_it_holds(rows: list[Record]) -> None:
    part = PartName.of(1, 2, "ab", rows)
    assert part.num_ok + part.num_failed == len(rows)
    assert part == PartName.of(1, 2, "ab", rows[::-1])
    assert part.audio_ms == sum(record.audio_ms for record in rows)


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


def test_numbers_that_json_lacks_become_null() -> None:
    assert dumps({"a": float("nan"), "b": {"c": float("-inf")}, "d": 1.5}) == '{"a":null,"b":{"c":null},"d":1.5}'
    assert Record.from_json(replace(FAILED, metadata={"x": float("nan")}).to_json()).metadata == {"x": None}


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


JSON_TEXT = st.text(st.characters(codec=None), max_size=4)


@given(
    st.lists(
        st.dictionaries(st.sampled_from(["a", 'b"', "é"]), JSON_TEXT | st.none() | st.floats(), max_size=2), max_size=4
    )
    | st.lists(st.fixed_dictionaries({"a": JSON_TEXT, 'b"': JSON_TEXT}), max_size=4)
)
def test_many_lines_are_those_of_each(values: list[dict[str, object]]) -> None:
    assert dumps_all(values) == "".join(map(dumps, values))
