"""The files of a corpus as they were when it was found, and whether they still are.

Guaranteed: a file that was written to, replaced or removed since is named, with what has changed. A local file whose
times alone have changed is hashed again, and is the same if the hash is. An object has changed when its version has.
Not known here: content that is changed and changed back between two looks, and in files over 512 MiB a change of
neither the size nor a hashed block.
"""

from __future__ import annotations

import stat
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from ...cluster.storage.base import Entry
from ...errors import CorpusChanged, CorpusError, StorageMissing
from .files import FileState, InputFile, looked_into
from .matching import Match, matched_by
from .options import InputOptions
from .parallel import in_order

_MAX_NAMED = 3
_GONE = "it is gone"


class Originals:
    """Compares the files of a corpus with what they were. Several threads may ask."""

    def __init__(self, files: Sequence[InputFile], options: InputOptions) -> None:
        self._files = files
        self._options = options
        self._states = {file.place: file.state for file in files if file.state is not None}

    def refuse_changed(self, files: Sequence[InputFile]) -> None:
        """Raise CorpusChanged if one of these files is not what it was, and what the store raises."""
        here = [file for file in files if file.store is None]
        stored = [file for file in files if file.store is not None]
        changes = [*zip(here, map(self._change_here, here), strict=True)]
        changes += zip(stored, in_order(_in_store, stored) if stored else (), strict=True)
        _refuse(
            [f"{file.uri} has changed since the run began: {change}" for file, change in changes if change],
            "No row that was read since is committed. Restore it and run the same command again, or start anew with "
            "--overwrite or another output.uri",
        )

    def refuse_any_change(self) -> None:
        """Raise CorpusChanged if a file of the corpus is not what it was, or the input has another file now."""
        matches = self._matches()
        changes = [
            f"{file.uri} has changed since the run began: {change}"
            for file in self._files
            if (change := self._change_here(file) if file.store is None else _in_listing(file, matches))
        ]
        known = {file.place for file in self._files}
        changes += [
            f"{match.uri} has come since the run began" for place, match in matches.items() if place not in known
        ]
        _refuse(
            changes,
            "Every row of the corpus as it was is committed, and the output is not marked as complete. Restore what "
            "the run began with and run the same command again, or start anew with --overwrite or another output.uri",
        )

    def _matches(self) -> dict[str, Match]:
        found: dict[str, Match] = {}
        for uri in self._options.uris:
            try:
                found |= matched_by([uri], self._options)
            except (CorpusError, StorageMissing):
                continue  # each of its files is gone, and named
        return found

    def _change_here(self, file: InputFile) -> str:
        """What has changed of a local file; empty if nothing has."""
        try:
            found = Path(file.key).stat()
            now, before = FileState.of(found), self._states[file.place]
            if now == before:
                return ""
            if not stat.S_ISREG(found.st_mode):
                return "it is no regular file any more"
            if now.size == file.size:
                now, version = looked_into(file.key)
                if version == file.version and now.size == file.size:
                    self._states[file.place] = now
                    return ""
        except (FileNotFoundError, NotADirectoryError):
            return _GONE
        except OSError as error:
            return f"it cannot be read any more ({error.strerror or error})"
        is_told = now.mtime_ns != before.mtime_ns
        return _difference(
            file.size, now.size, f"modified {_time(before)} → {_time(now)}" if is_told else "other content"
        )


def _in_store(file: InputFile) -> str:
    """What has changed of an object; empty if nothing has."""
    assert file.store is not None
    try:
        found = next(iter(file.store.list(file.key)), None)
    except StorageMissing:
        return _GONE
    return _of_entry(file, found if found is not None and found.key == file.key else None)


def _in_listing(file: InputFile, matches: dict[str, Match]) -> str:
    match = matches.get(file.place)
    return _of_entry(file, match.entry if match is not None else None)


def _of_entry(file: InputFile, now: Entry | None) -> str:
    if now is None:
        return _GONE
    if (now.size, now.version) == (file.size, file.version):
        return ""
    return _difference(file.size, now.size, f"version {file.version} → {now.version}")


def _difference(before_bytes: int, now_bytes: int, more: str) -> str:
    size = f"size {before_bytes:,} → {now_bytes:,} bytes" if now_bytes != before_bytes else f"size {now_bytes:,} bytes"
    return f"{size}, {more}"


def _time(state: FileState) -> str:
    return datetime.fromtimestamp(state.mtime_ns / 1e9).astimezone().isoformat(" ", "milliseconds")


def _refuse(changes: Sequence[str], what_to_do: str) -> None:
    if changes:
        num_more = len(changes) - _MAX_NAMED
        more = f"; and {num_more:,} files more" if num_more > 0 else ""
        raise CorpusChanged(f"{'; '.join(changes[:_MAX_NAMED])}{more}. {what_to_do}")
