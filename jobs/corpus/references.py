"""The recording that a row names as its voice: two columns, checked as far as the row alone tells. Pure.

Guaranteed: a corpus that came from elsewhere opens no file of this machine. Rows of a local corpus may name local files
and objects in S3, those of a corpus in S3 objects in S3, and those of one from the web or a hub nothing.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote

from ...actors.records.reference import NamedClip
from ...cluster.storage.schemes import split_scheme
from ...errors import RowRejected
from .options import InputOptions, name_of
from .values import is_missing, short

_MAX_NAME = 1_024
_MAX_TEXT = 2_000


class RowReferences:
    """Reads the columns `reference` and `reference_text` of rows."""

    def __init__(self, options: InputOptions) -> None:
        self._clip, self._text, self._voice = (
            name_of(options.reference),
            name_of(options.reference_text),
            name_of(options.voice),
        )
        self._folders: dict[str, tuple[str, str]] = {}

    def of(self, fields: dict[str, object], uri: str) -> NamedClip | None:
        """The recording that a row names; None for none.

        Args:
            fields: The row
            uri: The file of the corpus

        Raises:
            RowRejected: The row names none that may be read, or no words, or a voice as well
        """
        clip = fields.get(self._clip)
        if is_missing(clip):
            return None
        if not isinstance(clip, str) or "\0" in clip or len(clip) > _MAX_NAME or clip.isspace():
            raise RowRejected(f"the reference (column {self._clip!r}) is no path of a recording: {short(clip)}")
        text = fields.get(self._text)
        if is_missing(text) or (isinstance(text, str) and text.isspace()):
            raise RowRejected(
                f"the reference {short(clip)} has no transcript: give the words that it says in column {self._text!r}"
            )
        if not isinstance(text, str) or len(text) > _MAX_TEXT:
            raise RowRejected(f"the reference's transcript (column {self._text!r}) is no text of {_MAX_TEXT} or less")
        if not is_missing(fields.get(self._voice)):
            raise RowRejected(
                f"the row has a voice (column {self._voice!r}) and a reference (column {self._clip!r}); leave one empty"
            )
        scheme, folder = self._place_of(uri)
        wanted = split_scheme(clip)[0]
        if wanted not in ("", "file", "s3"):
            raise RowRejected(f"reference {short(clip)}: {wanted}:// is not read; name a path or an s3:// URI")
        if scheme not in ("", "file", "s3"):
            raise RowRejected(f"reference {short(clip)}: rows of a corpus at {scheme}:// open no files; download it")
        is_local = wanted == "file" or (wanted == "" and clip.startswith(("/", "~")))
        if scheme == "s3" and is_local:
            raise RowRejected(f"reference {short(clip)}: rows of a corpus in s3:// open no files of this machine")
        if scheme == "s3" and wanted == "" and ".." in clip.split("/"):
            raise RowRejected(f"reference {short(clip)}: a key in s3:// has no '..'; name the whole s3:// URI")
        return NamedClip(clip, text, folder)

    def _place_of(self, uri: str) -> tuple[str, str]:
        """The scheme of a file of the corpus, and the folder that its relative paths begin at."""
        if uri not in self._folders:
            self._folders = {uri: folder_of(uri)}  # rows come file by file
        return self._folders[uri]


def folder_of(uri: str) -> tuple[str, str]:
    """The scheme of a file ("" for a path), and the folder that it lies in: absolute, or an s3:// prefix."""
    scheme, rest = split_scheme(uri)
    if scheme == "s3":
        return scheme, f"s3://{rest.rpartition('/')[0]}"
    if scheme == "file":
        rest = unquote(rest.removeprefix("localhost"))
    elif scheme:
        return scheme, ""
    return scheme, os.path.abspath(Path(rest).expanduser().parent)  # noqa: PTH100  # links stay as they are
