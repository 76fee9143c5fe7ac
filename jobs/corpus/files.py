"""Which files the input is made of, and how each is opened.

Guaranteed: files come in the order of the URIs, the matches of a glob sorted by name, none twice; a file's
`version` is the same for a copy of the same content in the same kind of store, whatever its mtime.
Not known here: what is in the files, and whether they change later (`originals`).
"""

from __future__ import annotations

import difflib
import gzip
import hashlib
import io
import itertools
import os
import zlib
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import unquote

from ...cluster.storage import open_storage
from ...cluster.storage.base import Entry, Storage
from ...errors import CorpusError
from .globs import first_magic, fixed_part, globbed, matches
from .options import Format, InputOptions
from .parallel import in_order
from .printable import printable

EXTENSIONS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
BUFFER_BYTES = 1 << 18
_BLOCK_BYTES = 1 << 16
_MAX_BLOCKS = 1 << 13
"""Files up to 512 MiB are hashed whole, larger ones in this many blocks spread over them, both ends among them."""
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

    state   of a local file, before its content was hashed
    """

    uri: str
    name: str
    size: int
    version: str
    format: Format
    store: Storage | None = field(default=None, compare=False, repr=False)
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
        """The bytes after decompression. Raises CorpusError for damaged gzip or a file that cannot be read."""
        with self.translated(), self.open() as raw, _buffered(raw) as stream:
            if stream.peek(2)[:2] == _GZIP_MAGIC:
                with gzip.GzipFile(fileobj=stream, mode="rb") as unzipped:
                    yield io.BufferedReader(cast(io.RawIOBase, unzipped), BUFFER_BYTES)
            elif self.uri.endswith(".gz"):
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


@dataclass(frozen=True, slots=True)
class Match:
    """A file that the input names, not looked into. `entry` is of an object in a store; None for a local file."""

    uri: str
    name: str
    key: str
    store: Storage | None = None
    entry: Entry | None = None

    @property
    def place(self) -> str:
        """What tells it from every other file of the input."""
        return self.key if self.store is None else self.uri


def find_files(options: InputOptions) -> tuple[InputFile, ...]:
    """Every file of the input. Raises CorpusError when a URI matches none, or for an unknown format."""
    if not options.uris:
        raise CorpusError("the input names no file: set input.uri")
    matched = matched_by(options.uris, options).values()
    return tuple(in_order(lambda match: _file_of(match, options), matched))


def matched_by(uris: Iterable[str], options: InputOptions) -> dict[str, Match]:
    """What these URIs name now, by place. Raises CorpusError when one matches nothing."""
    found: dict[str, Match] = {}
    for uri in uris:
        for match in _matched_in_s3(uri, options) if uri.startswith("s3://") else _matched_here(uri):
            found.setdefault(match.place, match)
    return found


def would_read(uri: str, written: str) -> bool:
    """Whether an input URI takes in a file of this full path or s3:// URI, were it there."""
    if uri.startswith("s3://") or written.startswith("s3://"):
        return matches(written.split("/"), uri.split("/"))
    path = Path(os.path.abspath(_expanded(_local_path(uri))))  # noqa: PTH100  # a glob cannot be resolved
    return matches(Path(written).parts, path.parts)


def fingerprint_of(files: Sequence[InputFile]) -> str:
    """A hash that changes when a file is added, removed, renamed, reordered or changed, but not when all move."""
    digest = hashlib.blake2b(digest_size=16)
    for file in files:
        digest.update(f"{file.format}\0{file.name}\0{file.size}\0{file.version}\0".encode("utf-8", "replace"))
    return digest.hexdigest()


