"""`driver.json`: who may write an output.

Guaranteed: what `LeaseRecord.encode` writes, `LeaseRecord.parse` reads, and nothing else passes; each beat has other
bytes than every beat of any holder. Times of day are for people: no decision reads them.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from .process import Process

MAX_LEASE_S = 3600.0


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """A driver and its lease, as of its last beat.

    Attributes:
        id: The id of this one lease, random.
        version: The version of speechmill.
        since_s: Seconds since 1970 by the holder's clock, as `renewed_s`.
        lease_s: From one beat: how long the lease lasts.
        beat: Number of the renewal.
        beat_s: When it was, by the monotonic clock of the holder's machine.
        is_released: The holder gave the lease back.
    """

    id: str
    process: Process
    version: str
    since_s: float
    renewed_s: float
    lease_s: float
    beat: int
    beat_s: float
    is_released: bool = False

    def __str__(self) -> str:
        return f"{self.process}, since {_clock(self.since_s)}, last heard of at {_clock(self.renewed_s)} by its clock"

    def encode(self) -> bytes:
        """The content of `driver.json`."""
        body = {
            "speechmill": self.version,
            "id": self.id,
            "state": "released" if self.is_released else "held",
            **asdict(self.process),
            "since": _clock(self.since_s),
            "renewed": _clock(self.renewed_s),
            "expires": _clock(self.renewed_s + self.lease_s),
            "since_s": self.since_s,
            "renewed_s": self.renewed_s,
            "lease_s": self.lease_s,
            "beat": self.beat,
            "beat_s": self.beat_s,
        }
        return json.dumps(body, indent=2, ensure_ascii=False).encode()

    @classmethod
    def parse(cls, data: bytes) -> LeaseRecord:
        """Read it back.

        Raises:
            ValueError: For anything that `encode` would not write
        """
        try:
            body = json.loads(data)
            holder = cls(
                id=_text(body["id"]),
                process=Process(
                    _text(body["host"]), _whole(body["pid"]), _text(body["machine"]), _whole(body["started"])
                ),
                version=_text(body["speechmill"]),
                **{name: _number(body[name]) for name in ("since_s", "renewed_s", "lease_s", "beat_s")},
                beat=_whole(body["beat"]),
                is_released={"released": True, "held": False}[body["state"]],
            )
        except (KeyError, TypeError, OverflowError, RecursionError) as error:
            raise ValueError(f"no such key or value: {error}") from error
        if not (0 < holder.lease_s <= MAX_LEASE_S and 0 < holder.process.pid < 1 << 31):
            raise ValueError(f"lease_s {holder.lease_s} or pid {holder.process.pid} is out of range")
        return holder


def _clock(wall_s: float) -> str:
    try:
        return f"{datetime.fromtimestamp(wall_s, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):
        return "an unknown time"


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is no text")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError(f"{value!r:.40} is no number")
    return float(value)


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise TypeError(f"{value!r:.40} is no whole number")
    return value
