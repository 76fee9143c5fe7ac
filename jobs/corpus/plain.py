"""Rows that need not be looked at one by one, since they are as most are. Pure.

Guaranteed: what is said of such rows is what `RowMaker` says of each of them alone, several times as fast.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from ...actors.records.utterance import JsonScalar
from ...errors import RowRejected
from .options import InputOptions, name_of
from .reader import RawRows
from .values import scalar

_Columns = Mapping[str, Sequence[object]]


class PlainRows:
    """Knows rows of a text, maybe an id and a voice, no seed, speed or reference, and nothing that may be wrong."""

    def __init__(self, options: InputOptions) -> None:
        self._options = options
        self._id, self._text, self._voice = name_of(options.id), options.text, name_of(options.voice)
        self._is_id_optional = options.id is None or not options.id.required
        self._empty = (name_of(options.seed), name_of(options.speed), name_of(options.reference))
        self._voices = frozenset(options.voices)
        self._language, self._languages = name_of(options.language), frozenset(options.languages)
        self._meaningful = frozenset(column.name for column in options.meaningful)

    def columns(self, rows: RawRows, first_row: int) -> tuple[Sequence[Any], ...] | None:
        """Ids, texts, seeds, voices, speeds, metadata, languages, references of rows; None if one is not plain."""
        columns = rows.columns
        if columns is None or not self._is_plain(columns):
            return None
        voices = columns.get(self._voice, [None])
        if _is_empty(voices):
            voices = [self._options.default_voice] * len(rows)
        languages = columns.get(self._language, [""])
        if _is_empty(languages):
            languages = [""] * len(rows)
        speeds = [self._options.default_speed] * len(rows)
        try:
            metadata = self._metadata(columns, len(rows))
        except RowRejected:
            return None
        none = [None] * len(rows)
        ids = columns.get(self._id)
        if ids is None:
            ids = [default_id(row) for row in range(first_row, first_row + len(rows))]
        return ids, columns[self._text], none, voices, speeds, metadata, languages, none

    def _metadata(self, columns: _Columns, num_rows: int) -> list[dict[str, JsonScalar]]:
        """The other columns as the metadata of each row.

        Raises:
            RowRejected: A value cannot be metadata
        """
        kept = self._options.metadata
        names = [name for name in (columns if kept == "all" else kept) if name in columns]
        if kept == "all":
            names = [name for name in names if name not in self._meaningful]
        values = [_scalars(columns[name]) for name in names]
        if not names:
            return [{} for _ in range(num_rows)]
        if len(names) == 1:
            return [{names[0]: value} for value in values[0]]
        return [dict(zip(names, some, strict=True)) for some in zip(*values, strict=True)]

    def _is_plain(self, columns: _Columns) -> bool:
        if self._text not in columns or not (self._id in columns or self._is_id_optional):
            return False
        ids = cast("list[str]", columns.get(self._id, ["-"]))
        texts = cast("list[str]", columns[self._text])
        if set(map(type, ids)) != {str} or set(map(type, texts)) != {str}:
            return False
        voices, languages = columns.get(self._voice, [None]), columns.get(self._language, [None])
        return (
            all(ids)
            and "".join(ids).isprintable()
            and not any(map(str.isspace, ids))
            and all(texts)
            and max(map(len, texts)) <= self._options.max_chars
            and not any(map(str.isspace, texts))
            and "\0" not in "".join(texts)
            and all(_is_empty(columns.get(name, [None])) for name in self._empty)
            and (_is_empty(voices) or (set(map(type, voices)) == {str} and self._voices.issuperset(voices)))
            and (_is_empty(languages) or (set(map(type, languages)) == {str} and self._languages.issuperset(languages)))
        )


def default_id(row: int) -> str:
    """The id of a row that brings none."""
    return f"row-{row:09d}"


def _scalars(values: Sequence[object]) -> Sequence[JsonScalar]:
    """Values as JSON has them.

    Raises:
        RowRejected: A value cannot be metadata
    """
    if set(map(type, values)) == {str}:
        return cast("Sequence[str]", values)
    return list(map(scalar, values))


def _is_empty(column: Sequence[object]) -> bool:
    """Whether no row has a value in it."""
    return column.count(None) + column.count("") == len(column)
