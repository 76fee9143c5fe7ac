"""The clocks of a machine, to be passed to what decides by them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


def _boot_s() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


@dataclass(frozen=True, slots=True)
class Clocks:
    """All in seconds.

    Attributes:
        awake_s: Monotonic, the same in all processes of a machine; may stand still while it sleeps.
        boot_s: Monotonic, and goes on while the machine sleeps, where it has such a clock.
        wall_s: Since 1970; for people to read.
    """

    awake_s: Callable[[], float] = time.monotonic
    boot_s: Callable[[], float] = _boot_s
    wall_s: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep


REAL = Clocks()
