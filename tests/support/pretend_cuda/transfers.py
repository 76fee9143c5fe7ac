"""Copies between pinned memory and the device that do not block: they happen when the host has waited."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .streams import Known, Stream


@dataclass(frozen=True, slots=True)
class _Pending:
    stream: Stream
    number: int
    finish: Callable[[], None]


class Transfers:
    """Copies that may not have happened yet, and which host memory is pinned."""

    def __init__(self) -> None:
        self._storages: dict[int, int] = {}
        self._pending: list[_Pending] = []

    def pin(self, tensor: Tensor) -> Tensor:
        """Declare the memory of a tensor as pinned until the tensor is gone."""
        pointer = tensor.untyped_storage().data_ptr()
        self._storages[pointer] = self._storages.get(pointer, 0) + 1
        weakref.finalize(tensor, self._unpin, pointer)
        return tensor

    def _unpin(self, pointer: int) -> None:
        self._storages[pointer] -= 1
        if not self._storages[pointer]:
            del self._storages[pointer]

    def is_pinned(self, tensor: Tensor) -> bool:
        """Whether a tensor lies in pinned memory."""
        return tensor.numel() > 0 and tensor.untyped_storage().data_ptr() in self._storages

    def download(self, stream: Stream, source: Tensor, target: Tensor) -> None:
        """Copy to pinned memory: until the host has waited, garbage is there."""
        values = source.to(target.dtype, copy=True)
        with torch.inference_mode():
            target.fill_(_garbage(target.dtype))

        def finish() -> None:
            with torch.inference_mode():
                target.copy_(values)

        self._pending.append(_Pending(stream, stream.number, finish))

    def upload(self, stream: Stream, source: Tensor) -> None:
        """Watch pinned memory that is being copied to the device: it may not change before the host has waited."""
        values = source.clone()

        def finish() -> None:
            if not torch.equal(values.nan_to_num(), source.nan_to_num()):
                raise RuntimeError("pinned memory was written again before its copy to the device was done")

        self._pending.append(_Pending(stream, stream.number, finish))

    def finish(self, known: Known) -> None:
        """Finish what the host has waited for.

        Raises:
            RuntimeError: Pinned memory was changed too early
        """
        done = [copy for copy in self._pending if known.get(copy.stream, 0) >= copy.number]
        self._pending = [copy for copy in self._pending if known.get(copy.stream, 0) < copy.number]
        for copy in done:
            copy.finish()


def _garbage(dtype: torch.dtype) -> float | int | bool:
    if dtype == torch.bool:
        return True
    return float("nan") if dtype.is_floating_point or dtype.is_complex else torch.iinfo(dtype).min
