"""Rows of the corpus from a position on, as many at a time as are asked for.

Guaranteed: what is taken from a position that an earlier stream over the same files was at is what that stream would
have given next; memory holds the rows that were asked for and one more. Rows before the position are not read, but in
gzip, where the file has to be unpacked up to it, and in parquet, where a row group is read from its beginning.
Not known here: whether ids repeat, and how a change of a file is seen.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from operator import attrgetter, itemgetter

import numpy as np

from ...actors.records.utterance import Failure, Utterance
from ...actors.records.utterance_columns import UtteranceColumns
from ...errors import CorpusError, StorageMissing
from .bloom_filter import Hashes
from .files import InputFile
from .reader import Position, RawRows, Reader
from .rows import MadeRows, RowMaker, merged, place_name

OpenReader = Callable[[InputFile], Reader]
RefuseChanged = Callable[[Sequence[InputFile]], None]


@dataclass(slots=True)
class Block:
    """Consecutive rows of the corpus.

    Attributes:
        first_row: Number in the corpus of the first of them.
        failures: In order.
        spoken: Positions in the block of what was an utterance as it was read.
        hashes: uint64 [len(spoken)], of their ids.
    """

    first_row: int
    utterances: UtteranceColumns
    failures: list[Failure]
    spoken: Sequence[int]
    hashes: Hashes
    _pieces: Sequence[tuple[int, str, str, Sequence[int]]]

    def __len__(self) -> int:
        return len(self.utterances) + len(self.failures)

    @property
    def rows(self) -> list[Utterance | Failure]:
        """All rows in order, made anew with each call."""
        return merged(self.utterances, self.failures)

    def repeated(self, positions: Sequence[int]) -> list[int]:
        """Let the rows at these positions fail, since their ids were used before; the numbers of these rows."""
        if not len(positions):
            return []
        failing = {self.first_row + at for at in positions}
        is_failing = [row in failing for row in self.utterances.rows]
        for row in self.utterances.at([at for at, fails in enumerate(is_failing) if fails]):
            place = self._place(row.row - self.first_row)
            reason = f"{place}: id {row.id!r} is already used by an earlier row; ids have to be unique"
            self.failures.append(Failure(row.row, row.id, reason, row.text, row.metadata))
        self.failures.sort(key=attrgetter("row"))
        self.utterances = self.utterances.at([at for at, fails in enumerate(is_failing) if not fails])
        return sorted(failing)

    def new_hashes(self, repeated: Sequence[int]) -> Hashes:
        """The hashes of the utterances, without those at the positions `repeated`."""
        return self.hashes[~np.isin(self.spoken, repeated)] if len(repeated) else self.hashes

    def _place(self, at: int) -> str:
        first, uri, unit, numbers = self._pieces[bisect_right(self._pieces, at, key=itemgetter(0)) - 1]
        return place_name((uri, unit, numbers[at - first]))


class RowStream:
    """Reads files from a position on.

    Attributes:
        position: Where the first row begins that was not taken.
        row: Its number in the corpus.
    """

    def __init__(
        self,
        files: Sequence[InputFile],
        open_reader: OpenReader,
        maker: RowMaker,
        wanted: Sequence[str] | None,
        refuse_changed: RefuseChanged,
    ) -> None:
        self._files = files
        self._refuse_changed = refuse_changed
        self._sizes = [0, *accumulate(file.size for file in files)]
        self._open_reader = open_reader
        self._maker = maker
        self._wanted = wanted
        self.seek(Position(), 0)

    def seek(self, position: Position, row: int) -> None:
        """Go on at a position, where row number `row` begins."""
        self.position = position
        self.row = row
        self._file = position.file - 1
        self._first_in_doubt = position.file
        self._reader: Reader | None = None
        self._batches: Iterator[RawRows] = iter(())
        self._ahead: RawRows | None = None

    @contextmanager
    def unchanged(self) -> Generator[None]:
        """Prove, at the end of the block, that the files it read from are those of which the corpus consists.

        Raises:
            CorpusChanged: If one has changed; also in place of what went wrong in the block because of that
        """
        try:
            yield
        except (CorpusError, StorageMissing):
            self._prove()
            raise
        self._prove()

    def _prove(self) -> None:
        self._refuse_changed(self._files[self._first_in_doubt : self._file + 1])
        self._first_in_doubt = max(self._first_in_doubt, self._file)  # more of it is read later

    @property
    def fraction_read(self) -> float:
        """The share of the input's bytes before the row after the last one taken, 0 … 1; 1 for an input of none."""
        size = self._sizes[-1]
        if self._reader is None:
            return 0.0 if size else 1.0
        return min(1.0, (self._sizes[self._file] + self._reader.file.bytes_read) / size) if size else 1.0

    @property
    def is_at_end(self) -> bool:
        """Whether no row is left; reads the next one to find out.

        Raises:
            CorpusError: The corpus cannot be read; the message names the file and place
        """
        if self._ahead is None:
            self._ahead = self._next_batch(1)
        return self._ahead is None

    def take(self, num_rows: int) -> Block:
        """The next rows; fewer than asked for at the end of the corpus only.

        Raises:
            CorpusError: The corpus cannot be read; the message names the file and place
        """
        first_row = self.row
        made: list[MadeRows] = []
        pieces: list[tuple[int, str, str, Sequence[int]]] = []
        while (left := first_row + num_rows - self.row) > 0:
            raw = self._next_batch(left)
            if raw is None:
                break
            reader = self._reader
            assert reader is not None
            pieces.append((self.row - first_row, reader.file.uri, reader.unit, raw.numbers))
            made.append(self._maker.make_all(self.row, reader.file.uri, reader.unit, raw, reader.decimal))
            self.row += len(raw)
            self.position = Position(self._file, reader.offset, reader.number)
        utterances = UtteranceColumns.joined([some.utterances for some in made])
        failures = [failure for some in made for failure in some.failures]
        spoken = [row - first_row for row in utterances.rows] if failures else range(len(utterances))
        hashes = np.concatenate([np.zeros(0, np.uint64), *(some.hashes for some in made)])
        return Block(first_row, utterances, failures, spoken, hashes, pieces)

    def _next_batch(self, most: int) -> RawRows | None:
        """The next rows of one file, at most so many; None at the end of the corpus."""
        raw, self._ahead = self._ahead, None
        while raw is None:
            if self._reader is not None:
                self._reader.most_rows = most
            raw = next(self._batches, None)
            if raw is None and not self._next_file():
                return None
        return raw

    def _next_file(self) -> bool:
        """Open the next file; False if there is none."""
        if self._file + 1 >= len(self._files):
            return False
        self._file += 1
        start = self.position if self.position.file == self._file else Position(self._file)
        self._reader = self._open_reader(self._files[self._file])
        self._batches = self._reader.batches(self._wanted, start)
        return True
