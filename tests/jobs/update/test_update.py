"""An output whose corpus has changed: what still fits is kept, the rest is spoken, the result is as from scratch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.in_process import Killed, SpeakingHere
from typer.testing import CliRunner

import speechmill
from speechmill.actors.models.chattts.checkpoint.layout import TINY
from speechmill.actors.models.chattts.checkpoint.random_weights import write_random
from speechmill.actors.models.tone import ToneOptions
from speechmill.cluster.storage import Storage, open_storage
from speechmill.errors import JobChanged, JobError, SpecError
from speechmill.jobs.cli.main import app
from speechmill.jobs.output.status import status
from speechmill.jobs.update.comparison import Changes
from speechmill.jobs.verify import verify

from .changed_corpus import CONTAINERS, check_sound, job_of, objects, records, rows_of, sounds, write


@pytest.mark.parametrize(
    "container", [pytest.param(name, marks=pytest.mark.slow) if name == "files" else name for name in CONTAINERS]
)
def test_changed_rows_are_spoken_and_the_others_keep_their_clips(
    tmp_path: Path, speaking_here: SpeakingHere, container: str
) -> None:
    rows = rows_of(60)
    write(tmp_path, rows)
    job = job_of(tmp_path, container)
    job.run()
    storage = open_storage(job.spec.output.uri)
    before, stored = sounds(storage), objects(storage)
    speaking_here.taken()

    rows[7] = ("id-7", "Another text.", "0")
    rows[30] = ("id-30", rows[30][1], "another chapter")
    del rows[50]
    rows.append(("id-new", "A new row.", "9"))
    write(tmp_path, rows)
    with pytest.raises(JobChanged, match="--update"):
        job.run()
    result = job.run(update=True)
    assert speaking_here.taken() == {"id-7", "id-new"}
    assert (result.num_rows, result.num_ok, result.new_rows) == (60, 60, 2)
    assert stored.items() <= objects(storage).items(), "no object was touched"
    check_sound(storage, job)

    scratch = job_of(tmp_path, container, "scratch")
    scratch.run()
    assert sounds(storage) == sounds(open_storage(scratch.spec.output.uri))

    # The state before can be read, until it is swept.
    assert sounds(storage, 1) == before
    assert {clip.id for clip in speechmill.read(storage.uri, generation=1)} == {f"id-{row}" for row in range(60)}
    assert (status(storage).generation, status(storage).earlier) == (2, (1,))
    report = verify(storage, sweep=True)
    assert (report.problems, report.num_orphans) == ((), 0)
    assert report.num_earlier
    assert report.num_swept
    with pytest.raises(JobError, match="keeps no generation 1"):
        next(speechmill.read(storage.uri, generation=1))
    check_sound(storage, job)
    assert verify(storage).num_earlier == 0
    assert sounds(storage) == sounds(open_storage(scratch.spec.output.uri))
    assert len(list(speechmill.read(storage.uri))) == 60


def test_nothing_is_done_where_nothing_has_changed(tmp_path: Path, speaking_here: SpeakingHere) -> None:
    write(tmp_path, rows_of(30))
    job = job_of(tmp_path)
    job.run()
    storage = open_storage(job.spec.output.uri)
    before = {entry.key: entry.version for entry in storage.list("")}
    speaking_here.num_pools = 0
    assert job.run(update=True).new_rows == 0
    assert job.run(retry_failed=True).new_rows == 0
    after = {entry.key: entry.version for entry in storage.list("")}
    assert {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)} <= {"driver.json"}
    with (tmp_path / "corpus.csv").open("a", encoding="utf-8") as file:
        file.write("\n")  # another file of the same rows
    result = job.run(update=True)
    assert (result.new_rows, result.num_rows, speaking_here.num_pools) == (0, 30, 0)
    check_sound(storage, job)
    assert status(storage).generation == 2


def test_a_changed_setting_is_no_update(tmp_path: Path, speaking_here: SpeakingHere) -> None:
    write(tmp_path, rows_of(10))
    job_of(tmp_path).run()
    for sections in ({"seed": 3}, {"text": {"pause_s": 0.9}}):
        with pytest.raises(JobChanged, match=r"differs in .*--update speaks rows of the corpus that have changed"):
            job_of(tmp_path, **sections).run(update=True)
    write(tmp_path, rows_of(11))
    with pytest.raises(JobChanged, match="--update"):
        job_of(tmp_path).run(retry_failed=True)


def test_failed_rows_are_spoken_again_where_that_is_asked(
    tmp_path: Path, speaking_here: SpeakingHere, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = rows_of(40)
    write(tmp_path, [(name, "xyzzy" if name in ("id-3", "id-20") else text, more) for name, text, more in rows])
    job = job_of(tmp_path)
    assert job.run().num_failed == 2
    speaking_here.taken()
    assert job.run(retry_failed=True).num_failed == 2
    assert speaking_here.taken() == {"id-3", "id-20"}
    (tmp_path / "again.jsonl").write_text('{"id": "id-20", "wer": 0.5}\n', encoding="utf-8")
    # The model is well again; no setting says so.
    monkeypatch.setattr(ToneOptions, "reject", property(lambda options: "", lambda options, value: None))
    assert job.run(retry_failed=True, rows=str(tmp_path / "again.jsonl")).num_failed == 1
    assert speaking_here.taken() == {"id-20"}
    assert job.run(update=True).new_rows == 0
    assert job.run(retry_failed=True).num_failed == 0
    assert speaking_here.taken() == {"id-3"}
    storage = open_storage(job.spec.output.uri)
    check_sound(storage, job)
    assert status(storage).generation == 4


def test_rows_outside_of_the_file_are_not_spoken(tmp_path: Path, speaking_here: SpeakingHere) -> None:
    rows = rows_of(30)
    write(tmp_path, rows)
    job = job_of(tmp_path)
    job.run()
    rows[4], rows[9] = ("id-4", "Four.", "0"), ("id-9", "Nine.", "0")
    write(tmp_path, rows)
    speaking_here.taken()
    (tmp_path / "ids.txt").write_text("id-4\n", encoding="utf-8")
    with pytest.raises(JobChanged, match=r"row 9 \(id 'id-9'\) has changed too"):
        job.run(update=True, rows=str(tmp_path / "ids.txt"))
    (tmp_path / "ids.txt").write_text("id-4\nid-9\n", encoding="utf-8")
    planned = job.plan(update=True, rows=str(tmp_path / "ids.txt"))
    assert planned.changes == Changes(num_kept=28, num_changed=2, num_added=0, num_removed=0, num_rejected=0)
    assert (planned.num_rows, speaking_here.taken()) == (2, set())
    assert job.run(update=True, rows=str(tmp_path / "ids.txt")).new_rows == 2
    with pytest.raises(SpecError, match="line 2"):
        (tmp_path / "ids.txt").write_text('id-4\n{"id": 4}\n', encoding="utf-8")
        job.run(update=True, rows=str(tmp_path / "ids.txt"))


def test_an_updated_output_is_repaired(tmp_path: Path, speaking_here: SpeakingHere) -> None:
    rows = rows_of(40)
    write(tmp_path, rows)
    job = job_of(tmp_path, "webdataset")
    job.run()
    rows[5] = ("id-5", "Five.", "0")
    write(tmp_path, rows)
    job.run(update=True)
    storage = open_storage(job.spec.output.uri)
    whole = sounds(storage)
    damaged = next(record.audio for record in records(storage).values() if record.kept is not None)
    data = bytearray(storage.get(str(damaged)))
    data[1000] ^= 4
    storage.put(str(damaged), bytes(data))
    assert verify(storage).num_problems
    speaking_here.taken()
    job.run(repair=True)
    assert 0 < len(speaking_here.taken()) <= 8
    assert sounds(storage) == whole
    assert verify(storage, sweep=True).problems == ()
    check_sound(storage, job)


@pytest.mark.soak  # a model that takes seconds
def test_refined_texts_are_updated(tmp_path: Path, speaking_here: SpeakingHere) -> None:
    """Its objects are written anew: of the present state, each row is a line once."""
    write_random(tmp_path / "tiny", TINY, seed=0)
    options = {"refining": {"max_steps": 12}, "max_steps": 40, "incomplete": "keep"}
    rows = [(f"id-{row}", f"The old mill turns, {row}.", f"{row}") for row in range(12)]

    def job(out: str) -> speechmill.Job:
        return speechmill.Job(
            task="refine",
            input={"uri": str(tmp_path / "corpus.csv")},
            model={"name": "chattts", "path": str(tmp_path / "tiny"), "options": options, "batch_size": 4},
            output={"uri": str(tmp_path / out)},
            sharding={"shard_rows": 4},
            failure={"max_failed_rows": 12},
        )

    write(tmp_path, rows)
    job("out").run()
    speaking_here.taken()
    rows[5] = ("id-5", "Another one.", "5")
    rows[6] = ("id-6", rows[6][1], "another page")
    rows.pop(0)
    write(tmp_path, rows)
    job("out").run(update=True)
    assert speaking_here.taken() == {"id-5"}
    job("scratch").run()
    storage, scratch = open_storage(str(tmp_path / "out")), open_storage(str(tmp_path / "scratch"))
    assert verify(storage, sweep=True).problems == ()

    def lines(storage: Storage) -> list[str]:
        texts = [storage.get(entry.key).decode() for entry in storage.list("text/")]
        return sorted(line for text in texts for line in text.splitlines())

    assert lines(storage) == lines(scratch)
    assert verify(storage, corpus=None).problems == ()


@pytest.mark.parametrize("container", ["files", "webdataset"])
def test_an_output_on_s3_is_updated(
    tmp_path: Path, s3_env: Any, speaking_here: SpeakingHere, monkeypatch: pytest.MonkeyPatch, container: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_env.endpoint)
    rows = rows_of(20)
    write(tmp_path, rows)
    job = job_of(tmp_path, container, f"s3://{s3_env.new_bucket()}/out")
    job.run()
    storage = open_storage(job.spec.output.uri)
    before, stored = sounds(storage), objects(storage)
    rows[11] = ("id-11", "Eleven.", "1")
    rows.pop(2)
    rows.append(("last", "The last one.", "4"))
    write(tmp_path, rows)
    speaking_here.taken()
    speaking_here.shards_left = 0
    with pytest.raises(Killed):
        job.run(update=True)
    assert sounds(storage, 1) == before
    speaking_here.shards_left = None
    job.run(update=True)
    assert speaking_here.taken() == {"id-11", "last"}
    assert stored.items() <= objects(storage).items()
    assert sounds(storage, 1) == before
    assert verify(storage, sweep=True).problems == ()
    check_sound(storage, job)
    assert [record.id for _, record in sorted(records(storage).items())] == [row[0] for row in rows]


def test_rows_are_spoken_again_with_seeds_of_a_file(tmp_path: Path, speaking_here: SpeakingHere) -> None:
    """The list of rows that a quality pass wants spoken again; a later update keeps what came of it."""
    rows = rows_of(30)
    write(tmp_path, rows)
    job = job_of(tmp_path)
    job.run()
    storage = open_storage(job.spec.output.uri)
    before = records(storage)
    speaking_here.taken()
    again = [{"id": f"id-{row}", "text": before[row].text, "seed": 900 + row, "attempt": 1} for row in (3, 17)]
    (tmp_path / "again.jsonl").write_text("".join(json.dumps(row) + "\n" for row in again), encoding="utf-8")
    assert job.run(update=True, rows=str(tmp_path / "again.jsonl")).new_rows == 2
    assert speaking_here.taken() == {"id-3", "id-17"}
    now = records(storage)
    assert {row for row in now if now[row].pcm_sha256 != before[row].pcm_sha256} == {3, 17}
    assert (now[3].seed, now[3].asked_seed) == (903, before[3].seed)
    check_sound(storage, job)
    assert job.run(update=True, rows=str(tmp_path / "again.jsonl")).new_rows == 0

    rows[3] = ("id-3", rows[3][1], "another chapter")
    rows.insert(0, ("first", "The first.", "0"))
    write(tmp_path, rows)
    job.run(update=True)
    assert speaking_here.taken() == {"first"}
    assert records(storage)[4].pcm_sha256 == now[3].pcm_sha256
    check_sound(storage, job)

    rows[18] = ("id-17", "Another text.", "1")
    write(tmp_path, rows)
    job.run(update=True)
    assert speaking_here.taken() == {"id-17"}
    assert records(storage)[18].asked_seed is None
    check_sound(storage, job)


def test_the_command_line_updates(tmp_path: Path, speaking_here: SpeakingHere) -> None:
    rows = rows_of(20)
    write(tmp_path, rows)
    job = job_of(tmp_path)
    file = tmp_path / "job.yaml"
    file.write_text(json.dumps(job.spec.model_dump(mode="json", exclude_unset=True)), encoding="utf-8")

    def told(*arguments: str, status: int = 0) -> str:
        done = CliRunner().invoke(app, list(arguments))
        assert done.exit_code == status, done.output
        return " ".join((done.stdout + done.stderr).replace("│", "").split())

    assert "kept" not in told("plan", str(file), "--update")
    told("run", str(file), "--update")  # there is nothing yet: it begins
    assert "Nothing was left to speak" in told("run", str(file), "--update")
    rows[3] = ("id-3", "Three.", "0")
    write(tmp_path, rows[:-1])
    assert "--update" in told("run", str(file), status=2)
    assert "give one" in told("run", str(file), "--update", "--overwrite", status=2)
    assert "give one of them too" in told("run", str(file), "--rows", str(file), status=2)
    planned = told("plan", str(file), "--update")
    assert "kept 18" in planned
    assert "spoken 1: 1 changed, 0 new" in planned
    assert "removed 1" in planned
    told("run", str(file), "--update")
    assert "generation 2; readable too: 1" in told("status", job.spec.output.uri)
    assert "of earlier generations" in told("verify", job.spec.output.uri, "--sweep")
    assert "readable too" not in told("status", job.spec.output.uri)
