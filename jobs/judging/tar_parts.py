"""Tars as webdataset writes them: the files of a sample share a name up to its first dot. A tar is a part.

Guaranteed: a tar is read once, from its beginning to its end, a sample in memory at a time, and never unpacked.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ...cluster.storage.audio_files import MAX_BYTES, AudioFiles
from ...errors import CorpusError
from ..corpus.files import looked_into
from ..corpus.matching import Match
from ..corpus.reader import Broken
from .audio_corpus import AudioCorpusOptions, AudioPart, FoundClip, digest_of
from .columns import TEXTS, TableColumns

AUDIO_EXTENSIONS = ("wav", "flac", "opus", "ogg", "mp3")
_TEXT_EXTENSIONS = ("txt", "text", "transcript")
_TEXT_BYTES = 1 << 24
_CLIP_BYTES = 200_000
"""For an estimate of how many clips a tar holds."""


@dataclass(frozen=True, slots=True)
class TarPart(AudioPart):
    """The samples of one tar."""

    match: Match
    options: AudioCorpusOptions

    @classmethod
    def of(cls, number: int, match: Match, options: AudioCorpusOptions) -> TarPart:
        """A tar that was found.

        Raises:
            CorpusError: It cannot be read
        """
        try:
            if match.entry is not None:
                size, version = match.entry.size, match.entry.version
            else:
                state, version = looked_into(match.key)
                size = state.size
        except OSError as error:
            raise CorpusError(f"{match.uri} cannot be read: {error.strerror or error}") from error
        columns = (options.text, options.normalized, options.id, options.language)
        digest = digest_of(match.name, size, version, *columns)
        return cls(f"{number:06d}", digest, 1 + size // _CLIP_BYTES, match, options)

    def clips(self) -> Iterator[FoundClip]:
        uri, files = self.match.uri, AudioFiles("")
        try:
            with self._open() as raw:
                self._check_end(raw)
            with self._open() as raw, tarfile.open(fileobj=raw, mode="r|*", bufsize=1 << 20) as tar:
                for row, (key, members) in enumerate(_samples(tar)):
                    fields = _fields(key, members, self.options)
                    names = list(fields) if isinstance(fields, dict) else ["text", "audio"]
                    columns = _columns(names, self.options)
                    yield columns.clip(
                        columns.rows(), row, (uri, f"sample {key!r:.200}, number", row + 1), fields, files
                    )
        # Headers of headers of headers: `tarfile` calls itself for each.
        except (tarfile.TarError, EOFError, ValueError, RecursionError, OSError) as error:
            raise CorpusError(f"{uri} is no tar, or is damaged or cut short: {error}") from error

    def _check_end(self, raw: BinaryIO) -> None:
        """Raise EOFError for a tar that was cut: `tarfile` takes a cut between two files for its end."""
        if self.match.name.lower().endswith(".tar"):
            size = raw.seek(0, io.SEEK_END)
            raw.seek(max(0, size - tarfile.BLOCKSIZE))
            if size % tarfile.BLOCKSIZE or raw.read() != tarfile.NUL * tarfile.BLOCKSIZE:
                raise EOFError("it has no end mark")

    def _open(self) -> BinaryIO:
        if self.match.store is not None:
            return self.match.store.open(self.match.key)
        return Path(self.match.key).open("rb")


def _columns(names: list[str], options: AudioCorpusOptions) -> TableColumns:
    text = options.text or next((name for name in TEXTS if name in names), "text")
    normalized = options.normalized or next((n for n in ("normalized", "normalized_text") if n in names), None)
    return TableColumns(text, "audio", None if normalized == text else normalized, options, options.id in names)


def _samples(tar: tarfile.TarFile) -> Iterator[tuple[str, dict[str, bytes]]]:
    """The samples: their key, and the content of their files by extension."""
    key: str | None = None
    members: dict[str, bytes] = {}
    for header in tar:
        if not header.isreg() or header.issparse():
            continue
        folder, slash, name = header.name.rpartition("/")
        stem, _, extension = name.partition(".")
        this = f"{folder}{slash}{stem}"
        if key is not None and this != key:
            yield key, members
            members = {}
        key, extension = this, extension.lower()
        is_audio = extension in AUDIO_EXTENSIONS
        if not is_audio and extension != "json" and extension not in _TEXT_EXTENSIONS:
            continue
        if header.size > (MAX_BYTES if is_audio else _TEXT_BYTES):
            raise CorpusError(f"{header.name!r:.200} has {header.size:,} bytes; that is no clip and no text")
        content = tar.extractfile(header)
        members[extension] = content.read() if content else b""
    if key is not None:
        yield key, members


def _fields(key: str, members: Mapping[str, bytes], options: AudioCorpusOptions) -> dict[str, Any] | Broken:
    """A sample as a row: what its JSON file says, its text file, and its audio."""
    audio = next((name for name in AUDIO_EXTENSIONS if name in members), None)
    if audio is None:
        return Broken(f"no audio beside it (one of {', '.join(AUDIO_EXTENSIONS)})")
    fields: dict[str, Any] = {}
    try:
        if "json" in members:
            told = json.loads(members["json"])
            if not isinstance(told, dict):
                return Broken("its JSON file holds no object {…}")
            fields = told
        text = next((name for name in _TEXT_EXTENSIONS if name in members), None)
        if text is not None and not any(name in fields for name in (options.text, *TEXTS)):
            fields[options.text or "text"] = members[text].decode().strip()
    except (ValueError, RecursionError) as error:
        return Broken(f"its text cannot be read: {error}")
    return {**fields, "audio": {"bytes": members[audio], "path": f"{key}.{audio}"}}


def tar_parts(matches: list[Match], options: AudioCorpusOptions) -> Iterator[AudioPart]:
    """A part for each tar."""
    for number, match in enumerate(matches):
        yield TarPart.of(number, match, options)
