"""Rows that need not be looked at one by one, since they are as most are. Pure.

Guaranteed: what is said of such rows is what `RowMaker` says of each of them alone, several times as fast.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, cast

from ...actors.records.utterance import JsonScalar
from ...errors import RowRejected
from .options import InputOptions, name_of
from .reader import Broken

_Fields = dict[str, object]


class PlainRows:
    """Knows rows of an id and a text, maybe a voice, no seed, speed or reference, and nothing that may be wrong."""

    def __init__(self, options: InputOptions, metadata: Callable[[_Fields], dict[str, JsonScalar]]) -> None:
        self._options = options
        self._metadata = metadata
        self._id, self._text, self._voice = name_of(options.id), options.text, name_of(options.voice)
        self._empty = (name_of(options.seed), name_of(options.speed), name_of(options.reference))
        self._voices = frozenset(options.voices)
        self._language, self._languages = name_of(options.language), frozenset(options.languages)
        self._meaningful = frozenset(column.name for column in options.meaningful)

    def columns(self, rows: Sequence[_Fields | Broken]) -> tuple[Sequence[Any], ...] | None:
        """Ids, texts, seeds, voices, speeds, metadata, languages, references of rows; None if one is not plain."""
        columns = _columns(rows)
        if columns is None or not self._is_plain(columns):
            return None
        voices = columns.get(self._voice, [None])
        if _is_empty(voices):
            voices = [self._options.default_voice] * len(rows)
        languages = columns.get(self._language, [""])
        if _is_empty(languages):
            languages = [""] * len(rows)
        speeds = [self._options.default_speed] * len(rows)
        metadata: list[dict[str, JsonScalar]]
        try:
            if self._options.metadata == "all" and columns.keys() <= self._meaningful:
                metadata = [{} for _ in rows]
            else:
                metadata = list(map(self._metadata, cast("Sequence[_Fields]", rows)))
        except RowRejected:
            return None
        none = [None] * len(rows)
        return columns[self._id], columns[self._text], none, voices, speeds, metadata, languages, none

    def _is_plain(self, columns: dict[str, list[object]]) -> bool:
        if self._id not in columns or self._text not in columns:
            return False
        ids, texts = cast("list[str]", columns[self._id]), cast("list[str]", columns[self._text])
        if set(map(type, ids)) != {str} or set(map(type, texts)) != {str}:
            return False
        voices, languages = columns.get(self._voice, [None]), columns.get(self._language, [None])
        return (
            all(ids)
            and all(map(str.isprintable, ids))
            and not any(map(str.isspace, ids))
            and all(texts)
            and max(map(len, texts)) <= self._options.max_chars
            and not any(map(str.isspace, texts))
            and "\0" not in "".join(texts)
            and all(_is_empty(columns.get(name, [None])) for name in self._empty)
            and (_is_empty(voices) or (set(map(type, voices)) == {str} and self._voices.issuperset(voices)))
            and (_is_empty(languages) or (set(map(type, languages)) == {str} and self._languages.issuperset(languages)))
        )


def _columns(rows: Sequence[_Fields | Broken]) -> dict[str, list[object]] | None:
    """The columns of rows that all have the same ones; None for others."""
    if set(map(type, rows)) != {dict} or len(set(map(len, cast("Sequence[_Fields]", rows)))) > 1:
        return None
    known = cast("Sequence[_Fields]", rows)
    try:
        return {name: list(map(itemgetter(name), known)) for name in known[0]}
    except KeyError:
        return None


def _is_empty(column: list[object]) -> bool:
    """Whether no row has a value in it."""
    return column.count(None) + column.count("") == len(column)
