"""How long S3 is waited for: how many tries a request has, after which pauses, in how much time. Pure.

Guaranteed: no try begins that could end after `timeout_s`, as far as a try is what `try_s` says: nothing comes for so
long. So a request without an answer ends within `timeout_s`, however many tries it would have left.
Not known here: what went wrong, and whether it may go well the next time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

MAX_PAUSE_S = 60.0


@dataclass(frozen=True, slots=True)
class Patience:
    """With one request.

    Attributes:
        max_attempts: Tries, at least 1.
        timeout_s: Seconds for all of them and the pauses between.
        connect_s: Seconds for a connection.
        read_s: Seconds without a byte, then a try has failed.
    """

    max_attempts: int
    timeout_s: float
    connect_s: float
    read_s: float

    @classmethod
    def of(cls, max_attempts: int, timeout_s: float, connect_s: float = 10.0, read_s: float = 60.0) -> Self:
        """With timeouts that leave time for two tries at least, and a seventh of it for what is between and around."""
        return cls(max_attempts, timeout_s, min(connect_s, timeout_s / 7), min(read_s, timeout_s * 2 / 7))

    @property
    def try_s(self) -> float:
        """Seconds that a try without an answer takes."""
        return self.connect_s + self.read_s

    def pause_s(self, num_tries: int, elapsed_s: float, chance: float) -> float | None:
        """Seconds until the next try, None if there is none: the n-th pause is up to 2ⁿ⁻¹ s, a minute at most.

        Args:
            num_tries: How often it was tried.
            elapsed_s: Since the first try began.
            chance: 0 … 1, random: requests that failed together do not come back together ("full jitter", AWS
                Architecture Blog, Exponential Backoff And Jitter).
        """
        left_s = self.timeout_s - self.try_s - elapsed_s
        if num_tries >= self.max_attempts or left_s < 0:
            return None
        return min(chance * min(2.0 ** min(num_tries - 1, 10), MAX_PAUSE_S), left_s)
