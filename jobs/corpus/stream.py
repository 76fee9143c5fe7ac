"""Rows of the corpus from a position on, as many at a time as are asked for.

Guaranteed: what is taken from a position that an earlier stream over the same files was at is what that stream would
have given next; memory holds the rows that were asked for and one more. Rows before the position are not read, but in
gzip, where the file has to be unpacked up to it, and in parquet, where a row group is read from its beginning.
Not known here: whether ids repeat, and how a change of a file is seen.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import accumulate, islice

import numpy as np

from ...actors.records.utterance import Failure, Utterance
from ...errors import CorpusError, StorageMissing
from .bloom_filter import Hashes
from .files import InputFile
from .reader import Position, RawRow, Reader
from .rows import RowMaker, place_name

OpenReader = Callable[[InputFile], Reader]
RefuseChanged = Callable[[Sequence[InputFile]], None]


@dataclass(slots=True)
class Block:
    """Consecutive rows of the corpus.

    Attributes:
        spoken: Positions in `rows` of what was an utterance as it was read.
        hashes: uint64 [len(spoken)], of their ids.
    """

    rows: list[Utterance | Failure] = field(default_factory=list[Utterance | Failure])
    spoken: list[int] = field(default_factory=list[int])
    hashes: Hashes = field(default_factory=lambda: np.zeros(0, np.uint64))
    _pieces: list[tuple[int, str, str, Sequence[RawRow]]] = field(
        default_factory=list[tuple[int, str, str, Sequence[RawRow]]]
    )

    def repeated(self, positions: Sequence[int]) -> list[int]:
        """Let the rows at these positions fail, since their ids were used before; the numbers of these rows."""
        numbers: list[int] = []
        for at in positions:
            row = self.rows[at]
            reason = f"{self._place(at)}: id {row.id!r} is already used by an earlier row; ids have to be unique"
            self.rows[at] = Failure(row.row, row.id, reason, row.text, row.metadata)
            numbers.append(row.row)
        return numbers

    def new_hashes(self, repeated: Sequence[int]) -> Hashes:
        """The hashes of the utterances, without those at the positions `repeated`."""
        return self.hashes[~np.isin(self.spoken, repeated)] if len(repeated) else self.hashes

    def _place(self, at: int) -> str:
        first, uri, unit, raw = next(piece for piece in reversed(self._pieces) if piece[0] <= at)
        return place_name((uri, unit, raw[at - first][0]))


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
        self._raw: Iterator[RawRow] = iter(())
        self._ahead: RawRow | None = None

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
        while self._ahead is None:
            self._ahead = next(self._raw, None)
            if self._ahead is None and not self._next_file():
                return True
        return False

    def take(self, num_rows: int) -> Block:
        """The next rows; fewer than asked for at the end of the corpus only.

        Raises:
            CorpusError: The corpus cannot be read; the message names the file and place
        """
        block = Block()
        while len(block.rows) < num_rows and not self.is_at_end:
            raw = list(islice(self._raw, num_rows - len(block.rows) - 1))
            assert self._ahead is not None
            raw.insert(0, self._ahead)
            self._ahead = None
            self._add(block, raw)
        return block

    def _add(self, block: Block, raw: list[RawRow]) -> None:
        """Make rows of one file and append them."""
        reader, before = self._reader, len(block.rows)
        assert reader is not None
        made = self._maker.make_all(self.row, reader.file.uri, reader.unit, raw, reader.decimal)
        block.rows += made.rows
        block.spoken += [before + at for at in made.spoken] if before else made.spoken
        block.hashes = np.concatenate([block.hashes, made.hashes]) if before else made.hashes
        block._pieces.append((before, reader.file.uri, reader.unit, raw))  # pyright: ignore[reportPrivateUsage]
        self.row += len(raw)
        self.position = Position(self._file, reader.offset, reader.number)

    def _next_file(self) -> bool:
        """Open the next file; False if there is none."""
        if self._file + 1 >= len(self._files):
            return False
        self._file += 1
        start = self.position if self.position.file == self._file else Position(self._file)
        self._reader = self._open_reader(self._files[self._file])
        self._raw = self._reader.rows(self._wanted, start)
        return True
