"""Scales of channels after an int8 product, folded into the scale and the bias that the product has anyway."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .edited_graph import EditedGraph


def fold_scales(graph: EditedGraph) -> None:
    """Make (product * scale + bias) * gamma to product * (scale * gamma) + bias * gamma. Exact up to float rounding."""
    for mul in [node for node in graph.nodes if node.kind == "Mul" and node.inputs[0] in graph.stored]:
        gamma = graph.stored[mul.inputs[0]]
        add = graph.maker(mul.inputs[1], "Add")
        bias = graph.stored.get(add.inputs[0]) if add else None
        scaled = graph.maker(add.inputs[1], "Mul") if add else None
        if (
            add is None
            or scaled is None
            or bias is None
            or graph.maker(scaled.inputs[0], "Cast", "MatMulInteger") is None
        ):
            continue
        scales = graph.maker(scaled.inputs[1], "Mul")
        scale = graph.stored.get(scales.inputs[1]) if scales else None
        if scales is None or scale is None or scale.size != 1 or gamma.shape != bias.shape:
            continue
        if graph.reader(scales.outputs[0], "Mul", "Add", "Mul") is not mul:  # something else reads a part of the chain
            continue
        folded, shifted = f"{mul.outputs[0]}.scale", f"{mul.outputs[0]}.bias"
        graph.add(folded, scale.astype(np.float32).reshape(()) * gamma.astype(np.float32))
        graph.add(shifted, bias.astype(np.float32) * gamma.astype(np.float32))
        graph.replace(scales, [replace(scales, inputs=(scales.inputs[0], folded))])
        graph.replace(mul, [])
        graph.replace(add, [replace(add, inputs=(shifted, add.inputs[1]), outputs=mul.outputs)])
