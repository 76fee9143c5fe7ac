"""A corpus on the command line, and what a newcomer is told of what does not fit."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from speechmill.actors.models.registry import MODELS
from speechmill.errors import SpecError
from speechmill.jobs.cli.main import app
from speechmill.jobs.cli.source import job_of, shown
from speechmill.jobs.cli.voices import MODELS_IN_WORDS
from speechmill.jobs.spec.job import JobSpec
from speechmill.jobs.spec.yaml_reader import parse_yaml

NOTHING = {"output": None, "voice": None, "model": None}


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.csv").write_text("id,text\na,Hello there.\nb,Good day.\n", encoding="utf-8")
    (tmp_path / "upper.csv").write_text("ID,text\na,Hello there.\n", encoding="utf-8")
    return "good.csv"


def refused(*arguments: str) -> str:
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == 2, done.output
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_a_corpus_is_the_job_that_is_shown(corpus: str) -> None:
    job, is_corpus = job_of(corpus, ["output.audio=opus"], output="out", voice="emma", model=None)
    assert is_corpus
    told = shown(job)
    assert told.splitlines()[1:] == [
        "input: {uri: good.csv}",
        "model: {voice: emma}",
        "output: {uri: out, audio: opus}",
    ]
    assert JobSpec.parse(parse_yaml(told)) == job.spec


def test_a_job_file_takes_the_same_options(tmp_path: Path) -> None:
    file = tmp_path / "job.yaml"
    file.write_text("{input: {uri: a.csv}, output: {uri: there}, model: {voice: emma}}", encoding="utf-8")
    job, is_corpus = job_of(str(file), ["model.voice=kore"], output="here", voice="fable", model=None)
    assert not is_corpus
    assert (job.spec.output.uri, job.spec.model.voice) == ("here", "kore")


@pytest.mark.parametrize(
    "source", ["s3://bucket/a.csv", "https://a.example/b.jsonl", "hf://datasets/a/b/c.parquet", "x.csv.gz"]
)
def test_uris_of_corpora_are_corpora(source: str) -> None:
    assert job_of(source, None, **{**NOTHING, "output": "out"})[0].spec.input.uri == source


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("good.csv", "speechmill run good.csv -o out/"),
        ("book.xlsx", "save it as CSV"),
        ("book.pdf", "save its text as .txt"),
    ],
)
def test_what_cannot_be_run_says_what_can(source: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        job_of(source, None, **NOTHING)


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("output.path=x", "the place is output.uri"),
        ("output.format=flac", "wav, flac, opus or mp3 is output.audio"),
        ("input.speaker=a", "one voice for all rows is model.voice"),
        ("model.language=en", "each voice has its language"),
        ("voice=emma", "it is model.voice"),
        ("input=good.csv", "it holds keys, as in `input: {uri: corpus.csv}`"),
        ("model.batch_size=auto", 'is "auto": must be auto_max, or a whole number'),
        ("cluster.replicas=two", "must be auto, service, or a whole number"),
        ("failure.max_failed_rows=5%", "must be a number; 5% is 0.05"),
        ("input.uri=*.csv", "--set 'input.uri=\"*.csv\"'"),
        ("model.name=zzz", "known: chattts, f5tts, hibari, kokoro, minicpmo, openai, tone. A model of your own"),
        ("output.uri=gs://b/x", "s3.endpoint_url: https://storage.googleapis.com"),
        ("input.uri=gs://b/x.csv", "s3.endpoint_url: https://storage.googleapis.com"),
        ("output.uri=https://a.example/x", "can be read, not written"),
        ("output.uri=/proc/x", "writing to /proc/x"),
        ("output.uri=s3://x/y", "no name of a bucket"),
        ("input.uri=S3://bucket", "names no object"),
        ("input.text=sentence", "no column 'sentence'"),
    ],
)
def test_a_mistake_is_answered_with_what_to_write(corpus: str, pair: str, message: str) -> None:
    assert message in refused("plan", corpus, "-o", "out", "--set", pair)


def test_columns_of_other_letters_and_a_gpu_that_is_not_there_are_warned_of(
    corpus: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    del corpus
    monkeypatch.setattr("speechmill.jobs.dry_run.dry_run.has_gpu", lambda: False)
    done = CliRunner().invoke(app, ["plan", "upper.csv", "-o", "out", "--set", "model.device=cuda"])
    assert done.exit_code == 0
    assert 'the column "ID" is not read as id' in done.stderr and "--set input.id=ID" in done.stderr
    assert "this machine has no GPU" in done.stderr


@pytest.mark.parametrize("command", ["status", "verify"])
def test_no_output_is_said_in_these_words(tmp_path: Path, command: str) -> None:
    assert "there is no speechmill output at" in refused(command, str(tmp_path / "nothing"))


def test_voices_says_what_each_model_is() -> None:
    assert list(MODELS_IN_WORDS) and set(MODELS_IN_WORDS) == set(MODELS)
    said = CliRunner().invoke(app, ["voices"]).output
    for part in ("hibari", "kokoro", "CC BY-NC 4.0", "heart (default)", "emma"):
        assert part in said
