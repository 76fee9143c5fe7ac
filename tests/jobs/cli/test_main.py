"""The command line without a cluster: plan, status, verify, and what is said about a wrong job."""

from __future__ import annotations

import io
import json
from importlib import metadata
from pathlib import Path

import pytest
from rich.console import Console
from support.outputs import begin, commit, complete, job_file
from typer.testing import CliRunner

import speechmill
from speechmill.actors.batcher.stats import BatchStats
from speechmill.actors.records.record import Record
from speechmill.actors.records.utterance import Failure
from speechmill.actors.replica.receipt import ReplicaProgress
from speechmill.actors.replica.replica import ReplicaInfo
from speechmill.cluster.pool.replica_state import ReplicaState, ReplicaStatus
from speechmill.cluster.sharding.sharding import CostModel
from speechmill.cluster.storage import open_storage
from speechmill.jobs.cli.display import as_dict, audio_length, block, clock, percent, summary
from speechmill.jobs.cli.main import app
from speechmill.jobs.output.identity import Identity, JobFile
from speechmill.jobs.run.progress import Snapshot
from speechmill.jobs.spec.job import JobSpec

runner = CliRunner()


@pytest.fixture
def job(tmp_path: Path) -> Path:
    (tmp_path / "corpus.csv").write_text("id,text\na,One two three.\nb,\nc,Four five.\n", encoding="utf-8")
    path = tmp_path / "job.yaml"
    path.write_text(
        f"{{input: {{uri: {tmp_path}/corpus.csv}}, model: {{name: tone}}, output: {{uri: {tmp_path}/out}}}}",
        encoding="utf-8",
    )
    return path


def test_plan_counts_rows_and_says_why_some_will_fail(job: Path) -> None:
    done = runner.invoke(app, ["plan", str(job)])
    assert done.exit_code == 0
    assert "rejected" in done.output
    assert "line 3" in done.output.replace("\n", " ")
    made = json.loads(runner.invoke(app, ["plan", str(job), "--json"]).stdout)
    assert (made["num_rows"], made["num_rejected"], made["num_shards"], made["num_chars"]) == (3, 1, 1, 24)


def test_plan_writes_nothing(job: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    runner.invoke(app, ["plan", str(job)])
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "model.name=hibary"], 'did you mean "hibari"?'),
        (["--set", "input.uri=none.csv"], "no file matches none.csv"),
        (["--set", "input.text=body"], "no column 'body'"),
        (["--set", "input.voice=speaker"], "no column 'speaker'"),
        (["--set", "model.batchsize=3"], 'did you mean "model.batch_size"?'),
        (["--set", "model.backend=cuda"], "model.backend"),
        (["--set", "model.speed=99"], "model.speed is 99; tone speaks at 0.25 to 4"),
        (["--set", "output.audio=opus", "--set", "model.options={sample_rate: 11025}"], "opus cannot hold"),
        (["--set", "model.name=hibari", "--set", "model.voice=hart"], 'did you mean "heart"?'),
    ],
)
def test_a_wrong_job_is_one_line_and_status_2(job: Path, arguments: list[str], message: str) -> None:
    done = runner.invoke(app, ["plan", str(job), *arguments])
    assert done.exit_code == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["status", "verify"])
def test_an_output_that_is_none_is_said(tmp_path: Path, command: str) -> None:
    done = runner.invoke(app, [command, str(tmp_path)])
    assert done.exit_code == 2
    assert "speechmill output" in done.stderr


def snapshot(num_replicas: int = 2) -> Snapshot:
    progress = ReplicaProgress(rows=400, audio_s=900.0, batches=BatchStats(synthesis_s=9.0))
    states = tuple(
        ReplicaState(
            n, ReplicaInfo("gpu-[bold]node", 7, "cuda"), ReplicaStatus.SPEAKING, "000000-0003", progress, 10, 9.0, 1.0
        )
        for n in range(num_replicas)
    )
    return Snapshot(4_120, 3_900, 5_000, False, 3, 7_200.0, 83.0, 210.4, 0.973, 0, 3_725.0, 1, states)


