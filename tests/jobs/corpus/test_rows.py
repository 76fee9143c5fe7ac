"""What the columns of one row mean."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmill.actors.models.voice_reference import VoiceForm
from speechmill.actors.records.utterance import Failure, Utterance, seed_of
from speechmill.jobs.corpus import Column, InputOptions
from speechmill.jobs.corpus.reader import Broken, RawRows
from speechmill.jobs.corpus.rows import RowMaker

PLACE = ("a.csv", "line", 9)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=30),
    st.binary(max_size=9),
    st.lists(st.integers()),
)


def make(fields: dict[str, object], **options: object) -> Utterance | Failure:
    return RowMaker(InputOptions("a.csv", **options)).make(8, PLACE, dict(fields))


def reason(fields: dict[str, object], **options: object) -> str:
    row = make({"text": "Hello.", **fields}, **options)
    assert isinstance(row, Failure)
    assert row.row == 8
    assert row.reason.startswith("a.csv line 9: ")
    return row.reason.removeprefix("a.csv line 9: ")


@given(st.dictionaries(st.sampled_from(["id", "text", "seed", "voice", "speed", "x"]), VALUES))
def test_every_row_becomes_one_of_two_and_always_the_same(fields: dict[str, object]) -> None:
    row = make(fields)
    assert row == make(fields)
    assert row.row == 8
    assert row.id
    if isinstance(row, Utterance):
        assert row.text.strip()
        assert 0 <= row.seed < 2**63
        assert 0.25 <= row.speed <= 4.0
    else:
        assert row.reason.startswith("a.csv line 9: ")


PLAIN_ROW = st.permutations([("id", "i"), ("text", "Hello."), ("b", "1"), ("a", "2")]).map(dict)
ODD_ROW = st.one_of(
    st.dictionaries(st.sampled_from(["id", "text", "seed", "voice", "speed", "a", "b"]), VALUES),
    st.dictionaries(st.sampled_from(["id", "text", "voice", "a", "b"]), st.sampled_from(["", " ", "x", "\0"])),
    st.just(Broken("no JSON")),
)
ROWS = st.one_of(st.lists(PLAIN_ROW, min_size=2, max_size=3), st.lists(PLAIN_ROW | ODD_ROW, max_size=5))


@given(ROWS, st.sampled_from(["all", ("b", "a")]), st.sampled_from([(), ("x",)]))
def test_a_row_does_not_depend_on_those_beside_it(rows: list[Any], metadata: Any, voices: tuple[str, ...]) -> None:
    maker = RowMaker(InputOptions("a.csv", metadata=metadata, voices=voices))
    alone = [maker.make(at, ("a.csv", "line", at), row) for at, row in enumerate(rows)]
    together = maker.make_all(0, "a.csv", "line", RawRows.of(list(enumerate(rows)))).rows
    assert list(map(repr, together)) == list(map(repr, alone))  # the order of metadata counts, too


@given(st.integers(0, 2**63 - 1))
def test_a_seed_is_taken_as_it_is(seed: int) -> None:
    for given_seed in (seed, str(seed), f" {seed} "):
        assert make({"text": "x", "seed": given_seed}).seed == seed


@pytest.mark.parametrize(
    "seed", ["-1", "9223372036854775808", "1.5", "x", "1e3", "²", True, -1, 2**63, 0.5, float("inf"), "9" * 99]
)
def test_a_seed_that_is_none_fails(seed: object) -> None:
    assert "is not an integer from 0 to 2**63 - 1" in reason({"seed": seed})


@pytest.mark.parametrize("seed", [17, "17", "17.0", "017", 17.0])
def test_a_seed_may_have_been_through_pandas(seed: object) -> None:
    assert make({"text": "x", "seed": seed}).seed == 17


@pytest.mark.parametrize("seed", [None, "", float("nan"), "nan", "NaN"])
def test_a_missing_seed_comes_from_the_job_and_the_id(seed: object) -> None:
    assert make({"text": "x", "id": "a", "seed": seed}, job_seed=3).seed == seed_of(3, "a")
    assert make({"text": "x"}, job_seed=3).seed == seed_of(3, "row-000000008")


def test_a_seed_column_that_is_off_is_metadata() -> None:
    row = make({"text": "x", "seed": "7"}, seed=None)
    assert row.seed == seed_of(0, "row-000000008")
    assert row.metadata == {"seed": "7"}


@pytest.mark.parametrize("speed", ["fast", "inf", float("inf"), "0", "4.1", "1,5", True, [1], 10**400])
def test_a_speed_that_is_none_fails(speed: object) -> None:
    assert "is not a number from 0.25 to 4" in reason({"speed": speed})


def test_speed_and_voice_have_defaults() -> None:
    row = make({"text": "x", "speed": "", "voice": ""}, default_speed=1.5, default_voice="heart")
    assert (row.speed, row.voice) == (1.5, "heart")
    row = make({"text": "x", "speed": "2", "voice": "river"}, voices=("heart", "river"))
    assert (row.speed, row.voice) == (2.0, "river")


def test_a_voice_by_its_seed_is_taken_where_the_model_takes_any() -> None:
    row = make({"text": "x", "voice": "seed:3"}, voices=("heart", "river"), voice_forms=("seed",))
    assert row.voice == "seed:3"
    assert "unknown voice 'seed:3'" in reason({"voice": "seed:3"}, voices=("heart", "river"))
    assert "unknown voice 'sed:3'" in reason({"voice": "sed:3"}, voices=("heart", "river"), voice_forms=("seed",))


def test_an_unknown_voice_fails_and_the_nearest_is_named() -> None:
    told = reason({"voice": "hart"}, voices=("heart", "river"))
    assert told == "unknown voice 'hart'; did you mean 'heart'? (voices: heart, river)"
    told = reason({"voice": "heart+rivr"}, voices=("heart", "river"), voice_forms=("blend",))
    assert told == "unknown voice 'rivr'; did you mean 'river'? (voices: heart, river)"


@pytest.mark.parametrize(("voice", "form"), [("heart:2+river", "blend"), ("seed:7", "seed"), ("by_seed", "by_seed")])
def test_a_voice_that_is_no_name_is_one_where_the_model_takes_its_form(voice: str, form: VoiceForm) -> None:
    row = make({"text": "x", "voice": voice}, voices=("heart", "river"), voice_forms=(form,))
    assert row.voice == voice
    assert voice in reason({"voice": voice}, voices=("heart", "river"), voice_forms=("vector",))


@pytest.mark.parametrize(
    ("given", "speed"), [("1,5", 1.5), ("1.5", 1.5), (" 0,25", 0.25), ("2", 2.0), (1.5, 1.5), ("", 1.0), ("nan", 1.0)]
)
def test_a_decimal_comma_is_read_where_the_file_writes_it(given: object, speed: float) -> None:
    fields = {"text": "x", "speed": given, "seed": "17,0", "note": "2,5"}
    (row,) = RowMaker(InputOptions("a.csv")).make_all(0, "a.csv", "line", RawRows.of([(2, fields)]), ",").rows
    assert (row.speed, row.seed, row.metadata) == (speed, 17, {"note": "2,5"})


@pytest.mark.parametrize("speed", ["1.234,5", "1,2,3", "1,5.", ",", "1, 5"])
def test_what_is_no_number_with_a_comma_either_fails(speed: str) -> None:
    (row,) = (
        RowMaker(InputOptions("a.csv"))
        .make_all(0, "a.csv", "line", RawRows.of([(2, {"text": "x", "speed": speed})]), ",")
        .rows
    )
    assert isinstance(row, Failure)
    assert f"speed {speed!r} is not a number" in row.reason


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"text": ""}, "the text (column 'text') is empty"),
        ({"text": " \n\t\u3000"}, "the text (column 'text') is empty"),
        ({"text": "x" * 11}, "the text has 11 characters, more than input.max_chars = 10"),
        ({"id": ""}, "the id (column 'id') is empty"),
        ({"id": "  "}, "the id (column 'id') is empty"),
        ({"id": "a\nb"}, "the id 'a\\nb' holds a control character"),
    ],
)
def test_reasons(fields: dict[str, object], told: str) -> None:
    assert reason(fields, max_chars=10) == told


def test_a_failure_keeps_what_is_known_of_the_row() -> None:
    row = make({"id": "a", "text": "Hello there.", "voice": "v", "note": "n"}, max_chars=5)
    assert isinstance(row, Failure)
    assert (row.id, row.text, row.metadata) == ("a", "Hello", {"note": "n"})
    assert make({"id": " ", "text": "x"}).id == "row-000000008"


def test_one_column_may_mean_two_things() -> None:
    row = make({"who": "ann", "text": "x"}, id=Column("who"), voice=Column("who"), metadata=("who",))
    assert (row.id, row.voice, row.metadata) == ("ann", "ann", {"who": "ann"})


ODD = st.sampled_from(
    ["", " ", None, 0, 1.5, True, [], "x", "low", "17", "\0", "a\nb", "\u00a0", math.nan, "nan", math.inf]
)
FIELDS = st.fixed_dictionaries({}, optional=dict.fromkeys(("id", "text", "seed", "voice", "speed", "note"), ODD))
PLAIN = st.fixed_dictionaries(
    {"id": st.text(min_size=1, max_size=3), "text": st.text(min_size=1, max_size=3)},
    optional={"note": ODD, "voice": st.sampled_from(["low", "high", "", "other"])},
)


@given(
    st.lists(FIELDS | PLAIN | st.just(Broken("bad")), max_size=12),
    st.lists(PLAIN, min_size=1, max_size=6),
    st.lists(st.fixed_dictionaries({"text": st.text(min_size=1, max_size=3)}), min_size=1, max_size=3),
    st.sampled_from(["all", (), ("note", "text")]),
)
def test_rows_made_together_are_those_made_one_by_one(
    mixed: list[Any], plain: list[Any], bare: list[Any], metadata: Any
) -> None:
    options = InputOptions("a.csv", voices=("low", "high"), default_voice="high", job_seed=3, metadata=metadata)
    maker = RowMaker(options)
    for rows in (mixed, plain, bare):
        raw = list(enumerate(rows, 2))
        made = maker.make_all(5, "a.csv", "line", RawRows.of(raw))
        alone = [maker.make(5 + at, ("a.csv", "line", number), fields) for at, (number, fields) in enumerate(raw)]
        assert made.rows == alone
        spoken = [row for row in alone if isinstance(row, Utterance)]
        assert list(made.utterances) == spoken
        brought = [isinstance(fields, dict) and fields.get("seed") not in ("", None) for fields in rows]
        for row, hashed in zip(spoken, made.hashes.tolist(), strict=True):
            assert brought[row.row - 5] or (row.seed == hashed >> 1 == seed_of(3, row.id))


def test_a_language_is_one_of_the_models_in_its_usual_spelling() -> None:
    options = {"language": Column("lang", required=False), "languages": ("en", "zh")}
    said = ("en", "EN_gb", " zh-cn ", "", None)
    rows = [make({"text": "Hello.", "lang": language}, **options) for language in said]
    assert [row.language for row in rows if isinstance(row, Utterance)] == ["en", "en-GB", "zh-CN", "", ""]
    assert reason({"lang": "fr"}, **options) == "language 'fr' is not one that the model reads (languages: en, zh)"
    assert reason({"lang": 7}, **options).startswith("language 7 is not one")


def test_many_rows_have_the_languages_that_each_has_alone() -> None:
    maker = RowMaker(InputOptions("a.csv", language=Column("language"), languages=("en", "zh")))
    fields = [
        {"id": f"r{n}", "text": "Hello.", "language": language} for n, language in enumerate(["en", "zh", "en-GB"])
    ]
    for some in (fields, fields[:2], [row | {"language": ""} for row in fields]):
        raw = list(enumerate(some, 1))
        together = maker.make_all(0, "a.csv", "line", RawRows.of(raw)).rows
        assert together == [maker.make(n - 1, ("a.csv", "line", n), row) for n, row in raw]


def test_a_language_is_metadata_where_the_model_has_no_choice() -> None:
    row = make({"text": "Hello.", "language": "fr"})
    assert isinstance(row, Utterance)
    assert (row.language, row.metadata) == ("", {"language": "fr"})
