"""Give an Ogg stream a chosen serial number: libsndfile draws it at random, which makes equal audio unequal bytes.

Ogg pages are RFC 3533. Only a single logical stream as libsndfile writes it is meant; anything else is refused.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

_HEADER = 27
_SERIAL = slice(14, 18)
_CHECKSUM = slice(22, 26)
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def with_serial(data: bytes, serial: int) -> bytes:
    """The same stream under another serial number (0 … 2**32 - 1).

    Raises:
        ValueError: If it is no Ogg stream
    """
    stream = bytearray(data)
    for start, end in _pages(data):
        page = bytearray(data[start:end])
        page[_SERIAL] = serial.to_bytes(4, "little")
        page[_CHECKSUM] = bytes(4)
        page[_CHECKSUM] = checksum(bytes(page)).to_bytes(4, "little")
        stream[start:end] = page
    return bytes(stream)


def checksum(page: bytes) -> int:
    """Ogg's CRC-32 of a page whose checksum field is zero (RFC 3533, section 6).

    It has zlib's polynomial but the other bit order and no inversion, so zlib computes it on bytes turned round.
    """
    mirrored = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)


def _pages(data: bytes) -> Iterator[tuple[int, int]]:
    """Start and end of every page, which together are the whole stream."""
    start = 0
    while start < len(data):
        num_segments = data[start + _HEADER - 1] if start + _HEADER <= len(data) else 0
        table = data[start + _HEADER : start + _HEADER + num_segments]
        end = start + _HEADER + num_segments + sum(table)
        if data[start : start + 4] != b"OggS" or end > len(data):
            raise ValueError(f"byte {start} of {len(data)} does not start a whole Ogg page")
        yield start, end
        start = end
