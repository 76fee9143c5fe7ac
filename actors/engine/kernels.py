"""Kernels that torch compiles, kept in speechmill's cache folder, so that a restart finds them.

Guaranteed: if several replicas start at once on a machine, one compiles and the others find its kernels. Files that a
killed process left half written are thrown away. Machines that share the folder share kernels only if they are alike,
because kernels are made for one kind of processor. A folder that the user has set for torch stays, and so do torch's
switches. If speechmill's folder cannot be written, torch uses its own.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
import shutil
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from ..device.disk_cache import cache_folder
from ..device.machine import hardware, versions

logger = logging.getLogger(__name__)

_VARIABLE = "TORCHINDUCTOR_CACHE_DIR"
_WHOLE = "whole"
"""The file that marks a folder as complete: all kernels were compiled and written."""
_LOCK_S = 600.0
"""Seconds that a replica waits for another one that compiles the same; then it compiles for itself."""


@contextmanager
def kept_kernels(device: torch.device, network: Mapping[str, object]) -> Generator[None]:
    """Keep the kernels that the block compiles for this network, or find them again.

    Enter the block before torch's compiler is imported, because the import reads the folder's name.

    Args:
        network: All that the kernels depend on: sizes, number format
    """
    if _is_named():
        yield
        return
    folder = cache_folder() / "kernels" / _digest(device, network)
    lock = FileLock(folder.with_suffix(".lock"), timeout=_LOCK_S)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        if not (folder / _WHOLE).exists():
            lock.acquire()
        if not (folder / _WHOLE).exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
    except (OSError, Timeout) as error:
        logger.warning("what is compiled is not kept, the next start compiles anew: %s", error)
        lock.release()
        yield
        return
    try:
        with _named(folder):
            yield
    except BaseException:
        # The folder may be damaged: the next start begins with an empty one.
        with suppress(OSError):
            (folder / _WHOLE).unlink()
        raise
    else:
        with suppress(OSError):
            (folder / _WHOLE).touch()
    finally:
        lock.release()


@contextmanager
def _named(folder: Path) -> Generator[None]:
    before = os.environ.get(_VARIABLE)
    os.environ[_VARIABLE] = str(folder)
    try:
        yield
    finally:
        os.environ.pop(_VARIABLE)
        if before is not None:
            os.environ[_VARIABLE] = before


def _is_named() -> bool:
    """Whether the user has set a folder; torch sets one itself when its compiler is imported."""
    named = os.environ.get(_VARIABLE)
    if not named or "torch._dynamo" not in sys.modules:
        return bool(named)
    from torch._inductor.runtime.cache_dir_utils import default_cache_dir

    return named != default_cache_dir()


def _digest(device: torch.device, network: Mapping[str, object]) -> str:
    machine = (hardware("cpu"), torch.backends.cpu.get_cpu_capability(), hardware(device.type))
    software = (platform.python_version(), versions("torch", "speechmill"))
    text = json.dumps([machine, software, dict(network)], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
