"""What a row's voice stands for: the same on every call, whatever other rows there are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from speechmill.actors.models.chattts.checkpoint.layout import TINY
from speechmill.actors.models.chattts.options import read_options
from speechmill.actors.models.chattts.voices.speaker import (
    encode_audio_prompt,
    encode_speaker,
    encode_statistics,
    sampled,
)
from speechmill.actors.models.chattts.voices.voices import Voices, is_file, read_statistics
from speechmill.actors.models.voice_reference import ClonedVoice
from speechmill.errors import ModelError, RowRejected

HIDDEN, NUM_VQ = TINY.hidden, TINY.num_vq
SPEAKER = encode_speaker(sampled(5, HIDDEN))
PROMPT = encode_audio_prompt(np.arange(40, dtype=np.uint16).reshape(4, 10))
STATISTICS = np.stack([np.full(HIDDEN, 2, np.float16), np.full(HIDDEN, -3, np.float16)])
seeds = st.integers(0, 2**63 - 1)


def voices(presets: dict[str, object] | None = None, **options: object) -> Voices:
    return Voices(read_options({**options, "voices": presets or {}}), HIDDEN, NUM_VQ, None)


def spoken(voices: Voices, voice: str, seed: int) -> bytes:
    speaker = voices.speaker(voices.preset(voice), seed)
    assert speaker is not None
    assert speaker.dtype == np.float16
    assert speaker.shape == (HIDDEN,)
    return speaker.tobytes()


@given(seeds, st.lists(seeds, max_size=3))
def test_the_default_voice_follows_from_the_rows_seed_alone(seed: int, others: list[int]) -> None:
    ours = voices(temperature=0.7)
    before = [spoken(ours, "", other) for other in others]
    assert spoken(ours, "", seed) == spoken(ours, "", seed) == sampled(seed, HIDDEN).tobytes()
    assert [spoken(ours, "", other) for other in others] == before
    assert spoken(voices({"a": {"seed": 3}}), "", seed) == sampled(seed, HIDDEN).tobytes()


@given(seeds, seeds)
def test_a_voice_that_is_named_by_a_seed_is_the_same_in_every_row(number: int, row_seed: int) -> None:
    ours = voices({"anna": {"seed": number, "speaker": ""}}, prompt="[speed_1]")
    expected = sampled(number, HIDDEN).tobytes()
    assert spoken(ours, f"seed:{number}", row_seed) == expected
    assert spoken(ours, "anna", row_seed) == expected
    assert ours.preset(f"seed:{number}").prompt == "[speed_1]"


@given(seeds)
def test_a_speaker_string_is_a_voice_as_it_is(row_seed: int) -> None:
    ours = voices({"anna": {"speaker": SPEAKER}}, top_k=7)
    assert spoken(ours, SPEAKER, row_seed) == spoken(ours, "anna", row_seed) == sampled(5, HIDDEN).tobytes()
    assert ours.preset(SPEAKER).sampling.top_k == 7


def test_statistics_shape_what_is_drawn_and_not_what_is_given() -> None:
    ours = Voices(read_options({}), HIDDEN, NUM_VQ, STATISTICS)
    assert spoken(ours, "", 9) == spoken(ours, "seed:9", 1) == sampled(9, HIDDEN, STATISTICS).tobytes()
    assert spoken(ours, SPEAKER, 9) == sampled(5, HIDDEN).tobytes()


def test_a_sample_is_a_voice_without_a_speaker(tmp_path: Path) -> None:
    file = tmp_path / "voice.WAV"
    file.write_bytes(b"")
    ours = voices({"text": {"sample": PROMPT, "transcript": "a"}, "file": {"sample": str(file), "transcript": "b"}})
    assert ours.speaker(ours.preset("text"), 1) is None
    assert ours.preset("file").voice == ClonedVoice(str(file), "b")
    assert ours.samples.keys() == {PROMPT, str(file)}
    assert ours.samples[str(file)] is None
    np.testing.assert_array_equal(ours.samples[PROMPT], np.arange(40).reshape(4, 10))
    assert voices().samples == {}


@pytest.mark.parametrize(
    "voice",
    ["ana", "Anna", "seed:", "seed:-1", "seed:1.5", "seed:٣", f"seed:{2**63}", "seed:" + "1" * 30, "女声", "a" * 999],
)
def test_a_name_that_is_none_is_refused_with_the_nearest(voice: str) -> None:
    with pytest.raises(RowRejected, match=r'is not a voice of this job, nor "seed:" and a number: ') as caught:
        voices({"anna": {}}).preset(voice)
    assert len(str(caught.value)) < 200
    assert "anna" in str(caught.value)
    with pytest.raises(RowRejected, match="the job names no voices"):
        voices().preset(voice)


def test_a_speaker_string_that_is_damaged_fails_its_row() -> None:
    with pytest.raises(RowRejected, match=r"speaker string|base16384"):
        voices().preset(SPEAKER[:-3])
    with pytest.raises(RowRejected, match=r"takes"):
        voices().preset(encode_speaker(sampled(1, 2 * HIDDEN)))


@pytest.mark.parametrize(
    ("preset", "message"),
    [
        ({"speaker": "abc"}, r"model\.options\.voices\.anna\.speaker: character 1 of the base16384 text"),
        ({"speaker": SPEAKER[:-3]}, r"model\.options\.voices\.anna\.speaker: "),
        (
            {"sample": PROMPT[:9], "transcript": "a"},
            r"voices\.anna\.sample is neither an audio prompt string nor a file",
        ),
        (
            {"sample": "voice.m4a", "transcript": "a"},
            r"anna\.sample is neither .* nor a file \.wav, \.flac, \.ogg, \.mp3",
        ),
        ({"sample": SPEAKER, "transcript": "a"}, r"voices\.anna\.sample is neither"),
        ({"sample": "gone.wav", "transcript": "a"}, r"voices\.anna\.sample: gone\.wav is not there"),
        ({"sample": "a" * 5_000 + ".wav", "transcript": "a"}, r"voices\.anna\.sample: a{200} is not there"),
    ],
)
def test_a_preset_that_is_damaged_fails_the_job_before_any_row(preset: dict[str, object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        voices({"anna": preset})


def test_files_are_known_by_their_names() -> None:
    assert is_file("a.wav")
    assert is_file("/b/C.FLAC")
    assert not is_file(PROMPT)
    assert not is_file("")


# ------------------------------------------------------------------ statistics


def test_statistics_come_from_a_string_a_file_or_beside_the_weights(tmp_path: Path) -> None:
    text = encode_statistics(np.zeros((2, 768), np.float16))
    np.testing.assert_array_equal(read_statistics(text, None, 768), np.zeros((2, 768)))
    file = tmp_path / "stat.txt"
    file.write_text(encode_statistics(STATISTICS) + "\n", encoding="utf-8")
    np.testing.assert_array_equal(read_statistics(str(file), None, HIDDEN), STATISTICS)
    beside = tmp_path / "spk_stat.pt"
    torch.save(torch.from_numpy(STATISTICS.astype(np.float32)).flatten(), beside)
    np.testing.assert_array_equal(read_statistics("", beside, HIDDEN), STATISTICS)
    np.testing.assert_array_equal(read_statistics(text, beside, 768), np.zeros((2, 768)))
    assert read_statistics("", None, HIDDEN) is None


@pytest.mark.parametrize("given", ["gone.txt", "a" * 999, "一" * 1_757])
def test_statistics_that_cannot_be_read_are_refused(given: str) -> None:
    with pytest.raises(ModelError, match=r"model\.options\.statistics: "):
        read_statistics(given, None, 768)


@pytest.mark.parametrize("content", [None, "text", "short", "nan", "negative", "list"])
def test_a_file_beside_the_weights_that_is_damaged_is_named(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "spk_stat.pt"
    whole = torch.ones(2 * HIDDEN)
    contents = {"short": whole[1:], "nan": whole * float("nan"), "negative": -whole, "list": [1.0] * 2 * HIDDEN}
    if content == "text":
        file.write_text("no tensor")
    elif content is not None:
        torch.save(contents[content], file)
    with pytest.raises(ModelError, match=r"chattts: .*spk_stat\.pt holds no statistics of speakers"):
        read_statistics("", file, HIDDEN)
