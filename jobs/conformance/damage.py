"""Copies of a model's weights with a fault each, for the law that what is damaged is refused.

No byte of a large file is copied twice: other files are links, and what is left of the damaged one is a hole in the
file system. Not known here: what a model makes of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt", ".onnx")
"""By which a file of weights is known."""
_MOST_HEADER = 100_000_000
_COPIED_BYTES = 2**20


def largest_weights(path: Path) -> Path | None:
    """The largest file of weights in a folder, or the file itself; None where none is known by its ending."""
    files = [path] if path.is_file() else [file for file in sorted(path.rglob("*")) if file.is_file()]
    weights = [file for file in files if file.suffix.lower() in SUFFIXES]
    return max(weights, key=lambda file: file.stat().st_size, default=None)


def damaged_copies(path: Path, weights: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    """What is wrong with each copy, and the copy, as `model.path` would name it.

    Args:
        path: A folder of weights, or one file.
        weights: The file in it that is to be damaged.
        folder: An empty folder, for the copies.
    """
    size = weights.stat().st_size
    with weights.open("rb") as opened:
        head = opened.read(min(size // 2, _COPIED_BYTES))
    yield "cut to half of its length", _copy(path, weights, folder / "cut", head, size // 2)
    if weights.suffix.lower() == ".safetensors":
        renamed = _renamed_header(weights)
        if renamed is not None:
            yield "with a tensor of another name", _copy(path, weights, folder / "renamed", renamed, size)


def _copy(path: Path, weights: Path, folder: Path, head: bytes, size: int) -> Path:
    """A copy whose damaged file begins with `head` and is `size` long."""
    folder.mkdir()
    root = path if path.is_dir() else path.parent
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        copied = folder / file.relative_to(root)
        if file.is_dir():
            copied.mkdir(parents=True, exist_ok=True)
        elif file == weights:
            copied.parent.mkdir(parents=True, exist_ok=True)
            with copied.open("wb") as opened:
                opened.write(head)
                opened.truncate(size)
        else:
            copied.parent.mkdir(parents=True, exist_ok=True)
            copied.symlink_to(file.resolve())
    return folder if path.is_dir() else folder / path.name


def _renamed_header(file: Path) -> bytes | None:
    """The file's header with another letter at the end of its largest tensor's name; None if it cannot be read."""
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        raw = opened.read(length) if length <= _MOST_HEADER else b""
    try:
        document = json.loads(raw)
        ends = {name: entry["data_offsets"] for name, entry in document.items() if name != "__metadata__"}
        name = max(ends, key=lambda name: ends[name][1] - ends[name][0])
    except (ValueError, TypeError, KeyError, IndexError):
        return None
    other = name[:-1] + ("X" if name[-1] != "X" else "Y")
    renamed = raw.replace(json.dumps(name, ensure_ascii=False).encode(), json.dumps(other, ensure_ascii=False).encode())
    return length.to_bytes(8, "little") + renamed if renamed != raw and len(renamed) == len(raw) else None
