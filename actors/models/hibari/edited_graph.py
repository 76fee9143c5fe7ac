"""A graph on its way from the published one to the one that runs: nodes to be replaced, tensors to be added.

Guarantees that the edited graph holds nothing that its outputs do not need, and its nodes in an order in which each
comes after those that it reads. Knows nothing of what the operations compute.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from ..onnx_file import OnnxArray, OnnxNode, constants, initializers, nodes, output_names, with_nodes


class EditedGraph:
    """The operations of a model file, each of which may be replaced by several.

    Attributes:
        nodes: In their order
        stored: The stored tensors and the constants by name, those of the file and those that were added
    """

    def __init__(self, raw: bytes, path: Path) -> None:
        self._raw, self._path = raw, path
        self._added: dict[str, OnnxArray] = {}
        self.set_nodes(nodes(raw, path))
        self.stored = initializers(raw, path) | constants(self.nodes, path)
        self.declared = output_names(raw, path)

    def set_nodes(self, changed: Iterable[OnnxNode]) -> None:
        """Take these operations in place of all."""
        self.nodes = list(changed)
        self._makers: dict[str, OnnxNode] = {}
        self._readers: dict[str, list[OnnxNode]] = {}
        self._index(self.nodes)

    def replace(self, old: OnnxNode, new: Sequence[OnnxNode]) -> None:
        """Put `new` where `old` is; together they must make its outputs, or those must not be needed any more."""
        at = next(at for at, node in enumerate(self.nodes) if node is old)
        self.nodes[at : at + 1] = new
        for name in old.outputs:
            del self._makers[name]
        for name in old.inputs:
            self._readers[name] = [node for node in self._readers[name] if node is not old]
        self._index(new)

    def _index(self, new: Iterable[OnnxNode]) -> None:
        for node in new:
            self._makers.update(dict.fromkeys(node.outputs, node))
            for name in node.inputs:
                self._readers.setdefault(name, []).append(node)

    def add(self, name: str, values: OnnxArray) -> str:
        """Store a tensor, and give its name."""
        self._added[name] = self.stored[name] = values
        return name

    def maker(self, name: str, *kinds: str) -> OnnxNode | None:
        """The operation at the start of a chain of first inputs of these kinds, the last one of which makes `name`.

        `maker(name, "Reshape", "Slice")` is a Slice whose output a Reshape turns into `name`; None where it is none.
        """
        node = None
        for kind in kinds:
            node = self._makers.get(name)
            if node is None or node.kind != kind:
                return None
            name = node.inputs[0] if node.inputs else ""
        return node

    def reader(self, name: str, *kinds: str) -> OnnxNode | None:
        """The operation at the end of a chain of only readers of these kinds, the first one of which reads `name`."""
        node = None
        for kind in kinds:
            readers = self._readers.get(name, [])
            if len(readers) != 1 or readers[0].kind != kind:
                return None
            (node,) = readers
            name = node.outputs[0]
        return node

    def encoded(self, outputs: Sequence[str]) -> bytes:
        """The model with these outputs."""
        needed = set(outputs)
        kept: list[OnnxNode] = []
        for node in reversed(self.nodes):
            if needed.intersection(node.outputs):
                kept.append(node)
                needed.update(node.inputs)
        added = {name: values for name, values in self._added.items() if name in needed}
        return with_nodes(self._raw, self._path, kept[::-1], outputs, added)
