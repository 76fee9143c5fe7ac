"""What the job says about its input: where the files lie and what their columns mean.

Records only. Whether the files exist and have these columns is found out by `Corpus`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ...actors.models.voice_reference import VoiceForm
from ...cluster.storage.base import S3Options

Format = Literal["csv", "tsv", "ljspeech", "filelist", "txt", "jsonl", "parquet"]
DELIMITED: frozenset[Format] = frozenset({"csv", "tsv", "ljspeech", "filelist"})
"""Formats with fields between delimiters."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the input. One that is not `required` is used where it is present."""

    name: str
    required: bool = True


@dataclass(frozen=True, slots=True)
class InputOptions:
    """How to read the input.

    A column that the user names is `Column(name)` and has to exist; the defaults below are used where they are
    present; `None` means that the column is never read (and is metadata if the files have it).

    Attributes:
        uri: A path, file://, s3:// or hf://datasets/ URI, each also as a glob (`*`, `?`, `[…]`, `**`), an https:// URL;
            or several of them.
        id: Without it, a row's id is "row-" and its number in nine digits.
        text: The only column that every input needs.
        seed: An integer 0 … 2**63 - 1; where empty, `seed_of(job_seed, id)`.
        voice: Where empty, `default_voice`.
        speed: Where empty, `default_speed`.
        language: Of the text, as in "en" or "en-GB"; where empty, that of the voice or of the text's letters.
        reference: A recording to speak with the voice of, in place of `voice`: a path, from the corpus file on, or s3://.
        reference_text: The words in it.
        format: "auto" goes by the file's extension.
        delimiter: Between the fields of csv and tsv; None: found by the header, else that of the format.
        header: Whether csv and tsv begin with the names of the columns; None: as the format has it.
        columns: The names of the columns, where there is no header.
        max_chars: Longer texts fail.
        speeds: Slowest and fastest speed allowed.
        voices: The voices allowed; empty for any.
        languages: The languages allowed, as in "en": regions of them, such as "en-GB", are allowed as well.
        voice_forms: Forms of voices that are allowed beside them, such as "seed".
        reference_s: Shortest and longest recording that the model takes, in seconds.
        metadata: "all" columns that are none of the above, or the names of those to keep.
    """

    uri: str | tuple[str, ...]
    id: Column | None = Column("id", required=False)
    text: str = "text"
    seed: Column | None = Column("seed", required=False)
    voice: Column | None = Column("voice", required=False)
    speed: Column | None = Column("speed", required=False)
    language: Column | None = None
    reference: Column | None = None
    reference_text: Column | None = None
    format: Format | Literal["auto"] = "auto"
    delimiter: str | None = None
    header: bool | None = None
    columns: tuple[str, ...] = ()
    max_chars: int = 20_000
    default_voice: str = ""
    default_speed: float = 1.0
    speeds: tuple[float, float] = (0.25, 4.0)
    voices: tuple[str, ...] = ()
    voice_forms: tuple[VoiceForm, ...] = ()
    languages: tuple[str, ...] = ()
    reference_s: tuple[float, float] = (0.5, 30.0)
    job_seed: int = 0
    metadata: Literal["all"] | tuple[str, ...] = "all"
    s3: S3Options | None = None

    @property
    def uris(self) -> tuple[str, ...]:
        return (self.uri,) if isinstance(self.uri, str) else self.uri

    @property
    def meaningful(self) -> tuple[Column, ...]:
        """The columns that mean something, whether or not they have to exist."""
        named = (self.id, Column(self.text), self.seed, self.voice, self.speed, self.language)
        named += (self.reference, self.reference_text)
        return tuple(column for column in named if column is not None)

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the columns that have to exist."""
        kept = () if self.metadata == "all" else self.metadata
        return tuple(dict.fromkeys([column.name for column in self.meaningful if column.required] + list(kept)))

    @property
    def wanted(self) -> tuple[str, ...] | None:
        """Names of the columns worth reading; None for all of them."""
        if self.metadata == "all":
            return None
        return tuple(dict.fromkeys([column.name for column in self.meaningful] + list(self.metadata)))


def name_of(column: Column | None) -> str:
    """A column's name; one that no file has for a column that is never read."""
    return "\0" if column is None else column.name
