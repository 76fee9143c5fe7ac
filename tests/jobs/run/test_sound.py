"""Sound as the job asks for it: what manifests say is of what is stored, and the keys belong to the job."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.measured import measured

import speechmill
from speechmill.actors.audio.finishing import loudness_lufs
from speechmill.cluster.storage import open_storage
from speechmill.errors import JobChanged, SpecError
from speechmill.jobs.output.output_file import OutputFile
from speechmill.jobs.verify import verify

NUM_ROWS = 12
SOUND = {"sample_rate": 16_000, "loudness_lufs": -23.0, "trim_silence": 0.05}


def job(tmp_path: Path, **output: Any) -> speechmill.Job:
    corpus = tmp_path / "corpus.jsonl"
    rows = ({"id": f"id-{row}", "text": f"Row {row}. " * 3} for row in range(NUM_ROWS))
    corpus.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return speechmill.Job(
        input={"uri": str(corpus)},
        model={"name": "tone", "options": measured(audio_char_s=0.02)},
        output={"uri": str(tmp_path / "out"), **output},
        cluster={"replicas": 1},
    )


@pytest.mark.usefixtures("hosted_replicas")
def test_clips_have_the_rate_and_the_loudness_that_the_job_names(tmp_path: Path) -> None:
    assert job(tmp_path, container="parquet", **SOUND).run().num_ok == NUM_ROWS
    storage = open_storage(str(tmp_path / "out"))
    assert verify(storage).problems == ()
    for clip in speechmill.read(str(tmp_path / "out")):
        assert clip.sample_rate == 16_000
        assert abs(loudness_lufs(clip.samples, clip.sample_rate) + 23) < 0.5
    kept = OutputFile.load(storage).job
    assert kept.provenance["is_synthetic"] is True
    assert kept.provenance["model"] == "tone"
    for name, value in SOUND.items():
        assert kept.identity.keys[f"output.{name}"] == value
        with pytest.raises(JobChanged, match=rf"output\.{name}: {value:g}.* there, null now"):
            job(tmp_path, container="parquet", **{**SOUND, name: None}).run()


def test_a_rate_that_the_format_cannot_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="opus cannot hold audio of 44100 Hz"):
        job(tmp_path, audio="opus", sample_rate=44_100).plan()


def test_a_plan_warns_of_weights_that_are_not_for_commercial_use(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from dataclasses import replace

    from rich.console import Console

    from speechmill.jobs.cli.tables import show_plan

    plan = job(tmp_path).plan()
    assert not plan.is_noncommercial
    show_plan(replace(plan, licence="CC-BY-NC-4.0", is_noncommercial=True), Console(width=200))
    assert "warning: the weights are licensed CC-BY-NC-4.0" in capsys.readouterr().out
