"""The model behind the interface, on tiny random weights: batches of everything mixed, errors, and all laws."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from support.kokoro_files import VOICES, write_folder

from speechmill.actors.batcher.batch_shape import BatchShape
from speechmill.actors.batcher.budget import Budget
from speechmill.actors.batcher.fit import Curve
from speechmill.actors.batcher.packing import pack_segments
from speechmill.actors.batcher.profile import Profile, ProfileKey, Sample
from speechmill.actors.batcher.tuner import Tuner
from speechmill.actors.models.base import ModelConfig
from speechmill.actors.models.kokoro.model import MAX_PHONEMES, Kokoro
from speechmill.actors.models.registry import describe
from speechmill.actors.records.utterance import Prepared, Segment, Utterance
from speechmill.actors.text.front_end import FrontEnd
from speechmill.actors.text.segments import spoken_segments
from speechmill.actors.text.splitting import fit_segments
from speechmill.errors import BatchOutOfMemory, ModelError, RowRejected
from speechmill.jobs.conformance.check_model import check_model

TEXTS = ("Hi.", "Is there bread?")
PHONEMES = range(43, 68)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("kokoro") / "weights")


def config(folder: Path, voice: str = "", **options: object) -> ModelConfig:
    return ModelConfig("kokoro", voice=voice, path=str(folder), options=options)


@pytest.fixture(scope="module")
def batched(folder: Path) -> Kokoro:
    return Kokoro(config(folder, deterministic=False))


def segments(num_rows: int) -> list[Segment]:
    """Rows with lengths, voices, blends, seeds and speeds of all kinds, in no order."""
    voices = (*VOICES, "by_seed", "seed:5", "af_heart:0.7+zm_yunxi:0.3")
    draws = np.random.default_rng(3)
    made: list[Segment] = []
    for row in range(num_rows):
        inner = draws.choice(list(PHONEMES), size=int(draws.integers(1, 8)))
        tokens = (0, *(int(token) for token in inner), 0)
        voice, speed = voices[row % len(voices)], float(draws.uniform(0.5, 2))
        made.append(Segment(row, row % 3, "", Prepared.of(tokens), 900 + row, voice, speed))
    return made


def in_batches(model: Kokoro, rows: Sequence[Segment], size: int) -> dict[int, NDArray[np.float32]]:
    spoken: dict[int, NDArray[np.float32]] = {}
    for start in range(0, len(rows), size):
        batch = rows[start : start + size]
        spoken |= {row.row: wave for row, wave in zip(batch, model.speak(batch), strict=True)}
    return spoken


def test_rows_of_all_kinds_are_themselves_in_every_batch(batched: Kokoro) -> None:
    """Law: alone, in threes, all at once and in another order; lengths exactly, samples to rounding."""
    rows = segments(9)
    alone = in_batches(batched, rows, 1)
    shuffled = [rows[at] for at in np.random.default_rng(1).permutation(len(rows))]
    for spoken in (in_batches(batched, rows, 3), in_batches(batched, shuffled, 9)):
        for row, wave in alone.items():
            assert spoken[row].shape == wave.shape
            assert float(np.abs(spoken[row] - wave).max()) <= 1e-5


@pytest.mark.parametrize("is_measured", [False, True])
def test_a_thousand_voices_take_as_many_batches_on_a_gpu_as_one(folder: Path, is_measured: bool) -> None:
    info = Kokoro.describe(replace(config(folder), device="cuda"))
    key = ProfileKey("kokoro", "1", "torch", "cuda", "a machine", "", "{}")
    grid = [BatchShape(rows, longest) for longest in (20, 80, 250) for rows in (1, 8, 64)]
    seconds, peak = Curve({"batch": 0.02, "cell": 1e-6}), Curve({"cell": 9e5})
    samples = tuple(Sample(shape, seconds.at(shape), round(peak.at(shape))) for shape in grid)
    profile = Profile(key, samples, 0, 10**9, 480.0, 1.0, 0.1) if is_measured else None
    budget = Budget(80 * 10**9, 0, 0.9, 1.0, 0) if is_measured else None
    lengths = np.random.default_rng(2).integers(10, 250, size=1_000)

    def num_batches(voices: list[str]) -> int:
        rows = [
            Segment(row, 0, "", Prepared.of(range(int(length))), row, voice, 1.0)
            for row, (length, voice) in enumerate(zip(lengths, voices, strict=True))
        ]
        batches = pack_segments(rows, Tuner(profile, info.batch_limit, budget).pack, mixes_voices=info.mixes_voices)
        assert sorted(segment.row for batch in batches for segment in batch) == list(range(1_000))
        return len(batches)

    assert num_batches([f"seed:{row}" for row in range(1_000)]) == num_batches(["af_heart"] * 1_000) < 100


def test_deterministic_rows_are_the_same_to_the_bit(folder: Path) -> None:
    model = Kokoro(config(folder))  # on a CPU it is the default
    rows = segments(4)
    alone, together = in_batches(model, rows, 1), in_batches(model, rows[::-1], 4)
    assert all(np.array_equal(together[row], wave) for row, wave in alone.items())


@pytest.mark.slow
def test_a_row_may_name_its_language(batched: Kokoro) -> None:
    heard = {language: batched.prepare_in(language, "The bath water.", "af_heart") for language in ("en", "en-GB")}
    assert heard["en"] == batched.prepare("The bath water.", "af_heart") != heard["en-GB"]
    assert heard["en-GB"] == batched.prepare("The bath water.", "bf_emma")
    rows = [
        Utterance(0, "a", "It costs 5.", 1, "af_heart"),
        Utterance(1, "b", "It costs 5.", 1, "af_heart", language="zh"),
    ]
    said = [spoken_segments(row, batched, FrontEnd(batched.info), 0.0) for row in rows]
    assert [row.spoken.text for row in said] == ["It costs five.", "It costs 五."]
    assert [segment.language for row in said for segment in row.segments] == ["", "zh"]
    with pytest.raises(RowRejected, match="nobody"):
        batched.prepare_in("en", "Hi.", "nobody")


def test_a_voice_by_seed_follows_the_row(batched: Kokoro) -> None:
    first = segments(9)[5]
    assert first.voice == "by_seed"
    other, same = (Segment(0, first.index, "", first.prepared, first.seed, v, 1.0) for v in ("seed:905", "seed:6"))
    plain = Segment(0, first.index, "", first.prepared, first.seed, "by_seed", 1.0)
    waves = batched.speak([plain, other, same])
    assert np.allclose(waves[0], waves[1], atol=1e-5)
    assert waves[0].shape != waves[2].shape or not np.allclose(waves[0], waves[2], atol=1e-3)


def test_it_is_described_without_being_loaded(folder: Path) -> None:
    info = describe(config(folder))
    assert info.default_voice == "af_heart"
    assert set(VOICES) <= set(info.voices)
    assert "marin" in info.voices and "nova" not in info.voices  # af_nova is not in the folder
    assert info.mixes_voices and not info.varies
    assert info.speeds == (0.5, 2.0)
    for voice in ("by_seed", "seed:3", "af_heart:1+am_puck:2", "jf_alpha"):
        assert describe(config(folder, voice=voice)).default_voice == voice


def test_another_dtype_is_another_revision(folder: Path) -> None:
    assert describe(config(folder)).revision != describe(config(folder, dtype="bfloat16")).revision


@pytest.mark.parametrize(
    ("voice", "said"),
    [
        ("af_hart", r'model\.voice "af_hart" is not a voice of kokoro.*af_heart'),
        ("af_heart+af_nobody", "blends af_nobody"),
        ("vector:AAAA", "is not a voice"),
    ],
)
def test_a_voice_that_is_none_is_refused(folder: Path, batched: Kokoro, voice: str, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        describe(config(folder, voice=voice))
    with pytest.raises(RowRejected, match=said.removeprefix(r"model\.")):
        batched.prepare("Hi.", voice)


def test_a_wrong_device_and_a_wrong_backend_are_refused(folder: Path) -> None:
    with pytest.raises(ModelError, match=r"model\.device .tpu"):
        describe(ModelConfig("kokoro", device="tpu", path=str(folder)))
    with pytest.raises(ModelError, match=r"model\.backend .onnx"):
        describe(ModelConfig("kokoro", backend="onnx", path=str(folder)))


def test_weights_of_another_network_are_refused_with_the_file(folder: Path, tmp_path: Path) -> None:
    own = Path(shutil.copytree(folder, tmp_path / "weights"))
    stored = torch.load(own / "kokoro-v1_0.pth", weights_only=True)
    stored["decoder"].pop("module.asr_res.0.bias")
    torch.save(stored, own / "kokoro-v1_0.pth")
    with pytest.raises(ModelError, match=r"kokoro-v1_0\.pth does not hold the weights.*asr_res"):
        Kokoro(config(own))


def test_texts_become_segments_within_the_limit(batched: Kokoro) -> None:
    text = "The lamp in the hall is still lit, and nobody has thought of turning it off before the morning comes. " * 12
    info = batched.info
    made = fit_segments(Utterance(0, "0", text, 1), info.split_chars, info.max_length, batched.prepare)
    assert len(made) > 4
    lengths = [segment.prepared.length for segment in made]
    assert max(lengths) <= MAX_PHONEMES + 2
    assert min(lengths[:-1]) >= 80


def test_letters_that_cannot_be_read_are_named(batched: Kokoro) -> None:
    assert batched.unspoken("Ж is a letter, 한 is another, 世 is not") == ("Ж", "한")
    assert batched.prepare("Ж", "").tokens == ()


def test_a_batch_that_does_not_fit_says_so(batched: Kokoro, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(batched.synthesis.network, "sound", full)
    with pytest.raises(BatchOutOfMemory, match="a batch of 2 segments did not fit: CUDA"):
        batched.speak(segments(2))


@pytest.mark.slow
def test_it_keeps_all_laws(folder: Path) -> None:
    report = check_model("kokoro", weights=str(folder), options={"deterministic": False}, texts=TEXTS)
    assert report.is_ok, [finding for finding in report.findings if finding.outcome == "broken"]


@pytest.mark.parametrize(
    ("text", "voice", "said", "unspoken"),
    [
        ("It costs $5.", "af_heart", "It costs five dollars.", ()),
        ("花了12元。", "zm_yunxi", "花了十二元。", ()),
        ("今日は3時です。", "jf_alpha", "今日は3時です。", ()),
        ("明日は10時に。", "by_seed", "明日は10時に。", ()),
        ("[read](/ɹˈɛd/) it, мир", "bf_emma", "[read](/ɹˈɛd/) it,", ("мир",)),
    ],
)
def test_texts_go_through_the_front_end_but_for_japanese(
    batched: Kokoro, text: str, voice: str, said: str, unspoken: tuple[str, ...]
) -> None:
    """English and Chinese are put into words; there are no tables of Japanese, whose own reader knows numbers."""
    read = FrontEnd(batched.info).read(text, voice)
    assert [part.text for part in read.parts] == [said]
    assert read.unspoken == unspoken
