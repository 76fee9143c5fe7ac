"""NVIDIA's Multi-Process Service: with it, kernels of several processes run on a GPU at once, else they take turns.

Guaranteed: a daemon that is there already is used and left alone. Else one is started where its program is found, for
all replicas of this user on this machine. It ends with the last of them. If it does not start, or CUDA does not work
with it, it is stopped and not used. `SPEECHMILL_MPS=off` forbids it.
"""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from . import mps_keeper
from .mps_keeper import CONTROL, USERS, ask_mps, mps_environment

logger = logging.getLogger(__name__)

SWITCH = "SPEECHMILL_MPS"
PIPES = "CUDA_MPS_PIPE_DIRECTORY"
_SYSTEM_PIPES = Path("/tmp/nvidia-mps")
"""Where CUDA looks for a daemon if the environment names no place."""
_START_S = 60.0
_TRY_CUDA = """
import ctypes
cuda = ctypes.CDLL("libcuda.so.1")
device, context = ctypes.c_int(), ctypes.c_void_p()
if cuda.cuInit(0) or cuda.cuDeviceGet(ctypes.byref(device), 0):
    raise SystemExit(1)
raise SystemExit(cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), device) != 0)
"""


def user_folder() -> Path:
    """Where replicas of this user on this machine meet."""
    return Path(tempfile.gettempdir()) / f"speechmill-{os.getuid()}"


def cuda_works(environment: Mapping[str, str]) -> bool:
    """Whether a process with this environment can use its first GPU."""
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _TRY_CUDA],
            env=environment,
            capture_output=True,
            check=False,
            timeout=_START_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def join_mps(folder: Path, works: Callable[[Mapping[str, str]], bool] = cuda_works) -> IO[bytes] | None:
    """Let CUDA use MPS in this process, which has not started CUDA yet.

    Args:
        folder: Where the daemon of this user's replicas has its pipes and logs
        works: Tries CUDA in a process of an environment

    Returns:
        A file that has to stay open as long as the daemon is used; None if none was joined

    Raises:
        OSError: The folder cannot be written
    """
    import fcntl

    if os.environ.get(SWITCH, "").lower() in ("off", "0", "false") or PIPES in os.environ:
        return None
    if shutil.which(CONTROL) is None or _is_systems_running():
        return None
    (folder / "pipes").mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "start.lock").open("ab") as starting:
        fcntl.flock(starting, fcntl.LOCK_EX)
        users = (folder / USERS).open("ab")
        fcntl.flock(users, fcntl.LOCK_SH)  # waits for a keeper that stops the daemon right now
        environment = mps_environment(folder)
        if not ask_mps("get_server_list", environment) and not _start(folder, environment, works):
            users.close()
            return None
    os.environ[PIPES] = environment[PIPES]
    return users


def _is_systems_running() -> bool:
    return (_SYSTEM_PIPES / "control").exists() and ask_mps("get_server_list", dict(os.environ))


def _start(folder: Path, environment: dict[str, str], works: Callable[[Mapping[str, str]], bool]) -> bool:
    """Start the daemon and what stops it; whether CUDA works with it."""
    keeper = [sys.executable, "-I", "-S", mps_keeper.__file__, str(folder)]
    try:
        _launch([CONTROL, "-d"], folder, environment)
        if works({**os.environ, PIPES: environment[PIPES]}):
            _launch(keeper, folder, dict(os.environ))
            return True
        why = "CUDA does not work with MPS here"
    except (OSError, subprocess.SubprocessError) as error:
        why = f"MPS does not start: {error}"
    ask_mps("quit", environment)
    logger.warning("replicas of a GPU take turns: %s; its logs are in %s", why, folder)
    return False


def _launch(command: list[str], folder: Path, environment: dict[str, str]) -> None:
    """Run a program that leaves a process behind, which must not hold open what this process reads or writes."""
    with (folder / "start.log").open("ab") as log:
        subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            check=True,
            timeout=_START_S,
        )
