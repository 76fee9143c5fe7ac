"""JSON from a store. An object may have been edited, so a model checks its values before they are used.

Guaranteed: types are exact (neither true nor "1" is a number) and numbers are finite. A wrong value raises JobError
with the object, the key, the value and what to do.
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
"""An int or a float. Its type is kept, so that it is written again as it was read."""


class Stored(BaseModel):
    """The keys of a JSON object that a run writes; other keys are refused."""

    model_config = ConfigDict(
        strict=True, frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=(), defer_build=True
    )


S = TypeVar("S", bound=Stored)


def checked(kind: type[S], value: object, source: str, advice: str) -> S:
    """The value, checked against a model.

    Args:
        kind: The model.
        value: A JSON value.
        source: The beginning of a message, which names the object: "s3://bucket/out/job.json is no job".
        advice: The end of a message: what to do.

    Raises:
        JobError: The value does not fit the model.
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
        JobError: The content is not a JSON object; the message names `source`
    """
    try:
        value: object = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise JobError(f"{source} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise JobError(f"{source} is {type(value).__name__}, where a JSON object is expected")
    return value
