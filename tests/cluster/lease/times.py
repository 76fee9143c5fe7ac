"""Time in tests of leases: a clock that is set by hand, and waiting for other threads."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from speechmill.cluster.lease.clocks import Clocks

DAY_S = 86_400.0


@dataclass
class Time:
    """A clock that is set by hand. `sleep` moves it, after `meanwhile` has done what others do in that time."""

    now_s: float = field(default_factory=time.monotonic)
    boot_ahead_s: float = 0.0
    wall_ahead_s: float = 1.7e9
    meanwhile: Callable[[], None] = lambda: None

    @property
    def clocks(self) -> Clocks:
        return Clocks(
            awake_s=lambda: self.now_s,
            boot_s=lambda: self.now_s + self.boot_ahead_s,
            wall_s=lambda: self.now_s + self.wall_ahead_s,
            sleep=self.sleep,
        )

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds
        self.meanwhile()


def no_wait() -> None:
    """For drivers that must not have to wait."""
    pytest.fail("it waited")


def until(condition: Callable[[], bool]) -> None:
    """Wait for other threads; the test's own time limit is the limit."""
    while not condition():
        time.sleep(0.01)
