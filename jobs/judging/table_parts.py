"""Tables with texts and paths of clips: JSON lines (NeMo's manifests), csv, tsv, LJSpeech; and parquet.

The rows of a text table travel in its parts; of a parquet file, whose cells may hold the clips, a part names row
groups, and they are read where they are heard.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from ...cluster.storage.audio_files import AudioFiles
from ...errors import CorpusError, RowRejected, SpecError
from ..corpus.corpus import READERS
from ..corpus.files import InputFile
from ..corpus.options import Format, InputOptions
from ..corpus.reader import Broken, RawRow
from .audio_corpus import PART_ROWS, AudioCorpusOptions, AudioPart, FoundClip, digest_of
from .columns import TEXTS, TableColumns

_LOOK_AT = 20
"""Rows of the first part whose clips are looked for, so that a wrong column or folder is told at once."""
_READ_ROWS = 16


@dataclass(frozen=True, slots=True)
class TablePart(AudioPart):
    """Consecutive rows of a text table.

    Attributes:
        first_row: Number in the corpus of the first of them
        rows: Lines and values
    """

    uri: str
    unit: str
    first_row: int
    rows: tuple[RawRow, ...]
    columns: TableColumns
    files: AudioFiles

    @property
    def is_remote(self) -> bool:
        first = next((fields for _, fields in self.rows if isinstance(fields, dict)), {})
        return self.files.location(_place(self.columns, first)).startswith("s3://")

    def clips(self) -> Iterator[FoundClip]:
        maker = self.columns.rows()
        for row, (number, fields) in enumerate(self.rows, self.first_row):
            yield self.columns.clip(maker, row, (self.uri, self.unit, number), fields, self.files)


@dataclass(frozen=True, slots=True)
class ParquetPart(AudioPart):
    """Row groups of a parquet file.

    Attributes:
        groups: Their numbers
        first_row: Number in the corpus of their first row
        number: Number in the file of their first row, from 1
    """

    file: InputFile
    groups: tuple[int, ...]
    first_row: int
    number: int
    columns: TableColumns
    files: AudioFiles

    def clips(self) -> Iterator[FoundClip]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        maker, row, number = self.columns.rows(), self.first_row, self.number
        try:
            with self.file.open() as raw, pq.ParquetFile(raw, pre_buffer=False) as table:
                for batch in table.iter_batches(_READ_ROWS, row_groups=list(self.groups), use_threads=False):
                    for fields in batch.to_pylist():
                        yield self.columns.clip(maker, row, (self.file.uri, "row", number), fields, self.files)
                        row, number = row + 1, number + 1
        except (pa.ArrowException, OSError) as error:
            told = str(error).partition("\n")[0]
            raise CorpusError(f"{self.file.uri} is no parquet file, or is damaged or cut short: {told}") from error


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its columns found."""

    file: InputFile
    columns: TableColumns
    input: InputOptions
    files: AudioFiles

    @classmethod
    def of(cls, file: InputFile, options: AudioCorpusOptions) -> Table:
        """Find the columns of a file.

        Raises:
            SpecError: It has no column of texts or of clips
            CorpusError: It cannot be read
        """
        source = InputOptions(uri=options.uri, text=options.text or TEXTS[0], s3=options.s3)
        names = _names(file, source)
        if options.text is None and source.text not in names:
            for text in TEXTS[1:]:  # a header proves its delimiter by the column of the text
                other = replace(source, text=text)
                if text in (found := _names(file, other)):
                    source, names = other, found
                    break
        pattern, given = "", options
        if file.format == "ljspeech":
            pattern = "wavs/{id}.wav"
        elif file.format == "filelist":
            given = replace(options, audio=options.audio or "id")
            if "speaker" in names and options.voice == "voice":
                given = replace(given, voice="speaker")
        columns = TableColumns.of(names, given, file.uri, pattern)
        folder = file.uri.rpartition("/")[0] if "://" in file.uri else str(Path(file.key).parent)
        return cls(file, columns, source, AudioFiles(options.root or folder, options.s3))

    def parts(self, number: int, first_row: int) -> Iterator[AudioPart]:
        """Its parts; the first of them is number `number` of the corpus, and its first row `first_row`."""
        if self.file.format == "parquet":
            yield from self._parquet_parts(number, first_row)
            return
        reader = READERS[self.file.format](self.file, self.input)
        rows = reader.rows(None)
        while some := tuple(islice(rows, PART_ROWS)):
            told = [value for line, fields in some for value in self._told(line, fields)]
            digest = digest_of(self.file.name, self.columns, *told)
            yield TablePart(
                f"{number:06d}",
                digest,
                len(some),
                self.file.uri,
                reader.unit,
                first_row,
                some,
                self.columns,
                self.files,
            )
            number, first_row = number + 1, first_row + len(some)

    def _told(self, line: int, fields: dict[str, Any] | Broken) -> Iterator[object]:
        yield line
        yield sorted(fields.items(), key=str) if isinstance(fields, dict) else fields.reason
        if isinstance(fields, dict) and (place := _place(self.columns, fields)):
            yield self.files.state(place)

    def _parquet_parts(self, number: int, first_row: int) -> Iterator[AudioPart]:
        import pyarrow.parquet as pq

        with self.file.open() as raw, pq.ParquetFile(raw, pre_buffer=False) as table:
            sizes = [table.metadata.row_group(group).num_rows for group in range(table.num_row_groups)]
        groups: list[int] = []
        row = num_rows = 0
        for group, size in enumerate(sizes):
            groups.append(group)
            num_rows += size
            if num_rows < PART_ROWS and group + 1 < len(sizes):
                continue
            digest = digest_of(self.file.name, self.file.version, self.columns, *groups)
            file = replace(self.file, _opened=[])
            place = (file, tuple(groups), first_row + row, row + 1, self.columns, self.files)
            if num_rows:
                yield ParquetPart(f"{number:06d}", digest, num_rows, *place)
                number += 1
            row, num_rows, groups = row + num_rows, 0, []

    def check(self) -> None:
        """Look for the clips of the first rows.

        Raises:
            SpecError: None of them is there: a wrong column, pattern or folder
        """
        if self.file.format == "parquet":
            return
        reader = READERS[self.file.format](self.file, self.input)
        some = [fields for _, fields in islice(reader.rows(None), _LOOK_AT) if isinstance(fields, dict)]
        places = [place for fields in some if (place := _place(self.columns, fields))]
        if places and not any(map(self.files.is_there, places)):
            first = self.files.location(places[0])
            raise SpecError(
                f"{self.file.uri}: none of the first {len(places)} clips is there, {first!r:.300} is the first (column "
                f"or pattern {self.columns.audio!r}); name the column with --audio, the folder of its paths with --root"
            )


def table_parts(tables: Sequence[Table]) -> Iterator[AudioPart]:
    """The parts of several tables as one corpus."""
    number = first_row = 0
    for table in tables:
        for part in table.parts(number, first_row):
            yield part
            number, first_row = number + 1, first_row + part.num_clips


def _names(file: InputFile, source: InputOptions) -> tuple[str, ...]:
    return tuple(READERS[file.format](file, source).columns() or ())


def _place(columns: TableColumns, fields: dict[str, Any]) -> str:
    try:
        return columns.place_of(fields)
    except RowRejected:
        return ""


TABLES: frozenset[Format] = frozenset({"jsonl", "csv", "tsv", "ljspeech", "filelist", "parquet"})
