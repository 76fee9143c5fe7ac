"""All rows of a corpus by what decides their audio: a key a row is found by, and where the row can be read again.

Memory takes 41 bytes a row, and three times as much while rows are sorted; metadata lies in a temporary file.
Guaranteed: what is read again is what was read, or the read is refused because a file has changed.
"""

from __future__ import annotations

import json
import tempfile
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ...actors.records.json_line import dumps
from ...actors.records.utterance import Failure, JsonScalar, Utterance
from ..corpus import Corpus, IdIndex, Position, RowStream
from .clip_digests import ClipDigests
from .keys import key_of_row, metadata_hash

_ROW = np.dtype([("high", "<u8"), ("low", "<u8"), ("metadata", "<u8")])
Rows = NDArray[np.int64]
NO_SEEDS: Mapping[str, int] = {}


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive rows of the corpus: where they begin, and which of them repeat an id."""

    start: Position
    first_row: int
    num_rows: int
    repeated: tuple[int, ...]


class CorpusTable:
    """The rows of one corpus.

    Attributes:
        num_rows: Rows of the corpus
        metadata: uint64 [num_rows], hashes of the rows' metadata
        is_rejected: bool [num_rows], rows that cannot be spoken
        asked_seeds: By row, the corpus's seed, where another one is spoken
    """

    def __init__(self, corpus: Corpus, block_rows: int, seeds: Mapping[str, int] = NO_SEEDS) -> None:
        self._corpus = corpus
        self._seeds = seeds
        self._clips = ClipDigests(corpus.options)
        self.asked_seeds: dict[int, int] = {}
        self._block_rows = block_rows
        self._blocks: list[Block] = []
        self._spool = tempfile.TemporaryFile(prefix="speechmill-metadata-")  # noqa: SIM115 - it lives as the table does
        weakref.finalize(self, self._spool.close)
        self._ends = np.zeros(1, np.int64)
        self.metadata = np.zeros(0, np.uint64)
        self.is_rejected = np.zeros(0, np.bool_)
        self.num_rows = 0

    @classmethod
    def read(cls, corpus: Corpus, block_rows: int, seeds: Mapping[str, int] = NO_SEEDS) -> Self:
        """Read a corpus from its first row to its last.

        Args:
            block_rows: Rows in memory at once
            seeds: By id, seeds that rows have in place of their own

        Raises:
            CorpusError: The corpus cannot be read
            CorpusChanged: A file has changed since the corpus was found
        """
        table = cls(corpus, block_rows, seeds)
        found: list[bytes] = []
        lengths: list[NDArray[np.int64]] = []
        rejected: list[NDArray[np.bool_]] = []
        ids = IdIndex() if corpus.has_ids else None
        stream, is_at_end = corpus.stream(), False
        while not is_at_end:
            start, first_row = stream.position, stream.row
            with stream.unchanged():
                block = stream.take(block_rows)
                is_at_end = stream.is_at_end
            repeated = [] if ids is None else [block.spoken[at] for at in ids.add(block.hashes)]
            block.repeated(repeated)
            table._blocks.append(Block(start, first_row, len(block), tuple(repeated)))
            read = block.rows
            rows, sizes = table._add(read)
            found.append(rows)
            lengths.append(sizes)
            rejected.append(np.fromiter((isinstance(row, Failure) for row in read), np.bool_, len(read)))
        table._index(b"".join(found), np.concatenate(lengths), np.concatenate(rejected))
        return table

    def _add(self, rows: Sequence[Utterance | Failure]) -> tuple[bytes, NDArray[np.int64]]:
        """The entries of these rows, and the lengths of their metadata, which is spooled."""
        voice, asked = self._corpus.options.default_voice, self.asked_seeds.get
        rows = [self._seeded(row) for row in rows] if self._seeds else rows
        texts = [dumps(row.metadata) if row.metadata else "{}" for row in rows]
        spooled = [b"" if text == "{}" else text.encode("utf-8") for text in texts]
        self._spool.write(b"".join(spooled))
        heard = self._clips.of(rows)
        entries = [
            key_of_row(row, voice, asked(row.row), heard.get(row.row, "")) + metadata_hash(text).to_bytes(8, "little")
            for row, text in zip(rows, texts, strict=True)
        ]
        return b"".join(entries), np.fromiter(map(len, spooled), np.int64, len(spooled))

    def _seeded(self, row: Utterance | Failure) -> Utterance | Failure:
        """The row with the seed that it is spoken with."""
        seed = self._seeds.get(row.id)
        if isinstance(row, Failure) or seed is None or seed == row.seed:
            return row
        self.asked_seeds[row.row] = row.seed
        return replace(row, seed=seed)

    def _index(self, entries: bytes, lengths: NDArray[np.int64], rejected: NDArray[np.bool_]) -> None:
        found: Any = np.frombuffer(entries, _ROW)
        self.num_rows = len(found)
        self._order = np.argsort(found["high"], kind="stable")
        self._high = np.ascontiguousarray(found["high"][self._order])
        self._low = np.ascontiguousarray(found["low"][self._order])
        self.metadata = np.ascontiguousarray(found["metadata"])
        self._ends = np.concatenate([[0], np.cumsum(lengths)])
        self.is_rejected = rejected

    def find(self, keys: Sequence[bytes]) -> Rows:
        """The rows with these keys; int64 [len(keys)], -1 where there is none."""
        wanted: Any = np.frombuffer(b"".join(keys), "<u8").reshape(-1, 2)
        at = np.searchsorted(self._high, wanted[:, 0])
        found = np.full(len(keys), -1, np.int64)
        for number, first in enumerate(at.tolist()):
            high, low = wanted[number]
            for place in range(first, self.num_rows):
                if self._high[place] != high:
                    break
                if self._low[place] == low:  # more than one of the same high half is a matter of chance
                    found[number] = self._order[place]
                    break
        return found

    def metadata_of(self, row: int) -> dict[str, JsonScalar]:
        """The metadata of a row."""
        start, end = int(self._ends[row]), int(self._ends[row + 1])
        if start == end:
            return {}
        self._spool.seek(start)
        return json.loads(self._spool.read(end - start))

    def read_again(self, is_wanted: NDArray[np.bool_]) -> Iterator[list[Utterance | Failure]]:
        """The rows that are wanted, in order, those of a block at a time; other blocks are not read.

        Raises:
            CorpusError: The corpus cannot be read
            CorpusChanged: A file has changed since
        """
        stream: RowStream | None = None
        for block in self._blocks:
            wanted = np.flatnonzero(is_wanted[block.first_row : block.first_row + block.num_rows]).tolist()
            if not wanted:
                continue
            stream = stream or self._corpus.stream()
            if stream.row != block.first_row:
                stream.seek(block.start, block.first_row)
            with stream.unchanged():
                taken = stream.take(self._block_rows)
            taken.repeated(block.repeated)
            rows = taken.rows
            yield [self._seeded(rows[at]) for at in wanted]
