"""S3 answers that break off in the middle: a request is repeated only for what broke before its answer began.

Guaranteed: what comes back is whole, or an error, within the patience of one request. Not known here: what was asked
for.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count
from typing import Any, TypeVar

from botocore.exceptions import (
    FlexibleChecksumError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)

from .deadline import Patience
from .retries import CHANCE, one_operation

_BROKEN_OFF = (ResponseStreamingError, IncompleteReadError, FlexibleChecksumError)
_PIECE_BYTES = 256 << 10

T = TypeVar("T")


def again(call: Callable[[float], T], patience: Patience) -> T:
    """The result of a call that is repeated, with growing random pauses, as long as its answer breaks off.

    It is given the time, by `time.monotonic`, at which it has to end.
    """
    with one_operation() as began_s:
        for num_tries in count(1):
            try:
                return call(began_s + patience.timeout_s)
            except _BROKEN_OFF:
                pause_s = patience.pause_s(num_tries, time.monotonic() - began_s, CHANCE.random())
                if pause_s is None:
                    raise
            time.sleep(pause_s)
    raise AssertionError("unreachable")


def body_of(answer: dict[str, Any], until_s: float) -> tuple[bytes, dict[str, Any]]:
    """The body of an answer, read whole, and the rest of it. An answer that drips past `until_s` has broken off."""
    pieces: list[bytes] = []
    try:
        for piece in answer["Body"].iter_chunks(_PIECE_BYTES):
            pieces.append(piece)
            if time.monotonic() > until_s:
                raise ResponseStreamingError(error=f"not whole in time, after {sum(map(len, pieces))} bytes")
        return b"".join(pieces), answer
    except ReadTimeoutError as error:
        raise ResponseStreamingError(error=error) from error
    finally:
        answer["Body"].close()
