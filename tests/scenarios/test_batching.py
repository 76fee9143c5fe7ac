"""Batches as a job sees them: bounded, planned, learned from, and never part of what is spoken or where it lies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import speechmill
from speechmill.actors.models.base import ModelConfig
from speechmill.actors.models.registry import describe
from speechmill.cluster.sharding.cost_cache import recall, remember
from speechmill.cluster.sharding.sharding import CostModel
from speechmill.cluster.storage import open_storage
from speechmill.errors import ModelError, SpecError
from speechmill.jobs.cli.main import app
from speechmill.jobs.output.output_file import OutputFile
from speechmill.jobs.run.progress import Snapshot

OPTIONS = {"audio_char_s": 0.001, "memory_bytes": 3_000_000, "cell_bytes": 400, "square_bytes": 3, "batch_s": 0.002}


# How batches are made does not hang on where.
pytestmark = pytest.mark.usefixtures("hosted_replicas")


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Of this module and its replicas: what one test learns, the next finds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPEECHMILL_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def job_file(tmp_path: Path, num_rows: int = 300, **model: Any) -> Path:
    lines = [f'id-{row},"Row {row} {"la " * (row * row % 120)}"' for row in range(num_rows)]
    (tmp_path / "corpus.csv").write_text("\n".join(["id,text", *lines]), encoding="utf-8")
    path = tmp_path / "job.yaml"
    job = {
        "input": {"uri": str(tmp_path / "corpus.csv")},
        "model": {"name": "tone", "options": OPTIONS} | model,
        "output": {"uri": str(tmp_path / "out"), "container": "parquet"},
        "sharding": {"shard_rows": 40},
        "cluster": {"replicas": 1},
    }
    path.write_text(json.dumps(job), encoding="utf-8")
    return path


def parts_of(output: str) -> set[str]:
    return {entry.key for entry in open_storage(output).list("manifest/")}


def planned(path: Path, *arguments: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, ["plan", str(path), "--json", *arguments])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_a_plan_shows_the_profile_and_after_the_run_what_became_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPEECHMILL_CACHE", str(tmp_path / "cache"))  # where nothing was learned
    path = job_file(tmp_path)
    before = planned(path)
    assert before["batches"] is None
    assert before["estimated_by"] == "the model's own figures"
    assert "no profile" in CliRunner().invoke(app, ["plan", str(path)]).output

    measured = planned(path, "--measure")
    assert measured["estimated_by"] == "the profile"
    assert measured["batches"]["peak"]["coefficients"] == pytest.approx({"cell": 400, "square": 3})
    predicted = measured["batches"]["predicted"]
    assert predicted["predicted_bytes"] <= predicted["bound_bytes"] == int(0.9 * OPTIONS["memory_bytes"])
    assert not (tmp_path / "out").exists()

    result = speechmill.Job.load(path).run()
    batches = result.batches
    assert (result.num_ok, batches.num_rows, batches.num_out_of_memory) == (300, 300, 0)
    assert batches.peak_bytes <= batches.predicted_bytes <= batches.bound_bytes
    assert batches.num_batches == pytest.approx(predicted["num_batches"], rel=0.3)
    complete = OutputFile.load(open_storage(result.output)).complete
    assert complete is not None
    assert complete.batches == batches

    after = planned(path)
    assert after["estimated_by"] == "the last run"
    assert after["actual"]["num_batches"] == batches.num_batches
    shown = " ".join(CliRunner().invoke(app, ["plan", str(path)]).output.split())
    for part in ("padding", "largest peak", "run that completed this output", "memory at its peak"):
        assert part in shown


def test_a_number_that_cannot_fit_stops_the_job_before_a_row_is_spoken(tmp_path: Path) -> None:
    job = speechmill.Job.load(job_file(tmp_path, batch_size=64))
    with pytest.raises(ModelError, match=r"64 rows of length 400.*use 4 at most, or auto_max"):
        job.run()
    assert not parts_of(job.spec.output.uri)
    done = CliRunner().invoke(app, ["plan", str(job_file(tmp_path, batch_size=64)), "--measure"])
    assert done.exit_code == 2
    assert speechmill.Job.load(job_file(tmp_path, batch_size=4)).run().num_ok == 300


class Stop(Exception):
    """Raised in the middle of a run."""


def test_corrected_costs_cut_the_next_output_and_never_one_that_has_begun(tmp_path: Path) -> None:
    path = job_file(tmp_path)
    calm = speechmill.Job.load(path, [f"output.uri={tmp_path / 'calm'}"]).run()
    job = speechmill.Job.load(path)

    def stop(snapshot: Snapshot) -> None:
        if snapshot.rows_committed:
            raise Stop

    with pytest.raises(Stop):
        job.run(observe=stop)
    half = parts_of(job.spec.output.uri)
    assert half
    config = ModelConfig("tone", options=OPTIONS)
    assert recall(config, describe(config)) is not None, "the calm run has learned"
    remember(config, describe(config), CostModel(base_s=5.0, char_s=1e-6, audio_char_s=0.001))
    result = job.run()
    assert result.num_ok == calm.num_ok == 300
    assert half <= parts_of(job.spec.output.uri), "what was committed is still the output's"
    remember(config, describe(config), CostModel(base_s=5.0, char_s=1e-6, audio_char_s=0.001))  # that run has learned
    other = speechmill.Job.load(path, [f"output.uri={tmp_path / 'other'}"]).run()
    assert parts_of(other.output) != parts_of(result.output), "the next output is cut by what is known now"
    clips = [{clip.id: clip.samples.tobytes() for clip in speechmill.read(run.output)} for run in (calm, result, other)]
    assert clips[0] == clips[1] == clips[2]


def test_less_of_the_memory_makes_smaller_batches_and_the_same_speech(tmp_path: Path) -> None:
    results = [
        speechmill.Job.load(path, [f"output.uri={tmp_path / name}", f"model.vram_utilization={share}"]).run()
        for path in [job_file(tmp_path)]
        for name, share in [("much", 1.0), ("little", 0.3)]
    ]
    much, little = (result.batches for result in results)
    assert little.peak_bytes <= int(0.3 * OPTIONS["memory_bytes"]) < much.peak_bytes
    assert little.num_batches > much.num_batches
    clips = [{clip.id: clip.samples.tobytes() for clip in speechmill.read(result.output)} for result in results]
    assert clips[0] == clips[1]


@pytest.mark.parametrize("value", [0, -1, 1.01, "much"])
def test_an_impossible_share_of_the_memory_is_refused(tmp_path: Path, value: object) -> None:
    with pytest.raises(SpecError, match=r"model\.vram_utilization"):
        speechmill.Job.load(job_file(tmp_path, vram_utilization=value))
