"""A corpus is judged: planted faults are listed, nothing is heard twice, and the list is a corpus to speak."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.waiting import eventually
from typer.testing import CliRunner

import speechmill
from speechmill.cluster.storage import open_storage
from speechmill.errors import JobChanged, JobError, ModelError, SpecError
from speechmill.jobs.cli.main import app
from speechmill.jobs.corpus import Corpus, InputOptions
from speechmill.jobs.judging import audio_corpus
from speechmill.jobs.judging.results import read_scores

NOTING = "support.planted_judges:Noting"


def snapshot(folder: Path) -> dict[str, str]:
    """Every file with a digest of its content."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def test_planted_faults_are_listed_in_every_form_and_the_corpus_stays_as_it_is(
    form, made, write_corpus, told_of, tmp_path
) -> None:
    uri = write_corpus(form, made)
    before = snapshot(tmp_path / "corpus")
    found = speechmill.judge(uri, str(tmp_path / "judged"), **told_of(form))
    assert snapshot(tmp_path / "corpus") == before
    planted = {row.text for row in made if row.fault}
    again = [json.loads(line) for line in (tmp_path / "judged" / "again.jsonl").read_text().splitlines()]
    assert {line["text"] for line in again} == planted
    assert (found.num_clips, found.num_rejected, found.num_unheard) == (40, 4, 0)
    assert found.num_failed == (1 if form.startswith("out-") else 0)
    assert found.is_ok is False
    clips = list(read_scores(open_storage(str(tmp_path / "judged"))))
    assert {clip.text: clip.verdict for clip in clips} == {
        row.text: "rejected" if row.fault else "passed" for row in made
    }
    assert all("signal.level_db" in clip.scores for clip in clips if clip.verdict == "passed")


def test_the_reasons_are_counted_by_judge_and_kind(made, write_corpus, tmp_path) -> None:
    found = speechmill.judge(write_corpus("jsonl", made), str(tmp_path / "judged"))
    assert {kind.split()[0] for kind in found.rejections} == {"signal", "duration"}
    assert sum(found.rejections.values()) >= 4
    assert {clip.id for clip in found.worst} == {row.id for row in made if row.fault}
    told = json.loads((tmp_path / "judged" / "summary.json").read_text())
    assert told["num_rejected"] == 4
    assert told["scores"]["signal.gap_s"]["threshold"] == 1.2
    assert set(found.costs) == {"signal", "duration"}


def test_the_list_is_a_corpus_that_a_job_takes_with_other_seeds(made, write_corpus, tmp_path) -> None:
    uri = write_corpus("out-parquet", made)
    speechmill.judge(uri, str(tmp_path / "judged"))
    rows = list(Corpus(InputOptions(uri=str(tmp_path / "judged" / "again.jsonl"))).rows())
    bad = [row for row in made if row.fault]
    assert [(row.id, row.text, row.voice) for row in rows] == [(row.id, row.text, row.voice) for row in bad]
    assert not {row.seed for row in rows} & {row.seed for row in made}
    assert [row.metadata["attempt"] for row in rows] == [1] * 4
    assert [row.metadata["chapter"] for row in rows] == [2] * 4
    assert str(rows[0].metadata["rejected"]).startswith("signal: sound 0")


def test_the_same_call_again_hears_nothing_and_says_the_same(form, made, write_corpus, told_of, tmp_path) -> None:
    uri, notes = write_corpus(form, made), tmp_path / "notes"
    how = {"judges": [NOTING], "options": {NOTING: {"notes": str(notes)}}, **told_of(form)}
    first = speechmill.judge(uri, str(tmp_path / "judged"), **how)
    assert len(notes.read_text().splitlines()) == 40
    second = speechmill.judge(uri, str(tmp_path / "judged"), **how)
    assert len(notes.read_text().splitlines()) == 40
    assert (first.num_heard, second.num_heard) == (40, 0)
    own = {"num_heard", "wall_s", "costs"}
    assert {k: v for k, v in first.body.items() if k not in own} == {
        k: v for k, v in second.body.items() if k not in own
    }


