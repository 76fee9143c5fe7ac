"""SHA-256 of large files, remembered by path, size and time of change: 1.2 GB of weights are read once, not each run.

Guarantees the true digest of a file that nobody changes behind its time of change. A memory that cannot be read or
written costs time and nothing else.
"""

from __future__ import annotations

import hashlib
import logging
import re
from pathlib import Path

from ....batcher.cache import keep

logger = logging.getLogger(__name__)


def sha256(file: Path, memory: Path) -> str:
    """The digest in hexadecimal, from the folder `memory` if it is there. Raises OSError if the file cannot be read."""
    file = file.resolve()
    stat = file.stat()
    key = hashlib.sha256(f"{file}\0{stat.st_size}\0{stat.st_mtime_ns}".encode(errors="surrogateescape")).hexdigest()
    kept = memory / key[:32]
    digest = _recalled(kept)
    if digest is None:
        with file.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        _remember(kept, digest)
    return digest


def _recalled(kept: Path) -> str | None:
    try:
        digest = kept.read_text(encoding="ascii")
    except (OSError, ValueError):
        return None
    return digest if re.fullmatch(r"[0-9a-f]{64}", digest) else None


def _remember(kept: Path, digest: str) -> None:
    try:
        keep(kept, digest)
    except OSError as error:
        logger.warning("the digest is not kept, the next run reads the weights again: %s", error)
