"""Every model, number format and path on the pretended device: CUDA's rules hold, and it says what the CPU says.

Faults are planted, each of a kind that a CPU does not show, and have to be seen. The budgets of a step are those of
today: a change that needs more has to raise them here, where it can be seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from support.kokoro_files import write_folder
from support.pretend_cuda import PretendCuda, StreamOrderError, Trace
from support.pretend_cuda.streams import Stream
from torch import Tensor

from speechmill.actors.engine.step.device_step import DeviceStep
from speechmill.actors.engine.step.shape import StepShape
from speechmill.actors.engine.step.stepper import Stepper
from speechmill.actors.engine.stepwise_model import StepwiseModel
from speechmill.actors.models.base import Model, ModelConfig
from speechmill.actors.models.chattts.checkpoint import layout as chattts_layout
from speechmill.actors.models.chattts.checkpoint.random_weights import write_random as write_chattts
from speechmill.actors.models.chattts.model import Chattts
from speechmill.actors.models.chattts.nets import backbone
from speechmill.actors.models.chattts.nets.layer_ops import LayerOps
from speechmill.actors.models.chattts.voices.speaker import encode_audio_prompt
from speechmill.actors.models.f5tts.checkpoint import layout as f5tts_layout
from speechmill.actors.models.f5tts.checkpoint.random_weights import write_random as write_f5tts
from speechmill.actors.models.f5tts.model import F5tts
from speechmill.actors.models.hibari import Hibari
from speechmill.actors.models.kokoro.model import Kokoro
from speechmill.actors.models.minicpmo.checkpoint import layout as minicpmo_layout
from speechmill.actors.models.minicpmo.checkpoint.random_weights import write_random as write_minicpmo
from speechmill.actors.models.minicpmo.model import Minicpmo
from speechmill.actors.records.reference import Reference
from speechmill.actors.records.stream_handle import StreamHandle
from speechmill.actors.records.utterance import Prepared, Segment
from speechmill.actors.replica.streaming import speak_stream
from speechmill.errors import RowError

pytestmark = pytest.mark.slow
TEXTS = ("Hello there.", "The rain fell.", "We waited.")
STEPS = 5
ROOM = 1 << 33
Waves = list[NDArray[np.float32]]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Small sums on several threads wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def pretend_cuda() -> Iterator[PretendCuda]:
    """One for all tests here, so that they can share models."""
    with PretendCuda() as gpu:
        yield gpu


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("weights")
    write_chattts(root / "chattts", chattts_layout.TINY, seed=0)
    write_minicpmo(root / "minicpmo", minicpmo_layout.TINY, seed=0)
    write_f5tts(root / "f5tts", f5tts_layout.TINY, f5tts_layout.TINY_VOCODER, seed=0)
    write_folder(root / "kokoro")
    return {name: root / name for name in ("chattts", "minicpmo", "f5tts", "kokoro")}


def rows(model: Model, voice: str = "", texts: tuple[str, ...] = TEXTS) -> list[Segment]:
    return [Segment(row, 0, text, model.prepare(text, voice), row, voice, 1.0) for row, text in enumerate(texts)]


def stepwise(kind: type[StepwiseModel], folder: Path, device: str, slots: int = 2, **options: Any) -> Any:
    options = {"max_steps": STEPS, "incomplete": "keep", "streaming": {"first": 2, "most": 2, "ahead": 1}} | options
    made = kind(ModelConfig(kind.__name__.lower(), device, path=str(folder), options=options))  # type: ignore[call-arg]
    assert made.reserve(ROOM, slots) == slots
    return made


def spoken(model: StepwiseModel, segments: list[Segment]) -> Waves:
    outcomes = {segment.row: wave for segment, wave in model.speak_rows(segments)}
    assert not any(isinstance(wave, RowError) for wave in outcomes.values()), outcomes
    return [outcomes[segment.row] for segment in segments]  # type: ignore[misc]


def assert_alike(ours: Waves, theirs: Waves, tolerance: float = 1e-4) -> None:
    assert len(ours) == len(theirs) > 0
    for one, other in zip(ours, theirs, strict=True):
        assert len(one) == len(other) > 0
        assert np.abs(one - other).max() <= tolerance * max(1.0, float(np.abs(other).max()))


CHATTTS: list[Any] = [
    pytest.param({}, id="bfloat16", marks=pytest.mark.soak),
    pytest.param({"dtype": "float32", "decoder": "codes"}, id="codes"),
    pytest.param({"dtype": "float32"}, id="float32", marks=pytest.mark.soak),
    pytest.param({"dtype": "float16"}, id="float16", marks=pytest.mark.soak),
    pytest.param({"deterministic": True, "dtype": "float32"}, id="deterministic", marks=pytest.mark.soak),
    pytest.param({"deterministic": True}, id="deterministic-bfloat16", marks=pytest.mark.soak),
]


@pytest.mark.parametrize("options", CHATTTS)
def test_chattts_speaks_as_on_the_cpu(
    folders: dict[str, Path], pretend_cuda: PretendCuda, options: dict[str, Any]
) -> None:
    gpu = stepwise(Chattts, folders["chattts"], "cuda", **options)
    ours = spoken(gpu, rows(gpu))
    if options.get("dtype") == "float16":  # not on a CPU
        assert all(np.isfinite(wave).all() for wave in ours)
        return
    cpu = stepwise(Chattts, folders["chattts"], "cpu", **{"dtype": "bfloat16"} | options)
    assert_alike(ours, spoken(cpu, rows(cpu)))


def test_a_stream_parks_a_row_of_a_job(folders: dict[str, Path], pretend_cuda: PretendCuda) -> None:
    """A stream takes the one slot of a running row; both say what they say alone."""
    gpu = stepwise(Chattts, folders["chattts"], "cuda", slots=1, dtype="float32")
    first, other, _ = rows(gpu)
    alone = spoken(gpu, [first])[0]
    requests = gpu._requests([first, other], "speak")
    engine = gpu._ready._engines["speak"]._engine
    engine.add([requests[0]])
    early = [done for _ in range(2) for done in engine.step()]
    engine.add([replace(requests[1], is_urgent=True)])
    done = {row.key: row for row in [*early, *engine.run()]}
    assert sorted(done) == [0, 1]
    pieces = list(gpu.stream(first, StreamHandle()))
    assert len(np.concatenate(pieces)) == len(alone)
    again = {row.key: row for row in gpu._ready._engines["speak"].run([requests[0]])}
    assert again[0].codes.tolist() == done[0].codes.tolist(), "parked and put back"


@pytest.mark.soak
def test_samples_references_and_refined_texts(folders: dict[str, Path], pretend_cuda: PretendCuda) -> None:
    codes = encode_audio_prompt(np.arange(48, dtype=np.uint16).reshape(4, 12))
    options = {"voices": {"sampled": {"sample": codes, "transcript": "A voice."}}, "reference_s": 2, "dtype": "float32"}
    clip = Reference.of(np.random.default_rng(0).normal(0, 0.1, 24_000).astype(np.float32), 24_000, "A clip.")
    made: list[Waves] = []
    for device in ("cuda", "cpu"):
        model = stepwise(Chattts, folders["chattts"], device, **options)
        segments = rows(model, "sampled")
        like = model.prepare_like(clip, "", TEXTS[0], "")
        made.append(spoken(model, [*segments, Segment(9, 0, TEXTS[0], like, 1, "", 1.0, reference=clip)]))
        refined = stepwise(Chattts, folders["chattts"], device, refine="[break_6]", refining={"max_steps": 4})
        outcomes = [wave for _, wave in refined.refine_rows(rows(refined))]
        assert len(outcomes) == len(TEXTS)
        list(refined.speak_rows(rows(refined)))
    assert_alike(*made)


def test_minicpmo_and_its_growing_texts(folders: dict[str, Path], pretend_cuda: PretendCuda) -> None:
    gpu = stepwise(Minicpmo, folders["minicpmo"], "cuda", dtype="float32", max_steps=6)
    cpu = stepwise(Minicpmo, folders["minicpmo"], "cpu", dtype="float32", max_steps=6)
    engine = gpu._ready._engines["speak"]._engine
    captured = engine.num_captured
    assert_alike(spoken(gpu, rows(gpu)[:2]), spoken(cpu, rows(cpu)[:2]))
    arrived = np.concatenate(list(speak_stream(gpu, ["The rain ", "fell", "."])))
    assert_alike([arrived], [np.concatenate(list(speak_stream(cpu, ["The rain ", "fell", "."])))])
    assert engine.num_captured == captured > 0, "first steps, which draw from all codes, have no shape of their own"


def test_hibari_speaks_as_on_the_cpu(pretend_cuda: PretendCuda) -> None:
    gpu, cpu = Hibari(ModelConfig("hibari", "cuda")), Hibari(ModelConfig("hibari", "cpu", "torch"))
    short = ("Hi.", "A mill.")
    assert_alike(gpu.speak(rows(gpu, texts=short)), cpu.speak(rows(cpu, texts=short)))


@pytest.mark.parametrize("dtype", ["float32", pytest.param("bfloat16", marks=pytest.mark.soak)])
def test_kokoro_speaks_as_on_the_cpu(folders: dict[str, Path], pretend_cuda: PretendCuda, dtype: str) -> None:
    waves: list[Waves] = []
    for device in ("cuda", "cpu"):
        config = ModelConfig("kokoro", device, path=str(folders["kokoro"]), options={"dtype": dtype})
        model = Kokoro(replace(config, options={**config.options, "deterministic": False}))
        tokens = [Prepared.of((0, 43, 50, 61, 0)), Prepared.of((0, 47, 52, 0))]
        waves.append(model.speak([Segment(row, 0, "", it, row, "af_heart", 1.0) for row, it in enumerate(tokens)]))
    assert_alike(*waves, tolerance=1e-3)


@pytest.mark.parametrize(
    "dtype", ["float32", *(pytest.param(dtype, marks=pytest.mark.soak) for dtype in ("bfloat16", "float16"))]
)
def test_f5tts_speaks_as_on_the_cpu(folders: dict[str, Path], pretend_cuda: PretendCuda, dtype: str) -> None:
    clip = Reference.of(np.random.default_rng(0).normal(0, 0.1, 9_000).astype(np.float32), 24_000, "A clip.")
    waves: list[Waves] = []
    for device in ("cuda", "cpu"):
        options = {"steps": 2, "dtype": dtype if device == "cuda" else "float32"}
        model = F5tts(ModelConfig("f5tts", device, path=str(folders["f5tts"]), options=options))
        made = [
            Segment(row, 0, text, model.prepare_like(clip, "", text, ""), row, "", 1.0, reference=clip)
            for row, text in enumerate(TEXTS[:2])
        ]
        waves.append(model.speak(made))
    assert_alike(*waves, tolerance=1e-3 if dtype == "float32" else 10)


# What a step costs

OPERATORS = 144
"""Operators in the graph of a step of the tiny ChatTTS with its two layers, in bfloat16; views are none."""


@pytest.fixture(scope="module")
def speaker(folders: dict[str, Path], pretend_cuda: PretendCuda) -> Chattts:
    """Rows of 3 and of 5 steps."""
    voices = {"few": {"max_steps": 3}, "many": {"max_steps": 5}}
    return stepwise(Chattts, folders["chattts"], "cuda", voices=voices)


def assert_a_step_keeps_within_its_budget(gpu: PretendCuda, model: Chattts) -> None:
    """Two rows with 3 and with 5 steps: what differs are two steps. Each is a graph, whose ends the host waits for."""
    spoken(model, rows(model, "few")[:2])
    traces, before = list[Trace](), model.usage().row_steps
    for voice in ("few", "many"):
        with gpu.trace() as trace:
            spoken(model, rows(model, voice)[:2])
        traces.append(trace)
    few, many = traces
    assert model.usage().row_steps == before + 2 * (3 + 5), "no row ends early"
    assert many.replays - few.replays == 2
    assert many.operators - few.operators == {"download": 2}
    assert few.operators - many.operators == {}
    assert many.syncs.total() - few.syncs.total() == 2, many.syncs
    assert many.uploads == few.uploads and many.pinned == few.pinned
    assert 0 < (many.replayed - few.replayed).total() <= 2 * OPERATORS, many.replayed - few.replayed


def test_a_step_keeps_within_its_budget(pretend_cuda: PretendCuda, speaker: Chattts) -> None:
    assert_a_step_keeps_within_its_budget(pretend_cuda, speaker)


# Planted faults


def test_a_mask_on_the_cpu_is_seen(
    folders: dict[str, Path], pretend_cuda: PretendCuda, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = LayerOps._mask
    monkeypatch.setattr(LayerOps, "_mask", lambda *given: real(*given).cpu())
    with pytest.raises(RuntimeError, match="same device"):
        stepwise(Chattts, folders["chattts"], "cuda")


def test_a_wait_in_a_step_is_seen(
    folders: dict[str, Path],
    pretend_cuda: PretendCuda,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    real = backbone.CodeNetwork.logits

    def planted(self: Any, hidden: Tensor) -> Tensor:
        assert not hidden.isnan().any()
        return real(self, hidden)

    monkeypatch.setattr(backbone.CodeNetwork, "logits", planted)
    stepwise(Chattts, folders["chattts"], "cuda")
    assert "not permitted when stream is capturing" in caplog.text


def test_a_wait_and_an_operator_beside_the_graph_are_seen(
    pretend_cuda: PretendCuda, speaker: Chattts, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Stepper.start

    def planted(self: Stepper) -> None:
        real(self)
        assert not self._state.hidden.isnan().any()

    monkeypatch.setattr(Stepper, "start", planted)
    with pytest.raises(AssertionError, match="isnan"):
        assert_a_step_keeps_within_its_budget(pretend_cuda, speaker)


def test_a_wrong_format_is_seen(
    folders: dict[str, Path], pretend_cuda: PretendCuda, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mask in float32 beside bfloat16, which a CPU takes."""
    real = LayerOps._mask
    monkeypatch.setattr(LayerOps, "_mask", lambda *given: real(*given).float())
    with pytest.raises(RuntimeError, match="one number format"):
        stepwise(Chattts, folders["chattts"], "cuda")


def test_a_missing_wait_of_a_stream_is_seen(
    pretend_cuda: PretendCuda, speaker: Chattts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stream, "wait_event", lambda self, event: None)
    with pytest.raises(StreamOrderError, match="did not wait"):
        spoken(speaker, rows(speaker, "few")[:1])


def test_an_allocation_in_a_captured_step_is_seen(
    folders: dict[str, Path],
    pretend_cuda: PretendCuda,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A table that is made in the first capture: the step of another shape would find nothing in it."""
    real, tables = DeviceStep.draw, list[Tensor]()

    def planted(self: DeviceStep, shape: StepShape) -> None:
        if torch.cuda.is_current_stream_capturing() and not tables:
            tables.append(torch.full((), 1.0, device="cuda"))
        if tables:
            self._state.hidden.mul_(tables[0])
        real(self, shape)

    monkeypatch.setattr(DeviceStep, "draw", planted)
    stepwise(Chattts, folders["chattts"], "cuda")
    assert "while another graph was captured" in caplog.text
