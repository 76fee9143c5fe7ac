"""The door that every format of export stands behind: clips go in as they are read, lists are written at the end."""

from __future__ import annotations

import gzip
import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import IO, cast

from ...cluster.containers.base import local_disk, path_of, scratch_file
from ...cluster.storage import Storage
from .clip import ExportedClip
from .index import ExportIndex

Write = Callable[[str], None]
"""Writes one line, which is given without its end."""


class Exporter(ABC):
    """One export in one format. A subclass says where the WAV files go, and writes the lists.

    Args:
        target: Where the export goes
    """

    def __init__(self, target: Storage) -> None:
        self._target = target

    def key_of(self, clip: ExportedClip) -> str:
        """The key of a clip's file."""
        return f"wavs/{clip.name}.wav"

    def store(self, clip: ExportedClip) -> None:
        """Write a clip's file. Several threads call this."""
        self._target.put(self.key_of(clip), clip.wav)

    def collect(self, clip: ExportedClip) -> None:  # noqa: B027 - most formats have nothing to do
        """Take a clip after `store`, in the order in which clips are read. One thread calls this."""

    def abort(self) -> None:  # noqa: B027 - the same
        """Give up: leave nothing on the local disk. May follow `finish`."""

    @abstractmethod
    def finish(self, index: ExportIndex) -> None:
        """Write the lists of all clips."""

    @contextmanager
    def listing(self, key: str, *, compressed: bool = False, ends_lines: bool = True) -> Generator[Write]:
        """Write a list: lines go to the local disk, and the object is stored at the end of the block."""
        with scratch_file(".list") as file:
            stream: IO[bytes] = file
            end = b"\n" if ends_lines else b""
            if compressed:  # without a time and a name, so that the same lines give the same bytes
                stream = cast("IO[bytes]", gzip.GzipFile("", "wb", 6, file, mtime=0))

            def write(line: str) -> None:
                with local_disk():
                    stream.write(line.encode() + end)

            yield write
            with local_disk():
                if stream is not file:
                    stream.close()
                file.flush()
            self._target.put(key, path_of(file))


def speaker_of(voice: str) -> str:
    """A voice as a word of letters, digits and underscores; one that is changed gets a hash, so that all differ."""
    word = re.sub(r"[^A-Za-z0-9_]+", "_", voice)[:48]
    if word == voice:
        return word or "voice"
    return f"{word}_{hashlib.blake2b(voice.encode(), digest_size=4).hexdigest()}"
