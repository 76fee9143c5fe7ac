"""Weights of others, read as untrusted input: nothing in them is run, and no more memory is taken than was agreed.

Safetensors files hold numbers alone, and their headers say how many before any is read
(`chattts.checkpoint.safetensors_file`). Files of `torch.save` are pickles: they are read here.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

from ...errors import ModelError


def load_pickled(file: Path, most_bytes: int) -> object:
    """What `torch.save` wrote, on the CPU: tensors and plain containers, no code.

    Args:
        file: The file.
        most_bytes: The most that it may hold, packed or unpacked.

    Raises:
        ModelError: The file cannot be read, is larger, or holds anything but tensors and plain containers.
    """
    import torch

    try:
        size = max(file.stat().st_size, _unpacked_bytes(file))
        if size > most_bytes:
            raise ModelError(f"{file} holds {size:,} bytes, where at most {most_bytes:,} are expected")
        return torch.load(file, map_location="cpu", weights_only=True)
    except ModelError:
        raise
    except Exception as error:  # the unpickler raises what it likes
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"{file} cannot be read as tensors: {reason}") from error


def _unpacked_bytes(file: Path) -> int:
    """What the members of an archive say of their sizes; 0 for a file of the older form, which is none."""
    if not zipfile.is_zipfile(file):
        return 0
    with zipfile.ZipFile(file) as archive:
        return sum(member.file_size for member in archive.infolist())
