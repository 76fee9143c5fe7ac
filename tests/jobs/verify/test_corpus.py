"""Comparing an output with its corpus: each row that is not what the corpus holds is named, wherever that lies now."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.outputs import begin, commit, edit_job, mark_of, reopen, replace_part
from typer.testing import CliRunner

import speechmill
from speechmill.actors.audio.encoding import encode, pcm16, pcm_sha256, sha256
from speechmill.actors.models.base import ModelInfo
from speechmill.actors.records.manifest import decode_records
from speechmill.actors.records.part_name import PartName
from speechmill.actors.records.record import SIDECAR, Record
from speechmill.actors.records.utterance import Utterance
from speechmill.cluster.containers import container_of
from speechmill.cluster.storage import Storage, open_storage
from speechmill.errors import JobError, ModelError
from speechmill.jobs.cli.main import app
from speechmill.jobs.output.ledger import Ledger
from speechmill.jobs.output.output_file import OutputFile
from speechmill.jobs.output.plan_log import PlanLog
from speechmill.jobs.planning.planner import Planner
from speechmill.jobs.run.prepare import prepare
from speechmill.jobs.spec.job import JobSpec
from speechmill.jobs.verify import VerifyReport, corpus_of, verify

NUM_ROWS = 70
WINDOW_ROWS = 32


def corpus_rows() -> list[dict[str, Any]]:
    """Rows of which some are rejected: without text, of an unknown speed, with an id that was used before."""
    rows: list[dict[str, Any]] = [
        {"id": f"id {row}", "text": f"Row {row}.", "seed": row if row % 3 else "", "speed": 1.0, "topic": f"t{row}"}
        for row in range(NUM_ROWS)
    ]
    rows[5]["text"] = ""
    rows[6]["speed"] = 100
    rows[40]["id"] = "id 3"
    rows[41]["id"] = "id 6"  # of a row that was rejected: it is free
    return rows


def write_corpus(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def spoken(utterance: Utterance, info: ModelInfo, writer: Any) -> Record:
    pcm = pcm16(np.full(50 + utterance.row, 0.25, np.float32))
    encoded = encode(pcm, info.sample_rate, "wav")
    told: dict[str, Any] = {
        "id": utterance.id,
        "text": utterance.text,
        "voice": utterance.voice or info.default_voice,
        "seed": utterance.seed,
        "speed": utterance.speed,
        "metadata": dict(utterance.metadata),
        "sample_rate": info.sample_rate,
        "num_samples": len(pcm),
        "duration_s": len(pcm) / info.sample_rate,
    }
    key, member = writer.add(utterance.row, utterance.id, encoded, {name: told[name] for name in SIDECAR})
    made: dict[str, Any] = {"audio": key, "member": member, "audio_format": "wav", "audio_bytes": len(encoded)}
    made |= {"audio_sha256": sha256(encoded), "pcm_sha256": pcm_sha256(pcm), "num_segments": 1}
    return Record(
        row=utterance.row, status="ok", error=None, model=info.name, model_revision=info.revision, **told, **made
    )


@dataclass(frozen=True, slots=True)
class Made:
    """A corpus and the output that a job made of it, without Ray: cut as a run cuts it."""

    corpus: Path
    storage: Storage

    def verify(self, uri: str | None = None) -> VerifyReport:
        return verify(self.storage, corpus=corpus_of(OutputFile.load(self.storage), uri))


@pytest.fixture
def made(tmp_path: Path) -> Made:
    corpus = tmp_path / "corpus.jsonl"
    write_corpus(corpus, corpus_rows())
    spec = JobSpec.parse(
        {
            "input": {"uri": str(corpus)},
            "model": {"name": "tone", "device": "cpu"},
            "output": {"uri": str(tmp_path / "out"), "container": "webdataset", "audio": "wav"},
            "sharding": {"window_rows": WINDOW_ROWS},
        }
    )
    storage = open_storage(spec.output.uri)
    job = prepare(spec, storage, None, "cpu")
    claim = begin(storage, job.job_file)
    written: list[Record] = []
    log = PlanLog(storage, job.plan_fingerprint, spec.sharding.window_rows)
    for planned in Planner(job.corpus, log, Ledger(), job.cost, spec.sharding.limits()):
        assert planned.window is not None
        for shard in planned.todo:
            writer = container_of("webdataset").open_part(storage, f"{shard.id}-{claim.stamp}-aa", "wav")
            records = [spoken(utterance, job.info, writer) for utterance in shard.utterances]
            writer.close()
            assert commit(storage, claim, shard.window, shard.index, records).digest == shard.digest
            written += records
        if planned.window.rejected:
            records = [Record.of_failure(f, job.info.name, job.info.revision) for f in planned.window.rejected]
            name = commit(storage, claim, planned.window.index, None, records)
            assert name.digest == planned.window.rejected_digest
            written += records
    claim.complete(mark_of(written))
    assert len(written) == NUM_ROWS
    assert [record.row for record in written if record.status == "failed"] == [5, 6, 40]
    return Made(corpus, storage)


def forge(storage: Storage, row: int, change: Callable[[Record], Record]) -> None:
    """A manifest that says something else of a row, and everything that can be made to fit."""
    for entry in list(storage.list("manifest/")):
        records = list(decode_records(storage.get(entry.key), entry.key))
        if any(record.row == row for record in records):
            replace_part(storage, PartName.parse(entry.key), [change(r) if r.row == row else r for r in records])


def of_corpus(report: VerifyReport) -> list[str]:
    return [problem for problem in report.problems if "corpus" in problem]


def test_the_output_is_what_the_corpus_holds(made: Made) -> None:
    report = made.verify()
    assert (report.problems, report.num_compared) == ((), NUM_ROWS)
    assert verify(made.storage).num_compared is None


@pytest.mark.parametrize(
    ("row", "changes", "names"),
    [
        (3, {"text": "I was edited"}, "text"),
        (4, {"seed": 99}, "seed"),
        (33, {"voice": "zz", "speed": 1.5}, "voice, speed"),
        (69, {"metadata": {"topic": "t1"}}, "metadata"),
        (5, {"text": "It had one."}, "text"),
        (40, {"id": "id 40"}, "id"),
    ],
)
def test_a_row_that_was_forged_in_its_manifest_is_named(
    row: int, changes: dict[str, Any], names: str, made: Made
) -> None:
    forge(made.storage, row, lambda record: replace(record, **changes))
    [problem] = of_corpus(made.verify())
    assert problem.startswith(f"row {row} (id ")
    assert problem.endswith(f": {names} not as in the corpus")


def test_rows_of_a_corpus_that_has_changed_since_are_named(made: Made) -> None:
    """As one that is written in place while a run reads it: of some rows the output has what was there before."""
    rows = corpus_rows()
    rows[7]["text"] = "Another one."
    rows[50] |= {"id": "new", "topic": 1}
    write_corpus(made.corpus, rows)
    assert [problem.partition(": ")[0] for problem in of_corpus(made.verify())] == [
        "row 7 (id 'id 7')",
        "row 50 (id 'id 50')",
    ]


def test_a_row_that_can_be_spoken_by_now_is_named_and_so_is_one_that_cannot(made: Made) -> None:
    rows = corpus_rows()
    rows[6]["speed"] = 1.0
    rows[8]["speed"] = 100
    write_corpus(made.corpus, rows)
    told = of_corpus(made.verify())
    assert told[0].endswith("voice, seed, speed not as in the corpus")
    assert any(problem.startswith("row 8 ") and "status" in problem for problem in told)


@pytest.mark.parametrize("num_rows", [0, 31, 69, 71, 200])
def test_a_corpus_of_another_length_is_named(num_rows: int, made: Made) -> None:
    rows = corpus_rows()
    more = [{"id": f"more {n}", "text": "More."} for n in range(max(0, num_rows - NUM_ROWS))]
    write_corpus(made.corpus, [*rows[:num_rows], *more])
    told = of_corpus(made.verify())
    assert told[-1] == f"the corpus has {num_rows} rows, the job was completed with {NUM_ROWS}"


def test_the_corpus_may_lie_elsewhere_by_now(made: Made, tmp_path: Path) -> None:
    moved = tmp_path / "moved.jsonl"
    made.corpus.rename(moved)
    done = CliRunner().invoke(app, ["verify", made.storage.uri, "--corpus"])
    assert done.exit_code == 2
    assert "corpus.jsonl" in done.stderr
    done = CliRunner().invoke(app, ["verify", made.storage.uri, "--corpus-at", str(moved), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["num_compared"] == NUM_ROWS


def test_the_command_tells_of_it(made: Made) -> None:
    done = CliRunner().invoke(app, ["verify", made.storage.uri, "--corpus"])
    assert done.exit_code == 0
    assert "70 rows compared" in done.stdout
    rows = corpus_rows()
    rows[7]["text"] = "Another one."
    write_corpus(made.corpus, rows)
    done = CliRunner().invoke(app, ["verify", made.storage.uri, "--corpus"])
    assert done.exit_code == 1
    assert "problem: row 7 (id 'id 7'): text not as in the corpus" in done.stdout


def test_job_json_is_no_reason_to_import_anything(made: Made) -> None:
    edit_job(made.storage, lambda body: body["spec"]["model"].update(name="antigravity:Model"))
    with pytest.raises(JobError, match="a class of your own, which is not imported"):
        made.verify()
    edit_job(made.storage, lambda body: body["spec"]["model"].update(name="tones"))
    with pytest.raises(ModelError, match="is not registered"):
        made.verify()


def test_an_unfinished_output_may_lack_rows_but_has_none_of_its_own(made: Made) -> None:
    made.storage.delete([next(entry.key for entry in made.storage.list("manifest/000001/"))])
    reopen(made.storage)
    assert made.verify().is_ok
    write_corpus(made.corpus, corpus_rows()[:60])
    assert of_corpus(made.verify())[-1] == "the corpus has 60 rows, the manifests go up to row 69"


def test_a_rejected_row_is_compared_too(made: Made) -> None:
    forge(made.storage, 5, lambda record: replace(record, metadata={"topic": "x"}))
    [problem] = of_corpus(made.verify())
    assert problem == "row 5 (id 'id 5'): metadata not as in the corpus"


@pytest.mark.parametrize("container", ["files", "webdataset", "parquet"])
def test_a_run_writes_what_the_corpus_holds(container: str, tmp_path: Path, hosted_replicas: None) -> None:
    """Of the real writers, by way of the replicas; with values that JSON and parquet have their own ways with."""
    corpus = tmp_path / "corpus.jsonl"
    odd = [
        {"score": row / 3, "flag": row % 2 == 0, "none": None, "é": "\u2028", "list": [row]} for row in range(NUM_ROWS)
    ]
    write_corpus(corpus, [row | more for row, more in zip(corpus_rows(), odd, strict=True)])
    job = speechmill.Job(
        input={"uri": str(corpus)},
        model={"name": "tone", "options": {"audio_char_s": 0.002}},
        output={"uri": str(tmp_path / "out"), "container": container},
        sharding={"window_rows": WINDOW_ROWS},
        cluster={"replicas": 1},
        failure={"max_failed_rows": 3},
    )
    assert job.run().num_failed == 3
    report = Made(corpus, open_storage(str(tmp_path / "out"))).verify()
    assert (report.problems, report.num_orphans, report.num_compared) == ((), 0, NUM_ROWS)
