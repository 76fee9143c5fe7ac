"""Cores for each seat: divided without rest and without overlap; a seat is free when its process has ended."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmill.actors.device.cores import core_slice, take_seat

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="cores are pinned on Linux")

PIN = """
import os, threading, time
threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
from speechmill.actors.device.cores import pin_process
core = max(os.sched_getaffinity(0))
pin_process([core])
print({tuple(os.sched_getaffinity(int(task))) for task in os.listdir("/proc/self/task")} == {(core,)})
print(os.environ["OMP_NUM_THREADS"])
"""


@given(st.sets(st.integers(0, 255), min_size=1, max_size=64), st.integers(1, 24))
def test_seats_divide_the_cores(cores: set[int], seats: int) -> None:
    found = [core_slice(sorted(cores), seat, seats) for seat in range(seats)]
    if len(cores) < seats:
        assert found == [()] * seats
        return
    assert [core for part in found for core in part] == sorted(cores)
    assert max(map(len, found)) - min(map(len, found)) <= 1


def test_a_seat_is_held_by_one_process_until_it_ends(tmp_path: Path) -> None:
    first, second = take_seat(tmp_path, [2, 3]), take_seat(tmp_path, [2, 3])
    assert first is not None and second is not None
    assert (first[0], second[0]) == (2, 3)
    assert take_seat(tmp_path, [2, 3]) is None
    first[1].close()
    again = take_seat(tmp_path, [2, 3])
    assert again is not None and again[0] == 2
    for _, held in (second, again):
        held.close()


def test_every_thread_of_a_process_is_pinned() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PIN],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "8"},
    )
    assert done.stdout.split() == ["True", "1"]
