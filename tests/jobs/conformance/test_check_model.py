"""Every model of ours keeps all laws; a fault that is planted in a model is found by the law that it breaks."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from typer.testing import CliRunner

import speechmill
from speechmill.actors.models.base import ModelConfig
from speechmill.actors.models.chattts.checkpoint.layout import TINY
from speechmill.actors.models.chattts.checkpoint.random_weights import write_random
from speechmill.actors.models.chattts.checkpoint.safetensors_file import read_header, write_tensors
from speechmill.actors.models.minicpmo.checkpoint.layout import TINY as TINY_MINICPMO
from speechmill.actors.models.minicpmo.checkpoint.random_weights import write_random as write_random_minicpmo
from speechmill.actors.models.registry import load
from speechmill.errors import ModelError, SpecError
from speechmill.jobs.cli.main import app
from speechmill.jobs.conformance.check_model import REPORT, ConformanceReport, check_model, finding_of
from speechmill.jobs.conformance.damage import damaged_copies, largest_weights
from speechmill.jobs.conformance.laws import LAWS
from speechmill.jobs.conformance.samples import speak_samples
from speechmill.jobs.conformance.subject import Subject

LAWS_BY_NAME = {law.__name__: law for law in LAWS}
SHORT = {"audio_char_s": 0.01}
"""A second of sound a row of tone costs more than all that is asked of it."""
FEW_WORDS = ("Yes.", "Bread?", "Nine boats.")
"""For models that take their time."""
TEXTS = ("Good morning.", "Is there any bread?", "Nine boats left before the fog came in.")


def broken(report: ConformanceReport) -> list[str]:
    return [finding.law for finding in report.findings if finding.outcome == "broken"]


def details(report: ConformanceReport) -> str:
    return "\n".join(f"{finding.law}: {finding.detail}" for finding in report.findings)


@pytest.mark.parametrize("options", [SHORT, SHORT | {"mixes_voices": False}])
def test_tone_keeps_all_laws(options: dict[str, Any]) -> None:
    report = check_model("tone", options=options, texts=TEXTS)
    assert report.is_ok, details(report)
    assert [finding.law for finding in report.findings] == [law.__name__ for law in LAWS]


@pytest.mark.slow
@pytest.mark.parametrize("model", ["hibari", "own_model:Beeps", "own_stepwise:Hum"])
def test_voices_of_the_package_and_of_the_examples_keep_all_laws(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(speechmill.__file__).parent / "examples"))
    report = check_model(model, texts=FEW_WORDS)
    assert report.is_ok, details(report)


@pytest.mark.slow
def test_chattts_keeps_all_laws(tmp_path: Path) -> None:
    """With the tiny random weights, and a seed a row."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        write_random(tmp_path / "tiny", TINY, seed=0)
        options = {"max_steps": 12, "incomplete": "keep", "deterministic": True}
        report = check_model("chattts", weights=str(tmp_path / "tiny"), options=options, texts=FEW_WORDS)
    finally:
        torch.set_num_threads(threads)
    assert report.is_ok, details(report)
    [finding] = [finding for finding in report.findings if finding.law == "refuses_damaged_weights"]
    assert finding.outcome == "kept", "cut off, and with a tensor of another name"


