"""The corpus as one stream: every row of every file, once, in order, as an utterance or a failure.

Guaranteed: row numbers count from 0 over all files without gaps, memory stays flat, ids of utterances are unique
(an id belongs to the first row that can be spoken under it), and the same input gives the same sequence.
Blank lines are no rows. A csv or tsv file of no bytes at all is an error (it has no header); one with a header
only, and an empty jsonl file, are files of no rows.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from ...actors.segment import Failure, Utterance
from ...errors import CorpusError
from .delimited import DelimitedReader
from .files import InputFile, find_files, fingerprint_of
from .ids import IdIndex
from .jsonl import JsonlReader
from .options import Format, InputOptions
from .parquet import ParquetReader
from .reader import Reader
from .rows import RowMaker, place_name

READERS: dict[Format, type[Reader]] = {
    "csv": DelimitedReader,
    "tsv": DelimitedReader,
    "jsonl": JsonlReader,
    "parquet": ParquetReader,
}
_BLOCK_ROWS = 1024
_CHECK_THREADS = 16

Place = tuple[str, str, int]


class Corpus:
    """The job's input. Raises CorpusError when no file matches, or a format is unknown.

    files        what is read, in this order
    fingerprint  changes when a file is added, removed, renamed or changed; not when the whole corpus moves
    """

    def __init__(self, options: InputOptions) -> None:
        self.options = options
        self.files: tuple[InputFile, ...] = find_files(options)
        self.fingerprint = fingerprint_of(self.files)

    @property
    def fraction_read(self) -> float:
        """The share of the input's bytes that `rows` is past, 0 … 1; 1 for an input without bytes."""
        size = sum(file.size for file in self.files)
        return min(1.0, sum(file.bytes_read for file in self.files) / size) if size else 1.0

    def check(self) -> None:
        """Open every file and look at its columns. Raises CorpusError: unreadable, or a column is missing."""
        with ThreadPoolExecutor(min(_CHECK_THREADS, len(self.files))) as threads:
            for _ in threads.map(self._check_file, self.files):
                pass

    def rows(self) -> Iterator[Utterance | Failure]:
        """Stream every row. Raises CorpusError where a file as a whole turns out to be unreadable."""
        index = None if self.options.id is None else IdIndex()
        made = self._made()
        while block := list(islice(made, _BLOCK_ROWS)):
            rows = [row for _, row in block]
            if index is not None:
                spoken = [position for position, row in enumerate(rows) if type(row) is Utterance]
                for repeated in index.add([rows[position].id for position in spoken]):
                    position = spoken[repeated]
                    rows[position] = _duplicate(rows[position], block[position][0])
            yield from rows

    def _made(self) -> Iterator[tuple[Place, Utterance | Failure]]:
        for file in self.files:
            file.rewind()
        make = RowMaker(self.options).make
        wanted = self.options.wanted
        row = 0
        for file in self.files:
            reader = READERS[file.format](file)
            if file.format != "jsonl":  # keys come and go in jsonl: each row answers for itself
                self._check_file(file)
            uri, unit = file.uri, reader.unit
            for number, fields in reader.rows(wanted):
                place = (uri, unit, number)
                yield place, make(row, place, fields)
                row += 1

    def _check_file(self, file: InputFile) -> None:
        columns = READERS[file.format](file).columns()
        if columns is not None:
            for name in self.options.required:
                if name not in columns:
                    raise CorpusError(_no_column(file.uri, name, columns))


def _duplicate(row: Utterance | Failure, place: Place) -> Failure:
    reason = f"{place_name(place)}: id {row.id!r} is already used by an earlier row; ids have to be unique"
    return Failure(row.row, row.id, reason, row.text, row.metadata)


def _no_column(uri: str, name: str, columns: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, columns, n=1, cutoff=0.5)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return f"{uri} has no column {name!r}{hint}; its columns: {', '.join(columns)}"
