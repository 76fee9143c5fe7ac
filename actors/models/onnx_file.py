"""The few parts of an ONNX file that models need whose weights are published as one, read without the onnx package.

Guarantees that a file which is cut short or is no ONNX file raises ModelError naming it. Knows protobuf's wire
format and the field numbers of onnx.proto; knows nothing of what the tensors mean.
Source: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelError

OnnxArray = NDArray[np.generic]
_MODEL_GRAPH, _MODEL_DOMAIN, _GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_OUTPUT = 7, 8, 1, 5, 12
_DTYPES: dict[int, type[np.generic]] = {1: np.float32, 2: np.uint8, 3: np.int8, 6: np.int32, 7: np.int64}
_LENGTH_DELIMITED = 2
_NODE_KIND, _NODE_ATTRIBUTE, _ATTRIBUTE_INT, _ATTRIBUTE_TENSOR, _ATTRIBUTE_INTS = 4, 5, 3, 5, 8
# Attributes of new nodes that are one integer; the others are lists.
_SINGLE = frozenset({"group", "axis", "to", "keepdims", "num_heads"})


def read_bytes(path: Path) -> bytes:
    """Content of a model file.

    Raises:
        ModelError: If it cannot be read
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read the model file {path}: {error.strerror}; check model.path") from error


def initializers(raw: bytes, path: Path) -> dict[str, OnnxArray]:
    """Every stored tensor by name.

    Raises:
        ModelError: Naming `path` when `raw` is not a whole ONNX model
    """
    with _reading(path):
        graph = _graph(raw)
        return dict(_tensor(value) for number, value in _fields(graph) if number == _GRAPH_INITIALIZER)