def _matched_here(uri: str) -> list[Match]:
    path = _expanded(_local_path(uri))
    try:
        is_file, is_folder, is_there = path.is_file(), path.is_dir(), path.exists()
    except (OSError, ValueError) as error:
        raise CorpusError(f"{uri} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if is_file:
        return [_local(path, path.parent)]
    if is_folder:
        raise CorpusError(f"{uri} is a folder: name the files in it, for example {uri.rstrip('/')}/*.csv")
    if is_there:
        raise CorpusError(f"{uri} is no regular file: write what comes out of it into one")
    root = Path(fixed_part(str(path))[0] or ".")
    files = sorted(match for match in globbed(path, root) if match.is_file())
    if not files:
        beside = [other.name for other in itertools.islice(root.iterdir(), 1000)] if root.is_dir() else []
        raise CorpusError(_nothing_there(uri, path.name, beside))
    return [_local(file, root) for file in files]


def _local(path: Path, root: Path) -> Match:
    return Match(printable(str(path)), path.relative_to(root).as_posix(), str(path))


def _matched_in_s3(uri: str, options: InputOptions) -> list[Match]:
    bucket, _, pattern = uri.removeprefix("s3://").partition("/")
    if not bucket or not pattern or pattern.endswith("/"):
        raise CorpusError(f"{uri} names no object: write s3://bucket/folder/*.csv")
    folder, rest = fixed_part(pattern)
    store = open_storage(f"s3://{bucket}/{folder}".rstrip("/"), options.s3)
    literal = rest[: first_magic(rest)]
    entries = [entry for entry in store.list(literal) if not entry.key.endswith("/")]
    # A key may hold the characters of a glob: one that is spelt exactly like this is meant.
    chosen = [entry for entry in entries if entry.key == rest] or [
        entry for entry in entries if matches(entry.key.split("/"), rest.split("/"))
    ]
    if not chosen:
        beside = [entry.key for entry, _ in zip(store.list(), range(1000), strict=False)]
        raise CorpusError(_nothing_there(uri, rest, beside))
    root = f"s3://{bucket}/{folder}"
    return [Match(root + e.key, e.key, e.key, store, e) for e in sorted(chosen, key=lambda entry: entry.key)]


def _file_of(match: Match, options: InputOptions) -> InputFile:
    """A file and its version: for a local one a hash of its content, since mtimes do not survive copying."""
    file_format = _format_of(match.uri if match.entry else match.key, options)
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
    """A local file's state, and after that a hash of its content. Raises OSError."""
    with Path(path).open("rb") as stream:
        state = FileState.of(os.fstat(stream.fileno()))
        digest = hashlib.blake2b(digest_size=16)
        for offset in _sampled(state.size):
            stream.seek(offset)
            digest.update(stream.read(_BLOCK_BYTES))
    return state, digest.hexdigest()


def _sampled(size: int) -> Iterator[int]:
    """Where the blocks begin that stand for a file of this size."""
    num_blocks = -(-size // _BLOCK_BYTES)
    if num_blocks <= _MAX_BLOCKS:
        yield from range(0, size, _BLOCK_BYTES)
    else:
        last = size - _BLOCK_BYTES
        yield from (last * block // (_MAX_BLOCKS - 1) for block in range(_MAX_BLOCKS))


def _format_of(uri: str, options: InputOptions) -> Format:
    if options.format != "auto":
        return options.format
    extension = Path(uri.removesuffix(".gz")).suffix.lower()
    if extension not in EXTENSIONS:
        known = ", ".join(EXTENSIONS)
        raise CorpusError(f"{uri}: cannot tell the format from the name (known: {known}, also .gz); set input.format")
    return EXTENSIONS[extension]


def _expanded(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise CorpusError(f"{path}: {error}") from error


def _local_path(uri: str) -> str:
    scheme, separator, rest = uri.partition("://")
    if not separator:
        return uri
    if scheme != "file":
        raise CorpusError(f"{uri}: input files are read from a local path, file:// or s3://, not from {scheme}://")
    path = unquote(rest.removeprefix("localhost"))
    if not path.startswith("/"):
        raise CorpusError(f"{uri} names a host: a local file has three slashes, file:///folder/file.csv")
    return path


def _nothing_there(uri: str, name: str, beside: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, beside, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"no file matches {uri}{hint}"


def _buffered(raw: BinaryIO) -> io.BufferedReader:
    return raw if isinstance(raw, io.BufferedReader) else io.BufferedReader(cast(io.RawIOBase, raw), BUFFER_BYTES)