def test_a_terminal_shows_what_a_person_asks_for() -> None:
    console = Console(file=io.StringIO(), width=100, force_terminal=False)
    console.print(block("demo", snapshot()))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    for part in ("demo", "4,120 / ~5,000 rows", "3,900 committed", "2.00 h", "RTFx 210", "97.3 %", "failed 3"):
        assert part in text
    assert "left 1:02:05" in text
    assert "replica 1" in text
    assert "1 replaced" in text


def test_many_replicas_do_not_fill_the_screen() -> None:
    console = Console(file=io.StringIO(), width=100, force_terminal=False)
    console.print(block("demo", snapshot(num_replicas=256)))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert len(text.splitlines()) < 14
    assert "256 speaking" in text


def test_a_log_line_and_json_say_the_same() -> None:
    line = summary(snapshot())
    assert "4,120 / ~5,000 rows (3,900 committed), 2.00 h of audio, RTFx 210, fill 97.3 %, 3 failed" in line
    values = as_dict(snapshot())
    assert json.loads(json.dumps(values))["replicas"][0]["host"] == "gpu-[bold]node"


def test_names_are_shown_as_they_are_never_as_markup(tmp_path: Path, job: Path) -> None:
    """A job called "x[/red]" once ended `status` with a stack trace."""
    storage = open_storage(str(tmp_path / "out"))
    spec = JobSpec.load(job, ["name='x[/red][bold]y'"])
    begin(storage, JobFile("1", spec.model_dump(mode="json"), Identity({}), "cpu", CostModel(1, 1, 1)))
    done = runner.invoke(app, ["status", str(tmp_path / "out")])
    assert done.exit_code == 0
    assert "x[/red][bold]y" in done.output


def test_status_names_what_a_complete_output_has_lost(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path / "out"))
    records = [Record.of_failure(Failure(row, f"id {row}", "empty text"), "tone", "1") for row in range(2)]
    claim = begin(storage, job_file("files", "wav"))
    names = [commit(storage, claim, window, None, [record]) for window, record in enumerate(records)]
    complete(claim, records)
    assert "complete" in runner.invoke(app, ["status", storage.uri]).output
    storage.delete([names[1].key])
    done = runner.invoke(app, ["status", storage.uri])
    assert done.exit_code == 1
    assert "damaged; run the job with --repair" in done.output
    assert "problem: 1 of 2 manifests are there" in done.output


@pytest.mark.parametrize(
    "content",
    [
        "name: 2024-13-45\n",
        "cluster: {gpus_per_replica: .inf}\n",
        "input: &a {uri: *a}\n",
        "1: 2\n",
        "input: {uri: ~nosuchuser/x.csv}\noutput: {uri: o}\n",
        f"input: {{uri: {'x' * 300}.csv}}\noutput: {{uri: o}}\n",
        "input: {uri: a.csv}\noutput: {uri: o}\nmodel: {name: ':X'}\n",
        "input: {uri: a.csv}\noutput: {uri: o}\nmodel: {name: tone, options: {audio_char_s: .inf}}\n",
        "input: {uri: a.csv}\noutput: {uri: o}\nmodel: {name: tone, options: {max_length: 0}}\n",
    ],
)
def test_no_job_file_ends_in_a_stack_trace(tmp_path: Path, content: str) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(content, encoding="utf-8")
    done = runner.invoke(app, ["plan", str(path)])
    assert done.exit_code == 2, done.output
    assert done.stderr.count("\n") == 1
    assert isinstance(done.exception, SystemExit)


def test_units_read_well() -> None:
    assert (audio_length(59.0), audio_length(3_600.0)) == ("1.0 min", "1.00 h")
    assert (percent(None), percent(0.5)) == ("–", "50.0 %")
    assert (clock(None), clock(59.6), clock(3_600)) == ("–", "0:01:00", "1:00:00")


def test_the_version_is_that_of_the_package() -> None:
    done = CliRunner().invoke(app, ["--version"])
    assert (done.exit_code, done.stdout) == (0, f"speechmill {speechmill.__version__}\n")
    assert speechmill.__version__ == metadata.version("speechmill")
