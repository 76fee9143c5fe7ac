"""What a model makes of a recording before it speaks with its voice, made once on a machine and kept.

Guaranteed: an embedding depends on the clip, on the words where they are asked for, and on the model's revision alone;
what is read back is what was made, bit by bit. Two replicas of a machine do not make the same one at once.
"""

from __future__ import annotations

import hashlib
import io
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..device.disk_cache import DiskCache
from ..records.reference import Reference

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KIND = "embeddings"
MEMORY_BYTES = 64 << 20
"""Of the embeddings that a replica holds beside the disk."""
DISK_BYTES = 4 << 30
"""Of all embeddings on the disk; the oldest ones go first."""
_LOCK_S = 120.0


class EmbeddingCache:
    """The embeddings of one model.

    Attributes:
        num_made: Embeddings that were computed, neither in memory nor on the disk
    """

    def __init__(
        self,
        model: str,
        revision: str,
        make: Callable[[Reference], NDArray[np.float32]],
        *,
        with_text: bool = False,
        folder: Path | None = None,
    ) -> None:
        """A cache for one kind of embedding.

        Args:
            model, revision: Whose embedding it is; another revision makes its own
            make: Computes one: float32 of any shape
            with_text: The words are part of what it depends on
            folder: By default that of the machine's cache
        """
        self._prefix, self._make, self._with_text = f"{model}\0{revision}", make, with_text
        self._disk = DiskCache(KIND, folder)
        self._held: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        self._held_bytes = 0
        self._guard = threading.Lock()
        self.num_made = 0

    def of(self, reference: Reference) -> NDArray[np.float32]:
        """The embedding of a reference, from memory, from the disk, or made; not to be written to."""
        key = f"{self._prefix}\0{reference.digest}\0{reference.text if self._with_text else ''}"
        name = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:40]
        with self._guard:
            if name in self._held:
                self._held.move_to_end(name)
                return self._held[name]
        found = self._read(name)
        if found is None:
            with self._disk.exclusive(f"{name[:2]}", _LOCK_S):
                found = self._read(name)
                if found is None:
                    found = self._made(name, reference)
        self._hold(name, found)
        return found

    def _made(self, name: str, reference: Reference) -> NDArray[np.float32]:
        import numpy as np

        made = np.asarray(self._make(reference), np.float32)
        self.num_made += 1
        buffer = io.BytesIO()
        np.save(buffer, made, allow_pickle=False)
        self._disk.write_bytes(f"{name}.npy", buffer.getvalue())
        if self.num_made % 256 == 1:
            self._disk.keep_newest("*.npy", DISK_BYTES)
        made.setflags(write=False)
        return made

    def _read(self, name: str) -> NDArray[np.float32] | None:
        import numpy as np

        def parse(data: bytes) -> NDArray[np.float32]:
            found = np.load(io.BytesIO(data), allow_pickle=False)
            if found.dtype != np.float32:
                raise ValueError(f"numbers of type {found.dtype}")
            found.setflags(write=False)
            return found

        return self._disk.read_bytes(f"{name}.npy", parse)

    def _hold(self, name: str, embedding: NDArray[np.float32]) -> None:
        with self._guard:
            if name not in self._held:
                self._held[name] = embedding
                self._held_bytes += embedding.nbytes
            while self._held_bytes > MEMORY_BYTES and len(self._held) > 1:
                self._held_bytes -= self._held.popitem(last=False)[1].nbytes