def test_a_part_that_changed_is_heard_again_and_its_old_scores_are_gone(
    made, write_corpus, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr("speechmill.jobs.judging.table_parts.PART_ROWS", 10)
    uri, notes = write_corpus("jsonl", made), tmp_path / "notes"
    how = {"judges": [NOTING], "options": {NOTING: {"notes": str(notes)}}}
    assert speechmill.judge(uri, str(tmp_path / "judged"), **how).num_rejected == 1  # the silent one
    good = (Path(uri).parent / "wavs" / "r004.wav").read_bytes()
    (Path(uri).parent / "wavs" / "r005.wav").write_bytes(good)
    found = speechmill.judge(uri, str(tmp_path / "judged"), **how)
    assert (found.num_heard, found.num_clips, found.num_rejected) == (10, 40, 0)
    assert len(list((tmp_path / "judged" / "scores").iterdir())) == 4
    assert (tmp_path / "judged" / "again.jsonl").read_text() == ""


@pytest.mark.integration
def test_a_judging_that_is_killed_goes_on_and_hears_no_written_part_again(made, write_corpus, tmp_path) -> None:
    uri, notes, judged = write_corpus("out-webdataset", made), tmp_path / "notes", tmp_path / "judged"
    arguments = ["judge", uri, "-o", str(judged), "--workers", "0", "--json"]
    waits = tmp_path / "waits"
    waits.touch()  # in the second part
    arguments += ["--judges", NOTING, "--option", f"{NOTING}.notes={notes}", "--option", f"{NOTING}.waits={waits}"]
    command = [sys.executable, "-c", "from speechmill.jobs.cli.main import main; main()", *arguments]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL) as process:
        try:
            eventually(lambda: process.poll() is not None or list(judged.glob("scores/*.jsonl")), "the first part")
        finally:
            process.kill()  # by itself it would not end
    waits.unlink()
    assert len(list(judged.glob("scores/*.jsonl"))) == 1
    assert not (judged / "summary.json").exists()
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1, done.stderr
    assert json.loads(done.stdout)["num_rejected"] == 1
    heard = notes.read_text().splitlines()
    assert {row.id for row in made} == set(heard)
    first = [line["id"] for line in map(json.loads, sorted(judged.glob("scores/*"))[0].read_text().splitlines())]
    assert all(heard.count(row_id) == 1 for row_id in first)


def test_clips_that_are_missing_or_broken_are_listed_and_rows_that_make_no_sense_are_not(
    made, write_corpus, tmp_path
) -> None:
    uri = write_corpus("jsonl", made)
    wavs = Path(uri).parent / "wavs"
    (wavs / "r001.wav").unlink()
    (wavs / "r002.wav").write_bytes(b"RIFFtorn")
    with Path(uri).open("a") as table:
        table.write('{"audio_filepath": "wavs/r003.wav", "text": ""}\n')
    found = speechmill.judge(uri, str(tmp_path / "judged"))
    assert (found.num_rejected, found.num_broken, found.num_unheard) == (6, 2, 1)
    assert found.rejections["audio"] == 2
    lines = (tmp_path / "judged" / "again.jsonl").read_text().splitlines()
    again = {line["id"]: line for line in map(json.loads, lines)}
    assert again["r001"]["rejected"].endswith("r001.wav: there is no such file")
    assert len(again) == 6
    unheard = next(clip for clip in read_scores(open_storage(str(tmp_path / "judged"))) if clip.verdict == "unheard")
    assert "line 41: the text (column 'text') is empty" in unheard.reasons[0]


