"""What an answer that holds no audio means: for the row, for the server, for the job. Standard library only."""

from __future__ import annotations

import email.utils
import json
import math
from dataclasses import dataclass
from enum import Enum, auto

_MOST_CHARS = 300
_QUOTA = "insufficient_quota"


class Blame(Enum):
    """What an answer without audio says.

    ROW         the server refuses this text; others may pass
    ATTEMPT     the request failed, by the server or by the text: it is sent again, a bounded number of times
    FORMAT      the audio is not of the kind that the job says: sent again, and the job is wrong if nothing else comes
    BUSY        the server takes nothing now: the request waits, and no attempt is counted
    JOB         no row can pass: a key, an address or the model's name is wrong
    ACCOUNT     no row can pass until something is paid
    """

    ROW = auto()
    ATTEMPT = auto()
    FORMAT = auto()
    BUSY = auto()
    JOB = auto()
    ACCOUNT = auto()


_BY_STATUS = {
    402: Blame.ACCOUNT,
    **dict.fromkeys((401, 403, 404, 405, 410), Blame.JOB),
    408: Blame.ATTEMPT,
    **dict.fromkeys((409, 425, 429, 503, 529), Blame.BUSY),
}
"""Other 4xx are the row's, other 3xx the job's, and the rest is tried again."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A request without audio.

    Attributes:
        reason: For messages, with the server's own words where there are some
        wait_s: Seconds that the server wants to be left alone; None if it does not say
        is_missing: The server knows no such path or model
    """

    blame: Blame
    reason: str
    wait_s: float | None = None
    is_missing: bool = False


class RequestFailed(Exception):
    """A request has brought no audio."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.reason)
        self.fault = fault


def fault_of(status: int, body: bytes, retry_after: str | None, now_s: float) -> Fault:
    """The fault that a status other than 200 stands for.

    Args:
        body: The answer, or the beginning of it
        retry_after: The header of this name
        now_s: Seconds since 1970, for a header that names a date
    """
    said, code = _said(body)
    reason = f"{status}: {said}" if said else f"status {status} without a message"
    if 300 <= status < 400:
        reason += "; redirects are not followed, name the address that speaks"
    blame = Blame.ACCOUNT if code == _QUOTA else _blame(status)
    return Fault(blame, reason, _seconds(retry_after, now_s), is_missing=status == 404)


def _blame(status: int) -> Blame:
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if 300 <= status < 400:
        return Blame.JOB
    return Blame.ROW if 400 <= status < 500 else Blame.ATTEMPT


def _seconds(retry_after: str | None, now_s: float) -> float | None:
    """Seconds of a header `Retry-After` (RFC 9110, 10.2.3: seconds, or a date); None for one that cannot be read."""
    if not retry_after:
        return None
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(retry_after).timestamp() - now_s
        except (TypeError, ValueError, OverflowError):
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _said(body: bytes) -> tuple[str, str]:
    """The message and the code of an error: of OpenAI's form, of FastAPI's, or any text."""
    text = body.decode("utf-8", "replace")
    code = ""
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        told = text
    if isinstance(told, dict):
        told = told.get("error") or told.get("detail") or told.get("message") or told
    if isinstance(told, dict):
        code = str(told.get("code") or told.get("type") or "")
        told = told.get("message") or told
    text = told if isinstance(told, str) else json.dumps(told, ensure_ascii=False)
    # Lone surrogates, which JSON may spell, would not pass into a manifest.
    plain = "".join(char if char.isprintable() else " " for char in text.encode("utf-8", "replace").decode())
    plain = " ".join(plain.split())
    return (plain if len(plain) <= _MOST_CHARS else f"{plain[:_MOST_CHARS]}…"), code
