"""Which files the input is made of, and how each is opened.

Guaranteed: files come in the order of the URIs, the matches of a glob sorted by name, none twice; a file's
`version` is the same for a copy of the same content in the same kind of store, whatever its mtime.
Not known here: what is in the files, and whether they change later (`originals`).
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import zlib
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from ...errors import CorpusError
from .matching import Match, matched_by
from .options import Format, InputOptions
from .parallel import in_order
from .source import Source, digest_of

EXTENSIONS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".txt": "txt",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
BUFFER_BYTES = 1 << 18
_GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class FileState:
    """What a file system says of a file; as long as it says the same, nothing was written to the file."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    @classmethod
    def of(cls, found: os.stat_result) -> FileState:
        """The state that a `stat` tells."""
        return cls(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file of the input. `name` is its path below the glob's fixed part; `version` changes with its content.

    Attributes:
        state: Of a local file, before its content was hashed.
    """

    uri: str
    name: str
    size: int
    version: str
    format: Format
    store: Source | None = field(default=None, compare=False, repr=False)
    key: str = field(default="", compare=False, repr=False)
    state: FileState | None = field(default=None, compare=False, repr=False)
    _opened: list[BinaryIO] = field(default_factory=list[BinaryIO], compare=False, repr=False)

    @property
    def place(self) -> str:
        """What tells it from every other file of the input."""
        return self.key if self.store is None else self.uri

    @property
    def bytes_read(self) -> int:
        """How far the last reader of this file has come; all of it once that has closed the file."""
        if not self._opened:
            return 0
        return self.size if self._opened[-1].closed else self._opened[-1].tell()

    def open(self) -> BinaryIO:
        """The file's own bytes, seekable."""
        if self.store is not None:
            opened = self.store.open(self.key)
        else:
            opened = Path(self.key).open("rb", buffering=BUFFER_BYTES)  # noqa: SIM115 - the reader closes it
        self._opened[:] = [opened]
        return opened

    @contextmanager
    def content(self) -> Generator[io.BufferedReader]:
        """The bytes after decompression.

        Raises:
            CorpusError: For damaged gzip or a file that cannot be read
        """
        with self.translated(), self.open() as raw, _buffered(raw) as stream:
            if stream.peek(2)[:2] == _GZIP_MAGIC:
                with gzip.GzipFile(fileobj=stream, mode="rb") as unzipped:
                    yield io.BufferedReader(cast(io.RawIOBase, unzipped), BUFFER_BYTES)
            elif self.name.endswith(".gz"):
                raise CorpusError(f"{self.uri} is named .gz but is not gzip: compress it, or rename it")
            else:
                yield stream

    @contextmanager
    def translated(self) -> Generator[None]:
        """What goes wrong while the file is read, as CorpusError naming it."""
        try:
            yield
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise CorpusError(f"{self.uri} is damaged or cut short: {error}; make the file again") from error
        except OSError as error:
            raise CorpusError(f"{self.uri} cannot be read: {error.strerror or error}") from error


def find_files(options: InputOptions) -> tuple[InputFile, ...]:
    """Every file of the input.

    Raises:
        CorpusError: If a URI matches none, or for an unknown format
    """
    if not options.uris:
        raise CorpusError("the input names no file: set input.uri")
    matched = matched_by(options.uris, options).values()
    return tuple(in_order(lambda match: _file_of(match, options), matched))


def fingerprint_of(files: Sequence[InputFile]) -> str:
    """A hash that changes when a file is added, removed, renamed, reordered or changed, but not when all move."""
    digest = hashlib.blake2b(digest_size=16)
    for file in files:
        digest.update(f"{file.format}\0{file.name}\0{file.size}\0{file.version}\0".encode("utf-8", "replace"))
    return digest.hexdigest()


def _file_of(match: Match, options: InputOptions) -> InputFile:
    """A file and its version: for a local one a hash of its content, since mtimes do not survive copying."""
    file_format = _format_of(match, options)
    if match.entry is not None:
        size, version, state = match.entry.size, match.entry.version, None
    else:
        try:
            state, version = looked_into(match.key)
        except OSError as error:
            raise CorpusError(f"{match.uri} cannot be read: {error.strerror or error}") from error
        size = state.size
    return InputFile(match.uri, match.name, size, version, file_format, match.store, match.key, state)


def looked_into(path: str) -> tuple[FileState, str]:
    """A local file's state, and after that a hash of its content.

    Raises:
        OSError: The file system refuses
    """
    with Path(path).open("rb") as stream:
        state = FileState.of(os.fstat(stream.fileno()))
        return state, digest_of(stream, state.size)


def _format_of(match: Match, options: InputOptions) -> Format:
    if options.format != "auto":
        return options.format
    extension = Path(match.name.removesuffix(".gz")).suffix.lower()
    if extension not in EXTENSIONS:
        if extension in (".xlsx", ".xls", ".ods"):
            raise CorpusError(f"{match.uri} is a spreadsheet: save it as CSV (UTF-8) or parquet, and name that")
        known = ", ".join(EXTENSIONS)
        raise CorpusError(
            f"{match.uri}: cannot tell the format from the name (known: {known}, also .gz); name it: "
            "--set input.format=csv, or another one"
        )
    return EXTENSIONS[extension]


def _buffered(raw: BinaryIO) -> io.BufferedReader:
    return raw if isinstance(raw, io.BufferedReader) else io.BufferedReader(cast(io.RawIOBase, raw), BUFFER_BYTES)
