"""A job that makes text of text, end to end with tiny random weights, and a job that speaks what it has made."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from support.outputs import reopen_without

import speechmill
from speechmill.actors.batcher.stats import BatchStats
from speechmill.actors.models.chattts.checkpoint.layout import TINY
from speechmill.actors.models.chattts.checkpoint.random_weights import write_random
from speechmill.actors.records.manifest import decode_records
from speechmill.actors.records.record import Record
from speechmill.actors.replica.receipt import ReplicaProgress
from speechmill.cluster.pool.replica_state import ReplicaState, ReplicaStatus
from speechmill.cluster.storage import Storage, open_storage
from speechmill.errors import JobChanged, JobError, ModelError, SpecError
from speechmill.jobs.cli.display import block, summary
from speechmill.jobs.cli.tables import show_plan, show_result, show_status, show_verified
from speechmill.jobs.output.status import status
from speechmill.jobs.output.totals import Totals
from speechmill.jobs.run.progress import Snapshot, Tracker
from speechmill.jobs.verify import verify

OPTIONS = {"refining": {"max_steps": 12}, "max_steps": 40, "incomplete": "keep"}
TEXTS = ["The old mill turns by the river.", "你好，今天天气很好。", "We counted 3 boats & 12 geese!", "我们去公园吧。"]

pytestmark = pytest.mark.usefixtures("hosted_replicas")
Row = dict[str, Any]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chattts") / "tiny"
    write_random(folder, TINY, seed=0)
    return folder


def mixed_rows(num_rows: int) -> list[Row]:
    return [
        {"id": f"line {row}", "text": TEXTS[row % 4], "seed": 100 + row, "topic": f"t{row % 3}", "page": row}
        for row in range(num_rows)
    ]


def refining(tmp_path: Path, weights: Path, rows: list[Row], **sections: Any) -> speechmill.Job:
    source = tmp_path / "corpus.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    model = {"name": "chattts", "path": str(weights), "options": OPTIONS, "batch_size": 4}
    return speechmill.Job(
        task="refine",
        input={"uri": str(source)},
        model=model,
        output={"uri": str(tmp_path / "texts")} | sections.pop("output", {}),
        cluster={"replicas": 1} | sections.pop("cluster", {}),
        sharding={"shard_rows": 5} | sections.pop("sharding", {}),
        **sections,
    )


def speaking(uri: str, output: Path) -> speechmill.Job:
    model = {"name": "tone", "options": {"audio_char_s": 0.002}}
    return speechmill.Job(input={"uri": uri}, model=model, output={"uri": str(output)}, cluster={"replicas": 1})


def records_of(output: str) -> list[Record]:
    storage = open_storage(output)
    found = [r for entry in storage.list("manifest/") for r in decode_records(storage.get(entry.key), entry.key)]
    return sorted(found, key=lambda record: record.row)


def lines_of(storage: Storage) -> list[Row]:
    lines = [line for entry in storage.list("text/") for line in storage.get(entry.key).splitlines()]
    return [json.loads(line) for line in lines]


def refined(output: str) -> dict[str, str | None]:
    return {record.id: record.refined for record in records_of(output)}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, weights: Path) -> tuple[Path, speechmill.Result, list[Snapshot]]:
    """A run of 20 rows on two replicas: its folder, to be copied, how it ended, and what was seen of it."""
    folder = tmp_path_factory.mktemp("finished")
    seen: list[Snapshot] = []
    result = refining(folder, weights, mixed_rows(20), cluster={"replicas": 2}).run(observe=seen.append)
    return folder, result, seen


@pytest.fixture
def job(finished: tuple[Path, speechmill.Result, list[Snapshot]], tmp_path: Path, weights: Path) -> speechmill.Job:
    """The same job, finished, in a folder of the test's own."""
    shutil.copytree(finished[0], tmp_path, dirs_exist_ok=True)
    return refining(tmp_path, weights, mixed_rows(20))


def output_of(job: speechmill.Job) -> Storage:
    return open_storage(job.spec.output.uri)


def test_text_becomes_text_and_every_row_is_accounted_for(finished: Any) -> None:
    _, result, seen = finished
    made = records_of(result.output)
    assert [record.row for record in made] == list(range(20))
    # Noise may hold no word; a row that is left without says so, and every other has a text.
    assert all(record.refined or record.error == "refining left no words" for record in made)
    assert result.num_ok == sum(record.refined is not None for record in made) > 0
    assert (result.task, result.num_rows, result.new_rows, result.audio_s) == ("refine", 20, 20, 0.0)
    assert {snapshot.task for snapshot in seen} == {"refine"}
    assert [record.text for record in made] == [row["text"] for row in mixed_rows(20)]
    report = verify(open_storage(result.output))
    assert report.problems == ()
    assert (report.task, report.is_complete, report.num_texts, report.num_clips) == ("refine", True, result.num_ok, 0)
    assert (report.num_orphans, report.num_strays) == (0, 0)