@pytest.mark.slow
def test_minicpmo_keeps_all_laws(tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        write_random_minicpmo(tmp_path / "tiny", TINY_MINICPMO, seed=0)
        options = {"max_steps": 12, "incomplete": "keep", "deterministic": True}
        report = check_model("minicpmo", weights=str(tmp_path / "tiny"), options=options, texts=FEW_WORDS)
    finally:
        torch.set_num_threads(threads)
    assert report.is_ok, details(report)
    [finding] = [finding for finding in report.findings if finding.law == "refuses_damaged_weights"]
    assert finding.outcome == "kept", "cut off, and with a tensor of another name"


@pytest.mark.parametrize(
    ("model", "law"),
    [
        ("MatesMatter", "depends_on_no_batch_mate"),
        ("OrderLost", "depends_on_no_batch_mate"),
        ("SeedIgnored", "follows_its_seed"),
        ("VoiceLeaks", "mixes_voices"),
        ("VoiceStays", "mixes_voices"),
        ("RecordingIgnored", "follows_its_recording"),
        ("RecordingStays", "follows_its_recording"),
        ("ErrorSwallowed", "makes_samples"),
        ("AnythingGoes", "refuses_what_is_wrong"),
        ("Unwell", "makes_samples"),
    ],
)
def test_a_planted_fault_is_found(model: str, law: str) -> None:
    config = ModelConfig(f"support.planted:{model}", options=SHORT)
    finding = finding_of(LAWS_BY_NAME[law], Subject(config, load(config), TEXTS))
    assert finding.outcome == "broken"
    assert finding.detail


@pytest.fixture
def weights(tmp_path: Path) -> str:
    """A folder with a file of two tensors, and one that says nothing."""
    folder = tmp_path / "weights"
    folder.mkdir()
    values = {"a": (3,), "b": (2, 5_000)}
    write_tensors(folder / "weights.safetensors", values, lambda name, shape: np.zeros(shape, np.float32))
    (folder / "notes.bin").write_bytes(b"hello")
    return str(folder)


@pytest.mark.parametrize(
    ("model", "words"),
    [("Strict", ""), ("Lenient", "cut to half of its length is loaded as if"), ("Careless", "raises KeyError, where")],
)
def test_damaged_weights_have_to_be_refused(weights: str, model: str, words: str) -> None:
    config = ModelConfig(f"support.planted:{model}", path=weights)
    finding = finding_of(LAWS_BY_NAME["refuses_damaged_weights"], Subject(config, load(config), TEXTS))
    assert words in finding.detail
    assert finding.outcome == ("broken" if words else "kept")


def test_copies_are_damaged_in_one_file_and_share_the_others(weights: str, tmp_path: Path) -> None:
    largest = largest_weights(Path(weights))
    assert largest is not None and largest.name == "weights.safetensors"
    (tmp_path / "copies").mkdir()
    copies = dict(damaged_copies(Path(weights), largest, tmp_path / "copies"))
    cut, renamed = (copy / "weights.safetensors" for copy in copies.values())
    assert cut.stat().st_size == largest.stat().st_size // 2
    with pytest.raises(ValueError, match="cut off"):
        read_header(cut)
    assert read_header(renamed).keys() == {"a", "X"}
    assert all((copy / "notes.bin").read_bytes() == b"hello" for copy in copies.values())
    assert largest_weights(tmp_path / "weights" / "notes.txt") is None


def test_sentences_are_spoken_into_a_folder_with_a_report(tmp_path: Path) -> None:
    """A folder that holds no recogniser is said, and nothing is claimed of what is heard."""
    out = tmp_path / "out"
    report = check_model("tone", texts=TEXTS, out=out, recogniser=str(tmp_path))
    assert report.samples is not None and report.is_ok, details(report)
    body = json.loads((out / REPORT).read_text(encoding="utf-8"))
    assert body == json.loads(json.dumps(report.body))
    assert body["word_error_rate"] is None and body["transcript"].startswith("skipped: ")
    assert body["model"]["languages"] == ["en"] and body["is_ok"]
    for sample, text in zip(body["samples"], TEXTS, strict=True):
        samples, rate = soundfile.read(out / sample["file"], dtype="float32")
        assert (sample["text"], len(samples), rate) == (text, sample["num_samples"], 8_000)
        assert np.abs(samples).max() > 0.1
    assert "3 of 3 sentences spoken" in report.samples.line


def test_a_sentence_that_cannot_be_spoken_is_a_sample_with_its_reason(tmp_path: Path) -> None:
    config = ModelConfig("tone", options={"reject": "?"})
    samples = speak_samples(Subject(config, load(config), TEXTS), "xx", tmp_path / "out", None)
    assert [bool(sample.error) for sample in samples.samples] == [False, True, False]
    assert "refuses" in samples.samples[1].error and not samples.samples[1].file
    assert samples.transcript.startswith("skipped: ")
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(SpecError, match="cannot be written"):
        speak_samples(Subject(config, load(config), TEXTS), "xx", tmp_path / "file", None)


@pytest.mark.quality
@pytest.mark.filterwarnings("ignore:invalid escape sequence")
def test_hibari_is_understood(tmp_path: Path) -> None:
    report = check_model("hibari", out=tmp_path)
    assert report.samples is not None and report.samples.word_error_rate is not None
    assert report.samples.word_error_rate < 0.1, report.samples
    assert len(report.samples.samples) == 10


def test_the_guide_shows_the_examples_as_they_are() -> None:
    """What is read there is what other tests run."""
    root = Path(speechmill.__file__).parent
    blocks = re.findall(r"```python\n# (\S+)\n(.*?)\n```", (root / "docs/adding-a-model.md").read_text("utf-8"), re.S)
    assert [name for name, _ in blocks] == ["examples/own_model.py", *["examples/own_stepwise.py"] * 2]
    for name, block in blocks:
        assert block in (root / name).read_text("utf-8"), f"{name} has changed, and the guide has not"


def test_the_command_says_each_law_and_ends_with_its_status() -> None:
    texts = [option for text in TEXTS for option in ("--text", text)]
    done = CliRunner().invoke(app, ["check-model", "tone", "--option", "audio_char_s=0.01", *texts])
    assert done.exit_code == 0, done.output
    assert done.stdout.count("kept ") == len(LAWS) - 1
    assert "skipped" in done.stdout and "no weights were named" in done.stdout
    done = CliRunner().invoke(
        app, ["check-model", "support.planted:SeedIgnored", "--option", "audio_char_s=0.01", "--json", *texts]
    )
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
