"""The whole model on tiny random weights: every row its own voice, seed and settings, whoever is spoken beside it."""

from __future__ import annotations

import random
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from support.waiting import HANG_S

from speechmill.actors.models.base import ModelConfig, SlotUsage
from speechmill.actors.models.chattts.checkpoint.layout import TINY
from speechmill.actors.models.chattts.model import MAX_TOKENS, Chattts
from speechmill.actors.models.chattts.voices.speaker import encode_audio_prompt, encode_speaker, sampled
from speechmill.actors.records.reference import Reference
from speechmill.actors.records.stream_handle import StreamHandle
from speechmill.actors.records.utterance import Segment, Utterance
from speechmill.actors.text.splitting import fit_segments
from speechmill.errors import ModelError, RowError, RowRejected

Waves = dict[tuple[int, int], NDArray[np.float32]]
ROOM = 10**9
MOST_STEPS = 24
TEXTS = [
    "Hello.",
    "The baker opens at five, and by seven the street smells of warm bread.",
    "今天是2024年5月6日，天气很好。",
    "I paid $42 for 3 apples! [laugh] Really?",
    "一二三四五六七八九十，上山打老虎。老虎不在家，打到小松鼠。",
]
VOICES = {
    "calm": {"seed": 3, "temperature": 0.1, "top_p": 0.5, "max_steps": 12, "prompt": "[speed_2][oral_0]"},
    "wild": {"seed": 4, "temperature": [0.9, 0.5, 1.2, 0.7], "top_k": 5, "repetition_penalty": 1.3, "max_steps": 33},
    "short": {"max_steps": 20},
    "free": {"temperature": 1.5, "top_p": 1.0, "top_k": 626},
}


def model(folder: Path, slots: int | None = 8, **options: Any) -> Chattts:
    options = {"max_steps": MOST_STEPS, "incomplete": "keep", "voices": VOICES} | options
    made = Chattts(ModelConfig("chattts", path=str(folder), options=options))
    assert made.reserve(ROOM, slots) == (slots or made.info.batch_limit.max_rows)
    return made


def segments(made: Chattts, rows: int) -> list[Segment]:
    names = ["", *VOICES, "seed:12"]
    utterances = [Utterance(row, str(row), TEXTS[row % 5], seed=row * 7, voice=names[row % 6]) for row in range(rows)]
    return [s for u in utterances for s in fit_segments(u, made.info.split_chars, made.info.max_length, made.prepare)]


def spoken(made: Chattts, what: list[Segment]) -> Waves:
    waves: Waves = {}
    for segment, outcome in made.speak_rows(what):
        assert not isinstance(outcome, RowError), outcome
        assert (segment.row, segment.index) not in waves
        waves[segment.row, segment.index] = outcome
    return waves


def assert_alike(waves: Waves, others: Mapping[tuple[int, int], NDArray[np.float32]], num_on_the_edge: int = 0) -> None:
    """Each wave is the other's, but for so many rows in which a draw lay on the edge between two codes."""
    assert waves.keys() == others.keys()
    apart = [key for key, wave in waves.items() if not is_alike(wave, others[key])]
    assert len(apart) <= num_on_the_edge, apart


