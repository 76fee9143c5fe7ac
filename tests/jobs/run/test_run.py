"""The main job, end to end, with the tone model: rows conserved whatever happens to them or to the run."""

from __future__ import annotations

import csv
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from support.measured import measured

import speechmill
from speechmill.actors.records.manifest import decode_records
from speechmill.actors.records.record import Record
from speechmill.cluster.storage import open_storage
from speechmill.errors import JobChanged, JobError, ModelError, SpecError
from speechmill.jobs.run.progress import Snapshot
from speechmill.jobs.spec.job import JobSpec
from speechmill.jobs.verify import verify

pytestmark = pytest.mark.usefixtures("hosted_replicas")
Row = dict[str, Any]


def write_csv(path: Path, rows: list[Row]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]) if rows else ["id", "text"])
        writer.writeheader()
        writer.writerows(rows)
    return path


def sentences(num_rows: int) -> list[Row]:
    return [{"id": f"id-{row}", "text": f"Row {row} " + "la " * (row * 7 % 40)} for row in range(num_rows)]


def job_of(tmp_path: Path, rows: list[Row], **sections: Any) -> speechmill.Job:
    source = write_csv(tmp_path / "corpus.csv", rows)
    model = {"name": "tone", "options": measured(audio_char_s=0.002, **sections.pop("options", {}))}
    output = {"uri": str(tmp_path / "out")} | sections.pop("output", {})
    cluster = {"replicas": 1} | sections.pop("cluster", {})
    return speechmill.Job(input={"uri": str(source)}, model=model, output=output, cluster=cluster, **sections)


def records_of(output: str) -> list[Record]:
    storage = open_storage(output)
    found = [r for entry in storage.list("manifest/") for r in decode_records(storage.get(entry.key), entry.key)]
    return sorted(found, key=lambda record: record.row)


def spoken(output: str) -> set[tuple[str, str | None]]:
    return {(record.id, record.pcm_sha256) for record in records_of(output)}


@pytest.mark.parametrize(
    "container", ["files", pytest.param("webdataset", marks=pytest.mark.replica_processes), "parquet"]
)
def test_every_row_ends_once_in_the_manifest_and_its_audio_can_be_read(tmp_path: Path, container: str) -> None:
    job = job_of(tmp_path, sentences(60), output={"container": container}, cluster={"replicas": 2})
    result = job.run()
    assert (result.num_rows, result.num_ok, result.num_failed, result.exit_code) == (60, 60, 0, 0)
    assert [record.row for record in records_of(result.output)] == list(range(60))
    report = verify(open_storage(result.output))
    assert (report.is_ok, report.is_complete, report.num_clips, report.num_orphans) == (True, True, 60, 0)
    clips = {clip.id: clip for clip in speechmill.read(result.output)}
    assert clips.keys() == {f"id-{row}" for row in range(60)}
    assert clips["id-3"].sample_rate == 8_000
    assert result.audio_s == pytest.approx(sum(clip.duration_s for clip in clips.values()), abs=0.1)


def test_bad_rows_fail_with_their_reason_and_cost_nobody_else(tmp_path: Path) -> None:
    rows = sentences(20)
    rows[3]["text"] = "   "
    rows[5]["id"] = "id-4"
    rows[7]["text"] = "please REJECT this"
    rows[9]["text"] = "x" * 900
    rows[11]["text"] = "。。。"
    result = job_of(tmp_path, rows, options={"reject": "REJECT"}).run()
    failed = {record.row: record.error for record in records_of(result.output) if record.status == "failed"}
    assert failed.keys() == {3, 5, 7, 9} or failed.keys() == {3, 5, 7, 9, 11}
    assert "id-4" in str(failed[5])
    assert "REJECT" in str(failed[7])
    assert "400" in str(failed[9]), "the limit that the word is over"
    assert result.num_ok + result.num_failed == 20
    assert result.exit_code == 1
    assert verify(open_storage(result.output)).is_ok


def test_failures_within_the_allowance_are_a_success(tmp_path: Path) -> None:
    rows = sentences(10)
    rows[3]["text"] = ""
    assert job_of(tmp_path, rows, failure={"max_failed_rows": 0.1}).run().exit_code == 0


@pytest.mark.parametrize("num_rows", [0, 1, 2])
def test_small_corpora(tmp_path: Path, num_rows: int) -> None:
    result = job_of(tmp_path, sentences(num_rows)).run()
    assert (result.num_rows, result.num_ok, result.exit_code) == (num_rows, num_rows, 0)
    assert verify(open_storage(result.output)).is_complete


def test_rows_that_all_fail_need_no_replica(tmp_path: Path) -> None:
    result = job_of(tmp_path, [{"id": f"r{n}", "text": ""} for n in range(5)]).run()
    assert (result.num_ok, result.num_failed, result.num_replicas, result.exit_code) == (0, 5, 0, 1)


