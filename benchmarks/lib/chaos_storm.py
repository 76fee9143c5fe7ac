"""What is killed when: replicas and raylets every so often, the driver a few times, which is also paused, to the end.

Of the main thread only: Ray starts raylets nowhere else.
"""

from __future__ import annotations

import argparse
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import psutil

from .chaos_cluster import Driver, Nodes

MAY_GO_ON = 3
MAX_STOPS = 20
"""The status with which a driver gives up that the store failed too often, and how often it may."""

MAX_QUIET_S = 600.0
"""Without a row: then the job is taken for stuck."""


@dataclass(slots=True)
class Due:
    """What happens at even intervals; late by much, it does not hurry."""

    every_s: float
    at_s: float
    left: int

    def is_due(self, now_s: float) -> bool:
        """Whether it is time."""
        return self.left > 0 and now_s >= self.at_s

    def done(self, now_s: float) -> None:
        """It has happened."""
        self.at_s = max(self.at_s + self.every_s, now_s + self.every_s / 2)
        self.left -= 1


class Storm:
    """Kills what is due, and starts the driver again, until the job is complete."""

    def __init__(self, arguments: argparse.Namespace, nodes: Nodes, driver: Driver, journal: Path) -> None:
        self._nodes, self._driver, self._journal = nodes, driver, journal
        self._chance = random.Random(arguments.seed)
        self._faults = Counter({"replicas": 0, "raylets": 0, "drivers": 0, "pauses": 0, "driver_stops": 0})
        seconds = arguments.minutes * 60
        drivers_s = seconds / (arguments.drivers + 1)
        pauses_s = min(drivers_s, seconds / max(1, arguments.pauses))
        self._due = {
            "replicas": Due(arguments.replica_every, arguments.replica_every, int(seconds / arguments.replica_every)),
            "raylets": Due(arguments.raylet_every, arguments.raylet_every / 2, int(seconds / arguments.raylet_every)),
            "drivers": Due(drivers_s, drivers_s, arguments.drivers),
            # Between two kills: a driver whose predecessor was killed has no lease yet that it could lose.
            "pauses": Due(pauses_s, pauses_s / 2, arguments.pauses),
        }

    def rage(self) -> dict[str, int]:
        """How many of what were killed when it is over. The time counts from when the first row is spoken."""
        while not self._journal.exists():
            if self._driver.status() is not None:
                self._start_again(self._driver.status())
            time.sleep(0.1)
        began_s = time.monotonic()
        while (status := self._driver.status()) != 0:
            if status is not None:
                self._start_again(status)
            for kind, due in self._due.items():
                if due.is_due(time.monotonic() - began_s) and self._kill(kind):
                    self._faults[kind] += 1
                    due.done(time.monotonic() - began_s)
            if time.time() - self._journal.stat().st_mtime > MAX_QUIET_S:
                raise SystemExit(f"nothing was spoken for {MAX_QUIET_S:g} s:\n{self._driver.said}")
            time.sleep(0.1)
        self._driver.wake()
        return dict(self._faults)

    def _start_again(self, status: int | None) -> None:
        if status != -signal.SIGKILL:
            self._faults["driver_stops"] += 1
            if status != MAY_GO_ON or self._faults["driver_stops"] > MAX_STOPS:
                raise SystemExit(f"a driver ended with status {status}:\n{self._driver.said}")
        self._driver.start_again()

    def _kill(self, kind: str) -> bool:
        """Kill -9 one of a kind; False if there is none at the moment."""
        if kind == "drivers":
            return self._driver.kill()
        if kind == "pauses":
            return self._driver.pause()
        if kind == "raylets":
            self._nodes.kill_one(self._chance)
            return True
        try:
            self._chance.choice(self._nodes.replicas()).kill()
        except (IndexError, psutil.Error):
            return False
        return True
