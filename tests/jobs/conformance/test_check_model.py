"""Every model of ours keeps all laws; a fault that is planted in a model is found by the law that it breaks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

import speechmill
from speechmill.actors.models.chattts.checkpoint.layout import TINY
from speechmill.actors.models.chattts.checkpoint.random_weights import write_random
from speechmill.errors import ModelError, SpecError
from speechmill.jobs.cli.main import app
from speechmill.jobs.conformance.check_model import ConformanceReport, check_model
from speechmill.jobs.conformance.laws import LAWS

TEXTS = ("Good morning.", "Is there any bread?", "Nine boats left before the fog came in.")


def broken(report: ConformanceReport) -> list[str]:
    return [finding.law for finding in report.findings if finding.outcome == "broken"]


def details(report: ConformanceReport) -> str:
    return "\n".join(f"{finding.law}: {finding.detail}" for finding in report.findings)


@pytest.mark.parametrize("options", [{}, {"mixes_voices": False}])
def test_tone_keeps_all_laws(options: dict[str, Any]) -> None:
    report = check_model("tone", options=options, texts=TEXTS)
    assert report.is_ok, details(report)
    assert [finding.law for finding in report.findings] == [law.__name__ for law in LAWS]


@pytest.mark.parametrize("model", ["hibari", "own_model:Beeps", "own_stepwise:Hum"])
def test_voices_of_the_package_and_of_the_examples_keep_all_laws(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(speechmill.__file__).parent / "examples"))
    report = check_model(model, texts=TEXTS)
    assert report.is_ok, details(report)


def test_chattts_keeps_all_laws(tmp_path: Path) -> None:
    """With the tiny random weights, and a seed a row."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        write_random(tmp_path / "tiny", TINY, seed=0)
        options = {"max_steps": 30, "incomplete": "keep", "deterministic": True}
        report = check_model("chattts", weights=str(tmp_path / "tiny"), options=options, texts=TEXTS)
    finally:
        torch.set_num_threads(threads)
    assert report.is_ok, details(report)


@pytest.mark.parametrize(
    ("model", "law"),
    [
        ("MatesMatter", "depends_on_no_batch_mate"),
        ("OrderLost", "depends_on_no_batch_mate"),
        ("SeedIgnored", "follows_its_seed"),
        ("VoiceLeaks", "mixes_voices"),
        ("VoiceStays", "mixes_voices"),
        ("ErrorSwallowed", "makes_samples"),
        ("AnythingGoes", "refuses_what_is_wrong"),
        ("Unwell", "makes_samples"),
    ],
)
def test_a_planted_fault_is_found(model: str, law: str) -> None:
    report = check_model(f"planted:{model}", texts=TEXTS)
    assert law in broken(report), details(report)
    assert not report.is_ok
    (finding,) = [finding for finding in report.findings if finding.law == law]
    assert finding.detail


def test_the_command_says_each_law_and_ends_with_its_status() -> None:
    texts = [option for text in TEXTS for option in ("--text", text)]
    done = CliRunner().invoke(app, ["check-model", "tone", "--option", "audio_char_s=0.01", *texts])
    assert done.exit_code == 0, done.output
    assert done.stdout.count("kept") == len(LAWS)
    done = CliRunner().invoke(app, ["check-model", "planted:SeedIgnored", "--json", *texts])
    assert done.exit_code == 1
    body = json.loads(done.stdout)
    assert (body["is_ok"], body["model"]["name"]) == (False, "tone")
    assert [f["law"] for f in body["findings"] if f["outcome"] == "broken"] == ["follows_its_seed"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nonsuch"], "not registered"),
        (["tone", "--text", "One."], "two texts"),
        (["tone", "--option", "crash"], "must look like"),
        (["tone", "--option", "crash=[1"], "--option crash"),
        (["tone", "--option", "nonsuch=1"], "nonsuch is not an option"),
        (["chattts", "--weights", "/nowhere/at/all"], "does not exist"),
    ],
)
def test_what_cannot_be_checked_is_said_in_one_line(arguments: list[str], words: str) -> None:
    done = CliRunner().invoke(app, ["check-model", *arguments])
    assert done.exit_code == 2, done.output
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_errors_are_those_of_the_package() -> None:
    with pytest.raises(ModelError):
        check_model("nonsuch")
    with pytest.raises(SpecError):
        check_model("tone", texts=())
