"""base16384: bytes as Chinese characters, 14 bits each, the form in which ChatTTS voices are passed around as text.

Guarantees that what `encode` wrote `decode` gives back byte for byte, and that a damaged string is refused: a character
outside the alphabet, a length that no bytes have, a bit set after the last byte. A changed character inside the
alphabet is another valid string; nothing here can see that.
Format: https://github.com/fumiama/base16384, without the optional byte-order mark.
"""

from __future__ import annotations

import numpy as np

from .....errors import RowRejected

_BITS = 14
_FIRST = 0x4E00
_SIZE = 1 << _BITS
_MARKER = 0x3D00  # plus the bytes of the last, incomplete block of 7
_WEIGHTS = 1 << np.arange(_BITS - 1, -1, -1, dtype=np.uint32)


def encode(data: bytes) -> str:
    """Every 7 bytes as 4 characters; a rest of r bytes as ⌈8r/14⌉ characters and a marker."""
    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    padded = np.pad(bits, (0, -len(bits) % _BITS)).reshape(-1, _BITS)
    codes = (padded.astype(np.uint32) @ _WEIGHTS + _FIRST).astype("<u4")
    rest = len(data) % 7
    return codes.tobytes().decode("utf-32-le") + (chr(_MARKER + rest) if rest else "")


def decode(text: str) -> bytes:
    """The bytes of `text`; white space around it is ignored.

    Raises:
        RowRejected: If it is damaged
    """
    text = text.strip()
    rest = ord(text[-1]) - _MARKER if text else 0
    has_marker = 1 <= rest <= 6
    body = text[:-1] if has_marker else text
    rest = rest if has_marker else 0
    for position, char in enumerate(body):
        if not _FIRST <= ord(char) < _FIRST + _SIZE:
            raise RowRejected(
                f"character {position + 1} of the base16384 text is {char!r} (U+{ord(char):04X}), which is not in its "
                "alphabet U+4E00 … U+8DFF: copy the text again"
            )
    num_bytes = len(body) // 4 * 7 + (rest if rest != 6 else -1)  # six bytes fill four characters, as seven do
    if len(body) != -(-8 * num_bytes // _BITS) or num_bytes < 0:
        raise RowRejected(f"the base16384 text of {len(text)} characters is cut off or too long: copy it again")
    codes = np.array([ord(char) - _FIRST for char in body], np.uint32)
    bits = (codes[:, None] & _WEIGHTS > 0).astype(np.uint8).reshape(-1)
    if bits[8 * num_bytes :].any():
        raise RowRejected("the base16384 text ends in bits that belong to no byte: copy it again")
    return np.packbits(bits[: 8 * num_bytes]).tobytes()
