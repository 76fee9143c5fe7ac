"""The process that stops NVIDIA's MPS when no replica of a machine uses it any more.

It waits until it has the users' lock alone, which the system frees when a process ends, however it ends. Then it tells
the daemon to quit. A program of the standard library, so that it needs no package: `python mps_keeper.py FOLDER`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CONTROL = "nvidia-cuda-mps-control"
USERS = "users.lock"
_ANSWER_S = 20.0


def mps_environment(folder: Path) -> dict[str, str]:
    """The environment of the daemon of a folder. It sees all GPUs, whichever of them this process may use."""
    environment = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
    return {**environment, "CUDA_MPS_PIPE_DIRECTORY": str(folder / "pipes"), "CUDA_MPS_LOG_DIRECTORY": str(folder)}


def ask_mps(command: str, environment: dict[str, str]) -> bool:
    """Send a command to the daemon of an environment; whether there is one and it has answered."""
    try:
        done = subprocess.run(
            [CONTROL],
            input=f"{command}\n",
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=_ANSWER_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and "cannot find" not in (done.stdout + done.stderr).lower()


def keep(folder: Path) -> None:
    """Wait for the last user, and stop the daemon."""
    import fcntl

    with (folder / USERS).open("ab") as users:
        fcntl.flock(users, fcntl.LOCK_EX)
        ask_mps("quit", mps_environment(folder))


if __name__ == "__main__":
    # The replica that has started it may end before it.
    if os.fork() == 0:
        keep(Path(sys.argv[1]))
