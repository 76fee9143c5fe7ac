"""`speechmill judge` on a command line, and on S3."""

from __future__ import annotations

import json
from pathlib import Path

import boto3
import pytest
from typer.testing import CliRunner

import speechmill
from speechmill.cluster.storage import S3Options, open_storage
from speechmill.jobs.cli.main import app
from speechmill.jobs.judging.results import read_scores

runner = CliRunner()


def test_the_command_says_what_it_found_and_ends_with_1_where_rows_are_to_be_spoken_again(
    made, write_corpus, tmp_path
) -> None:
    uri = write_corpus("csv", made)
    done = runner.invoke(app, ["judge", uri, "--audio", "clip", "--option", "signal.gap_s=1.3"])
    assert done.exit_code == 1
    assert "rejected" in done.output
    assert f"{uri}.judged/again.jsonl" in done.output.replace("\n", "")
    assert all(f"said   {row.text}" in done.output for row in made if row.fault)
    told = json.loads(
        runner.invoke(app, ["judge", uri, "--audio", "clip", "--option", "signal.gap_s=1.3", "--json"]).stdout
    )
    assert (told["num_rejected"], told["num_heard"], told["is_ok"]) == (4, 0, False)
    whole = [row for row in made if not row.fault]
    assert runner.invoke(app, ["judge", write_corpus("out-files", whole)]).exit_code == 0


@pytest.mark.slow
def test_the_command_calibrates_and_shows_the_worst(make_rows, write_corpus, tmp_path) -> None:
    uri = write_corpus("parquet", make_rows(120))
    file = tmp_path / "quality.json"
    done = runner.invoke(app, ["judge", uri, "--calibrate", "120", "-o", str(file)])
    assert done.exit_code == 0, done.output
    assert "signal rejects" in done.output
    assert done.output.count("said   ") == 20
    assert set(json.loads(file.read_text())["judges"]) == {"signal", "duration"}
    judged = runner.invoke(app, ["judge", uri, "--calibration", str(file), "--json"])
    assert json.loads(judged.stdout)["num_rejected"] >= 12
    told = runner.invoke(app, ["judge", uri, "--calibrate", "120", "--calibration", str(file)])
    assert told.exit_code == 2
    assert "leave --calibration out" in told.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.csv"], "no file matches nowhere.csv"),
        (["x.csv", "--judges", "signal,signal"], "each once"),
        (["x.csv", "--option", "sgnal.gap_s=1"], "must begin with a judge of --judges"),
        (["x.csv", "--option", "signal.gap=1"], 'did you mean "gap_s"'),
        (["x.csv", "--workers", "two"], "--workers two"),
        (["x.csv", "--calibration", "no.json"], "no.json is not there"),
        (["s3://u:hunter2@bucket/x"], "must not hold credentials"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(arguments, message, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = runner.invoke(app, ["judge", *arguments])
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert message in done.stderr
    assert "hunter2" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_hostile_texts_move_no_cursor(made, write_corpus) -> None:
    uri = write_corpus("jsonl", made[5:6])
    line = json.loads(Path(uri).read_text())
    Path(uri).write_text(json.dumps({**line, "text": "\x1b[2Jred\u202e", "id": "r\u202e5"}))
    done = runner.invoke(app, ["judge", uri])
    assert done.exit_code == 1
    assert "\\x1b[2Jred\\u202e" in done.output
    assert not {"\x1b", "\u202e"} & set(done.output)


@pytest.mark.integration
def test_a_corpus_in_s3_is_judged_into_s3(make_rows, write_corpus, s3_env) -> None:
    made = make_rows(12)
    bucket, local = s3_env.new_bucket(), Path(write_corpus("jsonl", made)).parent
    client = boto3.client("s3", endpoint_url=s3_env.endpoint)
    for path in local.rglob("*"):
        if path.is_file():
            client.put_object(Bucket=bucket, Key=f"set/{path.relative_to(local)}", Body=path.read_bytes())
    s3 = S3Options(s3_env.endpoint)
    found = speechmill.judge(f"s3://{bucket}/set/manifest.json", f"s3://{bucket}/judged", s3=s3)
    assert (found.num_clips, found.num_rejected) == (12, 1)
    storage = open_storage(f"s3://{bucket}/judged", s3)
    again = [json.loads(line) for line in storage.get("again.jsonl").splitlines()]
    assert {line["id"] for line in again} == {row.id for row in made if row.fault}
    assert len(list(read_scores(storage))) == 12
    assert speechmill.judge(f"s3://{bucket}/set/manifest.json", f"s3://{bucket}/judged", s3=s3).num_heard == 0
