"""Which columns of a table are text and audio, and what a row of it becomes.

Guaranteed: every row becomes a clip, one that makes no sense with the reason, which names file, line and column.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ...actors.records.utterance import Failure, Utterance
from ...cluster.storage.audio_files import AudioFiles
from ...errors import JobError, RowRejected, SpecError, did_you_mean
from ..corpus.options import Column, InputOptions
from ..corpus.reader import Broken
from ..corpus.rows import RowMaker, place_name
from ..corpus.values import is_missing
from .audio_corpus import AudioCorpusOptions, FoundClip, Sound, sound_of
from .output_parts import attempt_of

TEXTS = ("text", "sentence", "transcription", "transcript", "normalized_text")
AUDIOS = ("audio_filepath", "audio", "file_name", "audio_file", "audio_path", "wav", "path", "file")
_SPEEDS = (1e-3, 1e3)


@dataclass(frozen=True, slots=True)
class TableColumns:
    """The columns of a table that mean something.

    Attributes:
        audio: A column, or a pattern over columns such as "wavs/{id}.wav"
        normalized: The column of the text as it should be heard; None: as it is
        has_ids: Whether rows bring ids; if not, the place of a clip is its id
    """

    text: str
    audio: str
    normalized: str | None
    options: AudioCorpusOptions
    has_ids: bool

    @classmethod
    def of(cls, names: Sequence[str], options: AudioCorpusOptions, where: str, pattern: str = "") -> TableColumns:
        """Find the columns among those of a table.

        Args:
            names: The table's columns.
            options: Columns that were asked for.
            where: The table, for messages.
            pattern: Of the audio, where none is asked for.

        Raises:
            SpecError: There is no such column; the message names those that there are
        """
        text = _column(names, options.text, TEXTS, where, "text")
        asked = options.audio or pattern or None
        for field in _fields(asked or ""):
            _column(names, field, (), where, "audio")
        found = asked if asked and _fields(asked) else _column(names, asked, AUDIOS, where, "audio")
        normalized = options.normalized
        if normalized is not None:
            _column(names, normalized, (), where, "normalized")
        elif "normalized" in names:
            normalized = "normalized"
        elif "normalized_text" in names and text != "normalized_text":
            normalized = "normalized_text"
        if options.id != "id":
            _column(names, options.id, (), where, "id")
        return cls(text, found, normalized, options, options.id in names)

    def rows(self) -> RowMaker:
        """Makes utterances of rows."""
        options = self.options
        return RowMaker(
            InputOptions(
                uri=options.uri,
                id=Column("id", required=False),
                text=self.text,
                seed=Column(options.seed, required=False),
                voice=Column(options.voice, required=False),
                speed=Column(options.speed, required=False),
                speeds=_SPEEDS,
            )
        )

    def place_of(self, fields: dict[str, Any]) -> str:
        """The path of the clip, as the row has it.

        Raises:
            RowRejected: The row names none
        """
        names = _fields(self.audio) or [self.audio]
        values = {name: fields.get(name) for name in names}
        for name, value in values.items():
            if is_missing(value) or not isinstance(value, str | int) or isinstance(value, bool) or "\0" in str(value):
                raise RowRejected(f"the audio (column {name!r}) is {'empty' if is_missing(value) else 'no path'}")
        return self.audio.format(**values) if _fields(self.audio) else str(values[self.audio])

    def clip(
        self, rows: RowMaker, row: int, place: tuple[str, str, int], fields: dict[str, Any] | Broken, files: AudioFiles
    ) -> FoundClip:
        """The clip of a row.

        Args:
            rows: Of `rows`.
            row: Its number in the corpus.
            place: The table, "line" or "row", and the number of that.
            fields: The row's values.
            files: Reads clips by their path.
        """
        if isinstance(fields, Broken):
            return _faulty(rows.make(row, place, fields))
        given = dict(fields)
        embedded = embedded_audio(given.get(self.audio))
        try:
            where = embedded[1] if embedded is not None else self.place_of(given)
        except RowRejected as error:
            return _faulty(rows.make(row, place, {**given, self.text: ""}), f"{place_name(place)}: {error}")
        if embedded is not None:
            given[self.audio] = where or None
        shown = where or place_name(place)
        given["id"] = given.get(self.options.id) if self.has_ids else (where or None)
        if given["id"] is None:
            del given["id"]
        normalized = given.pop(self.normalized, "") if self.normalized else ""
        made = rows.make(row, place, given)
        if isinstance(made, Failure):
            return _faulty(made)
        load = partial(sound_of, embedded[0]) if embedded else partial(_load, files, where, cut_of(given))
        return FoundClip(
            made,
            shown if embedded else files.location(where),
            load,
            normalized if isinstance(normalized, str) else "",
            self.options.language or _language(given),
            attempt_of(None, made.metadata),
        )


def embedded_audio(value: object) -> tuple[bytes, str] | None:
    """The audio in a cell and its name there, as bytes or as `datasets` has it; None for a path or nothing."""
    if isinstance(value, bytes):
        return value, ""
    if isinstance(value, dict) and isinstance(value.get("bytes"), bytes):
        path = value.get("path")
        return value["bytes"], path if isinstance(path, str) else ""
    return None


def cut_of(fields: dict[str, Any]) -> tuple[float, float] | None:
    """Seconds where the clip begins in its file, and how long it is, as NeMo's manifests say it; None: all of it."""
    offset, duration = fields.get("offset"), fields.get("duration")
    if isinstance(offset, int | float) and isinstance(duration, int | float) and offset >= 0 and duration > 0:
        return float(offset), float(duration)
    return None


def _load(files: AudioFiles, where: str, cut: tuple[float, float] | None) -> Sound:
    sound = sound_of(files.read(where))
    if cut is None:
        return sound
    first = round(cut[0] * sound.sample_rate)
    samples = sound.samples[first : first + round(cut[1] * sound.sample_rate)]
    if not len(samples):
        raise JobError(f"{files.location(where)} ends before {cut[0]:g} s, where this clip begins")
    return Sound(samples, sound.sample_rate)


def _faulty(made: Utterance | Failure, fault: str = "") -> FoundClip:
    """A row with nothing to judge."""
    if isinstance(made, Failure):
        utterance = Utterance(made.row, made.id, made.text, 0, metadata=made.metadata)
        return FoundClip(utterance, "", _nothing, fault=fault or made.reason)
    return FoundClip(made, "", _nothing, fault=fault)


def _nothing() -> Sound:
    raise JobError("there is no clip")


def _language(fields: dict[str, Any]) -> str:
    given = fields.get("language", fields.get("lang"))
    return given if isinstance(given, str) and len(given) <= 16 else ""


def _fields(pattern: str) -> list[str]:
    """The columns in a pattern; none in a plain name."""
    try:
        return [name for _, name, _, _ in string.Formatter().parse(pattern) if name]
    except ValueError:
        return []


def _column(names: Sequence[str], asked: str | None, usual: Sequence[str], where: str, what: str) -> str:
    if asked is not None:
        if asked not in names:
            raise SpecError(f"{where} has no column {asked!r:.80} (--{what}): {did_you_mean(asked, names)}")
        return asked
    for name in usual:
        if name in names:
            return name
    shown = ", ".join(map(repr, names[:20]))
    raise SpecError(f"{where} has the columns {shown:.600}: name the one with the {what}, --{what} COLUMN")
