"""One value as one line of JSON, as outputs hold it.

Guaranteed: a line is UTF-8, has no newline inside, and holds no number that JSON lacks; what is read has no key twice.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from json.encoder import encode_basestring
from operator import itemgetter
from typing import Any, cast

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def dumps(value: Mapping[str, object]) -> str:
    """One line of JSON that UTF-8 can hold. Numbers that JSON lacks (nan, inf) become null.

    Raises:
        TypeError: For a value that is no JSON
        ValueError: For a value that is no JSON
    """
    try:
        text = _ENCODER.encode(value)
    except (TypeError, ValueError):
        text = _ENCODER.encode(_finite(value))  # a rare value costs a walk, a common one none
    if text.isascii():
        return text
    return text.encode("utf-8", "backslashreplace").decode("utf-8")  # a lone surrogate becomes its JSON escape


def dumps_all(values: Sequence[Mapping[str, object]]) -> str:
    """The lines of `dumps` of some values, one behind the other with nothing between.

    Raises:
        TypeError: For a value that is no JSON
        ValueError: For a value that is no JSON
    """
    names = tuple(values[0]) if values else ()
    if not names or any(map(names.__ne__, map(tuple, values))) or not all(type(name) is str for name in names):
        return "".join(map(dumps, values))
    columns = [list(map(itemgetter(name), values)) for name in names]
    if any(set(map(type, column)) != {str} for column in columns):
        return "".join(map(dumps, values))
    # Text under the same keys, as most metadata is: the keys are encoded once.
    starts = [("{" if at == 0 else ",") + encode_basestring(name) + ":" for at, name in enumerate(names)]
    pieces = [
        [start + encode_basestring(text) for text in column] for start, column in zip(starts, columns, strict=True)
    ]
    text = "}".join(["".join(line) for line in zip(*pieces, strict=True)]) + "}"
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def _finite(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in cast("Mapping[object, object]", value).items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def loads(line: str | bytes) -> Any:
    """Read one line of JSON.

    Raises:
        ValueError: It is no JSON, an object has a key twice, or a number is nan or infinite
        RecursionError: It is nested too deeply
    """
    return json.loads(line, object_pairs_hook=_without_duplicates, parse_constant=_refuse_constant)


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Refuse a repeated key: readers would differ in which value they take."""
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key that comes twice")
    return result


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON number")
