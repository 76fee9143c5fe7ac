"""Convolutions over frames that repeat a token, computed once per token.

The published graph repeats the features of each token for every frame of it, about six, and then convolves. Products
with the weights need only the tokens; what is left per frame is to pick and to add. Exact up to float rounding.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..onnx_file import OnnxArray, OnnxNode
from .edited_graph import EditedGraph

_BY_CHANNEL = {"perm": (0, 2, 1)}


def multiply_tokens(graph: EditedGraph) -> None:
    """Replace the convolutions of one step of each token, and those over two frames of each step with curves."""
    for node in [node for node in graph.nodes if node.kind == "Conv"]:
        if gather := graph.maker(node.inputs[0], "Gather"):
            _pointwise(graph, node, gather)
        elif gather := graph.maker(node.inputs[0], "Concat", "Reshape", "Tile", "Unsqueeze", "Gather"):
            _repeated(graph, node, gather)


def _tokens(graph: EditedGraph, gather: OnnxNode) -> str | None:
    """What is gathered by channel [1, channels, num_tokens], by token: [1, num_tokens, channels]."""
    turned = graph.maker(gather.inputs[0], "Transpose")
    if turned is None or turned.attributes.get("perm") != (0, 2, 1) or gather.attributes.get("axis") != (2,):
        return None
    return turned.inputs[0]


def _pointwise(graph: EditedGraph, conv: OnnxNode, gather: OnnxNode) -> None:
    tokens, weight = _tokens(graph, gather), graph.stored.get(conv.inputs[1])
    if tokens is None or weight is None or weight.shape[2:] != (1,) or len(conv.inputs) != 3:
        return
    (target,) = conv.outputs
    product, added, picked = (f"{target}.{step}" for step in ("product", "added", "picked"))
    turned = graph.add(f"{target}.weight", np.ascontiguousarray(weight[:, :, 0].T))
    new = [
        OnnxNode("", "MatMul", (tokens, turned), (product,)),
        OnnxNode("", "Add", (product, conv.inputs[2]), (added,)),
        OnnxNode("", "Gather", (added, gather.inputs[1]), (picked,), {"axis": (1,)}),
        OnnxNode("", "Transpose", (picked,), conv.outputs, _BY_CHANNEL),
    ]
    graph.replace(conv, new)


def _repeated(graph: EditedGraph, conv: OnnxNode, gather: OnnxNode) -> None:
    """Of step s, the even frame is a sum over the steps s - 2 to s + 1, and the odd one over s - 1 to s + 2."""
    tokens, weight = _tokens(graph, gather), graph.stored.get(conv.inputs[1])
    joined = graph.maker(conv.inputs[0], "Concat")
    steps = graph.maker(gather.inputs[1], "ReduceSum", "Cast", "GreaterOrEqual", "Unsqueeze", "Range")
    if tokens is None or weight is None or joined is None or steps is None or not _is_of_two_frames(graph, conv):
        return
    num_channels, num_out = weight.shape[1] - (len(joined.inputs) - 1), len(weight)  # a curve is one channel
    products = _sums_of_taps(weight[:, :num_channels])
    offsets = np.array([[0, 1, 2, 3, 1, 2, 3, 4]])
    (target,) = conv.outputs
    name = f"{target}.{{}}".format

    def make(kind: str, inputs: tuple[str, ...], output: str, **attributes: tuple[int, ...]) -> OnnxNode:
        return OnnxNode("", kind, inputs, (name(output),), attributes)

    column = graph.add(name("column"), np.array([1]))
    new = [
        # A row of the table is a token times one of the eight sums of taps; the first eight are those of no token.
        make("MatMul", (tokens, graph.add(name("taps"), products)), "products"),
        make("Reshape", (name("products"), graph.add(name("row_shape"), np.array([-1, num_out]))), "rows"),
        make("Concat", (graph.add(name("none"), np.zeros((8, num_out), np.float32)), name("rows")), "table", axis=(0,)),
        # Which rows each step adds, int64 [steps, 8]: two steps of no token are before the first and after the last.
        make(
            "Pad",
            (gather.inputs[1], graph.add(name("ends"), np.array([2, 2])), graph.add(name("no"), np.array(-1))),
            "padded",
        ),
        make("Unsqueeze", (steps.outputs[0], column), "step"),
        make("Add", (name("step"), graph.add(name("offsets"), offsets)), "positions"),
        make("Gather", (name("padded"), name("positions")), "neighbours", axis=(0,)),
        make("Mul", (name("neighbours"), graph.add(name("eight"), np.array(8))), "firsts"),
        make("Add", (name("firsts"), graph.add(name("slots"), 8 + np.arange(8)[None])), "indices"),
        make("Gather", (name("table"), name("indices")), "terms", axis=(0,)),
        make("Reshape", (name("terms"), graph.add(name("term_shape"), np.array([1, -1, 4, num_out]))), "four"),
        make("ReduceSum", (name("four"), graph.add(name("axis"), np.array([2]))), "spoken", keepdims=(0,)),
        make("Concat", joined.inputs[1:], "curves", axis=(1,)),
        replace(
            conv,
            inputs=(name("curves"), graph.add(name("curve_taps"), weight[:, num_channels:].copy()), *conv.inputs[2:]),
            outputs=(name("shaped"),),
        ),
        make("Transpose", (name("shaped"),), "shaped_by_frame", perm=(0, 2, 1)),
        make("Add", (name("spoken"), name("shaped_by_frame")), "sum"),
        OnnxNode("", "Transpose", (name("sum"),), conv.outputs, _BY_CHANNEL),
    ]
    graph.replace(conv, new)


def _is_of_two_frames(graph: EditedGraph, conv: OnnxNode) -> bool:
    """Seven taps over steps of which each is repeated once."""
    tile = graph.maker(conv.inputs[0], "Concat", "Reshape", "Tile")
    repeats = graph.stored.get(tile.inputs[1]) if tile else None
    shape = {"kernel_shape": (7,), "pads": (3, 3), "dilations": (1,), "strides": (1,), "group": (1,)}
    is_of_taps = all(conv.attributes.get(name) == value for name, value in shape.items())
    return is_of_taps and repeats is not None and repeats.tolist() == [1, 1, 1, 2]


def _sums_of_taps(weight: OnnxArray) -> OnnxArray:
    """Of weights [out, channels, 7], for each of the two frames the four sums of taps that meet one step.

    float32 [channels, 8 * out].
    """
    taps = weight.transpose(2, 1, 0).astype(np.float64)  # [7, channels, out]
    even = (taps[0], taps[1] + taps[2], taps[3] + taps[4], taps[5] + taps[6])
    odd = (taps[0] + taps[1], taps[2] + taps[3], taps[4] + taps[5], taps[6])
    return np.concatenate((*even, *odd), axis=1).astype(np.float32)
