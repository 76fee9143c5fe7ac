"""Starting a Ray of this machine's own: only what runs need, for as long as it takes, and with the reason if it fails.

Guaranteed: the start is waited for as long as Ray's processes do something, and given up when they do not; then it is
tried once more in a folder of its own. It listens on the loopback interface alone. An interrupt ends it at once. What a
start leaves behind is ended. Not known here: what Ray is used for.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil

from ..actors.device.machine import num_cores
from ..errors import RayNotStarted
from .lean_ray import lean_nodes

Waiting = Callable[[str], None]
"""Told what is waited for, and how long already, about twice a second."""

OBJECT_STORE_BYTES = 256 * 2**20
"""Shards are small and audio never enters the object store."""
QUIET_S = 60.0
"""Seconds in which no process of Ray computes or writes, after which the start is given up."""
LIMIT_S = 900.0
TELL_AFTER_S = 1.0
_LOOK_S = 0.25
_LEAST_CPU_S = 0.05
_CAUSE_CHARS = 300
_ENVIRONMENT = {
    # Ray's own limits of 30 and 60 s are too short for a machine that is busy.
    "RAY_gcs_server_port_wait_time_s": str(round(LIMIT_S)),
    "RAY_gcs_server_request_timeout_seconds": str(round(LIMIT_S)),
    # Of a Ray of one machine: Ray then leaves 127.0.0.1 as it is, and all its servers listen there alone.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    # Ray makes workers nice; beside other busy processes a replica would then load for minutes.
    "RAY_worker_niceness": "0",
    # No processes before there is work for them.
    "RAY_enable_worker_prestart": "0",
    "RAY_prestart_worker_first_driver": "0",
}


def start_ray(metrics_port: int = 0, waiting: Waiting | None = None) -> Callable[[], None]:
    """Start Ray on this machine and connect this process to it.

    Returns:
        A function that ends both

    Args:
        metrics_port: Where it exports metrics to Prometheus; 0 for nowhere
        waiting: Told what is waited for

    Raises:
        RayNotStarted: It does not start; the message names the cause and the log
    """
    import ray._private.ray_constants as constants

    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    constants.ENABLE_RAY_CLUSTER = False  # read from the environment when Ray was imported
    logging.getLogger("ray").setLevel(logging.ERROR)
    start = _Start(metrics_port, waiting, folder=None)
    try:
        start.run()
    except RayNotStarted as error:
        if waiting is not None:
            waiting(f"starting Ray once more: {error}")
        folder = tempfile.mkdtemp(prefix="ray-")  # short: Unix sockets below it have 107 bytes at most
        start = _Start(metrics_port, waiting, folder)
        start.run()
    _keep_secret()
    return start.end


class _Start:
    """One try. `folder`: where Ray keeps its sessions; None for its own place."""

    def __init__(self, metrics_port: int, waiting: Waiting | None, folder: str | None) -> None:
        self._metrics_port = metrics_port
        self._waiting = waiting
        self._folder = folder
        self._before = set(psutil.Process().children())
        self._began_s = time.monotonic()
        self._wall_s = time.time()
        self._given_up = threading.Event()
        self._ended = threading.Event()
        self._is_over = threading.Event()
        self._error: BaseException | None = None
        self._had_scheduler = False

    def run(self) -> None:
        """Start, in a thread: while Ray waits for its processes it answers no signal.

        Raises:
            RayNotStarted: It does not start
        """
        thread = threading.Thread(target=self._init, name="ray start", daemon=True)
        thread.start()
        try:
            self._watch()
        except BaseException:
            self._given_up.set()
            self._kill()
            raise
        if self._error is None:
            return
        self._kill()
        thread.join(10.0)
        cause = _cause(self._logs) or _first_line(self._error)
        took_s = time.monotonic() - self._began_s
        where = f"; its log is {self._logs}" if self._logs else ""
        if self._folder and not self._logs:
            shutil.rmtree(self._folder, ignore_errors=True)
        raise RayNotStarted(f"Ray did not start on this machine in {took_s:.0f} s: {cause}{where}") from self._error

    def end(self) -> None:
        """End Ray."""
        import ray

        ray.shutdown()
        self._is_over.set()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _init(self) -> None:
        import ray

        try:
            with lean_nodes(self._given_up, self._metrics_port or None):
                ray.init(
                    address="local",
                    num_cpus=num_cores(),
                    include_dashboard=False,
                    _node_ip_address="127.0.0.1",
                    object_store_memory=OBJECT_STORE_BYTES,
                    _metrics_export_port=self._metrics_port or None,
                    _temp_dir=self._folder,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                )
        except BaseException as error:  # Ray raises nothing more special when a node does not start
            self._error = error
        self._ended.set()
        if self._error is None:
            # Linux ends Ray's processes when the thread ends that started them.
            self._is_over.wait()

    def _watch(self) -> None:
        """Wait for the end of the start; give it up when nothing moves."""
        last, moved_s, told_s = 0.0, self._began_s, self._began_s + TELL_AFTER_S - 0.5
        while not self._ended.wait(_LOOK_S):
            now_s = time.monotonic()
            family = self._family()
            amount = _amount_done(family)
            if abs(amount - last) >= _LEAST_CPU_S:
                last, moved_s = amount, now_s
            if now_s - told_s >= 0.5 and self._waiting is not None:
                told_s = now_s
                self._waiting(f"starting Ray, {now_s - self._began_s:.0f} s: {self._stage()}")
            is_lost = self._has_lost_its_scheduler(family)
            if is_lost or now_s - moved_s > QUIET_S or now_s - self._began_s > LIMIT_S:
                self._given_up.set()
                self._kill()
                if not self._ended.wait(20.0):
                    why = "its scheduler (raylet) has ended" if is_lost else "its processes did nothing"
                    self._error = TimeoutError(f"{why}; nothing came for {now_s - moved_s:.0f} s")
                return

    def _family(self) -> list[psutil.Process]:
        """The processes that this start has begun."""
        found: list[psutil.Process] = []
        for child in set(psutil.Process().children()) - self._before:
            with contextlib.suppress(psutil.Error):
                found += [child, *child.children(recursive=True)]
        return found

    def _has_lost_its_scheduler(self, family: Iterable[psutil.Process]) -> bool:
        """Whether the raylet came and ended: Ray's other processes would compute on, and wait for it in vain."""
        is_there = False
        for process in family:
            with contextlib.suppress(psutil.Error):
                is_there |= process.name() == "raylet" and process.status() != psutil.STATUS_ZOMBIE
        self._had_scheduler |= is_there
        return self._had_scheduler and not is_there

    def _stage(self) -> str:
        names: set[str] = set()
        for process in self._family():
            with contextlib.suppress(psutil.Error):
                names.add(process.name())
        if "raylet" in names:
            return "its scheduler (raylet) has to report"
        if "gcs_server" in names:
            return "its server (gcs_server) has to answer"
        return "its processes have to come up"

    def _kill(self) -> None:
        family = self._family()
        for process in family:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(family, timeout=1)

    @property
    def _logs(self) -> Path | None:
        """The folder of this start's logs, once it is there."""
        place = Path(self._folder or os.environ.get("RAY_TMPDIR") or "/tmp/ray")
        place = place if self._folder or place.name == "ray" else place / "ray"
        with contextlib.suppress(OSError):
            mine = [path for path in place.glob(f"session_*_{os.getpid()}") if path.stat().st_ctime >= self._wall_s - 1]
            if mine:
                return max(mine, key=lambda path: path.name) / "logs"
        return None


def _amount_done(family: Iterable[psutil.Process]) -> float:
    """A number that grows while these processes compute or come."""
    amount = 0.0
    for process in family:
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            amount += 1.0 + times.user + times.system
    return amount


def _keep_secret() -> None:
    """Let the token that Ray has made for this user be read by that user alone."""
    token = Path.home() / ".ray" / "auth_token"
    with contextlib.suppress(OSError, RuntimeError):
        if token.stat().st_mode & 0o077:
            token.chmod(0o600)


def _cause(logs: Path | None) -> str:
    """The last error that Ray's processes have written, without its time and place; "" if there is none."""
    for name in ("gcs_server*", "raylet*"):
        for path in sorted(logs.glob(name)) if logs else ():
            with contextlib.suppress(OSError):
                lines = path.read_text(errors="replace").splitlines()
                wrong = [line.strip() for line in lines if " E " in line or " C " in line or "rror" in line]
                if wrong:
                    return wrong[-1].rpartition("] ")[2][:_CAUSE_CHARS]
    return ""


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