def test_metadata_voice_seed_and_speed_travel_into_the_manifest(tmp_path: Path) -> None:
    rows = [{"id": "a", "text": "Hello there.", "seed": 5, "voice": "low", "speed": 2, "topic": "greeting"}]
    result = job_of(tmp_path, rows).run()
    (record,) = records_of(result.output)
    assert (record.seed, record.voice, record.speed, record.metadata) == (5, "low", 2.0, {"topic": "greeting"})
    (clip,) = speechmill.read(result.output)
    assert clip.metadata["text"] == "Hello there."


def test_the_audio_does_not_depend_on_batches_shards_or_replicas(tmp_path: Path) -> None:
    outputs: list[str] = []
    for name, batch_size, replicas, shard_rows in [("a", 1, 1, 1_000), ("b", 64, 2, 3), ("c", 7, 2, 11)]:
        job = job_of(
            tmp_path,
            sentences(50),
            output={"uri": str(tmp_path / name)},
            cluster={"replicas": replicas},
            sharding={"shard_rows": shard_rows},
        )
        job.spec = job.spec.model_copy(
            update={"model": job.spec.model.model_copy(update={"batch_size": batch_size})},
        )
        outputs.append(job.run().output)
    assert spoken(outputs[0]) == spoken(outputs[1]) == spoken(outputs[2])


def test_a_second_run_has_nothing_to_do(tmp_path: Path) -> None:
    job = job_of(tmp_path, sentences(30))
    first = job.run()
    before = {entry.key for entry in open_storage(first.output).list()}
    seen: list[Snapshot] = []
    second = job.run(observe=seen.append)
    assert not seen, "no replica was started"
    assert (second.num_rows, second.num_ok, second.new_audio_s) == (30, 30, 0.0)
    assert {entry.key for entry in open_storage(first.output).list()} == before


def test_a_changed_job_is_refused_and_the_keys_are_named(tmp_path: Path) -> None:
    job_of(tmp_path, sentences(10)).run()
    with pytest.raises(JobChanged, match=r"output\.audio: \"flac\" there, \"wav\" now.*seed: 0 there, 3 now"):
        job_of(tmp_path, sentences(10), seed=3, output={"audio": "wav"}).run()
    with pytest.raises(JobChanged, match="the corpus itself"):
        job_of(tmp_path, sentences(11)).run()


def test_a_job_may_change_its_batches_and_replicas(tmp_path: Path) -> None:
    job_of(tmp_path, sentences(10)).run()
    assert job_of(tmp_path, sentences(10), cluster={"replicas": 2}, name="other").run().num_ok == 10


def test_overwrite_starts_anew_and_leaves_no_trace(tmp_path: Path) -> None:
    job_of(tmp_path, sentences(10)).run()
    result = job_of(tmp_path, sentences(12), seed=3).run(overwrite=True)
    report = verify(open_storage(result.output))
    assert (report.num_ok, report.num_orphans, report.is_ok) == (12, 0, True)


@pytest.mark.parametrize(
    "mistake",
    [{"input": {"uri": "none.csv"}}, {"model": {"name": "tone", "options": {"x": 1}}}, {"cluster": {"replicas": 64}}],
)
def test_overwrite_deletes_nothing_for_a_job_that_is_wrong(tmp_path: Path, mistake: dict[str, Any]) -> None:
    """A typo beside --overwrite once cost the finished output."""
    job = job_of(tmp_path, sentences(5))
    result = job.run()
    before = {entry.key for entry in open_storage(result.output).list()}
    job.spec = JobSpec.parse(job.spec.model_dump(exclude_unset=True) | mistake)
    with pytest.raises(JobError):
        job.run(overwrite=True)
    assert {entry.key for entry in open_storage(result.output).list()} == before


@pytest.mark.parametrize("pattern", ["**/*.jsonl", "out/manifest/*/*", "*/job.json", "**"])
def test_an_input_that_takes_in_the_output_is_refused(tmp_path: Path, pattern: str) -> None:
    """The second run would read its own manifests and call the corpus changed."""
    (tmp_path / "corpus.jsonl").write_text('{"text": "One."}\n', encoding="utf-8")
    (tmp_path / "out/manifest/x").mkdir(parents=True)
    job = speechmill.Job(
        input={"uri": [str(tmp_path / "corpus.jsonl"), str(tmp_path / pattern)], "format": "jsonl"},
        output={"uri": str(tmp_path / "out")},
        model={"name": "tone"},
    )
    with pytest.raises(JobError):
        job.run()


