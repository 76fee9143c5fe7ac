"""The torch port against the published graph, in float: the same outputs, alone and in any batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import hibari
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper, numpy_helper

from speechmill.actors.models.hibari import frame_major as arrangement
from speechmill.actors.models.hibari.channel_scales import fold_scales
from speechmill.actors.models.hibari.decoder_gelus import approximate_gelus
from speechmill.actors.models.hibari.edited_graph import EditedGraph
from speechmill.actors.models.hibari.frame_major import frame_major
from speechmill.actors.models.hibari.graph_head import OUTPUTS, split_head
from speechmill.actors.models.hibari.network import HibariNetwork
from speechmill.actors.models.hibari.phonemes import Phonemes, prepared
from speechmill.actors.models.hibari.token_products import multiply_tokens
from speechmill.actors.models.hibari.weights import load_network
from speechmill.actors.models.onnx_file import initializers, nodes, output_names, with_nodes
from speechmill.errors import ModelError

PUBLISHED = Path(hibari.__file__).parent / "assets" / "hibari.onnx"
TEXTS = (
    "Hi.",
    "The quick fox jumps.",
    "Printing, in the only sense we mean, is an art.",
    "Why not? She sells shells.",
)


def float_twin(path: Path) -> bytes:
    """The graph with every quantised matrix product replaced by one of floats: weights int8 times scale."""
    model = onnx.load(path)
    graph = model.graph
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    producer = {name: node for node in graph.node for name in node.output}
    reader = {name: node for node in graph.node for name in node.input}
    dropped: set[int] = set()
    nodes: dict[int, onnx.NodeProto] = {}
    weights: dict[str, np.ndarray] = {}
    for node in graph.node:
        if node.op_type == "MatMulInteger":
            base = node.input[1].removesuffix("_quantized")
            cast = reader[node.output[0]]
            scaled = reader[cast.output[0]]
            (scale,) = (name for name in scaled.input if name != cast.output[0])
            quantize = producer[node.input[0]]
            weights[f"{base}_float"] = stored[node.input[1]].astype(np.float32) * stored[f"{base}_scale"]
            nodes[id(node)] = helper.make_node("MatMul", [quantize.input[0], f"{base}_float"], [scaled.output[0]])
            dropped |= {id(each) for each in (quantize, cast, scaled, producer[scale])}
    kept = [nodes.get(id(node), node) for node in graph.node if id(node) not in dropped]
    del graph.node[:]
    graph.node.extend(kept)
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in weights.items())
    graph.output.append(onnx.ValueInfoProto(name=duration_name(kept)))
    return model.SerializeToString()


def outputs_of(session: onnxruntime.InferenceSession, tokens: Sequence[int], speed: float) -> dict[str, Any]:
    """What a graph says of a row, by name."""
    feed = {"ids": np.array([tokens], np.int64), "speed": np.array([speed], np.float32)}
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, feed), strict=True))


def duration_name(nodes: list[onnx.NodeProto]) -> str:
    """Output of the rounding that gives each phoneme its duration."""
    (rounded,) = (node.output[0] for node in nodes if node.op_type == "Round")
    return rounded


@pytest.fixture(scope="module")
def twin_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("twin") / "float.onnx"
    file.write_bytes(float_twin(PUBLISHED))
    return file


@pytest.fixture(scope="module")
def twin(twin_file: Path) -> onnxruntime.InferenceSession:
    return session_of(twin_file.read_bytes())


def session_of(raw: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(raw, options, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def network() -> HibariNetwork:
    return load_network(PUBLISHED)


@pytest.fixture(scope="module")
def rows() -> list[tuple[int, ...]]:
    phonemes = Phonemes(british=False)
    return [prepared(phonemes.pronounced(text)).tokens for text in TEXTS]


def run(network: HibariNetwork, rows: list[tuple[int, ...]], speeds: list[float]) -> list[dict[str, np.ndarray]]:
    """Each row's own part of what the network says of the batch."""
    longest = max(map(len, rows))
    ids = torch.tensor([[*row, *[9] * (longest - len(row))] for row in rows])  # padded with a real phoneme
    with torch.inference_mode():
        frames = network(ids, torch.tensor([len(row) for row in rows]), torch.tensor(speeds))
        spectrum = network.head(frames.features)
    return [
        {
            "spectrum": spectrum[i, :count].numpy(),
            "f0": frames.f0[i, :count].numpy(),
            "durations": frames.durations[i, : len(row)].numpy(),
        }
        for i, (row, count) in enumerate(zip(rows, frames.num_frames.tolist(), strict=True))
    ]


