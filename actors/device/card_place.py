"""The place of a replica on a GPU that it shares: NVIDIA's MPS, and cores of its own. Taken before CUDA starts."""

from __future__ import annotations

import logging
import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from .cores import core_slice, pin_process, take_seat
from .machine import num_gpus
from .mps import join_mps, user_folder

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CardPlace:
    """What a process holds of what replicas of a machine share; it keeps it to its end.

    Attributes:
        mps: The use of the MPS daemon; None if there is none, or another one
        seat: The right to `cores`; None if the process may run on all
    """

    mps: IO[bytes] | None
    seat: IO[bytes] | None
    cores: tuple[int, ...]

    @classmethod
    def take(cls, num_sharing: int, folder: Path | None = None) -> Self | None:
        """The place of this process beside others on its GPU; None where a GPU is not shared, or not on Linux.

        None, too, where replicas cannot meet, with a warning: they speak without a place, only slower.

        Args:
            num_sharing: Replicas on the GPU
            folder: Where replicas of this machine meet; by default one of this user
        """
        if num_sharing < 2 or sys.platform != "linux":
            return None
        folder = folder or user_folder()
        try:
            _make_private(folder)
            return cls._take(num_sharing, folder)
        except OSError as error:
            logger.warning("replicas of a GPU take turns and share cores, %s cannot be used: %s", folder, error)
            return None

    @classmethod
    def _take(cls, num_sharing: int, folder: Path) -> Self:
        mps = join_mps(folder / "mps")
        card = _card()
        if card is None:
            return cls(mps, None, ())
        num_seats = max(num_gpus(), card + 1) * num_sharing
        found = sorted(os.sched_getaffinity(0))
        first = card * num_sharing
        # Replicas of another job may divide the cores otherwise: then they overlap, and nothing worse.
        taken = take_seat(folder / f"seats-{num_seats}", range(first, first + num_sharing))
        cores = () if taken is None else core_slice(found, taken[0], num_seats)
        if taken is None or not cores:
            return cls(mps, None, ())
        pin_process(cores)
        logger.info("seat %d of %d, cores %s", taken[0], num_seats, cores)
        return cls(mps, taken[1], cores)


def _make_private(folder: Path) -> None:
    """Make a folder that no other user can write.

    Raises:
        OSError: It cannot be made, or it is another user's
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise PermissionError("another user can write it")


def _card() -> int | None:
    """The number of this process's GPU on its machine; None where it has a name instead."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip()
    return int(named) if named.isdecimal() else None
