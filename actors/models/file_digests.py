"""SHA-256 of large files, remembered by path, size and time of change: 1.2 GB of weights are read once, not each run.

Guarantees the true digest of a file whose time of change moves with its content. A memory that cannot be read or
written costs time and nothing else.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from ..device.disk_cache import DiskCache


def sha256(file: Path, memory: Path | None = None) -> str:
    """The digest in hexadecimal, remembered in the folder `memory`, by default one of speechmill's cache folder.

    Raises:
        OSError: If the file cannot be read
    """
    file, cache = file.resolve(), DiskCache("hashes", memory)
    stat = file.stat()
    key = hashlib.sha256(f"{file}\0{stat.st_size}\0{stat.st_mtime_ns}".encode(errors="surrogateescape")).hexdigest()
    digest = cache.read(key[:32], _parse)
    if digest is None:
        with file.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        cache.write(key[:32], digest)
    return digest


def _parse(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise ValueError("not a digest")
    return text