def test_the_next_job_speaks_what_was_made_under_the_same_ids_and_seeds(finished: Any, tmp_path: Path) -> None:
    made = records_of(finished[1].output)
    spoken = speaking(f"{finished[1].output}/text/*.jsonl", tmp_path / "speech").run()
    wanted = {r.id: (r.refined, r.seed, r.speed, dict(r.metadata)) for r in made if r.refined}
    assert (spoken.num_ok, spoken.num_failed) == (len(wanted), 0)
    assert {r.id: (r.text, r.seed, r.speed, dict(r.metadata)) for r in records_of(spoken.output)} == wanted
    assert wanted["line 3"][1:] == (103, 1.0, {"topic": "t0", "page": 3})


def test_plan_and_status_speak_of_no_audio(job: speechmill.Job) -> None:
    plan, now = job.plan(), status(output_of(job))
    assert (plan.task, plan.num_rows, plan.num_rejected, plan.audio_s) == ("refine", 20, 0, 0.0)
    assert (now.task, now.is_complete, now.audio_s) == ("refine", True, 0.0)
    console = Console(file=io.StringIO(), width=200)
    show_plan(plan, console)
    show_status(now, console)
    show_verified(verify(output_of(job)), console)
    show_result(job.run(), console)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "texts read" in shown
    assert "refined" in shown
    assert "audio" not in shown
    assert "RTF" not in shown


def test_a_run_shows_rows_per_second_and_no_audio() -> None:
    progress = ReplicaProgress(rows=40, batches=BatchStats(synthesis_s=8.0))
    replica = ReplicaState(0, None, ReplicaStatus.SPEAKING, "000000-0003", progress, 10, 0.0, 1.0)
    tracker = Tracker(Totals(num_ok=50), started_s=0.0, task="refine")
    tracker.record_window(200, 10.0, 2.5, fraction_read=1.0)
    tracker.record_start(0.0)
    tracker.record_commit(30, 0, audio_s=0.0, cost_s=1.0)
    snapshot = tracker.snapshot(4.0, [replica], 0)
    assert (snapshot.rows_done, snapshot.rows_per_s) == (90, 10.0)
    console = Console(file=io.StringIO(), width=120)
    console.print(block("demo", snapshot))
    for shown in (summary(snapshot), console.file.getvalue()):  # type: ignore[attr-defined]
        assert "10 rows/s" in shown
        assert "audio" not in shown
        assert "RTF" not in shown
    assert "5 rows/s" in console.file.getvalue()  # type: ignore[attr-defined]  # of the replica


def test_a_second_run_has_nothing_to_do(job: speechmill.Job) -> None:
    before = {entry.key: entry.version for entry in output_of(job).list()}
    seen: list[Snapshot] = []
    again = job.run(observe=seen.append)
    assert not seen, "no replica was started"
    assert (again.num_rows, again.new_rows) == (20, 0)
    assert {entry.key: entry.version for entry in output_of(job).list()} == before


def test_a_text_does_not_depend_on_shards_or_replicas(finished: Any, tmp_path: Path, weights: Path) -> None:
    other = refining(tmp_path, weights, mixed_rows(20), sharding={"shard_rows": 13}).run()
    assert refined(other.output) == refined(finished[1].output)


def test_a_run_that_was_cut_short_goes_on_and_writes_over_what_it_left(job: speechmill.Job) -> None:
    """A text is written before its manifest: killed in between, the run leaves lines that nobody vouches for."""
    storage = output_of(job)
    whole = refined(storage.uri)
    manifests = [entry.key for entry in storage.list("manifest/")]
    texts = [entry.key for entry in storage.list("text/")]
    assert len(texts) == len(manifests) > 1
    reopen_without(storage, manifests[0])
    storage.put(texts[0], b"what a killed run has left\n")
    report = verify(storage)
    assert (report.is_ok, report.is_complete, report.orphans) == (True, False, (texts[0],))
    again = job.run()
    assert 0 < again.new_rows < again.num_rows == 20
    assert refined(again.output) == whole
    assert verify(storage).is_ok
    assert len({line["id"] for line in lines_of(storage)}) == len(lines_of(storage)) == again.num_ok


def test_a_bad_row_fails_alone(tmp_path: Path, weights: Path) -> None:
    rows = mixed_rows(6)
    rows[1]["text"] = "   "
    rows[2]["text"] = "!?..."
    rows[4]["voice"] = "nobody"
    result = refining(tmp_path, weights, rows, failure={"max_failed_rows": 6}).run()
    errors = {record.row: str(record.error) for record in records_of(result.output) if record.status == "failed"}
    assert "is empty" in errors.pop(1)
    assert errors.pop(2) == "nothing in the text can be spoken"
    assert "nobody" in errors.pop(4)
    assert set(errors.values()) <= {"refining left no words"}
    assert (result.num_rows, result.exit_code) == (6, 0)
    storage = open_storage(result.output)
    assert verify(storage).is_ok
    assert {line["id"] for line in lines_of(storage)} == {name for name, text in refined(result.output).items() if text}