def relative(a: np.ndarray, b: np.ndarray) -> float:
    """Largest difference, as a share of the largest value."""
    return float(np.abs(a - b).max() / np.abs(b).max())


@pytest.mark.parametrize("speed", [1.0, 0.6, 2.5])
def test_the_port_says_what_the_published_graph_says(twin, network, rows, speed: float) -> None:
    for row in rows if speed == 1 else rows[:2]:
        expected = outputs_of(twin, row, speed)
        (found,) = run(network, [row], [speed])
        *_, rounded = expected.values()
        durations = np.maximum(rounded.reshape(-1), 1).astype(np.int64)
        assert np.array_equal(found["durations"], durations)
        assert relative(found["f0"], expected["f0"][0]) < 3e-5
        parts = np.split(found["spectrum"].T, 5)
        for name, part in zip(("lh", "theta", "ln", "lr", "phi"), parts, strict=True):
            assert relative(part, expected[name][0]) < 3e-5, name


def test_a_row_is_the_same_alone_in_a_batch_and_in_any_order(network, rows) -> None:
    """Measured on 48 lines in batches of 8: durations identical, spectrum within 3.5e-6 and f0 within 1.5e-6."""
    speeds = [1.0, 0.8, 1.3, 2.0]
    alone = [run(network, [row], [speed])[0] for row, speed in zip(rows, speeds, strict=True)]
    batch = run(network, rows, speeds)
    backwards = run(network, rows[::-1], speeds[::-1])[::-1]
    for single, *others in zip(alone, batch, backwards, strict=True):
        for other in others:
            assert np.array_equal(other["durations"], single["durations"])
            assert relative(other["f0"], single["f0"]) < 1e-5
            assert relative(other["spectrum"], single["spectrum"]) < 1e-5


def test_twice_the_speed_is_about_half_the_frames(network, rows) -> None:
    slow, fast = run(network, [rows[2], rows[2]], [1.0, 2.0])
    assert len(fast["f0"]) == pytest.approx(len(slow["f0"]) / 2, rel=0.15)


def test_the_reader_finds_what_the_onnx_package_finds() -> None:
    found = initializers(PUBLISHED.read_bytes(), PUBLISHED)
    expected = {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(PUBLISHED).graph.initializer}
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].dtype == value.dtype, name
        assert found[name].shape == value.shape, name
        assert np.array_equal(found[name], value), name


def test_the_arranged_graph_keeps_the_weights() -> None:
    before = onnx.load(PUBLISHED)
    after = onnx.load_from_string(frame_major(PUBLISHED.read_bytes(), PUBLISHED))
    assert [output.name for output in after.graph.output] == ["f0", *OUTPUTS, "/CumSum_output_0"]
    assert after.graph.initializer[: len(before.graph.initializer)] == before.graph.initializer


def test_nothing_in_the_arranged_graph_is_computed_for_nothing() -> None:
    graph = onnx.load_from_string(frame_major(PUBLISHED.read_bytes(), PUBLISHED)).graph
    needed = {output.name for output in graph.output}
    for node in reversed(graph.node):
        assert needed.intersection(node.output), node
        needed.update(node.input)