def is_alike(wave: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    return len(wave) == len(other) and np.allclose(wave, other, rtol=1e-7, atol=2e-5)


NUM_ROWS = 12
"""Each text and each voice more than once, never the same pair."""
LONGER = {"max_steps": 40}


@pytest.fixture(scope="module")
def alone(tiny_folder: Path) -> Waves:
    """Rows, each spoken by itself."""
    made = model(tiny_folder, 1, **LONGER)
    waves: Waves = {}
    for segment in segments(made, NUM_ROWS):
        waves |= spoken(made, [segment])
    return waves


@pytest.mark.slow
@pytest.mark.parametrize("slots", [3, 16])
def test_a_row_sounds_the_same_whoever_is_spoken_beside_it(tiny_folder: Path, alone: Waves, slots: int) -> None:
    made = model(tiny_folder, slots, **LONGER)
    rows = segments(made, NUM_ROWS)
    random.Random(slots).shuffle(rows)
    # Sums are rounded in another way with another number of slots, and on another processor.
    waves = spoken(made, rows)
    assert_alike(waves, alone, num_on_the_edge=1)
    assert len({len(wave) for wave in alone.values()}) > 3, "rows of several lengths"


@pytest.mark.parametrize("threads", [1, 2])
def test_deterministic_is_the_same_to_the_last_bit(tiny_folder: Path, threads: int) -> None:
    torch.set_num_threads(threads)
    try:
        _check_deterministic(tiny_folder)
    finally:
        torch.set_num_threads(1)


def _check_deterministic(tiny_folder: Path) -> None:
    first = Chattts(ModelConfig("chattts", path=str(tiny_folder), options=_deterministic()))
    assert first.reserve(ROOM, None) == 16, "a number of slots that no measurement decides"
    rows = segments(first, 6)
    together = _codes_of(first, rows)
    second = Chattts(ModelConfig("chattts", path=str(tiny_folder), options=_deterministic()))
    second.reserve(ROOM, None)
    for row in rows[:3]:
        assert torch.equal(_codes_of(second, [row])[row.row][1], together[row.row][1])


def _deterministic() -> dict[str, Any]:
    return {"max_steps": 12, "incomplete": "keep", "voices": VOICES, "deterministic": True}


def _codes_of(made: Chattts, rows: list[Segment]) -> dict[int, tuple[torch.Tensor, torch.Tensor]]:
    """Codes and hidden states by row, taken where the engine hands them to the decoder."""
    engine, requests = made._ready._engines["speak"], made._requests(rows, "speak")
    return {rows[done.key].row: (done.codes, done.hiddens) for done in engine.run(requests)}


def test_another_seed_or_voice_is_another_sound(tiny_folder: Path) -> None:
    made = model(tiny_folder, max_steps=8)
    prepared = made.prepare("Hello there.", "")

    def wave(seed: int, voice: str, index: int = 0) -> NDArray[np.float32]:
        return spoken(made, [Segment(0, index, "Hello there.", prepared, seed, voice, 1.0)])[0, index]

    base = wave(1, "seed:5")
    assert np.array_equal(base, wave(1, "seed:5"))
    for other in (wave(2, "seed:5"), wave(1, "seed:6"), wave(1, ""), wave(1, "seed:5", 1)):
        assert len(other) != len(base) or not np.allclose(other, base, atol=1e-4)


def test_a_speaker_string_is_the_voice_that_it_was_made_of(tiny_folder: Path) -> None:
    string = encode_speaker(sampled(5, TINY.hidden))
    made = model(tiny_folder, voices={"named": {"speaker": string}})
    prepared = made.prepare("Hello there.", "named")
    rows = [Segment(row, 0, "", prepared, 9, voice, 1.0) for row, voice in enumerate(("named", "seed:5", string))]
    waves = spoken(made, rows)
    assert_alike({(0, 0): waves[0, 0]}, {(0, 0): waves[1, 0]})
    assert_alike({(0, 0): waves[0, 0]}, {(0, 0): waves[2, 0]})


def test_a_voice_from_a_recording(tiny_folder: Path, tmp_path: Path) -> None:
    import soundfile

    tone = 0.3 * np.sin(np.arange(22_050) * 0.05).astype(np.float32)
    soundfile.write(tmp_path / "voice.wav", np.stack([tone, tone], 1), 22_050)
    sample = str(tmp_path / "voice.wav")
    made = model(tiny_folder, voices={"cloned": {"sample": sample, "transcript": "A voice of 1 second."}})
    codes = made._samples[sample]
    assert codes.shape == (4, 47) and codes.dtype == np.uint16 and codes.max() < 625
    as_string = encode_audio_prompt(codes)
    same = model(tiny_folder, voices={"cloned": {"sample": as_string, "transcript": "A voice of 1 second."}})
    prepared = made.prepare("Hello there.", "cloned")
    row = Segment(0, 0, "", prepared, 9, "cloned", 1.0)
    whole = made._tokenizer.speak_prompt(
        "Hello there.", "[speed_5]", has_speaker=False, spoken="A voice of one second."
    )
    assert list(made._tokens(row)) == whole, "the transcript is part of the prompt"
    assert prepared.length == made.prepare("Hello there.", "").length, "and takes nothing from the text's length"
    assert_alike(spoken(made, [row]), spoken(same, [row]))
    assert made.info.revision != model(tiny_folder).info.revision, "the recording is part of what was spoken"


def test_a_recording_of_a_row_is_the_same_as_one_of_the_job(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import soundfile

    monkeypatch.setenv("SPEECHMILL_CACHE", str(tmp_path / "cache"))
    tone, words = (0.3 * np.sin(np.arange(22_050) * 0.05)).astype(np.float32), "A voice of 1 second."
    soundfile.write(tmp_path / "voice.wav", tone, 22_050, "FLOAT")
    voices = {"cloned": {"sample": str(tmp_path / "voice.wav"), "transcript": words}}
    made = model(tiny_folder, voices=voices, reference_s=2)
    assert made.info.voice_forms == ("reference",)
    assert model(tiny_folder).info.voice_forms == ()
    clip = Reference.of(tone, 22_050, words)
    by_name = Segment(0, 0, "", made.prepare("Hello there.", "cloned"), 9, "cloned", 1.0)
    by_row = Segment(0, 0, "", made.prepare_like(clip, "", "Hello there.", ""), 9, "", 1.0, reference=clip)
    assert by_row.prepared == by_name.prepared
    assert list(made._tokens(by_row)) == list(made._tokens(by_name))
    assert_alike(spoken(made, [by_name]), spoken(made, [by_row]))
    with pytest.raises(RowRejected, match=r"transcript has .* tokens; at most 192"):
        made.prepare_like(Reference.of(tone, 22_050, "many words " * 150), "", "Hello there.", "")
    with pytest.raises(RowRejected, match="reference_s says"):
        model(tiny_folder).prepare_like(clip, "", "Hello there.", "")


def test_rows_that_do_not_end_fail_or_are_kept(tiny_folder: Path) -> None:
    most = {"min_steps": 40, "max_steps": 40, "voices": {}}
    made = model(tiny_folder, incomplete="fail", **most)
    [(_, outcome)] = made.speak_rows(segments(made, 1))
    assert isinstance(outcome, RowRejected)
    assert "after 40 steps (1 s of speech)" in str(outcome) and "max_steps" in str(outcome)
    kept = model(tiny_folder, **most)
    [(_, outcome)] = kept.speak_rows(segments(kept, 1))
    assert not isinstance(outcome, RowError) and len(outcome) == (2 * 40 - 1) * 256


def test_a_caller_that_goes_away_leaves_nothing_behind(tiny_folder: Path) -> None:
    made = model(tiny_folder, max_steps=8, voices={name: how | {"max_steps": 8} for name, how in VOICES.items()})
    rows = segments(made, 12)
    next(made.speak_rows(rows))
    assert len(spoken(made, rows[:3])) == len({(s.row, s.index) for s in rows[:3]})


@pytest.mark.slow
def test_slots_are_used_well_on_a_long_tailed_corpus(tiny_folder: Path) -> None:
    made = model(tiny_folder, 4, max_steps=30)
    spoken(made, segments(made, 16))
    used = made.usage()
    assert isinstance(used, SlotUsage)
    assert used.row_steps >= 0.9 * used.slot_steps > 0


def test_memory_decides_how_many_slots_there_are(tiny_folder: Path) -> None:
    made = model(tiny_folder)
    assert made.reserve(0, None) == 0
    assert made.reserve(ROOM, 7) == 7
    assert made.reserve(10**6, 7) == 0, "a number that does not fit is refused"
    positions = MAX_TOKENS + MOST_STEPS
    little = made._ready.slot_bytes({"speak": positions}) * 2 + 2_048 * 96 * 1024
    assert made.reserve(little, None) in (1, 2)


def test_refining_writes_text_and_can_come_before_speech(tiny_folder: Path) -> None:
    made = Chattts(
        ModelConfig(
            "chattts",
            path=str(tiny_folder),
            task="refine",
            options={"refining": {"max_steps": 6}, "incomplete": "keep", "voices": VOICES},
        )
    )
    made.reserve(ROOM, 4)
    rows = segments(made, 6)
    texts = {s.row: text for s, text in made.refine_rows(rows)}
    assert len(texts) == 6 and all(isinstance(text, str) for text in texts.values())
    again = {s.row: text for s, text in made.refine_rows(rows[::-1])}
    assert texts == again, "not of the order"
    both = model(tiny_folder, 4, refine="[oral_2][laugh_0][break_6]", refining={"max_steps": 6})
    outcomes = {s.row: outcome for s, outcome in both.speak_rows(segments(both, 5))}
    assert len(outcomes) == 5 and any(isinstance(o, np.ndarray) for o in outcomes.values())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"device": "tpu"}, ["model.device", "cpu or cuda"]),
        ({"backend": "onnx"}, ["model.backend", "torch"]),
        ({"voice": "nobody"}, ["model.voice", "nobody"]),
        ({"path": "/nowhere/at/all"}, ["/nowhere/at/all", "does not exist"]),
        ({"options": {"dtype": "float16"}}, ["float16", "GPU"]),
        ({"options": {"temprature": 1}}, ["temprature", "temperature"]),
    ],
)
def test_a_wrong_configuration_is_said_before_anything_is_loaded(
    tiny_folder: Path, change: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(ModelError) as error:
        Chattts.describe(ModelConfig(**({"name": "chattts", "path": str(tiny_folder)} | change)))
    assert all(word in str(error.value) for word in words), error.value


def test_an_unknown_voice_costs_its_row(tiny_folder: Path) -> None:
    made = model(tiny_folder)
    with pytest.raises(RowRejected, match=r"calmer.*calm"):
        made.prepare("Hello.", "calmer")
    assert made.prepare("한 …", "").tokens == ()
    assert "".join(made.unspoken("Привет 5 한")) == "Привет한"


@pytest.mark.slow
def test_a_stream_is_the_row_in_pieces_beside_the_rows_of_a_job(tiny_folder: Path, alone: Waves) -> None:
    """With as much look-ahead and context as the sound depends on; five streams, and rows of a job between them."""
    made = model(tiny_folder, 4, **LONGER, streaming={"first": 3, "growth": 1.5, "most": 16, "ahead": 30})
    rows = segments(made, NUM_ROWS)
    streamed = sorted(rows, key=lambda row: -len(alone[row.row, row.index]))[:5]

    def listen(segment: Segment) -> list[NDArray[np.float32]]:
        torch.set_num_threads(1)
        return list(made.stream(segment, StreamHandle()))

    with ThreadPoolExecutor(8) as threads:
        job = threads.submit(spoken, made, rows[5:])
        streams = [threads.submit(listen, segment) for segment in streamed]
        for segment, stream in zip(streamed, streams, strict=True):
            pieces = stream.result(HANG_S)
            whole = alone[segment.row, segment.index]
            assert len(pieces) > 1 or len(whole) < 34 * 512
            assert_alike({(0, 0): np.concatenate(pieces)}, {(0, 0): whole})
        assert_alike(job.result(HANG_S), {key: alone[key] for key in job.result()})


def test_a_stream_that_does_not_end_says_so_after_its_audio(tiny_folder: Path) -> None:
    made = model(tiny_folder, incomplete="fail", min_steps=MOST_STEPS, voices={})
    [segment] = segments(model(tiny_folder), 1)
    pieces: list[NDArray[np.float32]] = []
    with pytest.raises(RowRejected, match=f"after {MOST_STEPS} steps"):
        for piece in made.stream(segment, StreamHandle()):
            pieces.append(piece)
    assert sum(map(len, pieces)) == (2 * MOST_STEPS - 1) * 256
