"""Which files a URI names: a local path, file://, s3:// and hf://datasets/, each also as a glob, or an https:// URL.

Guaranteed: files come in the order of the URIs, the matches of a glob sorted by name, none twice.
Not known here: what is in the files.
"""

from __future__ import annotations

import difflib
import itertools
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from ...cluster.storage import open_storage
from ...cluster.storage.base import Entry
from ...cluster.storage.schemes import instead_of, split_scheme
from ...errors import CorpusError
from .globs import first_magic, fixed_part, globbed, matches
from .hub import HubDataset, HubPlace
from .options import InputOptions
from .printable import printable
from .source import Source


@dataclass(frozen=True, slots=True)
class Match:
    """A file that the input names, not looked into. `entry` is of a file in a source; None for a local file."""

    uri: str
    name: str
    key: str
    store: Source | None = None
    entry: Entry | None = None

    @property
    def place(self) -> str:
        """What tells it from every other file of the input."""
        return self.key if self.store is None else self.uri


def matched_by(uris: Iterable[str], options: InputOptions) -> dict[str, Match]:
    """What these URIs name now, by place.

    Raises:
        CorpusError: If one matches nothing
    """
    found: dict[str, Match] = {}
    for uri in uris:
        for match in _matched(uri, options):
            found.setdefault(match.place, match)
    return found


def _matched(uri: str, options: InputOptions) -> list[Match]:
    scheme, rest = split_scheme(uri)
    uri = f"{scheme}://{rest}" if scheme else uri
    if scheme == "s3":
        return _matched_in_s3(uri, options)
    if scheme in ("http", "https"):
        from .web import WebFile  # TLS and HTTP: a tenth of a second that other corpora need not pay

        file = WebFile(uri)
        entry = file.look()
        return [Match(printable(uri), file.name, entry.key, file, entry)]
    if scheme == "hf":
        return _matched_on_hub(uri)
    return _matched_here(uri)


def scheme_of(uri: str) -> str:
    """What stands before "://", in small letters; empty for a path."""
    return split_scheme(uri)[0]


def would_read(uri: str, written: str) -> bool:
    """Whether an input URI takes in a file of this full path or s3:// URI, were it there."""
    if scheme_of(uri) in ("http", "https", "hf"):
        return False  # nothing is written there
    if scheme_of(uri) == "s3":
        uri = f"s3://{split_scheme(uri)[1]}"
    if uri.startswith("s3://") or written.startswith("s3://"):
        return matches(written.split("/"), uri.split("/"))
    path = Path(os.path.abspath(_expanded(_local_path(uri))))  # noqa: PTH100  # a glob cannot be resolved
    return matches(Path(written).parts, path.parts)


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


def _matched_on_hub(uri: str) -> list[Match]:
    place = HubPlace.parse(uri)
    folder, rest = fixed_part(place.path)
    dataset = HubDataset.at(place, folder.rstrip("/"), is_deep="/" in rest)
    exact = [entry for entry in dataset.list(place.path) if entry.key == place.path]
    chosen = exact or [
        entry for entry in dataset.list(folder) if matches(entry.key[len(folder) :].split("/"), rest.split("/"))
    ]
    if not chosen:
        if dataset.has_folder(place.path.rstrip("/")):
            raise CorpusError(f"{uri} is a folder: name the files in it, for example {uri.rstrip('/')}/*.parquet")
        raise CorpusError(_nothing_there(uri, place.path, [entry.key for entry in dataset.list()][:1000]))
    return [Match(place.uri_of(e.key), e.key[len(folder) :], e.key, dataset, e) for e in chosen]


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


def _expanded(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise CorpusError(f"{path}: {error}") from error


def _local_path(uri: str) -> str:
    scheme, rest = split_scheme(uri)
    if not scheme:
        return uri
    if scheme != "file":
        raise CorpusError(
            f"{uri}: input files are read from a local path, file://, s3://, hf://datasets/ or https://, "
            f"not from {scheme}://{instead_of(scheme)}"
        )
    path = unquote(rest.removeprefix("localhost"))
    if not path.startswith("/"):
        raise CorpusError(f"{uri} names a host: a local file has three slashes, file:///folder/file.csv")
    return path


def _nothing_there(uri: str, name: str, beside: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, beside, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"no file matches {uri}{hint}"
