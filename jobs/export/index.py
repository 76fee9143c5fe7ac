"""What is known of all clips of an export, in any order that a list needs: a database in a temporary file.

Guaranteed: memory does not grow with the number of clips. No audio is kept here.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from ...errors import StorageFull
from .clip import ExportedClip, Split

_CACHE_KIB = 16_384
_BATCH = 1_000


class ExportIndex:
    """The clips of one export; `opened` makes it."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._waiting: list[tuple[int, str, str, str]] = []

    @classmethod
    @contextmanager
    def opened(cls) -> Generator[ExportIndex]:
        """An empty index, in a temporary folder that is deleted at the end of the block.

        Raises:
            StorageFull: No space is left in the temporary folder
        """
        with tempfile.TemporaryDirectory(prefix="speechmill-") as folder:
            try:
                with closing(sqlite3.connect(Path(folder) / "index.sqlite", isolation_level=None)) as database:
                    database.execute("PRAGMA journal_mode = OFF")
                    database.execute("PRAGMA synchronous = OFF")
                    database.execute("PRAGMA temp_store = FILE")
                    database.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
                    database.execute(
                        "CREATE TABLE clips (row INTEGER PRIMARY KEY, split TEXT, speaker TEXT, told TEXT)"
                    )
                    yield cls(database)
            except sqlite3.OperationalError as error:
                where = tempfile.gettempdir()
                raise StorageFull(f"the temporary folder {where}: {error}; make room, or set TMPDIR") from error

    def add(self, clip: ExportedClip, speaker: str) -> None:
        """Take what is known of a clip; `speaker` is its voice in a form that sorts."""
        told = asdict(replace(clip, wav=b""))
        del told["wav"]
        self._waiting.append((clip.row, clip.split, speaker, json.dumps(told)))
        if len(self._waiting) >= _BATCH:
            self._write()

    def clips(self, split: Split | None = None, *, by_speaker: bool = False) -> Iterator[ExportedClip]:
        """All clips of a split, or of both, in the order of the corpus; or by speaker, and then in that order."""
        self._write()
        order = "speaker, row" if by_speaker else "row"
        found = self._database.execute(
            f"SELECT told FROM clips WHERE split = ? OR ? IS NULL ORDER BY {order}",
            (split, split),
        )
        return (ExportedClip(**json.loads(told)) for (told,) in found)

    def count(self, split: Split) -> int:
        """The number of clips of a split."""
        self._write()
        return int(self._database.execute("SELECT count(*) FROM clips WHERE split = ?", (split,)).fetchone()[0])

    def _write(self) -> None:
        self._database.execute("BEGIN")
        self._database.executemany("INSERT INTO clips VALUES (?, ?, ?, ?)", self._waiting)
        self._database.execute("COMMIT")
        self._waiting.clear()