def test_damage_is_named_and_an_orphan_swept(job: speechmill.Job) -> None:
    storage = output_of(job)
    storage.put("text/000007-0000.jsonl", b"{}\n")
    storage.put("audio/000000-0000-aa.tar", b"x")
    report = verify(storage, sweep=True)
    assert (report.is_ok, report.orphans, report.num_swept) == (True, ("text/000007-0000.jsonl",), 1)
    assert report.strays == ("audio/000000-0000-aa.tar",)
    key = next(iter(storage.list("text/"))).key
    lines = storage.get(key).splitlines(keepends=True)
    edited = json.loads(lines[0]) | {"text": "other words"}
    storage.put(key, b"".join([json.dumps(edited).encode() + b"\n", *lines[1:]]))
    (problem,) = verify(storage).problems
    assert problem.startswith(f"{key}, line 1, row ")
    assert problem.endswith(": text not as in the manifest")
    storage.put(key, b"".join(lines[1:]))
    assert f"{len(lines) - 1} lines where the manifest has {len(lines)} refined rows" in verify(storage).problems[0]
    storage.delete([key])
    assert f"{key} does not exist" in verify(storage, sweep=True).problems[0]


def test_text_is_not_read_as_clips(finished: Any) -> None:
    with pytest.raises(JobError, match=r"holds refined text, not audio.*text/\*\.jsonl.*input\.uri"):
        speechmill.read(finished[1].output)


def test_another_task_is_another_job(job: speechmill.Job) -> None:
    spec = job.spec.model_dump(exclude_unset=True) | {"task": "speak", "output": {"uri": job.spec.output.uri}}
    with pytest.raises(JobChanged, match='task: "refine" there, "speak" now'):
        speechmill.Job(**spec).run()


def test_overwriting_deletes_refined_text_and_no_text_of_the_user_s(
    job: speechmill.Job, tmp_path: Path, weights: Path
) -> None:
    storage = output_of(job)
    storage.put("text/notes.jsonl", b"mine\n")
    refining(tmp_path, weights, mixed_rows(2)).run(overwrite=True)
    made, notes = [entry.key for entry in storage.list("text/")]
    assert made.startswith("text/000000-0000-r")
    assert notes == "text/notes.jsonl"


def test_a_place_that_holds_other_text_is_refused(tmp_path: Path, weights: Path) -> None:
    folder = tmp_path / "texts" / "text"
    folder.mkdir(parents=True)
    (folder / "mine.jsonl").write_text('{"text": "x"}\n', encoding="utf-8")
    with pytest.raises(JobChanged, match=r"mine\.jsonl is in the way"):
        refining(tmp_path, weights, mixed_rows(2)).run()
    (tmp_path / "texts" / "text").rename(tmp_path / "texts" / "corpus")
    job = refining(tmp_path, weights, mixed_rows(2))
    spec = job.spec.model_dump(exclude_unset=True) | {"input": {"uri": f"{tmp_path}/texts/**/*.jsonl"}}
    with pytest.raises(SpecError, match="would read what is written"):
        speechmill.Job(**spec).run()


@pytest.mark.parametrize("name", ["hibari", "tone"])
def test_a_model_that_refines_nothing_is_refused_before_anything_starts(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.csv").write_text("text\nx\n", encoding="utf-8")
    output = tmp_path / "texts"
    job = speechmill.Job(
        task="refine", input={"uri": str(tmp_path / "a.csv")}, model={"name": name}, output={"uri": str(output)}
    )
    for start in (job.plan, job.run):
        with pytest.raises(ModelError, match=rf"model\.name {name} refines no text; use chattts, or leave out task"):
            start()
    assert not (output / "job.json").exists()


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"task": "refine", "output": {"uri": "o", "container": "files"}}, "container files holds audio"),
        ({"task": "refine", "output": {"uri": "o", "container": "parquet"}}, "leave it out"),
        ({"output": {"uri": "o", "container": "jsonl"}}, "container jsonl holds text"),
        ({"task": "speek"}, "task is \"speek\": should be 'speak' or 'refine'"),
    ],
)
def test_a_task_and_a_container_that_do_not_go_together_are_refused(sections: Row, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        speechmill.Job(**({"input": {"uri": "a.csv"}, "output": {"uri": "o"}} | sections))
    assert message in str(caught.value)


def test_the_container_follows_from_the_task() -> None:
    job = speechmill.Job(task="refine", input={"uri": "a.csv"}, output={"uri": "o"})
    assert job.spec.output.container == "jsonl"
    assert speechmill.Job(input={"uri": "a.csv"}, output={"uri": "o"}).spec.output.container == "files"
