"""What a place of input files must do beside a local folder: list them, and open one. Every `Storage` does.

Guaranteed by each: what is opened is seekable and read in pieces; errors are those of `speechmill.errors`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import BinaryIO, Protocol

from ...cluster.storage.base import Entry

_BLOCK_BYTES = 1 << 16
_MAX_BLOCKS = 1 << 13
"""Files up to 512 MiB are hashed whole, larger ones in this many blocks spread over them, both ends among them."""


class Source(Protocol):
    """A place of input files."""

    def open(self, key: str) -> BinaryIO:
        """A seekable file.

        Raises:
            StorageMissing: No object lies under the key
            StorageDenied: The store refuses the request
            StorageUnavailable: The store does not answer
            CorpusError: The corpus cannot be read; the message names the file and place
        """
        ...

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """Files whose key starts with `prefix`, as they are now, or as they will be read. Raises what `open` does."""
        ...


def digest_of(stream: BinaryIO, size: int) -> str:
    """A hash of the content of a file of this many bytes; of samples, over 512 MiB."""
    digest = hashlib.blake2b(digest_size=16)
    for offset in _sampled(size):
        stream.seek(offset)
        digest.update(stream.read(_BLOCK_BYTES))
    return digest.hexdigest()


def _sampled(size: int) -> Iterator[int]:
    """Where the blocks begin that stand for a file of this size."""
    num_blocks = -(-size // _BLOCK_BYTES)
    if num_blocks <= _MAX_BLOCKS:
        yield from range(0, size, _BLOCK_BYTES)
    else:
        last = size - _BLOCK_BYTES
        yield from (last * block // (_MAX_BLOCKS - 1) for block in range(_MAX_BLOCKS))
