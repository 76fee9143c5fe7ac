"""Single values of a row: what counts as none, numbers in text, and metadata as JSON has it. Pure."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from typing import cast

from ...actors.records.utterance import JsonScalar
from ...errors import RowRejected

MAX_SEED = 2**63 - 1


def seed_in(given: object) -> int:
    """An integer 0 … 2**63 - 1, also as pandas writes it in a column with gaps ("17.0").

    Raises:
        RowRejected: The row cannot be spoken, with the reason
    """
    if isinstance(given, str) and len(given) <= 24:
        digits = given.strip()
        whole, dot, rest = digits.partition(".")
        if whole.isascii() and whole.isdecimal() and not rest.strip("0") and (not dot or int(whole) <= 2**53):
            given = int(whole)
    elif isinstance(given, float) and given.is_integer() and abs(given) <= 2**53:
        given = int(given)
    if type(given) is int and 0 <= given <= MAX_SEED:
        return given
    raise RowRejected(f"seed {short(given)} is not an integer from 0 to 2**63 - 1")


def is_missing(given: object) -> bool:
    """Whether a value stands for none: null, an empty string, or NaN, which pandas writes in their place."""
    return given is None or given == "" or (isinstance(given, float) and math.isnan(given))


def is_no_number(given: object) -> bool:
    """Whether the place of a number is empty, or says NaN as text."""
    return is_missing(given) or (isinstance(given, str) and len(given) <= 5 and given.strip().lower() == "nan")


def is_infinite(value: float) -> bool:
    """Whether a number is an infinity."""
    return isinstance(value, float) and math.isinf(value)


def with_point(given: object, decimal: str) -> object:
    """A number in text with a decimal point; "1.234,5" stays as it is, and is refused."""
    if decimal == "." or not isinstance(given, str) or given.count(",") != 1 or "." in given:
        return given
    return given.replace(",", ".")


def scalar(value: object) -> JsonScalar:
    """A value as JSON has it: NaN and infinities as null, nested ones and foreign types as strings.

    Raises:
        RowRejected: For one that is nested too deeply
    """
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return base64.b64encode(value).decode()
    if isinstance(value, list | Mapping):
        try:
            return _nested(value)
        except RecursionError as error:
            raise RowRejected("a value is nested too deeply to be kept as metadata") from error
    return str(value)


def _nested(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, default=str, allow_nan=False)
    except ValueError:  # NaN or an infinity, somewhere inside
        return json.dumps(_finite(value), ensure_ascii=False, default=str)


def _finite(value: object) -> object:
    """The value with null for each NaN and infinity in it."""
    if isinstance(value, Mapping):
        return {name: _finite(inner) for name, inner in cast("Mapping[object, object]", value).items()}
    if isinstance(value, list):
        return [_finite(inner) for inner in cast("list[object]", value)]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def decoded(value: bytes, column: str) -> str:
    """Bytes as text.

    Raises:
        RowRejected: The bytes are not UTF-8; the message names the column
    """
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        byte = value[error.start]
        raise RowRejected(f"column {column!r}: byte 0x{byte:02X} at byte {error.start + 1} is not UTF-8") from error


def short(value: object) -> str:
    """A value as a message shows it."""
    try:
        shown = repr(value)
    except RecursionError:
        return "a value that is nested too deeply"
    return shown if len(shown) <= 60 else shown[:57] + "…"
