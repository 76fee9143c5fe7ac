"""Cores of a machine, divided among the replicas that share its GPUs, so that they do not push each other aside.

A seat is a file that its process holds locked; the system frees it when the process ends, however it ends.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

_TASKS = Path("/proc/self/task")


def core_slice(cores: Sequence[int], seat: int, num_seats: int) -> tuple[int, ...]:
    """The cores of one of several seats: neighbours, and about as many for each; () if there are fewer than seats."""
    if len(cores) < num_seats:
        return ()
    return tuple(sorted(cores))[len(cores) * seat // num_seats : len(cores) * (seat + 1) // num_seats]


def take_seat(folder: Path, seats: Sequence[int]) -> tuple[int, IO[bytes]] | None:
    """The first free one of these seats, and its file, which has to stay open; None if all are taken."""
    import fcntl

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for seat in seats:
        held = (folder / f"seat-{seat}").open("ab")
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            held.close()
        else:
            return seat, held
    return None


def pin_process(cores: Sequence[int]) -> None:
    """Let every thread of this process run on these cores alone, and torch start no more threads than there are."""
    for task in _TASKS.iterdir():
        try:
            os.sched_setaffinity(int(task.name), cores)
        except ProcessLookupError:  # the thread has ended meanwhile
            continue
    if (torch := sys.modules.get("torch")) is not None:
        torch.set_num_threads(min(torch.get_num_threads(), len(cores)))
    elif int(os.environ.get("OMP_NUM_THREADS") or len(cores)) > len(cores):
        os.environ["OMP_NUM_THREADS"] = str(len(cores))
