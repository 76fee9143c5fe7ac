"""JSON as it is read from a store, where anything may lie: checked by a model before any of it is used.

Guaranteed: types are exact (true is no number, "1" is none either), numbers are finite, and what is wrong is told as
JobError with the object, the key, the value and what to do. Not known here: what the objects are for.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError

from ...errors import JobError
from ..corpus.printable import printable

Count = Annotated[int, Field(ge=0, lt=1 << 63)]


def _amount(value: object) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1 << 63:
        raise ValueError("should be a number from 0 to 2**63 - 1")
    return value


Amount = Annotated[int | float, PlainValidator(_amount)]
"""Whole or not; it stays what it was, and so is written again as it stood."""


class Stored(BaseModel):
    """Keys of a JSON object that a run writes; others are refused."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())


S = TypeVar("S", bound=Stored)


def checked(kind: type[S], value: object, source: str, advice: str) -> S:
    """The value as what it should be.

    Args:
        kind: what should stand there.
        value: a JSON value.
        source: the object, as it begins a message: "s3://bucket/out/job.json is no job".
        advice: what to do, as it ends a message.

    Raises:
        JobError: It is something else.
    """
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        told = f"{first['msg'].removeprefix('Value error, ').lower()}, not {first['input']!r:.80}"
        what = f"{key} is missing" if first["type"] == "missing" else f"{key}: {told}" if key else told
        raise JobError(f"{source}: {printable(what, 300)}; {advice}") from error
    except (RecursionError, OverflowError) as error:
        raise JobError(f"{source}: {error}; {advice}") from error


def parsed(data: bytes, source: str) -> dict[str, Any]:
    """The JSON object in the content of an object.

    Raises:
        JobError: The text is anything else; the message names `source`
    """
    try:
        value: object = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise JobError(f"{source} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise JobError(f"{source} is {type(value).__name__}, where a JSON object is expected")
    return value
