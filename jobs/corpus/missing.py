"""What is said of a column that has to be there and is not: what there is, and the key that cures it. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from .dialect import SHORTHANDS
from .options import DELIMITED, InputOptions, name_of
from .printable import printable
from .reader import Reader

_MAX_COMPARED = 200
"""Columns that a message looks at: a file that is none of ours may have a million."""
_TEXTS = (
    "text",
    "sentence",
    "transcript",
    "transcription",
    "utterance",
    "normalized_text",
    "caption",
    "content",
    "line",
)
"""How corpora call the column of the text."""
_MAX_NAME = 60


def no_column(reader: Reader, name: str, columns: Sequence[str]) -> str:
    """The message about a file that lacks a column.

    Args:
        reader: What has read the columns.
        name: The one that is not there.
        columns: Those that are.
    """
    columns = columns[:_MAX_COMPARED]
    near = difflib.get_close_matches(name, columns, n=1, cutoff=0.5)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    told = f"{reader.file.uri} has no column {name!r}{hint}; its columns: {printable(', '.join(columns))}"
    return f"{told}. {_cure(reader, name, columns, near)}"


def _cure(reader: Reader, name: str, columns: Sequence[str], near: Sequence[str]) -> str:
    options = reader.options
    if reader.file.format in DELIMITED - SHORTHANDS.keys() and _looks_like_a_row(columns):
        names = ", ".join(f"column_{at}" for at in range(1, len(columns) + 1))
        own = f"--set input.header=false --set 'input.columns=[{names}]', the names being yours"
        is_ljspeech = reader.delimiter == "|" and len(columns) in SHORTHANDS["ljspeech"]
        bars = "--set input.format=ljspeech for id|text or id|text|text, else " if is_ljspeech else ""
        return f"If the first line is a row already: {bars}{own}"
    roles = {
        "id": options.id,
        "seed": options.seed,
        "voice": options.voice,
        "speed": options.speed,
        "language": options.language,
    }
    for key, column in roles.items():
        if name == name_of(column):
            found = f"--set input.{key}={_set(near[0])}, or " if near else ""
            return f"{found}--set input.{key}=null for none."
    if name != options.text:
        return ""
    known = [column for column in _TEXTS if column in columns]
    best = near[0] if near else known[0] if known else columns[-1] if len(columns) == 1 else None
    others = [f" --set input.{key}={_set(found)}" for key, found in other_case(options, columns)]
    return f"Name the one to be spoken: --set input.text={_set(best) if best else 'COLUMN'}{''.join(others)}"


def other_case(options: InputOptions, columns: Sequence[str]) -> list[tuple[str, str]]:
    """Columns that are named as one that is looked for, but in other letters, as in (key of the input, column)."""
    roles = {"id": options.id, "seed": options.seed, "voice": options.voice, "speed": options.speed}
    return [
        (key, column)
        for key, role in roles.items()
        for column in columns[:_MAX_COMPARED]
        if role is not None and role.name not in columns and column.lower() == role.name.lower()
    ]


def _looks_like_a_row(columns: Sequence[str]) -> bool:
    """Whether a header reads like a row: a sentence in place of a name."""
    return any(len(name) > _MAX_NAME or name.count(" ") >= 2 or name.endswith((".", "!", "?")) for name in columns)


def _set(column: str) -> str:
    return printable(column if column.replace("_", "").isalnum() else f"'\"{column}\"'", 100)
