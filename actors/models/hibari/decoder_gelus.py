"""GELU by its tanh form in the decoder, where it decides neither durations nor pitch.

x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) is within 5e-4 of x / 2 (1 + erf(x / sqrt(2))) everywhere
(https://arxiv.org/abs/1606.08415), far below a step of the int8 numbers that the next product reads.
"""

from __future__ import annotations

from ..onnx_file import OnnxNode
from .edited_graph import EditedGraph

_PARTS = {"Div": 2**0.5, "Add": 1.0, "Mul": 0.5}


def approximate_gelus(graph: EditedGraph) -> None:
    """Replace each GELU that the pitch `f0` leads to."""
    after_pitch = {"f0"}
    for node in list(graph.nodes):
        if after_pitch.isdisjoint(node.inputs):
            continue
        after_pitch.update(node.outputs)
        if node.kind == "Erf":
            _approximate(graph, node)


def _approximate(graph: EditedGraph, erf: OnnxNode) -> None:
    """X Erf(x / sqrt(2)), with its other parts, becomes onnxruntime's FastGelu."""
    divided = graph.maker(erf.inputs[0], "Div")
    added, product, halved = (graph.reader(erf.outputs[0], *kinds) for kinds in (["Add"], ["Add", "Mul"], _CHAIN))
    if divided is None or added is None or product is None or halved is None:
        return
    if any(not _has(graph, node) for node in (divided, added, halved)) or divided.inputs[0] not in product.inputs:
        return
    fast = OnnxNode("", "FastGelu", divided.inputs[:1], halved.outputs, domain="com.microsoft")
    graph.replace(halved, [fast])


_CHAIN = ("Add", "Mul", "Mul")


def _has(graph: EditedGraph, node: OnnxNode) -> bool:
    """Whether one input of a part of GELU is the number that belongs there."""
    numbers = [graph.stored[name] for name in node.inputs if name in graph.stored]
    return any(value.size == 1 and abs(float(value.reshape(())) - _PARTS[node.kind]) < 1e-6 for value in numbers)
