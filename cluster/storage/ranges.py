"""A seekable file over an object that can only be fetched in ranges.

Guaranteed: the bytes that `fetch` gives, in any order of reads and seeks; at most one block in memory. Reading on
from the last block doubles the read-ahead up to `block_bytes`; a jump (a parquet footer) starts small again.
Not known here: where the bytes come from, or whether they still are those of the same object: `fetch` sees to that.
"""

from __future__ import annotations

import io
from collections.abc import Callable

BLOCK_BYTES = 8 << 20
FIRST_BYTES = 256 << 10


class RangeReader(io.RawIOBase):
    """Raw reader of `size` bytes through `fetch(start, length)`. Wrap it in io.BufferedReader."""

    def __init__(
        self,
        fetch: Callable[[int, int], bytes],
        size: int,
        first: bytes = b"",
        block_bytes: int = BLOCK_BYTES,
    ) -> None:
        """`first` is what is already known of the beginning of the object."""
        super().__init__()
        self._fetch = fetch
        self._size = size
        self._block = first
        self._start = 0
        self._position = 0
        self._block_bytes = block_bytes
        self._ahead = min(FIRST_BYTES, block_bytes)

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """The position, in bytes."""
        self._check_open()
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move; nothing is fetched.

        Raises:
            ValueError: For a position before the beginning
        """
        self._check_open()
        origins = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}
        if whence not in origins:
            raise ValueError(f"whence {whence!r} is none of 0, 1, 2")
        position = origins[whence] + offset
        if position < 0:
            raise ValueError(f"position {position} lies before the beginning of the object")
        self._position = position
        return position

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Fill the buffer from the block at hand, or from the next one; 0 at the end."""
        self._check_open()
        wanted = min(len(buffer), self._size - self._position)
        if wanted <= 0:
            return 0
        if not self._start <= self._position < self._start + len(self._block):
            self._load(wanted)
        offset = self._position - self._start
        piece = memoryview(self._block)[offset : offset + wanted]
        buffer[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)

    def close(self) -> None:
        """Let go of the block."""
        self._block = b""
        super().close()

    def _load(self, wanted: int) -> None:
        reads_on = self._position == self._start + len(self._block)
        self._ahead = self._ahead * 2 if reads_on else FIRST_BYTES
        self._ahead = min(max(self._ahead, wanted), self._block_bytes)
        length = min(self._ahead, self._size - self._position)
        self._block = b""  # the old block goes before the new one comes
        self._block = self._fetch(self._position, length)
        self._start = self._position
        if len(self._block) != length:
            raise ValueError(f"{length} bytes asked for at {self._position}, {len(self._block)} received")

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("the file is closed")
