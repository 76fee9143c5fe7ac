"""What would be said, shown and not spoken: `speechmill text` and `Job.text`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import speechmill
from speechmill.jobs.cli.main import app


def job(folder: Path, **text: object) -> speechmill.Job:
    (folder / "corpus.csv").write_text("id,text\na,Call 555-0142.\nb,Hello мир.\nc,мир\nd,\n", encoding="utf-8")
    return speechmill.Job(input={"uri": str(folder / "corpus.csv")}, output={"uri": str(folder / "out")}, text=text)


def test_the_first_rows_of_a_job_are_shown_as_they_would_be_spoken(tmp_path: Path) -> None:
    called, partly, none, empty = job(tmp_path).text(rows=4)
    assert called.spoken == "Call five five five, zero one four two."
    assert [segment.text for segment in called.segments] == [called.spoken]
    assert called.segments[0].num_tokens == len(called.segments[0].tokens) > 10
    assert called.audio_s > 0
    assert (partly.spoken, partly.unspoken, partly.error) == ("Hello.", ("мир",), "")
    assert "'мир'" in none.error
    assert empty.error
    assert [row.id for row in job(tmp_path).text(rows=2)] == ["a", "b"]


def test_a_row_with_unspoken_text_fails_where_the_job_wants_it(tmp_path: Path) -> None:
    assert "text.unspoken" in job(tmp_path, unspoken="fail").text(rows=2)[1].error


def test_the_command_shows_a_text_and_json(tmp_path: Path) -> None:
    shown = CliRunner().invoke(app, ["text", "It cost $5 at 出口."])
    assert shown.exit_code == 0
    assert "It cost five dollars at." in shown.stdout
    assert "出口" in shown.stdout
    told = CliRunner().invoke(app, ["text", "Tom &amp; Jerry", "--json", "--set", "text.markup=strip"])
    assert json.loads(told.stdout)["spoken"] == "Tom and Jerry"


@pytest.mark.parametrize(("text", "status"), [("мир", 1), ("word", 0)])
def test_the_status_tells_whether_a_text_would_fail(text: str, status: int) -> None:
    assert CliRunner().invoke(app, ["text", text]).exit_code == status


def test_a_job_file_is_shown_row_by_row(tmp_path: Path) -> None:
    made = job(tmp_path)
    file = tmp_path / "job.yaml"
    file.write_text(f"input: {{uri: {made.spec.input.uri}}}\noutput: {{uri: {tmp_path / 'out'}}}\n", encoding="utf-8")
    told = CliRunner().invoke(app, ["text", str(file), "--rows", "2", "--json"])
    assert [json.loads(line)["id"] for line in told.stdout.splitlines()] == ["a", "b"]


def test_the_plan_predicts_rows_with_unspoken_text(tmp_path: Path) -> None:
    plan = job(tmp_path).plan()
    assert plan.num_unspoken == 2
    assert plan.unspoken_examples == ("row 1 (b): 'мир'", "row 2 (c): 'мир'")
