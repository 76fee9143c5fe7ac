"""The corpus as one stream: every row of every file, once, in order, as an utterance or a failure.

Guaranteed: row numbers count from 0 over all files without gaps, memory stays flat, ids of utterances are unique
(an id belongs to the first row that can be spoken under it), and the same input gives the same sequence.
Blank lines are no rows. A csv or tsv file of no bytes at all is an error (it has no header); one with a header
only, and an empty jsonl file, are files of no rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ...actors.records.utterance import Failure, Utterance
from ...errors import CorpusError
from .delimited import DelimitedReader
from .files import InputFile, find_files, fingerprint_of
from .ids import IdIndex
from .jsonl import JsonlReader
from .missing import no_column, other_case
from .options import DELIMITED, Format, InputOptions
from .originals import Originals
from .parallel import in_order
from .parquet import ParquetReader
from .reader import Reader
from .rows import RowMaker
from .stream import RowStream
from .txt import TxtReader

READERS: dict[Format, type[Reader]] = {
    "csv": DelimitedReader,
    "tsv": DelimitedReader,
    "ljspeech": DelimitedReader,
    "filelist": DelimitedReader,
    "txt": TxtReader,
    "jsonl": JsonlReader,
    "parquet": ParquetReader,
}
_BLOCK_ROWS = 1024
_CHECK_THREADS = 16
_MAX_NOTES = 3


class Corpus:
    """The job's input.

    Attributes:
        files: What is read, in this order.
        notes: What the user may have meant otherwise, a sentence each; known after `check`.
        fingerprint: Changes when a file is added, removed, renamed or changed; not when the whole corpus moves.

    Raises:
        CorpusError: No file matches, or a format is unknown
    """

    def __init__(self, options: InputOptions) -> None:
        self.options = options
        self.files: tuple[InputFile, ...] = find_files(options)
        self.fingerprint = fingerprint_of(self.files)
        self.notes: tuple[str, ...] = ()
        self._originals = Originals(self.files, options)
        self._has_ids = options.id is not None

    def check(self) -> None:
        """Open every file and look at its columns.

        Raises:
            CorpusError: A file cannot be read, or a column is missing
        """
        self._refuse_vain_options()
        found = list(in_order(self._columns, self.files, _CHECK_THREADS))
        self.notes = tuple(
            f'{file.uri}: the column "{column}" is not read as {key}, for its letters; to have it so: '
            f"--set input.{key}={column}"
            for file, columns in zip(self.files[:_MAX_NOTES], found, strict=False)
            for key, column in other_case(self.options, columns or ())
        )
        name = self.options.id.name if self.options.id else None
        self._has_ids = name is not None and any(
            file.format == "jsonl" or name in (columns or ()) for file, columns in zip(self.files, found, strict=True)
        )

    @property
    def has_ids(self) -> bool:
        """Whether a row may bring an id of its own; if not, ids are the rows' numbers and cannot repeat."""
        return self._has_ids

    def refuse_changed(self, files: Sequence[InputFile] | None = None) -> None:
        """Raise CorpusChanged if one of these files is not as it was found; of all, also if the input has another one.

        Raises what the store raises.
        """
        if files is None:
            self._originals.refuse_any_change()
        else:
            self._originals.refuse_changed(files)

    def stream(self) -> RowStream:
        """All rows from the first on, whether or not their ids repeat. Streams do not disturb each other."""
        # What a file knows of its being read belongs to one stream.
        files = [replace(file, _opened=[]) for file in self.files]
        return RowStream(files, self.open_reader, RowMaker(self.options), self.options.wanted, self.refuse_changed)

    def rows(self) -> Iterator[Utterance | Failure]:
        """Stream every row.

        Raises:
            CorpusError: Where a file as a whole turns out to be unreadable
        """
        index = IdIndex() if self.has_ids else None
        stream = self.stream()
        while len(block := stream.take(_BLOCK_ROWS)):
            if index is not None:
                block.repeated([block.spoken[at] for at in index.add(block.hashes)])
            yield from block.rows

    def open_reader(self, file: InputFile) -> Reader:
        """The reader of a file.

        Raises:
            CorpusError: If a column is missing
        """
        if file.format != "jsonl":  # keys come and go in jsonl: each row answers for itself
            self._columns(file)
        return READERS[file.format](file, self.options)

    def _columns(self, file: InputFile) -> Sequence[str] | None:
        reader = READERS[file.format](file, self.options)
        columns = reader.columns()
        if columns is not None:
            for name in self.options.required:
                if name not in columns:
                    raise CorpusError(no_column(reader, name, columns))
        return columns

    def _refuse_vain_options(self) -> None:
        """Raise CorpusError for a layout that no file of this input has."""
        options = self.options
        given = {"delimiter": options.delimiter, "header": options.header, "columns": options.columns or None}
        keys = [f"input.{name}" for name, value in given.items() if value is not None]
        if keys and not any(file.format in DELIMITED for file in self.files):
            file = self.files[0]
            raise CorpusError(
                f"{file.uri} is read as {file.format}, which has no use for {', '.join(keys)}: leave that out, or "
                "--set input.format=csv"
            )
