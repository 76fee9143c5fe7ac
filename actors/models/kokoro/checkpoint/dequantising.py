"""The int8 graph `kokoro.onnx` as float32 weights under the network's names.

Guarantees that each tensor of the network is found once; a graph of another form raises ModelError, which names the
file. What the graph computes is not used: only its weights are. They are exact products of what is stored:

    ConvInteger          uint8, one scale and one zero point               (q - zero) * scale     [out, in, kernel]
    MatMulInteger        int8 [in, out], a scale for each output           (q * scale) transposed
    DynamicQuantizeLSTM  int8 [directions, in, 4 hidden], a scale for each direction; gates in ONNX's order
    Gather               int8 embeddings, one scale
    the others           float32 as they are
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .....errors import ModelError
from ...onnx_file import OnnxArray, OnnxNode, initializers, nodes

Weights = dict[str, NDArray[np.float32]]

_OPERATION = re.compile(r"/(Conv|ConvTranspose|MatMul|Gemm_MatMul|Gemm|LSTM|Gather)(_\d+)?(_quant)?$")
_KEPT = re.compile(r".*(\.(bias|gamma|beta)|LayerNorm\.weight|layer_norm\.weight|alpha[12]\.\d)")
_OF_PREDICTOR = re.compile(r"(F0|N)(\.\d+|_proj)|shared|lstm")


def dequantised(raw: bytes, path: Path) -> Weights:
    """All tensors of the graph in `raw`, which was read from `path`.

    Raises:
        ModelError: It cannot be had, or is damaged
    """
    stored = initializers(raw, path)
    state: Weights = {}
    try:
        for node in nodes(raw, path):
            for name, value in _tensors(node, stored):
                _put(state, name, value)
        for name, value in stored.items():
            if _KEPT.fullmatch(name):
                _put(state, re.sub(r"^(encoder|decoder)\.", "", name), value)
    except (KeyError, ValueError, IndexError) as error:
        raise ModelError(
            f"kokoro: {path} is no graph of Kokoro v1.0 in int8 ({error}); fetch the file again"
        ) from error
    return state


def _tensors(node: OnnxNode, stored: dict[str, OnnxArray]) -> Iterator[tuple[str, OnnxArray]]:
    inputs = list(node.inputs)
    weight = stored.get(inputs[1]) if len(inputs) > 1 else None
    if node.kind == "DynamicQuantizeLSTM":
        yield from _recurrent(node, stored)
    elif node.kind == "Gather" and inputs[0].endswith("weight_quantized"):
        base = inputs[0].removesuffix("_quantized")
        yield base.removeprefix("encoder."), stored[inputs[0]].astype(np.float32) * _float(stored[f"{base}_scale"])
    elif weight is None:
        return
    elif node.kind in ("ConvInteger", "MatMulInteger"):
        scale = _float(stored[f"{inputs[1].removesuffix('_quantized')}_scale"])
        zero = stored[inputs[3]].astype(np.float32) if len(inputs) > 3 else np.float32(0)
        value = (weight.astype(np.float32) - zero) * scale
        yield f"{_module(node.name)}.weight", value if node.kind == "ConvInteger" else value.T
    elif node.kind in ("Conv", "ConvTranspose") and "istft" not in node.name:
        yield f"{_module(node.name)}.weight", weight
    elif node.kind == "MatMul":
        yield f"{_module(node.name)}.weight", weight.T


def _recurrent(node: OnnxNode, stored: dict[str, OnnxArray]) -> Iterator[tuple[str, OnnxArray]]:
    name = _module(node.name)
    biases = stored[node.inputs[3]]
    for direction, suffix in enumerate(("", "_reverse")):
        for at, kind in ((1, "ih"), (2, "hh")):
            scale = _float(stored[f"{node.inputs[at].removesuffix('_quantized')}_scale"])
            weight = stored[node.inputs[at]][direction].astype(np.float32) * scale[direction]
            yield f"{name}.weight_{kind}_l0{suffix}", _gates(weight.T)
        of_input, of_hidden = np.split(biases[direction], 2)
        yield f"{name}.bias_ih_l0{suffix}", _gates(of_input)
        yield f"{name}.bias_hh_l0{suffix}", _gates(of_hidden)


def _float(value: OnnxArray) -> NDArray[np.float32]:
    return value.astype(np.float32)


def _gates(value: OnnxArray) -> OnnxArray:
    """ONNX has the gates input, output, forget, cell; torch has input, forget, cell, output."""
    of_input, of_output, of_forget, of_cell = np.split(value, 4)
    return np.concatenate((of_input, of_forget, of_cell, of_output))


def _module(node: str) -> str:
    """'/decoder/decoder/generator/ups.0/ConvTranspose' is of the module 'decoder.generator.ups.0'."""
    parts = [part for part in _OPERATION.sub("", node).split("/") if part]
    is_encoder = parts[0] == "encoder"
    if parts[0] in ("decoder", "encoder"):
        parts = parts[1:]
    if is_encoder and _OF_PREDICTOR.fullmatch(parts[0]):
        parts.insert(0, "predictor")
    name = re.sub(r"(asr_res|cnn\.\d)\.\1", r"\1", ".".join(parts))
    # The layer that is applied twelve times stands there twelve times, numbered.
    return re.sub(r"_\d+(?=\.|$)", "", name) if "albert_layers" in name else name


def _put(state: Weights, name: str, value: OnnxArray) -> None:
    made = np.ascontiguousarray(value, dtype=np.float32)
    if name in state and not np.array_equal(state[name], made):
        raise ValueError(f"{name} is there twice, with different values")
    state[name] = made
