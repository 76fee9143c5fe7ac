"""The memory of the pretended device: what is allocated, what the allocator has reserved, and the most so far."""

from __future__ import annotations

import threading

import torch

_BLOCK, _SEGMENT = 512, 2 << 20
"""Sizes in bytes that torch's allocator rounds allocations and reservations up to."""


class DeviceMemory:
    """Counts allocations.

    Args:
        total: Bytes of the device
        context: Bytes that the driver's context takes of them
    """

    def __init__(self, total: int = 8 << 30, context: int = 400 << 20) -> None:
        self.total, self.context = total, context
        self.allocated = self.reserved = self.most_allocated = self.most_reserved = 0
        self._limit = total - context
        # A block may be freed by a thread that is counting one already: the collector of garbage runs at any time.
        self._lock = threading.RLock()

    def allocate(self, num_bytes: int) -> None:
        """Count an allocation.

        Raises:
            torch.OutOfMemoryError: It does not fit
        """
        with self._lock:
            allocated = self.allocated + _rounded(num_bytes, _BLOCK)
            reserved = max(self.reserved, _rounded(allocated, _SEGMENT))
            if reserved > self._limit:
                raise torch.OutOfMemoryError(
                    f"CUDA out of memory. Tried to allocate {num_bytes:,} bytes: {self.allocated:,} of {self._limit:,} "
                    "are allocated (pretended device)"
                )
            self.allocated, self.reserved = allocated, reserved
            self.most_allocated = max(self.most_allocated, allocated)
            self.most_reserved = max(self.most_reserved, reserved)

    def free(self, num_bytes: int) -> None:
        """Count a block that is free again; it stays reserved."""
        with self._lock:
            self.allocated -= _rounded(num_bytes, _BLOCK)

    def empty_cache(self) -> None:
        """Give back what is reserved and not in use."""
        with self._lock:
            self.reserved = _rounded(self.allocated, _SEGMENT)

    def reset_peaks(self) -> None:
        """Begin to watch anew."""
        self.most_allocated, self.most_reserved = self.allocated, self.reserved

    def limit(self, share: float) -> None:
        """Reserve at most this share of the device."""
        self._limit = min(int(share * self.total), self.total - self.context)

    def info(self) -> tuple[int, int]:
        """Bytes that are free, and all bytes of the device."""
        return self.total - self.context - self.reserved, self.total


def _rounded(num_bytes: int, unit: int) -> int:
    return -(-num_bytes // unit) * unit
