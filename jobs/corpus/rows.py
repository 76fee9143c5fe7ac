"""What a row of the input means: its columns become an utterance, or a failure with the reason.

Guaranteed: every row becomes exactly one of the two, nothing is raised, and the result depends on the options and
the row alone. Not known here: files, formats and other rows, hence not whether an id is used twice.
Many rows are made at once, column by column, since a driver makes millions of them.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from ...actors.models.voice_reference import unknown_name
from ...actors.records.reference import NamedClip
from ...actors.records.utterance import Failure, JsonScalar, Utterance
from ...actors.records.utterance_columns import UtteranceColumns
from ...errors import RowRejected
from .bloom_filter import Hashes
from .columns import Columns
from .options import InputOptions, name_of
from .plain import PlainRows, default_id
from .reader import Broken, RawRows
from .references import RowReferences
from .values import decoded, is_infinite, is_missing, is_no_number, scalar, seed_in, short, with_point

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

_Checked = tuple[str, str, "int | None", str, float, dict[str, JsonScalar], str, "NamedClip | None"]
"""A row that can be spoken: id, text, seed if it brings one, voice, speed, metadata, language, reference."""
_TOGETHER = 256
"""Rows that are looked at together; one that is odd costs its neighbours some time."""


@dataclass(frozen=True, slots=True)
class MadeRows:
    """Consecutive rows, each an utterance or a failure.

    Attributes:
        hashes: uint64 [len(utterances)]: 64 bits of the job's seed and the utterance's id, see `IdIndex`.
    """

    utterances: UtteranceColumns
    failures: list[Failure]
    hashes: Hashes

    @property
    def rows(self) -> list[Utterance | Failure]:
        """All of them, in order."""
        return merged(self.utterances, self.failures)


def merged(utterances: Sequence[Utterance], failures: Sequence[Failure]) -> list[Utterance | Failure]:
    """Rows of two kinds, by their numbers."""
    return sorted([*utterances, *failures], key=attrgetter("row")) if failures else list(utterances)


class RowMaker:
    """Makes utterances of rows, by the job's options."""

    def __init__(self, options: InputOptions) -> None:
        self._options = options
        self._id = name_of(options.id)
        self._is_id_required = options.id is not None and options.id.required
        self._text = options.text
        self._max_chars = options.max_chars
        self._seed = name_of(options.seed)
        self._voice = name_of(options.voice)
        self._speed = name_of(options.speed)
        self._language = name_of(options.language)
        self._references = RowReferences(options)
        self._voices = frozenset(options.voices)
        self._meaningful = frozenset(column.name for column in options.meaningful)
        self._plain = PlainRows(options)

    def make(self, row: int, place: tuple[str, str, int], fields: dict[str, object] | Broken) -> Utterance | Failure:
        """The row as an utterance or a failure; `place` is its file, "line" or "row", and the number of that."""
        uri, unit, number = place
        return self.make_all(row, uri, unit, RawRows.of([(number, fields)])).rows[0]

    def make_all(self, first_row: int, uri: str, unit: str, raw: RawRows, decimal: str = ".") -> MadeRows:
        """Make consecutive rows of one file.

        Args:
            first_row: Number in the corpus of the first of them.
            uri: The file.
            unit: What the numbers in `raw` count: "line" or "row".
            raw: The rows.
            decimal: Decimal sign of numbers in text, "." or ","; a point is always read.
        """
        failures: list[Failure] = []
        columns = Columns()
        for start in range(0, len(raw), _TOGETHER):
            some = raw.some(start, start + _TOGETHER)
            first = first_row + start
            plain = self._plain.columns(some, first)
            if plain is not None:
                columns.extend(range(first, first + len(some)), *plain)
                continue
            for row, number, fields in zip(range(first, first + len(some)), some.numbers, some.rows, strict=True):
                checked = self._checked_or_failed(row, (uri, unit, number), fields, decimal)
                if isinstance(checked, Failure):
                    failures.append(checked)
                else:
                    columns.append(row, *checked)
        utterances, hashes = columns.made(self._options.job_seed)
        return MadeRows(utterances, failures, hashes)

    def _checked_or_failed(
        self, row: int, place: tuple[str, str, int], fields: dict[str, object] | Broken, decimal: str
    ) -> _Checked | Failure:
        if isinstance(fields, Broken):
            return Failure(row, default_id(row), f"{place_name(place)}: {fields.reason}")
        try:
            return self._checked(row, place[0], fields, decimal)
        except RowRejected as error:
            return self._failure(row, f"{place_name(place)}: {error}", fields)

    def _checked(self, row: int, uri: str, fields: dict[str, object], decimal: str) -> _Checked:
        options, get = self._options, fields.get
        row_id = self._row_id(row, fields)
        text = get(self._text)
        if type(text) is not str:
            text = self._as_text(text, fields)
        if not text or text.isspace():
            raise RowRejected(f"the text (column {self._text!r}) is empty")
        if len(text) > self._max_chars:
            raise RowRejected(
                f"the text has {len(text):,} characters, more than input.max_chars = {options.max_chars:,}"
            )
        if "\0" in text:
            raise RowRejected("the text holds a NUL character: the file may be damaged, or in another encoding")
        given = get(self._seed)
        seed = None if is_no_number(given) else seed_in(with_point(given, decimal))
        given = get(self._voice)
        voice = options.default_voice if is_missing(given) else self._checked_voice(given)
        given = get(self._speed)
        speed = options.default_speed if is_no_number(given) else self._checked_speed(given, decimal)
        given = get(self._language)
        language = "" if is_missing(given) else self._checked_language(given)
        reference = self._references.of(fields, uri)
        return row_id, text, seed, voice, speed, self._metadata(fields), language, reference

    def _row_id(self, row: int, fields: dict[str, object]) -> str:
        given = fields.get(self._id)
        if type(given) is not str:
            if self._id not in fields:
                if self._is_id_required:
                    raise RowRejected(f"the row has no {self._id!r}")
                return default_id(row)
            if given is not None and (isinstance(given, bool) or not isinstance(given, int | float)):
                raise RowRejected(f"the id (column {self._id!r}) is neither text nor a number: {short(given)}")
            given = "" if is_missing(given) else str(given)
        if not given or given.isspace():
            raise RowRejected(f"the id (column {self._id!r}) is empty")
        if not given.isprintable() and _CONTROL.search(given):
            raise RowRejected(f"the id {short(given)} holds a control character")
        return given

    def _as_text(self, text: object, fields: dict[str, object]) -> str:
        if text is None:
            if self._text not in fields:
                raise RowRejected(f"the row has no {self._text!r}")
            return ""
        if is_missing(text):
            return ""
        if isinstance(text, int | float) and not isinstance(text, bool) and not is_infinite(text):
            return str(text)
        if isinstance(text, bytes):
            return decoded(text, self._text)
        raise RowRejected(f"the text (column {self._text!r}) is a {type(text).__name__}, not a string: {short(text)}")

    def _checked_voice(self, voice: object) -> str:
        if not isinstance(voice, str):
            raise RowRejected(f"voice {short(voice)} is not a name")
        if self._voices and (unknown := unknown_name(voice, self._voices, self._options.voice_forms)):
            near = difflib.get_close_matches(unknown, sorted(self._voices), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            known = ", ".join(self._options.voices[:20])
            raise RowRejected(f"unknown voice {short(unknown)}{hint} (voices: {known})")
        return voice

    def _checked_language(self, given: object) -> str:
        """The language in its usual spelling, as in "en-GB"."""
        name, _, region = str(given).strip().replace("_", "-").partition("-")
        if name.lower() not in self._options.languages:
            known = ", ".join(self._options.languages)
            raise RowRejected(f"language {short(given)} is not one that the model reads (languages: {known})")
        return f"{name.lower()}-{region.upper()}" if region else name.lower()

    def _checked_speed(self, given: object, decimal: str) -> float:
        slowest, fastest = self._options.speeds
        number: Any = with_point(given, decimal)
        try:
            speed = math.nan if isinstance(number, bool) else float(number)
        except (TypeError, ValueError, OverflowError):
            speed = math.nan
        if not slowest <= speed <= fastest:
            allowed = f"a number from {slowest:g} to {fastest:g}" if slowest < fastest else f"{slowest:g}, the only one"
            raise RowRejected(f"speed {short(given)} is not {allowed}")
        return speed

    def _metadata(self, fields: dict[str, object]) -> dict[str, JsonScalar]:
        if self._options.metadata == "all":
            used = self._meaningful
            if fields.keys() <= used:
                return {}
            return {name: v if type(v) is str else scalar(v) for name, v in fields.items() if name not in used}
        return {name: scalar(fields[name]) for name in self._options.metadata if name in fields}

    def _failure(self, row: int, reason: str, fields: dict[str, object]) -> Failure:
        text = fields.get(self._text)
        given = fields.get(self._id)
        is_name = isinstance(given, str) and given.isprintable() and not given.isspace()
        row_id = str(given) if is_name or type(given) is int else ""
        shown = text[: self._options.max_chars] if isinstance(text, str) else ""
        try:
            metadata = self._metadata(fields)
        except RowRejected:  # the very reason of the failure, it may be
            metadata = {}
        return Failure(row, row_id or default_id(row), reason, shown, metadata)


def place_name(place: tuple[str, str, int]) -> str:
    """Where a row stands, for people."""
    uri, unit, number = place
    return f"{uri} {unit} {number}"
