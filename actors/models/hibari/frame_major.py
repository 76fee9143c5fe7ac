"""The published graph arranged for a CPU: the same function with fewer operations and fewer copies between them.

The published graph holds its activations by channel, [1, channels, frames], for the convolutions, and transposes them
before and after each linear layer. Here they stay by frame, [1, frames, channels]; a depthwise convolution becomes one
over an image of height 1, for which onnxruntime has kernels that read and write this order. Before and after that,
the edits of the modules `graph_attention`, `token_products`, `channel_scales`, `decoder_gelus` and `graph_head`; what
nothing reads any more is left out. Guarantees the published durations and pitch up to float rounding (the
kernels add in another order, and the int8 layers amplify that), and the published spectrum up to that and the form of
GELU. Knows the form of the graph, and nothing of its weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..onnx_file import OnnxNode
from .channel_scales import fold_scales
from .decoder_gelus import approximate_gelus
from .edited_graph import EditedGraph
from .graph_attention import fuse_attention
from .graph_head import OUTPUTS, split_head
from .token_products import multiply_tokens

_SWAP = {"perm": (0, 2, 1)}
_SHAPES = {"kernel_shape", "group", "pads", "dilations", "strides"}
_AXIS, _WEIGHT_AXIS = "speechmill.height", "speechmill.weight_height"
"""Stored numbers: the axis of the height in an image [1, height, frames, channels], and in weights."""


def frame_major(raw: bytes, path: Path) -> bytes:
    """The same model with these outputs: f0, those of `graph_head.OUTPUTS`, and `ends`.

    `ends` [1, num_tokens], the steps of durations up to the end of each token, is the only cumulative sum of the graph;
    its name is the one that it has there, and it is left out where there are several or none.
    Where the head has another form than `split_head` knows, it is one output, float32 [1, num_frames, 5 * bins].
    Returns `raw` itself when the graph does not end in a head that is transposed and split.

    Raises:
        ModelError: Naming `path` when `raw` is not a whole ONNX model
    """
    graph = EditedGraph(raw, path)
    split = next((node for node in graph.nodes if "lh" in node.outputs), None)
    last = graph.maker(split.inputs[0], "Transpose") if split and split.kind == "Split" else None
    if last is None:
        return raw
    sums = [node.outputs[0] for node in graph.nodes if node.kind == "CumSum"]
    outputs = [name for name in graph.declared if name == "f0"]
    outputs += [last.inputs[0], *(sums if len(sums) == 1 else [])]
    for edit in (fuse_attention, multiply_tokens, fold_scales, approximate_gelus):
        edit(graph)
    graph.set_nodes(_Arranging().arranged(graph.nodes))
    graph.add(_AXIS, np.array([1]))
    graph.add(_WEIGHT_AXIS, np.array([2]))
    if split_head(graph, last.inputs[0]):
        outputs[1:2] = OUTPUTS
    return graph.encoded(outputs)


class _Arranging:
    """Walks through a graph in its order and adds, beside tensors by channel, the same by frame: their twins."""

    def __init__(self) -> None:
        self._twins: dict[str, str] = {}
        self._same: dict[str, str] = {}

    def arranged(self, published: Sequence[OnnxNode]) -> list[OnnxNode]:
        """The nodes and those that make twins, in an order in which each one comes after those that it reads."""
        return [made for node in published for made in self._arranged(self._renamed(node))]

    def _renamed(self, node: OnnxNode) -> OnnxNode:
        inputs = tuple(self._same.get(name, name) for name in node.inputs)
        return node if inputs == node.inputs else replace(node, inputs=inputs)

    def _arranged(self, node: OnnxNode) -> Iterator[OnnxNode]:
        """The node, and what makes the twin of its output."""
        (first, *_), (output, *_) = node.inputs or ("",), node.outputs
        twin = f"{output}.by_frame"
        if node.kind == "Transpose" and node.attributes.get("perm") == _SWAP["perm"]:
            if first in self._twins:
                self._same[output] = self._twins[first]
            self._twins[output] = first
        elif node.kind == "Add" and all(name in self._twins for name in node.inputs):
            yield OnnxNode("", "Add", tuple(self._twins[name] for name in node.inputs), (twin,))
            self._twins[output] = twin
        elif _is_depthwise(node):
            if first not in self._twins:
                self._twins[first] = f"{first}.by_frame"
                yield OnnxNode("", "Transpose", (first,), (self._twins[first],), _SWAP)
            yield from _convolution(node, self._twins[first], twin)
            self._twins[output] = twin
        elif node.kind == "Conv" and first in self._twins:
            # Reads one transposed sum, in place of a sum of which each term is transposed.
            turned = f"{output}.by_channel"
            yield OnnxNode("", "Transpose", (self._twins[first],), (turned,), _SWAP)
            node = replace(node, inputs=(turned, *node.inputs[1:]))
        yield node


def _is_depthwise(node: OnnxNode) -> bool:
    """Over one axis, in groups: of one channel here, but the arrangement holds for any."""
    at = node.attributes
    return node.kind == "Conv" and at.keys() >= _SHAPES and len(at["kernel_shape"]) == 1 and at["group"] != (1,)


def _convolution(node: OnnxNode, source: str, target: str) -> Iterator[OnnxNode]:
    """The convolution of `source` [1, frames, channels], as one over an image of height 1."""
    (_, weight, *bias), at = node.inputs, node.attributes
    before, after = at["pads"]
    attributes = {
        "group": at["group"],
        "kernel_shape": (1, *at["kernel_shape"]),
        "dilations": (1, *at["dilations"]),
        "strides": (1, *at["strides"]),
        "pads": (0, before, 0, after),
    }
    image, channels_first, made, channels_last = (f"{target}.{step}" for step in range(4))
    flat = f"{target}.weight"
    yield OnnxNode("", "Unsqueeze", (weight, _WEIGHT_AXIS), (flat,))
    yield OnnxNode("", "Unsqueeze", (source, _AXIS), (image,))
    yield OnnxNode("", "Transpose", (image,), (channels_first,), {"perm": (0, 3, 1, 2)})
    yield OnnxNode("", "Conv", (channels_first, flat, *bias), (made,), attributes)
    yield OnnxNode("", "Transpose", (made,), (channels_last,), {"perm": (0, 2, 3, 1)})
    yield OnnxNode("", "Squeeze", (channels_last, _AXIS), (target,))