@dataclass(frozen=True, slots=True)
class OnnxNode:
    """An operation of a graph.

    Attributes:
        name: Its own name, which may be empty
        kind: "Conv"
        inputs: Names of the tensors that go in
        outputs: Names of the tensors that come out
        attributes: Those that are an integer or integers; other ones are kept in `stored` alone
        stored: The attributes as the file has them; a new node has none
        domain: Of a new node: "" for ONNX's own operations
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...] = ()
    attributes: Mapping[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]])
    stored: bytes = b""
    domain: str = ""

    def encoded(self) -> bytes:
        """The node as protobuf."""
        parts = [_encode_text(1, name) for name in self.inputs] + [_encode_text(2, name) for name in self.outputs]
        parts += [_encode_text(3, self.name), _encode_text(4, self.kind), self.stored]
        if not self.stored:
            parts += [_encode(5, memoryview(_encoded_integers(*item))) for item in self.attributes.items()]
            parts += [_encode_text(7, self.domain)] if self.domain else []
        return b"".join(parts)


def nodes(raw: bytes, path: Path) -> list[OnnxNode]:
    """Every operation in the order of the graph.

    Raises:
        ModelError: The file is damaged; the message names it
    """
    with _reading(path):
        return [_node(value) for number, value in _fields(_graph(raw)) if number == _GRAPH_NODE]


def constants(published: Sequence[OnnxNode], path: Path) -> dict[str, OnnxArray]:
    """What the nodes of the kind Constant hold, by the names of their outputs.

    Raises:
        ModelError: Naming `path`, as `initializers`
    """
    with _reading(path):
        return {
            node.outputs[0]: _tensor(tensor)[1]
            for node in published
            if node.kind == "Constant"
            for number, attribute in _fields(memoryview(node.stored))
            if number == _NODE_ATTRIBUTE
            for kind, tensor in _fields(_slice(attribute))
            if kind == _ATTRIBUTE_TENSOR
        }


def with_nodes(
    raw: bytes, path: Path, changed: Sequence[OnnxNode], outputs: Sequence[str], added: Mapping[str, OnnxArray]
) -> bytes:
    """The same model with other operations and outputs; its weights stay.

    Args:
        changed: Every operation of the new graph, in an order in which each one comes after those that it reads.
        outputs: Names of tensors; those that the graph has as outputs keep their declared type and shape.
        added: Additional stored tensors.

    Raises:
        ModelError: Naming `path`, as `initializers`
    """
    with _reading(path):
        kept = [(n, v) for n, v in _fields(_graph(raw)) if n not in (_GRAPH_NODE, _GRAPH_OUTPUT)]
        declared = {_name(v): v for n, v in _fields(_graph(raw)) if n == _GRAPH_OUTPUT}
        body = [_encode(n, v) for n, v in kept]
        body += [_encode(_GRAPH_NODE, memoryview(node.encoded())) for node in changed]
        body += [_encode(_GRAPH_INITIALIZER, memoryview(_encoded_tensor(*item))) for item in added.items()]
        body += [_encode(_GRAPH_OUTPUT, declared.get(name) or memoryview(_encode_text(1, name))) for name in outputs]
        graph = memoryview(b"".join(body))
        model = [_encode(n, graph if n == _MODEL_GRAPH else v) for n, v in _fields(memoryview(raw))]
        domains = sorted({node.domain for node in changed if node.domain})
        return b"".join(
            model + [_encode(_MODEL_DOMAIN, memoryview(_encode_text(1, d) + _encode(2, 1))) for d in domains]
        )


def output_names(raw: bytes, path: Path) -> list[str]:
    """The outputs that a graph declares.

    Raises:
        ModelError: Naming `path`, as `initializers`
    """
    with _reading(path):
        return [_name(value) for number, value in _fields(_graph(raw)) if number == _GRAPH_OUTPUT]


# ------------------------------------------------------------------ protobuf


@contextlib.contextmanager
def _reading(path: Path) -> Generator[None]:
    try:
        yield
    except (IndexError, ValueError, KeyError, StopIteration) as error:
        raise ModelError(f"{path} is not a whole ONNX model ({error}); fetch the file again") from error


def _varint(buffer: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = buffer[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7


def _fields(buffer: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and content of each field: an int for a varint, a slice for anything else."""
    at = 0
    while at < len(buffer):
        key, at = _varint(buffer, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(buffer, at)
            yield number, value
            continue
        size = {1: 8, 5: 4}.get(wire)
        if wire == _LENGTH_DELIMITED:
            size, at = _varint(buffer, at)
        if size is None:
            raise ValueError(f"wire type {wire}")
        if at + size > len(buffer):
            raise ValueError(f"a field of {size} bytes where {len(buffer) - at} are left")
        yield number, buffer[at : at + size]
        at += size


def _encode(number: int, value: int | memoryview) -> bytes:
    """A field as bytes; only varints and length-delimited ones, which is all that models and graphs hold."""
    if isinstance(value, int):
        return _encode_varint(number << 3) + _encode_varint(value)
    return _encode_varint(number << 3 | _LENGTH_DELIMITED) + _encode_varint(len(value)) + bytes(value)


def _encode_varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _graph(raw: bytes) -> memoryview:
    graphs = [value for number, value in _fields(memoryview(raw)) if number == _MODEL_GRAPH]
    if len(graphs) != 1:
        raise ValueError(f"{len(graphs)} graphs")
    return _slice(graphs[0])


def _slice(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise ValueError("a number where bytes should be")
    return value


def _text(value: int | memoryview) -> str:
    return bytes(_slice(value)).decode()


def _node(value: int | memoryview) -> OnnxNode:
    parts = list(_fields(_slice(value)))
    name, kind = ("".join(_text(v) for n, v in parts if n == at) for at in (3, 4))
    inputs, outputs = (tuple(_text(v) for n, v in parts if n == at) for at in (1, 2))
    stored = b"".join(_encode(n, v) for n, v in parts if n > _NODE_KIND)
    return OnnxNode(name, kind, inputs, outputs, dict(_integers(v) for n, v in parts if n == _NODE_ATTRIBUTE), stored)


def _integers(value: int | memoryview) -> tuple[str, tuple[int, ...]]:
    """Name of an AttributeProto and its integers, none where it holds something else."""
    name, found = "", list[int]()
    for number, field_value in _fields(_slice(value)):
        if number == 1:
            name = _text(field_value)
        elif number in (_ATTRIBUTE_INT, _ATTRIBUTE_INTS):
            found += _ints(field_value)
    return name, tuple(found)


def _encoded_integers(name: str, values: tuple[int, ...]) -> bytes:
    """An AttributeProto of the kind INTS, or INT where it is no list by its name."""
    if name in _SINGLE:
        (value,) = values
        return _encode_text(1, name) + _encode(_ATTRIBUTE_INT, value) + _encode(20, 2)
    return _encode_text(1, name) + b"".join(_encode(_ATTRIBUTE_INTS, value) for value in values) + _encode(20, 7)


def _encoded_tensor(name: str, values: OnnxArray) -> bytes:
    """A TensorProto."""
    kind = next(number for number, dtype in _DTYPES.items() if values.dtype == dtype)
    dims = b"".join(_encode(1, size) for size in values.shape)
    return dims + _encode(2, kind) + _encode_text(8, name) + _encode(9, memoryview(values.tobytes()))


def _encode_text(number: int, text: str) -> bytes:
    return _encode(number, memoryview(text.encode()))


def _name(value: int | memoryview) -> str:
    """Name of a ValueInfoProto."""
    return next((_text(v) for n, v in _fields(_slice(value)) if n == 1), "")


def _tensor(value: int | memoryview) -> tuple[str, OnnxArray]:
    dims: list[int] = []
    name, kind, raw = "", 0, b""
    for number, content in _fields(_slice(value)):
        if number == 1:
            dims += _ints(content)
        elif number == 2 and isinstance(content, int):
            kind = content
        elif number == 4:
            raw += bytes(_slice(content))
        elif number in (5, 7):
            raw += np.array(_ints(content), _DTYPES[kind]).tobytes()
        elif number == 8:
            name = _text(content)
        elif number == 9:
            raw = bytes(_slice(content))
    return name, np.frombuffer(raw, _DTYPES[kind]).reshape(dims)


def _ints(field: int | memoryview) -> list[int]:
    """A repeated integer, packed or not."""
    if isinstance(field, int):
        return [_signed(field)]
    values: list[int] = []
    at = 0
    while at < len(field):
        value, at = _varint(field, at)
        values.append(_signed(value))
    return values


def _signed(value: int) -> int:
    """A varint has negative numbers as 64 bits in two's complement."""
    return value - (1 << 64) if value >> 63 else value
