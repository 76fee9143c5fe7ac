"""The few parts of an ONNX file that models need whose weights are published as one, read without the onnx package.

Guarantees that a file which is cut short or is no ONNX file raises ModelError naming it. Knows protobuf's wire
format and the field numbers of onnx.proto; knows nothing of what the tensors mean.
Source: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelError

OnnxArray = NDArray[np.generic]
_MODEL_GRAPH, _GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_OUTPUT = 7, 1, 5, 12
_DTYPES: dict[int, type[np.generic]] = {1: np.float32, 2: np.uint8, 3: np.int8, 6: np.int32, 7: np.int64}
_LENGTH_DELIMITED = 2


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
    """An operation of a graph: its own name, its kind ("Conv"), and the names of the tensors that go in."""

    name: str
    kind: str
    inputs: tuple[str, ...]


def nodes(raw: bytes, path: Path) -> list[OnnxNode]:
    """Every operation in the order of the graph.

    Raises:
        ModelError: The file is damaged; the message names it
    """
    with _reading(path):
        return [_node(value) for number, value in _fields(_graph(raw)) if number == _GRAPH_NODE]


def with_frame_major_head(raw: bytes, path: Path) -> bytes:
    """The same model with these outputs: f0, the head before its split, float32 [1, num_frames, 5 * bins], and `ends`.

    The published graph transposes the head to [5 * bins, num_frames] and splits it; synthesis wants it by frame. `ends`
    [1, num_tokens], the steps of durations up to the end of each token, is the only cumulative sum of the graph; its
    name is the one that it has there, and it is left out where there are several or none.
    Returns `raw` itself when the graph does not end that way.

    Raises:
        ModelError: Naming `path`, as `initializers`
    """
    with _reading(path):
        graph = _graph(raw)
        head = _head_name(graph)
        if head is None:
            return raw
        kept = [_encode(n, v) for n, v in _fields(graph) if n != _GRAPH_OUTPUT or _name(v) == "f0"]
        for name in filter(None, (head, _only_sum(graph))):
            kept.append(_encode(_GRAPH_OUTPUT, memoryview(_encode(1, memoryview(name.encode())))))
        body = memoryview(b"".join(kept))
        return b"".join(_encode(n, body if n == _MODEL_GRAPH else v) for n, v in _fields(memoryview(raw)))


def _only_sum(graph: memoryview) -> str | None:
    found: list[str] = []
    for number, value in _fields(graph):
        if number == _GRAPH_NODE:
            parts = list(_fields(_slice(value)))
            if any(n == 4 and _text(v) == "CumSum" for n, v in parts):
                found += [_text(v) for n, v in parts if n == 2]
    return found[0] if len(found) == 1 else None


def _head_name(graph: memoryview) -> str | None:
    producers: dict[str, tuple[str, list[str]]] = {}
    for number, value in _fields(graph):
        if number == _GRAPH_NODE:
            parts = list(_fields(_slice(value)))
            inputs = [_text(v) for n, v in parts if n == 1]
            kind = next((_text(v) for n, v in parts if n == 4), "")
            producers.update((_text(v), (kind, inputs)) for n, v in parts if n == 2)
    kind, inputs = producers.get("lh", ("", [""]))
    if kind != "Split":
        return None
    kind, inputs = producers.get(inputs[0], ("", [""]))
    return inputs[0] if kind == "Transpose" else None


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
    name, kind = ("".join(_text(v) for n, v in parts if n == field) for field in (3, 4))
    return OnnxNode(name, kind, tuple(_text(v) for n, v in parts if n == 1))


def _name(value: int | memoryview) -> str:
    """Name of a ValueInfoProto."""
    return next((_text(v) for n, v in _fields(_slice(value)) if n == 1), "")


def _tensor(value: int | memoryview) -> tuple[str, OnnxArray]:
    dims: list[int] = []
    name, kind, raw = "", 0, b""
    for number, field in _fields(_slice(value)):
        if number == 1:
            dims += _ints(field)
        elif number == 2 and isinstance(field, int):
            kind = field
        elif number == 4:
            raw += bytes(_slice(field))
        elif number in (5, 7):
            raw += np.array(_ints(field), _DTYPES[kind]).tobytes()
        elif number == 8:
            name = _text(field)
        elif number == 9:
            raw = bytes(_slice(field))
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
