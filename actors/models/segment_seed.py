"""The seed of a segment, from that of its row. Standard library only."""

from __future__ import annotations

import hashlib


def segment_seed(seed: int, segment: int, purpose: str = "speak", attempt: int = 0) -> int:
    """The seed of all that is drawn for one segment: 0 … 2**63 - 1.

    Args:
        seed: Of the row.
        segment: The segment's index: without it, the pieces of a row would begin alike.
        purpose: What is drawn, where a model draws for more than one thing.
        attempt: How often the segment was spoken before and refused.
    """
    place = f"{seed}/{segment}/{purpose}" + (f"/{attempt}" if attempt else "")
    return int.from_bytes(hashlib.blake2b(place.encode(), digest_size=8).digest(), "little") >> 1
