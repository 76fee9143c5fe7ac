"""S3 answers that break off in the middle: botocore repeats only what broke before the answer began.

Guaranteed: what comes back is whole, or an error. Not known here: what was asked for.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any, TypeVar

from botocore.exceptions import (
    FlexibleChecksumError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)

_BROKEN_OFF = (ResponseStreamingError, IncompleteReadError, FlexibleChecksumError)

T = TypeVar("T")


def again(call: Callable[[], T], attempts: int) -> T:
    """The result of a call that is repeated, with growing random pauses, as long as its answer breaks off."""
    for attempt in range(1, attempts):
        try:
            return call()
        except _BROKEN_OFF:
            time.sleep(random.random() * min(2 ** (attempt - 1), 20))
    return call()


def body_of(answer: dict[str, Any]) -> tuple[bytes, dict[str, Any]]:
    """The body of an answer, read whole, and the rest of it."""
    try:
        return answer["Body"].read(), answer
    except ReadTimeoutError as error:
        raise ResponseStreamingError(error=error) from error
    finally:
        answer["Body"].close()
