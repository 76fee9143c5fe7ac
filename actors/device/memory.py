"""The memory of a device, as a replica sees it: how much there is, who holds it, how high a batch went.

CUDA is measured by PyTorch's allocator, a CPU by the resident size of the process. Foreign out-of-memory errors are
recognised here. Not known here: models, batches.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import psutil

_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


class Memory(ABC):
    """One device's memory; all figures in bytes.

    Attributes:
        is_main: Main memory: the machine's replicas share it, clips wait in it, a batch's peak is only seen when it is
            a new record of the process, and a batch that takes too much raises nothing: the system ends the process
    """

    is_main = False

    @abstractmethod
    def total(self) -> int:
        """What the device has."""

    @abstractmethod
    def others(self) -> int:
        """What is held by anyone but this process's own tensors."""

    @abstractmethod
    def held(self) -> int:
        """What this process holds now."""

    @abstractmethod
    def watch(self) -> None:
        """Begin a span of time."""

    @abstractmethod
    def peak(self) -> int:
        """The most held since `watch`."""

    def cap(self, bound: int) -> None:
        """Never take more than this, where the device can be told so."""
        del bound

    def release(self) -> None:
        """Give back what is cached and not in use."""
        gc.collect()


class CudaMemory(Memory):
    """A GPU, through PyTorch's caching allocator."""

    def __init__(self) -> None:
        import torch

        self._cuda: Any = torch.cuda
        self._cuda.init()

    def total(self) -> int:
        return self._cuda.mem_get_info()[1]

    def others(self) -> int:
        """Other processes, and this one's CUDA context: all that is in use and not the allocator's."""
        free, total = self._cuda.mem_get_info()
        return max(0, total - free - self._cuda.memory_reserved())

    def held(self) -> int:
        return self._cuda.memory_allocated()

    def watch(self) -> None:
        self._cuda.reset_peak_memory_stats()

    def peak(self) -> int:
        return self._cuda.max_memory_allocated()

    def cap(self, bound: int) -> None:
        # What the allocator caches counts too: at the cap it gives back unused blocks before it fails.
        self._cuda.set_per_process_memory_fraction(min(1.0, bound / self.total()))

    def release(self) -> None:
        super().release()
        self._cuda.empty_cache()


class ProcessMemory(Memory):
    """Main memory: the resident size of this process, within what the machine or its container has."""

    is_main = True

    def __init__(self) -> None:
        self._process = psutil.Process()

    def total(self) -> int:
        limits = [psutil.virtual_memory().total]
        for path in _CGROUP_LIMITS:
            try:
                limits.append(int(Path(path).read_text()))
            except (OSError, ValueError):  # no such file, or "max"
                continue
        return min(limits)

    def others(self) -> int:
        memory = psutil.virtual_memory()
        return max(0, memory.total - memory.available - self.held())

    def held(self) -> int:
        return self._process.memory_info().rss

    def watch(self) -> None:
        """Begin anew where the system can forget its record (Linux); elsewhere the record of the process stands."""
        try:
            Path("/proc/self/clear_refs").write_text("5")
        except OSError:
            return

    def peak(self) -> int:
        return max(self.held(), _high_water())

    def release(self) -> None:
        """Return freed memory to the system, so that what is held at rest can be seen."""
        super().release()
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
        if trim is not None:
            trim(0)


def memory_of(device: str) -> Memory:
    """The memory of "cuda" or "cpu"."""
    return CudaMemory() if device == "cuda" else ProcessMemory()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of Python, numpy or PyTorch says that memory did not suffice."""
    torch = sys.modules.get("torch")
    if isinstance(error, MemoryError) or (torch is not None and isinstance(error, torch.OutOfMemoryError)):
        return True
    # PyTorch's CPU allocator has no class of its own for this.
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def _high_water() -> int:
    try:
        status = Path("/proc/self/status").read_text()
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))
    except (OSError, StopIteration, ValueError):
        pass
    try:
        import resource
    except ImportError:  # not on Windows
        return 0
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return highest if sys.platform == "darwin" else highest * 1024
