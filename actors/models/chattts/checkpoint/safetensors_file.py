"""The safetensors format: headers read and whole files written, without torch.

Guarantees that a header which is returned describes the file to its last byte, and that a file that is written appears
whole or not at all. Knows nothing of models. Values are read by the safetensors library, where torch is at hand.
The format is that of https://huggingface.co/docs/safetensors.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Shape = tuple[int, ...]

MAX_HEADER_BYTES = 100_000_000  # the library's own limit
_LENGTH_BYTES = 8


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """What a header says of a tensor: its dtype in the format's spelling ("F32"), its shape, and its place.

    Attributes:
        begin, end: Its first byte, and the one after its last, counted from the first after the header
    """

    dtype: str
    shape: Shape
    begin: int = 0
    end: int = 0


def read_header(file: Path) -> Mapping[str, TensorEntry]:
    """The tensors of a file by name.

    Raises:
        ValueError: Which says what is damaged
        OSError: The file system refuses
    """
    num_bytes = file.stat().st_size
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(_LENGTH_BYTES), "little")
        if num_bytes < _LENGTH_BYTES or length > MAX_HEADER_BYTES:
            raise ValueError("it is no safetensors file")
        raw = opened.read(length)
    if len(raw) < length:
        raise ValueError(f"it is cut off in its header: {num_bytes:,} bytes")
    entries, data_bytes = _parsed(raw)
    promised = _LENGTH_BYTES + length + data_bytes
    if num_bytes != promised:
        how = "cut off" if num_bytes < promised else "too long"
        raise ValueError(f"it is {how}: {num_bytes:,} bytes, and its header promises {promised:,}")
    return entries


def _parsed(raw: bytes) -> tuple[dict[str, TensorEntry], int]:
    """The entries, and the bytes that all of them together take."""
    try:
        document = json.loads(raw)
        document.pop("__metadata__", None)
        entries = {
            name: TensorEntry(str(e["dtype"]), tuple(map(int, e["shape"])), *map(int, e["data_offsets"]))
            for name, e in document.items()
        }
        ranges = sorted(tuple(map(int, e["data_offsets"])) for e in document.values())
        ends = [end for _, end in ranges]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError("its header cannot be read") from error
    if [begin for begin, _ in ranges] != [0, *ends][: len(ranges)]:
        raise ValueError("its header leaves holes between tensors")
    return entries, max(ends, default=0)


def data_start(file: Path) -> int:
    """The first byte after the header, from which the places of tensors are counted.

    Raises:
        OSError: The file system refuses
    """
    with file.open("rb") as opened:
        return _LENGTH_BYTES + int.from_bytes(opened.read(_LENGTH_BYTES), "little")


def header_bytes(shapes: Mapping[str, Shape], metadata: Mapping[str, str] | None = None) -> bytes:
    """The start of a file that holds these float32 tensors, sorted by name as the library sorts them."""
    document: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    begin = 0
    for name in sorted(shapes):
        end = begin + 4 * math.prod(shapes[name])
        document[name] = {"dtype": "F32", "shape": list(shapes[name]), "data_offsets": [begin, end]}
        begin = end
    raw = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
    raw += b" " * (-len(raw) % 8)
    return len(raw).to_bytes(_LENGTH_BYTES, "little") + raw


def write_tensors(
    file: Path,
    shapes: Mapping[str, Shape],
    values: Callable[[str, Shape], NDArray[np.float32]],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write float32 tensors, asking `values` for one at a time so that only one is in memory.

    Raises:
        OSError: The file system refuses
    """
    beside = file.with_name(f"{file.name}.partial")
    try:
        with beside.open("wb") as opened:
            opened.write(header_bytes(shapes, metadata))
            for name in sorted(shapes):
                tensor = values(name, shapes[name])
                assert tensor.shape == shapes[name]
                opened.write(np.ascontiguousarray(tensor, "<f4").data)
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)