@pytest.fixture(scope="module")
def arranged_exactly(twin_file: Path) -> onnxruntime.InferenceSession:
    """The arranged float graph, with GELU as published."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arrangement, "approximate_gelus", lambda graph: None)
        return session_of(frame_major(twin_file.read_bytes(), twin_file))


def test_the_arranged_graph_computes_the_published_function(twin, arranged_exactly) -> None:
    """Compared in float: int8 layers would amplify a rounding until nothing could be seen."""
    sessions = [twin, arranged_exactly]
    for text, speed in ((TEXTS[0], 1.0), (TEXTS[1], 0.7), (TEXTS[3], 1.9)):
        tokens = prepared(Phonemes(british=False).pronounced(text)).tokens
        published, arranged = (outputs_of(session, tokens, speed) for session in sessions)
        log_harmonic, theta, log_noise, log_free, phi = (
            published[name][0].T for name in ("lh", "theta", "ln", "lr", "phi")
        )
        heard = arranged["pulse_frames"]
        assert heard.tolist() == frames_near_voice(published["f0"][0])
        for name, expected in (
            ("harmonic", np.exp(log_harmonic[heard].clip(max=7))),
            ("turn", np.tanh(theta[heard])),
            ("magnitudes", np.exp(np.hstack((log_noise, log_free)).clip(max=7))),
            ("phase", phi),
        ):
            assert arranged[name][0].shape == expected.shape
            assert np.abs(arranged[name][0] - expected).max() < 1e-4 * np.abs(expected).max(), name
        assert np.abs(arranged["f0"] - published["f0"]).max() < 0.02


def test_the_form_of_gelu_is_heard_in_no_duration_and_no_pitch(arranged_exactly, twin_file: Path) -> None:
    """Law: magnitudes move by less than 0.3 dB; the int8 products alone move them by 1 dB on average."""
    sessions = [arranged_exactly, session_of(frame_major(twin_file.read_bytes(), twin_file))]
    tokens = prepared(Phonemes(british=False).pronounced(TEXTS[1])).tokens
    published, approximate = (outputs_of(session, tokens, 1.0) for session in sessions)
    for name in ("f0", "pulse_frames", "/CumSum_output_0"):
        assert np.array_equal(published[name], approximate[name]), name
    decibels = 20 * np.log10(approximate["magnitudes"] / published["magnitudes"])
    assert 0 < np.abs(decibels).max() < 0.3


def test_only_the_gelus_of_the_decoder_are_approximated() -> None:
    graph = onnx.load_from_string(frame_major(PUBLISHED.read_bytes(), PUBLISHED)).graph
    kinds = [node.op_type for node in graph.node]
    assert kinds.count("FastGelu") == 8
    assert kinds.count("Erf") == 21
    made_by = {name: node for node in graph.node for name in node.output}
    assert all("/dec." in made_by[node.input[0]].name for node in graph.node if node.op_type == "FastGelu")


def frames_near_voice(f0: np.ndarray) -> list[int]:
    """Frames k with a pitch above 40 Hz from frame k - 3 to k + 2."""
    return [k for k in range(len(f0)) if (f0[max(k - 3, 0) : k + 3] > 40).any()]


def test_the_arranged_graph_has_no_work_left_that_the_passes_know() -> None:
    """Each pass found what it looks for: a published graph of another form would silently be slower."""
    graph = onnx.load_from_string(frame_major(PUBLISHED.read_bytes(), PUBLISHED)).graph
    kinds = [node.op_type for node in graph.node]
    assert kinds.count("MultiHeadAttention") == 10 and "Softmax" not in kinds
    assert "Tile" not in kinds
    stored = {tensor.name for tensor in graph.initializer}
    assert not [node.name for node in graph.node if any("gamma" in name for name in node.input)]
    assert {name for node in graph.node for name in node.input if name.endswith(".scale")} <= stored


def test_onnxruntime_joins_every_int8_product_with_its_scale_and_bias(tmp_path: Path) -> None:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    raw = frame_major(PUBLISHED.read_bytes(), PUBLISHED)
    onnxruntime.InferenceSession(raw, options, providers=["CPUExecutionProvider"])
    kinds = [node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node]
    assert kinds.count("DynamicQuantizeMatMul") == 76
    assert kinds.count("MatMulIntegerToFloat") == 4
    assert "MatMulInteger" not in kinds


def test_folded_scales_are_those_of_the_channels() -> None:
    graph = EditedGraph(PUBLISHED.read_bytes(), PUBLISHED)
    fold_scales(graph)
    target, gamma = "/dec.3/Mul_2_output_0", graph.stored["m.dec.3.gamma"]
    scale = graph.stored["/dec.3/pw2/Transpose_output_0_scale"]
    assert np.array_equal(graph.stored[f"{target}.scale"], scale * gamma)
    assert np.array_equal(graph.stored[f"{target}.bias"], graph.stored["m.dec.3.pw2.bias"] * gamma)
    (add,) = (node for node in graph.nodes if target in node.outputs)
    assert (add.kind, add.inputs[0]) == ("Add", f"{target}.bias")
    scaled = graph.maker(add.inputs[1], "Mul")
    assert scaled is not None
    (scales,) = (node for node in graph.nodes if scaled.inputs[1] in node.outputs)
    assert scales.inputs[1] == f"{target}.scale"


@pytest.mark.parametrize("edit", [multiply_tokens, fold_scales, approximate_gelus])
def test_an_edit_leaves_a_graph_of_another_form_alone(edit: Callable[[EditedGraph], None]) -> None:
    other = PUBLISHED.with_name("oov.onnx")
    graph = EditedGraph(other.read_bytes(), other)
    before = list(graph.nodes)
    edit(graph)
    assert graph.nodes == before
    assert not split_head(graph, graph.declared[0])


def test_a_graph_with_another_end_is_left_alone() -> None:
    model = onnx.load(PUBLISHED)
    del model.graph.node[-1:]  # the split into five parts
    raw = model.SerializeToString()
    assert frame_major(raw, Path("other.onnx")) is raw


def test_nodes_are_written_as_they_were_read() -> None:
    before = onnx.load(PUBLISHED)
    raw = PUBLISHED.read_bytes()
    names = output_names(raw, PUBLISHED)
    assert names == [output.name for output in before.graph.output]
    assert onnx.load_from_string(with_nodes(raw, PUBLISHED, nodes(raw, PUBLISHED), names, {})) == before


@pytest.mark.parametrize("size", [0, 1, 1000, 4_000_000, PUBLISHED.stat().st_size - 1])
def test_a_file_cut_short_is_refused_by_name(tmp_path: Path, size: int) -> None:
    short = tmp_path / "short.onnx"
    short.write_bytes(PUBLISHED.read_bytes()[:size])
    with pytest.raises(ModelError, match=r"short\.onnx"):
        load_network(short)


def test_another_graph_is_refused_by_name() -> None:
    other = PUBLISHED.with_name("oov.onnx")
    with pytest.raises(ModelError, match=r"oov\.onnx"):
        load_network(other)


def test_a_weight_that_is_missing_or_misshapen_is_named(tmp_path: Path) -> None:
    model = onnx.load(PUBLISHED)
    gamma = next(tensor for tensor in model.graph.initializer if tensor.name == "m.dec.3.gamma")
    gamma.CopyFrom(numpy_helper.from_array(np.ones(255, np.float32), "m.dec.3.gamma"))
    file = tmp_path / "changed.onnx"
    onnx.save(model, file)
    with pytest.raises(ModelError, match=r"changed\.onnx.*dec\.3\.gamma"):
        load_network(file)
    model.graph.initializer.remove(gamma)
    onnx.save(model, file)
    with pytest.raises(ModelError, match=r"changed\.onnx.*dec\.3\.gamma"):
        load_network(file)
