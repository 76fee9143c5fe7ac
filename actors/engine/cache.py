"""Keys and values of every row in the engine: one slab with a slot for each row, positions in order.

The rows in use are always the first slots: when a row ends, the last row moves into its slot. So a step reads views of
the slab and copies nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor


class Cache:
    """A slab float [layers, 2, slots, heads, positions, head size]."""

    def __init__(
        self,
        layers: int,
        slots: int,
        heads: int,
        positions: int,
        head_size: int,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.positions = positions
        self._slab = torch.zeros(layers, 2, slots, heads, positions, head_size, dtype=dtype, device=device)

    @staticmethod
    def bytes_per_position(layers: int, heads: int, head_size: int, dtype: torch.dtype) -> int:
        """Bytes of one position of one slot, over all layers."""
        return 2 * layers * heads * head_size * dtype.itemsize

    def put(self, layer: int, first: int, at: Tensor, key: Tensor, value: Tensor) -> None:
        """Write keys and values [rows, heads, time, head size] of the rows from slot `first` on.

        Args:
            at: int64 [rows, time]: the position of each key and value
        """
        rows = torch.arange(first, first + len(at), device=at.device)[:, None]
        # [rows, time, heads, head size]: indices apart from each other put their axes in front
        self._slab[layer, 0][rows, :, at] = key.transpose(1, 2).to(self._slab.dtype)
        self._slab[layer, 1][rows, :, at] = value.transpose(1, 2).to(self._slab.dtype)

    def put_pairs(self, layer: int, rows: Tensor, at: Tensor, pairs: Tensor) -> None:
        """Write keys and values in one pass: as `put`, but the caller makes the slots' numbers once for all layers.

        Args:
            rows: int64 [rows, 1]: the slots
            at: int64 [rows, time]: the position of each key and value
            pairs: [rows, time, 2, heads, head size]: a key, then its value
        """
        self._slab[layer][:, rows, :, at] = pairs

    def layer(self, number: int) -> Tensor:
        """Keys and values of one layer: float [2, slots, heads, positions, head size]; no copy."""
        return self._slab[number]

    def view(self, layer: int, first: int, rows: int, positions: int) -> tuple[Tensor, Tensor]:
        """Keys and values [rows, heads, positions, head size] of the rows from slot `first` on; no copy."""
        part = self._slab[layer, :, first : first + rows, :, :positions]
        return part[0], part[1]

    def copy(self, slot: int, positions: int) -> Tensor:
        """The first positions of a slot: float [layers, 2, heads, positions, head size]."""
        return self._slab[:, :, slot, :, :positions].clone()

    def paste(self, slot: int, copied: Tensor) -> None:
        """Write copied positions into a slot."""
        self._slab[:, :, slot, :, : copied.shape[3]] = copied.to(self._slab.device)

    def move(self, source: int, target: int, positions: int) -> None:
        """Copy the first positions of one slot into another."""
        self._slab[:, :, target, :, :positions] = self._slab[:, :, source, :, :positions]

    def swap(self, one: int, other: int, positions: int) -> None:
        """Exchange the first positions of two slots."""
        held = self.copy(one, positions)
        self.move(other, one, positions)
        self._slab[:, :, other, :, :positions] = held
