"""The embedded voice through the model door, on the CPU with both backends."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import hibari
import numpy as np
import pytest

from speechmill.actors.models.base import ModelConfig
from speechmill.actors.models.hibari import MAX_PHONEMES, SPLIT_CHARS, Hibari, int8
from speechmill.actors.records.utterance import Segment
from speechmill.errors import ModelError, RowRejected

PUBLISHED = Path(hibari.__file__).parent / "assets" / "hibari.onnx"
CONFIG = ModelConfig("hibari")
TEXT = "She sells sea shells."


@pytest.fixture(scope="module")
def onnx_model() -> Hibari:
    return Hibari(CONFIG)


@pytest.fixture(scope="module")
def torch_model() -> Hibari:
    return Hibari(replace(CONFIG, backend="torch"))


@pytest.fixture(params=["onnx", "torch"])
def model(request: pytest.FixtureRequest) -> Hibari:
    return request.getfixturevalue(f"{request.param}_model")


def segment(model: Hibari, text: str, seed: int = 1, speed: float = 1.0, row: int = 0, index: int = 0) -> Segment:
    return Segment(row, index, text, model.prepare(text, ""), seed, "", speed)


def rms(x: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(x, dtype=np.float64))))


# ------------------------------------------------------------------ describe


@pytest.mark.parametrize(
    ("device", "backend", "expected"),
    [("cpu", "auto", "onnx"), ("cpu", "onnx", "onnx"), ("cpu", "torch", "torch"), ("cuda", "auto", "torch")],
)
def test_the_backend_follows_the_device(device: str, backend: str, expected: str) -> None:
    info = Hibari.describe(replace(CONFIG, device=device, backend=backend))
    assert info.backend == expected
    assert info.revision.startswith("hibari-tts 0.2.1/5f70741d4e90/")
    assert info.sample_rate == 24_000
    assert info.default_voice == "heart"
    assert "emma" in info.voices
    assert info.max_length == MAX_PHONEMES + 2
    assert info.batch_limit.max_cells >= info.max_length


def test_the_backends_are_different_revisions() -> None:
    revisions = {Hibari.describe(replace(CONFIG, backend=backend)).revision for backend in ("onnx", "torch")}
    assert len(revisions) == 2


def test_only_one_row_at_a_time_where_the_graph_cannot_batch() -> None:
    assert Hibari.describe(CONFIG).batch_limit.max_rows == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"device": "cuda", "backend": "onnx"}, "does not run on cuda; use auto or torch"),
        ({"backend": "onxx"}, 'did you mean "onnx"'),
        ({"device": "tpu"}, 'model.device "tpu"'),
        ({"voice": "hart"}, 'did you mean "heart"'),
        ({"path": "no/such.onnx"}, r"model\.path no/such\.onnx is not a file"),
        ({"path": "."}, r"model\.path \. is not a file"),
        ({"options": {"voise": "emma"}}, r'model\.options\.voise.*did you mean "voice"'),
    ],
)
def test_a_wrong_setting_is_refused_before_anything_is_loaded(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        Hibari.describe(replace(CONFIG, **changes))


def test_describing_imports_neither_torch_nor_onnxruntime() -> None:
    code = (
        "import sys; from speechmill.actors.models.base import ModelConfig; "
        "from speechmill.actors.models.hibari import Hibari; Hibari.describe(ModelConfig('hibari')); "
        "print(sorted({'torch', 'onnxruntime', 'ray'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_path_stands_in_for_the_default_voice(tmp_path: Path) -> None:
    copy = tmp_path / "mine.onnx"
    copy.write_bytes(PUBLISHED.read_bytes())
    own = replace(CONFIG, path=str(copy))
    assert Hibari.describe(own).revision == Hibari.describe(CONFIG).revision  # the same weights
    model = Hibari(own)
    assert len(model.speak([segment(model, "Hi.")])[0]) > 2_400


@pytest.mark.parametrize("backend", ["onnx", "torch"])
@pytest.mark.parametrize("content", [b"", b"no model", PUBLISHED.read_bytes()[:100_000]])
def test_a_damaged_path_is_refused_by_name(tmp_path: Path, content: bytes, backend: str) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(content)
    with pytest.raises(ModelError, match=r"broken\.onnx"):
        Hibari(replace(CONFIG, path=str(broken), backend=backend))


@pytest.mark.parametrize("backend", ["onnx", "torch"])
def test_a_graph_that_is_no_voice_is_refused_by_name(backend: str) -> None:
    with pytest.raises(ModelError, match=r"oov\.onnx"):
        Hibari(replace(CONFIG, path=str(PUBLISHED.with_name("oov.onnx")), backend=backend))


def test_a_damaged_file_in_the_voice_cache_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIBARI_HOME", str(tmp_path))
    (tmp_path / "bf_emma.int8.onnx").write_bytes(PUBLISHED.read_bytes())
    with pytest.raises(ModelError, match=r"bf_emma.*is damaged.*delete it"):
        Hibari(replace(CONFIG, voice="emma"))


# ------------------------------------------------------------------ prepare


def test_a_row_of_an_unknown_voice_is_rejected(onnx_model: Hibari) -> None:
    with pytest.raises(RowRejected, match='did you mean "emma"'):
        onnx_model.prepare(TEXT, "ema")


def test_a_row_is_read_in_the_accent_of_its_voice(onnx_model: Hibari) -> None:
    assert onnx_model.prepare("A new tomato.", "emma") != onnx_model.prepare("A new tomato.", "kore")
    assert onnx_model.prepare("A new tomato.", "heart") == onnx_model.prepare("A new tomato.", "")


def test_text_beyond_the_limit_is_left_to_the_caller(onnx_model: Hibari) -> None:
    assert onnx_model.prepare(f"{TEXT} " * 20, "").length > onnx_model.info.max_length


def test_english_as_long_as_the_split_stays_below_the_limit(onnx_model: Hibari) -> None:
    text = ("T. Briggs, Esq., Robarts and Co., Lombard Street, at 9 a.m. on a Monday in May; " * 9)[:SPLIT_CHARS]
    assert onnx_model.prepare(text, "").length <= onnx_model.info.max_length


# ------------------------------------------------------------------ speak


def test_the_same_row_is_the_same_bits(model: Hibari) -> None:
    one, two = segment(model, TEXT, seed=7), segment(model, "Something else in between.", seed=8)
    first = model.speak([one])[0]
    model.speak([two])
    again = model.speak([one])[0]
    assert first.dtype == np.float32 and first.ndim == 1
    assert np.array_equal(first, again)
    assert 0.02 < rms(first) < 0.5
    assert 0.8 < len(first) / 24_000 < 5.0


def test_seed_and_index_change_the_noise_and_nothing_else(model: Hibari) -> None:
    base, seeded, second = (
        model.speak([segment(model, TEXT, seed=seed, index=index)])[0] for seed, index in ((1, 0), (2, 0), (1, 1))
    )
    for other in (seeded, second):
        assert other.shape == base.shape
        assert 1e-4 < rms(other - base) / rms(base) < 0.2


def test_each_row_has_its_own_speed(model: Hibari) -> None:
    slow = model.speak([segment(model, TEXT, speed=0.5)])[0]
    fast = model.speak([segment(model, TEXT, speed=2.0)])[0]
    assert 2.5 < len(slow) / len(fast) < 4.5


def test_batch_mates_and_their_order_do_not_matter(torch_model: Hibari) -> None:
    """Measured on 48 lines in batches of 8: the same lengths; waveforms 2e-4 of their level apart, at most 9e-4."""
    texts = (TEXT, "Hi.", "The quick fox jumps over the dog.", "No. Not now.")
    batch = [
        segment(torch_model, text, seed=i, speed=speed, row=i, index=i % 2)
        for i, (text, speed) in enumerate(zip(texts, (1.0, 0.7, 1.5, 1.0), strict=True))
    ]
    together = torch_model.speak(batch)
    backwards = torch_model.speak(batch[::-1])[::-1]
    for each, *found in zip(batch, together, backwards, strict=True):
        (alone,) = torch_model.speak([each])
        for other in found:
            assert other.shape == alone.shape
            assert rms(other - alone) < 5e-3 * rms(alone)


def test_a_graph_with_another_end_is_spoken_as_it_is(monkeypatch: pytest.MonkeyPatch, onnx_model: Hibari) -> None:
    """The frames are nearly those of the arranged graph: the int8 layers amplify what its kernels round otherwise."""
    tokens = onnx_model.prepare(TEXT, "").tokens
    arranged, pitch, ends = int8.Int8Voice(PUBLISHED).frames(tokens, 1.0)
    assert ends is not None
    assert 2 * ends[-1] == len(pitch) == len(arranged.phase)
    monkeypatch.setattr(int8, "frame_major", lambda raw, _: raw)
    published, pitch, none = int8.Int8Voice(PUBLISHED).frames(tokens, 1.0)
    assert none is None
    assert published.phase.shape == (len(pitch), arranged.phase.shape[1])
    assert abs(len(published.phase) - len(arranged.phase)) <= 2 * 3
    assert published.phase.mean(0) == pytest.approx(arranged.phase.mean(0), abs=0.5)
    levels = [np.log(each.magnitudes).mean(0) for each in (published, arranged)]
    assert levels[0] == pytest.approx(levels[1], abs=0.5)


def test_the_backends_speak_almost_alike(onnx_model: Hibari, torch_model: Hibari) -> None:
    """The int8 graph rounds its activations, so a duration differs now and then by 25 ms, and phases drift."""
    for text in (TEXT, "Why not? Because it is late."):
        one = onnx_model.speak([segment(onnx_model, text)])[0]
        other = torch_model.speak([segment(torch_model, text)])[0]
        assert abs(len(one) - len(other)) <= 3 * 600
        assert rms(other) == pytest.approx(rms(one), rel=0.1)
