"""SHA-256 of large files, remembered by path, size and time of change: 1.2 GB of weights are read once, not each run.

Guarantees the true digest of a file whose time of change moves with its content. A memory that cannot be read or
written costs time and nothing else.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from ..device.disk_cache import DiskCache

_READ_BYTES = 2**24


def sha256(file: Path, memory: Path | None = None, parts: Sequence[tuple[int, int]] | None = None) -> str:
    """The digest in hexadecimal, remembered in the folder `memory`, by default one of speechmill's cache folder.

    Args:
        parts: The first byte of each part that counts, and the one after its last; None for the whole file

    Raises:
        OSError: If the file cannot be read
    """
    file, cache = file.resolve(), DiskCache("hashes", memory)
    stat = file.stat()
    place = f"{file}\0{stat.st_size}\0{stat.st_mtime_ns}" + ("" if parts is None else f"\0{list(parts)}")
    key = hashlib.sha256(place.encode(errors="surrogateescape")).hexdigest()
    digest = cache.read(key[:32], _parse)
    if digest is None:
        with file.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest() if parts is None else _of_parts(opened, parts)
        cache.write(key[:32], digest)
    return digest


def _of_parts(opened: BinaryIO, parts: Sequence[tuple[int, int]]) -> str:
    digest = hashlib.sha256()
    for begin, end in parts:
        opened.seek(begin)
        left = end - begin
        while left and (read := opened.read(min(left, _READ_BYTES))):
            digest.update(read)
            left -= len(read)
    return digest.hexdigest()


def _parse(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise ValueError("not a digest")
    return text
