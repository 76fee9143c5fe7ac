"""How a driver comes to hold an output: look at the lease that is there, wait if that is needed to tell, take it.

Guaranteed: a lease is taken only over one that is free by the rules of `tenure`, and only as it was when that was
found; a driver that comes too late is told who was faster.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from ...errors import OutputBusy, StorageConflict
from .clocks import Clocks
from .file import FoundRecord, LeaseFile
from .process import is_gone, this_process
from .record import LeaseRecord
from .rules import Verdict, Watch, judge

logger = logging.getLogger(__name__)

_LOOKS = 30
"""In the time of a lease."""


def challenge(file: LeaseFile, holder: LeaseRecord, wait_s: float, clocks: Clocks) -> tuple[LeaseRecord, str, float]:
    """Make `holder` the one in the file: as written, its tag, and `boot_s` before that.

    Raises:
        OutputBusy: Another one is alive and `wait_s` have passed
    """
    give_up_s = clocks.awake_s() + wait_s
    watch: Watch | None = None
    while True:
        found = file.read()
        now_s = clocks.awake_s()
        verdict = Verdict.FREE
        if found is not None:
            is_first = watch is None
            watch = Watch(found.tag, now_s) if watch is None else watch.seen(found.tag, now_s)
            verdict = verdict_on(found, watch, now_s, holder.lease_s)
            if is_first and verdict is Verdict.UNKNOWN:
                logger.warning("%s: %s; waiting to see whether it is alive", file.location, _who(found))
        if verdict is Verdict.ALIVE and found is not None and now_s >= give_up_s:
            raise OutputBusy(_busy(file, found))
        if verdict is not Verdict.FREE:
            clocks.sleep(holder.lease_s / _LOOKS)
        elif (taken := _take(file, found, holder, clocks)) is not None:
            return taken


def verdict_on(found: FoundRecord, watch: Watch, now_s: float, lease_s: float) -> Verdict:
    """What this process makes of a lease; `lease_s` is for an object that cannot be read."""
    gone = found.holder is not None and is_gone(found.holder.process)
    return judge(found.holder, watch, now_s, lease_s=lease_s, machine=this_process().machine, is_gone=gone)


def _take(
    file: LeaseFile, found: FoundRecord | None, holder: LeaseRecord, clocks: Clocks
) -> tuple[LeaseRecord, str, float] | None:
    begun_s, wall_s = clocks.boot_s(), clocks.wall_s()
    holder = replace(holder, since_s=wall_s, renewed_s=wall_s, beat_s=clocks.awake_s())
    try:
        tag = file.write(holder, None if found is None else found.tag)
    except StorageConflict:
        return None  # the next look shows who was faster
    if found is not None and not (found.holder is not None and found.holder.is_released):
        logger.warning("%s: taken over from a run that ended without giving it back: %s", file.location, _who(found))
    return holder, tag, begun_s


def _who(found: FoundRecord) -> str:
    return "it cannot be read" if found.holder is None else str(found.holder)


def _busy(file: LeaseFile, found: FoundRecord) -> str:
    output = file.location.rpartition("/")[0]
    if found.holder is None:
        return (
            f"another run writes to {output}, but its {file.location} cannot be read; "
            "see who runs another version of speechmill on this output, and wait for it to end or stop it"
        )
    return (
        f"another run writes to {output}: {found.holder}; wait for it to end, or stop it there. "
        f"A run that dies is replaced by the next one, after {found.holder.lease_s:g} s at the latest"
    )
