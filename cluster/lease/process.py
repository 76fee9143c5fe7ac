"""Which process this is, in terms that another process can check.

Guaranteed: `is_gone` is true only of a process that has ended. It is decided where both are seen by the same kernel
through the same table of processes, from the process's start in ticks since boot, which no change of the clock moves.
Elsewhere (another machine, another container, no /proc) nothing is known, and `is_gone` is false.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Process:
    """A process, for people and for other processes.

    Attributes:
        machine: Shared only by processes with the same numbers for processes and the same monotonic clock; "" if
            unknown.
        started: Ticks since boot; 0 if unknown.
    """

    host: str
    pid: int
    machine: str
    started: int

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


def this_process() -> Process:
    """The process that asks."""
    pid = os.getpid()
    _, started = _state_and_start(pid) or ("", 0)
    return Process(socket.gethostname(), pid, _machine(), started)


def is_gone(process: Process) -> bool:
    """Whether a process has certainly ended: killed, ended by itself, or its number given to another one."""
    if not process.machine or process.machine != _machine():
        return False
    try:
        os.kill(process.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # another user's, and there
    found = _state_and_start(process.pid)
    return found is not None and (found[0] in "ZX" or found[1] != process.started)


def _machine() -> str:
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        spaces = [(_PROC / "self/ns" / name).readlink().name for name in ("pid", "time")]
    except (OSError, ValueError):
        return ""
    return " ".join([boot, *spaces])


def _state_and_start(pid: int) -> tuple[str, int] | None:
    """State letter and start in ticks since boot (proc(5), fields 3 and 22), None where they cannot be read."""
    try:
        # The name before them, in brackets, may hold anything.
        fields = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return fields[0], int(fields[19])
    except (OSError, ValueError, IndexError):
        return None