def test_other_judges_or_another_corpus_are_refused_until_it_is_overwritten(made, write_corpus, tmp_path) -> None:
    uri, judged = write_corpus("jsonl", made), str(tmp_path / "judged")
    speechmill.judge(uri, judged)
    with pytest.raises(JobChanged, match=r"judges: .*--overwrite"):
        speechmill.judge(uri, judged, judges=["signal"])
    with pytest.raises(JobChanged, match="revision"):
        speechmill.judge(uri, judged, options={"signal": {"gap_s": 5.0}})
    assert speechmill.judge(uri, judged, options={"signal": {"gap_s": 5.0}}, overwrite=True).num_heard == 40
    with pytest.raises(JobError, match=r"holds 'corpus/.*name a folder of its own"):
        speechmill.judge(uri, str(tmp_path))


def test_wrong_options_name_what_is_wrong(made, write_corpus, tmp_path) -> None:
    uri = write_corpus("jsonl", made[:3])
    with pytest.raises(ModelError, match='"signall" is not registered: did you mean "signal"'):
        speechmill.judge(uri, judges=["signall"])
    with pytest.raises(SpecError, match="options of 'signl', which is not asked"):
        speechmill.judge(uri, options={"signl": {}})
    with pytest.raises(SpecError, match="--share is 0"):
        speechmill.judge(uri, share=0.0)
    with pytest.raises(SpecError, match=r"nothing\.json is not there; `speechmill judge --calibrate` writes it"):
        speechmill.judge(uri, calibration=str(tmp_path / "nothing.json"))
    with pytest.raises(SpecError, match="name the folder of the results with --output"):
        speechmill.judge(str(tmp_path / "*.tar"))
    with pytest.raises(JobError, match="no file matches"):
        speechmill.judge(str(tmp_path / "nothing"))


def test_few_clips_need_no_cluster_and_an_empty_table_is_judged(tmp_path) -> None:
    (tmp_path / "rows.csv").write_text("id,text,audio\n")
    found = speechmill.judge(str(tmp_path / "rows.csv"))
    assert (found.num_clips, found.is_ok) == (0, True)
    assert (tmp_path / "rows.csv.judged" / "again.jsonl").read_text() == ""
    assert audio_corpus.PART_ROWS == 256


@pytest.fixture
def noting_in_workers(ray_head, joined_ray, monkeypatch) -> str:
    """The judge by a name under which workers of the cluster find it."""
    source = Path(__file__).parents[2] / "support" / "planted_judges.py"
    (Path(ray_head.folder) / "judges_of_tests.py").write_text(source.read_text())
    monkeypatch.syspath_prepend(ray_head.folder)
    return "judges_of_tests:Noting"


@pytest.mark.integration
def test_workers_of_a_cluster_say_the_same_and_a_deadly_clip_costs_no_other(
    noting_in_workers, made, write_corpus, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr("speechmill.jobs.judging.table_parts.PART_ROWS", 10)
    uri, notes = write_corpus("jsonl", made), tmp_path / "notes"
    options = {noting_in_workers: {"notes": str(notes), "deadly": "number 17 of"}}
    judges = [noting_in_workers, "signal"]
    found = speechmill.judge(uri, str(tmp_path / "judged"), judges=judges, options=options, workers=2)
    assert (found.num_clips, found.num_rejected, found.num_unheard) == (40, 3, 1)
    clips = {clip.id: clip for clip in read_scores(open_storage(str(tmp_path / "judged")))}
    assert clips["r017"].verdict == "unheard"
    assert clips["r017"].reasons == ("the process died of it, twice: it was not judged",)
    here = speechmill.judge(uri, str(tmp_path / "here"), judges=["signal"], workers=0)
    assert here.num_rejected == 3
    heard = notes.read_text().splitlines()
    assert heard.count("r017") == 3  # with others, alone, alone
    assert heard.count("r025") == 1


@pytest.mark.integration
def test_a_judge_that_cannot_be_loaded_ends_the_judging_with_its_message(
    noting_in_workers, made, write_corpus, tmp_path
) -> None:
    options = {noting_in_workers: {"notes": str(tmp_path / "notes"), "is_broken": True}}
    with pytest.raises(ModelError, match="its weights are torn"):
        speechmill.judge(write_corpus("jsonl", made), judges=[noting_in_workers], options=options, workers=2)
