"""A JSON object as it is read from a store, where anything may lie."""

from __future__ import annotations

import json
from typing import Any

from ...errors import JobError


def json_object(data: bytes, source: str) -> dict[str, Any]:
    """Parse it. Raises JobError, naming `source`, for anything but a JSON object."""
    try:
        value: object = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise JobError(f"{source} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise JobError(f"{source} is {type(value).__name__}, where a JSON object is expected")
    return value
