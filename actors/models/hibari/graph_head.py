"""The last layer of the published graph, with the functions that synthesis applies to it, for the frames that need it.

The harmonic part counts only where pulses are heard, in two of three frames of speech; elsewhere it is not computed.
The rest is the published function, up to float rounding: all products read the same quantised features.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ..onnx_file import OnnxNode
from .edited_graph import EditedGraph
from .row_synthesis import LOUDEST, UNVOICED_HZ

PULSE_FRAMES = "pulse_frames"
OUTPUTS = (PULSE_FRAMES, "harmonic", "turn", "magnitudes", "phase")
"""Of a split head: the fields of `row_synthesis.Spectrum`, with a first axis of 1 but for the frames."""
# The window of a frame covers the samples of two frames before it, itself and the next one, and the pitch of each of
# them is interpolated with that of its neighbours.
_NEIGHBOURS = {"kernel_shape": (6,), "pads": (3, 2)}


def split_head(graph: EditedGraph, head: str) -> bool:
    """Add the nodes that make `OUTPUTS` of the features of `head` [1, num_frames, 5 * bins]; False where it is other.

    The head must be the sum of a stored bias and a product with stored weights, as floats or int8.
    """
    add = graph.maker(head, "Add")
    bias = graph.stored.get(add.inputs[0]) if add else None
    chain = _product(graph, add.inputs[1]) if add else None
    if add is None or bias is None or chain is None or len(bias) % 5 or "f0" not in graph.declared:
        return False
    features, bins = chain[0].inputs[0], len(bias) // 5
    heard = f"{head}.heard"
    new = [*_pulse_frames(graph), OnnxNode("", "Gather", (features, PULSE_FRAMES), (heard,), {"axis": (1,)})]
    loudest = graph.add(f"{head}.loudest", np.array(LOUDEST, np.float32))
    for output, (first, last), source in (
        ("harmonic", (0, 1), heard),
        ("turn", (1, 2), heard),
        ("magnitudes", (2, 4), features),
        ("phase", (4, 5), features),
    ):
        log = output if output == "phase" else f"{head}.{output}"
        new += _columns(graph, chain, add, slice(first * bins, last * bins), source, log)
        if output == "turn":
            new.append(OnnxNode("", "Tanh", (log,), (output,)))
        elif log != output:
            new.append(OnnxNode("", "Clip", (log, "", loudest), (f"{log}.clipped",)))
            new.append(OnnxNode("", "Exp", (f"{log}.clipped",), (output,)))
    graph.set_nodes([*graph.nodes, *new])
    return True


def _product(graph: EditedGraph, name: str) -> list[OnnxNode] | None:
    """The nodes from the product with stored weights to `name`: a MatMul, or a MatMulInteger, its Cast and its Mul."""
    scaled = graph.maker(name, "Mul")
    if scaled and _scale(graph, scaled) is None:
        return None
    kinds = ("Mul", "Cast", "MatMulInteger") if scaled else ("MatMul",)
    chain = [graph.maker(name, *kinds[: count + 1]) for count in range(len(kinds))][::-1]
    found = [node for node in chain if node is not None]
    return found if len(found) == len(kinds) and found[0].inputs[1] in graph.stored else None


def _pulse_frames(graph: EditedGraph) -> Iterator[OnnxNode]:
    """int64: the frames whose window reaches a frame with a pitch that counts as voiced."""
    name = f"{PULSE_FRAMES}.{{}}".format
    axis = graph.add(name("axis"), np.array([1]))
    yield OnnxNode("", "Unsqueeze", ("f0", axis), (name("curve"),))  # [1, 1, num_frames]
    yield OnnxNode("", "MaxPool", (name("curve"),), (name("highest"),), _NEIGHBOURS)
    threshold = graph.add(name("threshold"), np.array(UNVOICED_HZ, np.float32))
    yield OnnxNode("", "Greater", (name("highest"), threshold), (name("is_heard"),))
    yield OnnxNode("", "NonZero", (name("is_heard"),), (name("indices"),))  # [3, num_heard]
    last = graph.add(name("last"), np.array(2))
    yield OnnxNode("", "Gather", (name("indices"), last), (PULSE_FRAMES,), {"axis": (0,)})


def _columns(
    graph: EditedGraph, chain: list[OnnxNode], add: OnnxNode, columns: slice, source: str, target: str
) -> Iterator[OnnxNode]:
    """The product of `source` with some columns of the weights, and the bias of them."""
    product, *rest = chain
    weight = graph.add(f"{target}.weight", np.ascontiguousarray(graph.stored[product.inputs[1]][:, columns]))
    bias = graph.stored[add.inputs[0]][columns]
    made = f"{target}.product"
    yield replace(product, name="", inputs=(source, weight, *product.inputs[2:]), outputs=(made,))
    if rest:
        cast, scaled = rest
        scale = _scale(graph, scaled)
        assert scale is not None
        # onnxruntime joins a product with scales that nothing else reads, and makes one of equal nodes.
        vector = graph.add(f"{target}.scale", np.broadcast_to(graph.stored[scale.inputs[1]], bias.shape))
        yield replace(scale, name="", inputs=(scale.inputs[0], vector), outputs=(f"{target}.scales",))
        yield replace(cast, name="", inputs=(made,), outputs=(f"{target}.float",))
        made = f"{target}.scaled"
        yield replace(scaled, name="", inputs=(f"{target}.float", f"{target}.scales"), outputs=(made,))
    yield OnnxNode("", "Add", (graph.add(f"{target}.bias", bias.copy()), made), (target,))


def _scale(graph: EditedGraph, scaled: OnnxNode) -> OnnxNode | None:
    """The Mul of the features' scale with a stored one of the weights, which must be one number."""
    node = graph.maker(scaled.inputs[1], "Mul")
    stored = graph.stored.get(node.inputs[1]) if node else None
    return node if stored is not None and stored.size == 1 else None
