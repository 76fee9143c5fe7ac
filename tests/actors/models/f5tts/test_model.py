"""The model behind the interface, on tiny random weights: presets, references of rows, errors, and all laws."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speechmill.actors.models.base import ModelConfig
from speechmill.actors.models.f5tts.model import F5tts
from speechmill.actors.models.f5tts.options import read_options
from speechmill.actors.models.f5tts.text.durations import MAX_FRAMES
from speechmill.actors.models.registry import describe
from speechmill.actors.records.reference import Reference
from speechmill.actors.records.utterance import Segment, Utterance
from speechmill.actors.text.splitting import fit_segments
from speechmill.errors import ModelError, RowRejected, TextTooLong
from speechmill.jobs.conformance.check_model import check_model


def config(folder: Path, voice: str = "", device: str = "cpu", **options: object) -> ModelConfig:
    return ModelConfig("f5tts", device, voice=voice, path=str(folder), options={"steps": 2, **options})


@pytest.fixture(scope="module")
def model(tiny_f5tts: Path, tmp_path_factory: pytest.TempPathFactory) -> F5tts:
    return F5tts(config(tiny_f5tts, voices={"noise": preset(tmp_path_factory.mktemp("clips") / "noise.wav")}))


def preset(file: Path, seconds: float = 1.2, level: float = 0.1) -> dict[str, str]:
    samples = np.random.default_rng(1).normal(0, level, round(16_000 * seconds))
    soundfile.write(file, samples.astype(np.float32), 16_000)
    return {"clip": str(file), "text": "It is noise"}


def test_a_preset_is_the_default_voice_and_another_one_comes_with_the_package(model: F5tts, tiny_f5tts: Path) -> None:
    assert model.info.voices == ("heart", "noise")
    assert model.info.default_voice == "noise"
    assert describe(config(tiny_f5tts)).default_voice == "heart"
    named, default, other = (model.prepare("Rain again.", voice) for voice in ("noise", "", "heart"))
    assert named == default != other
    with pytest.raises(RowRejected, match="is not a voice of f5tts"):
        model.prepare("Rain again.", "nobody")


def test_the_length_is_the_frames_that_are_computed(model: F5tts) -> None:
    text = "Rain again, all night."
    prepared = model.prepare(text, "noise")
    # 1.25 s of reference: 117 frames for the 13 bytes of "It is noise.  "
    assert prepared.length == 117 + int(117 / 14 * len(text))
    (wave,) = model.speak([Segment(0, 0, text, prepared, 1, "noise", 1.0)])
    assert len(wave) == (prepared.length - 117 - 1) * 256


def test_a_row_may_bring_a_recording(model: F5tts, clips: list[Reference]) -> None:
    text = "Rain again."
    made = [
        Segment(row, 0, text, model.prepare_like(clip, "", text, ""), 1, "", 1.0, reference=clip)
        for row, clip in enumerate(clips[:3])
    ]
    assert len({wave.tobytes() for wave in model.speak(made)}) == 3
    assert len({segment.length for segment in made}) == 3
    silent = Reference.of(np.zeros(24_000, np.float32), 24_000, "Nothing.")
    with pytest.raises(RowRejected, match="of sound"):
        model.prepare_like(silent, "", text, "")
    long = Reference.of(np.tile(clips[0].samples, 30), clips[0].sample_rate, "A.")
    with pytest.raises(RowRejected, match="too short for 1"):
        model.prepare_like(long, "", text, "")
    with pytest.raises(RowRejected, match="needs the words"):
        model.prepare_like(replace(clips[0], text=" "), "", text, "")


def test_texts_are_split_where_reference_and_speech_take_22_seconds(model: F5tts) -> None:
    utterance = Utterance(0, "a", " ".join(["The lamp is lit."] * 40), 1, "heart")
    segments = fit_segments(utterance, model.info.split_chars, model.info.max_length, model.prepare)
    assert len(segments) > 1
    assert max(segment.length for segment in segments) <= MAX_FRAMES
    assert model.prepare("!?", "heart").tokens == ()
    with pytest.raises(TextTooLong):
        fit_segments(replace(utterance, text="a" * 300), model.info.split_chars, MAX_FRAMES, model.prepare)


def test_letters_without_a_token_are_told(model: F5tts) -> None:
    assert model.unspoken("Größe of Привет ok") == [*"ößПривет"]


def test_costs_are_frames_times_steps(tiny_f5tts: Path) -> None:
    few, many = (describe(config(tiny_f5tts, steps=steps)) for steps in (7, 14))
    without = describe(config(tiny_f5tts, steps=14, guidance=0))
    assert many.base_s == pytest.approx(2 * few.base_s) == pytest.approx(2 * without.base_s)
    assert many.char_s == pytest.approx(2 * few.char_s)
    assert few.audio_char_s == many.audio_char_s > 0
    assert describe(config(tiny_f5tts, device="cuda")).batch_limit.max_rows > 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"stepz": 3}, "steps"),
        ({"steps": 0}, "whole number from 1 to 128"),
        ({"steps": 2.5}, "whole number"),
        ({"guidance": float("nan")}, "number from 0 to 10"),
        ({"dtype": "int8"}, "one of float32"),
        ({"voices": ["a"]}, "voices"),
        ({"voices": {"a": {"clip": "a.wav"}}}, "text"),
        ({"voices": {"a": {"clip": "no such file.wav", "text": "A."}}}, "no such file"),
    ],
)
def test_wrong_options_are_named(tiny_f5tts: Path, wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        describe(config(tiny_f5tts, **wrong))


def test_presets_that_cannot_be_spoken_with_are_refused(tiny_f5tts: Path, tmp_path: Path) -> None:
    for seconds, level, message in ((0.2, 0.1, "0.2"), (20, 0.1, "20"), (2, 0.0, "sil|sound")):
        with pytest.raises(ModelError, match=message):
            describe(config(tiny_f5tts, voices={"a": preset(tmp_path / "a.wav", seconds, level)}))
    with pytest.raises(ModelError, match=r'model\.voice "b"'):
        describe(config(tiny_f5tts, voice="b", voices={"a": preset(tmp_path / "a.wav")}))


def test_another_clip_is_another_revision(tiny_f5tts: Path, tmp_path: Path) -> None:
    first = describe(config(tiny_f5tts, voices={"a": preset(tmp_path / "a.wav")}))
    second = describe(config(tiny_f5tts, voices={"a": preset(tmp_path / "a.wav", level=0.2)}))
    assert first.revision != second.revision
    assert read_options({"steps": 7}).branches == 2


@pytest.mark.slow
def test_all_laws_are_kept(tiny_f5tts: Path, tmp_path: Path) -> None:
    options = {"steps": 1, "voices": {"noise": preset(tmp_path / "noise.wav")}, "deterministic": False}
    report = check_model("f5tts", weights=str(tiny_f5tts), options=options, texts=("Hi there.", "Is there bread?"))
    assert [(found.law, found.detail) for found in report.findings if found.outcome != "kept"] == []