def test_a_corpus_changed_in_the_middle_is_noticed(tmp_path: Path) -> None:
    rows = sentences(8_000)
    job_of(tmp_path, rows[:100]).run()
    rows[50]["text"] = rows[50]["text"].replace("Row", "Raw")
    with pytest.raises(JobChanged, match="the corpus itself"):
        job_of(tmp_path, rows[:100]).run()


def test_a_folder_with_other_things_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out" / "audio").mkdir(parents=True)
    (tmp_path / "out" / "audio" / "song.flac").write_bytes(b"mine")
    with pytest.raises(JobChanged, match=r"song\.flac is in the way"):
        job_of(tmp_path, sentences(3)).run(overwrite=True)
    assert (tmp_path / "out" / "audio" / "song.flac").read_bytes() == b"mine"


def test_a_job_that_committed_nothing_does_not_bind_the_next(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "c.csv", sentences(3))
    output = {"uri": str(tmp_path / "out")}
    with pytest.raises(JobError):
        speechmill.Job(input={"uri": str(source)}, output=output, model={"name": f"{__name__}:Missing"}).run()
    result = speechmill.Job(input={"uri": str(source)}, output=output, model={"name": "tone"}).run()
    assert result.num_ok == 3


@pytest.mark.parametrize(
    ("sections", "error", "message"),
    [
        ({"options": {"celll_s": 1.0}}, ModelError, 'did you mean "cell_s"?'),
        (
            {"output": {"audio": "opus"}, "options": {"sample_rate": 11_025}},
            SpecError,
            "opus cannot hold audio of 11025",
        ),
        ({"cluster": {"replicas": 64}}, SpecError, "cluster.replicas: 64 on cpu need 1 CPU each"),
        ({"model_": 1}, SpecError, 'did you mean "model"?'),
    ],
)
def test_a_wrong_job_is_said_before_any_replica_starts(
    tmp_path: Path, sections: dict[str, Any], error: type[JobError], message: str
) -> None:
    with pytest.raises(error) as caught:
        job_of(tmp_path, sentences(3), **sections).run()
    assert message in str(caught.value)


@pytest.mark.replica_processes
def test_a_row_that_kills_its_replica_is_found_and_the_others_are_spoken(tmp_path: Path) -> None:
    rows = sentences(12)
    rows[7]["text"] += " CRASH"
    result = job_of(tmp_path, rows, options={"crash": "CRASH"}, cluster={"replicas": 2}).run()
    failed = [record for record in records_of(result.output) if record.status == "failed"]
    assert [record.row for record in failed] == [7]
    assert "replicas died speaking this row" in str(failed[0].error)
    assert (result.num_ok, result.num_deaths > 0) == (11, True)
    report = verify(open_storage(result.output), sweep=True)
    assert report.is_ok


@pytest.mark.replica_processes
def test_one_replica_finds_a_killer_in_the_first_row_of_a_large_shard(tmp_path: Path) -> None:
    """Every death on the way to it comes right after another; that must not look like a broken machine."""
    rows = [{"id": f"id-{n}", "text": "x " * (60 - n)} for n in range(24)]
    rows[0]["text"] = "CRASH " * 22
    job = job_of(tmp_path, rows, options={"crash": "CRASH"}, cluster={"replicas": 1}, sharding={"window_rows": 20})
    result = job.run()
    assert (result.num_ok, result.num_failed) == (23, 1)
    assert result.num_deaths > 5


@pytest.mark.replica_processes
def test_replicas_killed_in_mid_run_change_nothing(tmp_path: Path) -> None:
    """Kill -9 of three replicas: the run replaces them and ends with the same (id, pcm_sha256) as a calm one."""
    rows = sentences(160)
    calm = job_of(tmp_path, rows, output={"uri": str(tmp_path / "calm")}).run()
    killed: set[int] = set()

    def kill_one(snapshot: Snapshot) -> None:
        for state in snapshot.replicas:
            is_at_work = state.home is not None and state.progress.rows > 0 and state.shard_id
            if is_at_work and len(killed) < 3 and state.home.pid not in killed:
                killed.add(state.home.pid)
                os.kill(state.home.pid, signal.SIGKILL)
                return

    job = job_of(
        tmp_path, rows, output={"uri": str(tmp_path / "stormy")}, options={"cell_s": 0.0006}, cluster={"replicas": 2}
    )
    stormy = job.run(observe=kill_one)
    assert len(killed) == 3
    assert stormy.num_deaths == 3
    assert spoken(stormy.output) == spoken(calm.output)
    assert len(records_of(stormy.output)) == 160


def test_job_json_holds_the_resolved_job_and_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very-secret")
    result = job_of(tmp_path, sentences(2)).run()
    raw = (Path(result.output) / "job.json").read_text(encoding="utf-8")
    body = json.loads(raw)
    assert body["spec"]["model"]["name"] == "tone"
    assert len(body["fingerprint"]) == 64
    assert "very-secret" not in raw
