"""Refined rows as JSON lines: what a manifest says is what the next job reads, and every difference is named."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechmill.actors.records.part_name import PartName
from speechmill.actors.records.record import Record
from speechmill.actors.records.utterance import Failure, Utterance
from speechmill.jobs.corpus import Corpus, InputOptions
from speechmill.jobs.output.texts import encode_texts, text_faults, text_key, text_shard_of

plain = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
named = st.text(st.characters(codec="utf-8", exclude_categories=("Cc",)), min_size=1, max_size=20).filter(str.strip)
OWN = {"id", "text", "voice", "seed", "speed"}


def record(row: int, **changes: object) -> Record:
    told = {
        "id": f"id {row}",
        "text": "As it was.",
        "voice": "",
        "seed": row,
        "speed": 1.0,
        "refined": f"as it is {row}",
    }
    return Record(row=row, status="ok", error=None, model="m", model_revision="1", **{**told, **changes})  # type: ignore[arg-type]


@st.composite
def refined_rows(draw: st.DrawFn) -> list[Record]:
    ids = draw(st.lists(named, max_size=5, unique=True))
    return [
        record(
            row,
            id=row_id,
            refined=draw(plain.filter(str.strip)),
            seed=draw(st.integers(0, 2**63 - 1)),
            voice=draw(st.sampled_from(["", "calm"])),
            speed=draw(st.sampled_from([1.0, 0.5, 2.0])),
            metadata=draw(st.dictionaries(plain, plain | st.integers(-(2**60), 2**60) | st.booleans(), max_size=3)),
        )
        for row, row_id in enumerate(ids)
    ]


@settings(deadline=None, max_examples=min(60, 2 * settings.default.max_examples))
@given(rows=refined_rows())
def test_the_next_job_reads_what_the_manifest_says(
    rows: list[Record], tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("texts") / "000000-0000.jsonl"
    file.write_bytes(encode_texts(rows))
    read = list(Corpus(InputOptions(str(file), speeds=(0.25, 4.0))).rows())
    assert all(isinstance(row, Utterance) for row in read)
    found = [(u.id, u.text, u.seed, u.voice, u.speed, dict(u.metadata)) for u in read if isinstance(u, Utterance)]
    assert found == [
        (r.id, r.refined, r.seed, r.voice, r.speed, {k: v for k, v in r.metadata.items() if k not in OWN}) for r in rows
    ]


@settings(deadline=None)
@given(refined_rows(), st.randoms())
def test_lines_are_sound_and_no_other_lines_are(rows: list[Record], random) -> None:
    data = encode_texts(rows)
    assert list(text_faults(data, rows)) == []
    if not rows:
        return
    at = random.randrange(len(rows))
    changed = [*rows[:at], replace(rows[at], refined=f"{rows[at].refined}x"), *rows[at + 1 :]]
    (fault,) = text_faults(encode_texts(changed), rows)
    assert fault == f"line {at + 1}, row {at}: text not as in the manifest"
    for damaged in (encode_texts(rows[:-1]), data[:-1], data + b"{}\n"):
        assert len(list(text_faults(damaged, rows))) == 1


@pytest.mark.parametrize("line", [b"", b"[]", b"[" * 100_000, b"\xff", b'{"id":', b"null"])
def test_a_line_that_is_no_object_is_named(line: bytes) -> None:
    assert list(text_faults(line + b"\n", [record(7)])) == ["line 1, row 7: no JSON object"]


def test_a_line_may_be_spelt_in_another_way() -> None:
    line = json.dumps(dict(reversed(json.loads(encode_texts([record(1)])).items())), indent=None)
    assert list(text_faults(line.encode() + b"\n", [record(1)])) == []


def test_failed_rows_have_no_line() -> None:
    failed = Record.of_failure(Failure(1, "b", "why"), "m", "1")
    assert encode_texts([record(0), failed, record(2)]).count(b"\n") == 2
    assert encode_texts([failed]) == b""
    assert list(text_faults(b"", [failed])) == []


def test_the_row_s_own_columns_give_way_to_what_the_line_says() -> None:
    row = json.loads(encode_texts([record(0, metadata={"text": "mine", "seed": "x", "topic": "t"})]))
    assert row == {"id": "id 0", "text": "as it is 0", "voice": "", "seed": 0, "speed": 1.0, "topic": "t"}


@given(st.text(max_size=30) | st.from_regex(r"text/[0-9]{4,8}-[0-9]{3,6}(-r5f3a-[0-9]{1,2}\.n[0-9]{1,2})?\.jsonl"))
def test_a_key_is_a_shard_s_or_nobody_s(key: str) -> None:
    shard = text_shard_of(key)
    if shard is not None:
        window, index = map(int, shard.split("-"))
        stamp = key.removeprefix(f"text/{shard}").removesuffix(".jsonl").removeprefix("-")
        if shard == f"{window:06d}-{index:04d}":  # others are no part's: they have zeros too many
            assert text_key(PartName(window, index, 1, 0, 0, "aa", stamp)) == key


def test_keys_look_as_documented() -> None:
    part = PartName(12, 3, 8, 0, 0, "aa", "r5f3a-7.n42", "0" * 16)
    assert text_key(part) == "text/000012-0003-r5f3a-7.n42.jsonl"
    assert text_key(replace(part, stamp="", content="")) == "text/000012-0003.jsonl"
    assert text_shard_of("text/000012-0003-r5f3a-7.n42.jsonl") == "000012-0003"
    assert text_shard_of("text/000012-0003.jsonl") == "000012-0003"
    assert text_shard_of("text/000012-0003-x.jsonl") is None


@pytest.mark.parametrize(
    ("changed", "names"),
    [
        ('"seed":1.0', "seed"),
        ('"seed":true', "seed"),
        ('"seed":1,"x":1', "x"),
        ('"seed":1,"seed":1', None),
        ('"seed":NaN', None),
    ],
)
def test_values_are_told_apart_as_json_has_them(changed: str, names: str | None) -> None:
    """To Python, 1 is 1.0 and true; and of a key that comes twice, readers take one or the other."""
    line = encode_texts([record(1)]).replace(b'"seed":1', changed.encode())
    (fault,) = text_faults(line, [record(1)])
    assert fault == f"line 1, row 1: {f'{names} not as in the manifest' if names else 'no JSON object'}"
