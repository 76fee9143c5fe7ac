"""Attention of the published graph as one operation of onnxruntime, in place of thirty that reshape and transpose."""

from __future__ import annotations

import numpy as np

from ..onnx_file import OnnxNode
from .edited_graph import EditedGraph


def fuse_attention(graph: EditedGraph) -> None:
    """Replace each attention over slices of one tensor [1, num_tokens, 3 * channels]. Others stay as they are."""
    for softmax in [node for node in graph.nodes if node.kind == "Softmax"]:
        _fuse(graph, softmax)


def _fuse(graph: EditedGraph, softmax: OnnxNode) -> None:
    scores = graph.maker(softmax.inputs[0], "Div", "MatMul")
    mixed = graph.reader(softmax.outputs[0], "MatMul")
    if scores is None or mixed is None:
        return
    heads = [*scores.inputs, mixed.inputs[1]]  # query, key, value
    slices = [graph.maker(name, "Transpose", "Reshape", "Slice") for name in heads]
    joined = graph.reader(mixed.outputs[0], "Transpose", "Reshape")
    num_heads = _num_heads(graph, heads[0])
    sources = {node.inputs[0] if node else None for node in slices}
    if joined is None or num_heads is None or len(sources) != 1 or None in sources:
        return
    (source,) = (name for name in sources if name is not None)
    (target,) = joined.outputs
    parts = tuple(f"{target}.{part}" for part in ("query", "key", "value"))
    attention = OnnxNode(
        "", "MultiHeadAttention", parts, (target,), {"num_heads": (num_heads,)}, domain="com.microsoft"
    )
    graph.replace(joined, [OnnxNode("", "Split", (source,), parts, {"axis": (2,)}), attention])


def _num_heads(graph: EditedGraph, query: str) -> int | None:
    """The constant third size of the shape [1, num_tokens, heads, size] that the query is given."""
    reshape = graph.maker(query, "Transpose", "Reshape")
    shape = graph.maker(reshape.inputs[1], "Concat") if reshape else None
    if shape is None or len(shape.inputs) != 4:
        return None
    sizes = graph.maker(shape.inputs[2], "Unsqueeze")
    value = graph.stored.get(sizes.inputs[0] if sizes else shape.inputs[2])
    return None if value is None else int(value.astype(np.int64).reshape(-1)[0])
