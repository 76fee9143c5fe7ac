"""What a row says of a recording: which files it may name, and what is wrong with it."""

from __future__ import annotations

import os
from typing import Any

import pytest

from speechmill.actors.records.reference import NamedClip
from speechmill.actors.records.utterance import Failure, Utterance
from speechmill.cluster.storage.audio_files import ClipFiles
from speechmill.jobs.corpus.options import Column, InputOptions
from speechmill.jobs.corpus.reader import RawRows
from speechmill.jobs.corpus.rows import RowMaker

OPTIONS = InputOptions(
    uri="x.csv",
    reference=Column("reference", required=False),
    reference_text=Column("reference_text", required=False),
)


def made(uri: str = "/data/x.csv", options: InputOptions = OPTIONS, **fields: Any) -> Utterance | Failure:
    return RowMaker(options).make(0, (uri, "line", 2), {"id": "a", "text": "Hello.", **fields})


def named(uri: str, clip: str) -> NamedClip | None:
    row = made(uri, reference=clip, reference_text="words")
    assert isinstance(row, Utterance), row
    assert row.metadata == {}
    return row.reference


def test_a_row_names_a_clip_beside_its_file_or_elsewhere() -> None:
    found = named("/data/x.csv", "clips/a.wav")
    assert found == NamedClip("clips/a.wav", "words")
    assert found.folder == "/data"
    assert named("x.csv", "/else/a.wav") == NamedClip("/else/a.wav", "words")
    relative = named("x.csv", "a.wav")
    assert relative is not None
    assert relative.folder == os.getcwd()  # noqa: PTH109
    in_bucket = named("s3://bucket/some/x.csv", "a.wav")
    assert in_bucket is not None
    assert in_bucket.folder == "s3://bucket/some"
    assert named("/data/x.csv", "s3://bucket/a.wav") == NamedClip("s3://bucket/a.wav", "words")


@pytest.mark.parametrize(
    ("clip", "location"),
    [("S3://b/k.wav", "s3://b/k.wav"), ("FILE:///a%20b.wav", "/a b.wav"), ("../k.wav", "/data/../k.wav")],
)
def test_a_clip_is_where_its_row_says(clip: str, location: str) -> None:
    """Schemes are read in any case, as those of corpora are."""
    found = named("/data/x.csv", clip)
    assert found is not None
    assert ClipFiles().location(found) == location


def test_a_row_without_a_clip_has_none() -> None:
    for clip in (None, "", float("nan")):
        row = made(reference=clip, reference_text="words")
        assert isinstance(row, Utterance)
        assert row.reference is None


@pytest.mark.parametrize(
    ("uri", "fields", "why"),
    [
        ("/x.csv", {"reference": "a.wav"}, "no transcript: give the words that it says in column 'reference_text'"),
        ("/x.csv", {"reference": "a.wav", "reference_text": "  "}, "no transcript"),
        ("/x.csv", {"reference": 7, "reference_text": "w"}, "no path of a recording"),
        ("/x.csv", {"reference": "a\0.wav", "reference_text": "w"}, "no path of a recording"),
        ("/x.csv", {"reference": "a.wav", "reference_text": "w", "voice": "anna"}, "leave one empty"),
        ("/x.csv", {"reference": "http://10.0.0.1/a.wav", "reference_text": "w"}, "http:// is not read"),
        ("https://a/x.csv", {"reference": "/etc/passwd", "reference_text": "w"}, "open no files"),
        ("hf://datasets/a/b/x.csv", {"reference": "a.wav", "reference_text": "w"}, "open no files"),
        ("s3://b/x.csv", {"reference": "/etc/passwd", "reference_text": "w"}, "no files of this machine"),
        ("s3://b/x.csv", {"reference": "file:///etc/passwd", "reference_text": "w"}, "no files of this machine"),
        ("s3://b/x.csv", {"reference": "../a.wav", "reference_text": "w"}, "has no '..'"),
    ],
)
def test_a_row_that_names_no_clip_that_may_be_read_fails(uri: str, fields: dict[str, Any], why: str) -> None:
    row = made(uri, **fields)
    assert isinstance(row, Failure)
    assert why in row.reason


def test_columns_of_that_name_are_metadata_where_no_model_clones() -> None:
    row = made(options=InputOptions(uri="x.csv"), reference="a book", reference_text="of some kind")
    assert isinstance(row, Utterance)
    assert (row.reference, row.metadata) == (None, {"reference": "a book", "reference_text": "of some kind"})


def test_rows_made_together_keep_their_clips() -> None:
    rows = [(n, {"id": f"{n}", "text": "x", "reference": f"{n % 2}.wav", "reference_text": "w"}) for n in range(600)]
    rows += [(n, {"id": f"{n}", "text": "x", "reference": "", "reference_text": ""}) for n in range(600, 1200)]
    found = RowMaker(OPTIONS).make_all(0, "/x.csv", "line", RawRows.of(rows)).rows
    clips = [row.reference and row.reference.clip for row in found if isinstance(row, Utterance)]
    assert clips == [f"{n % 2}.wav" for n in range(600)] + [None] * 600
