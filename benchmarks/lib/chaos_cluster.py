"""Several raylets on this machine, and a driver, all of which can be killed with -9 and started again.

Everything stays on the loopback interface, in a folder of its own, so that no other Ray session here is touched.
Orphans become children of this process (Linux), so that `end_descendants` finds whatever is left.
"""

from __future__ import annotations

import ctypes
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

START_TRIES = 4
START_S = 120.0
"""For a raylet to come up on a busy machine."""
_CLI = (
    "from speechmill.cluster.lease.lease import Lease; Lease.take.__func__.__kwdefaults__['lease_s'] = {lease_s}; "
    "from speechmill.jobs.cli.main import main; main()"
)
_NODE = {"node_ip_address": "127.0.0.1", "object_store_memory": 100 * 2**20}


def prepare_environment() -> Path:
    """What all processes inherit, before Ray is imported; the folder of the cluster."""
    folder = Path(tempfile.mkdtemp(prefix="c-"))  # short: its Unix sockets' paths have 107 bytes at most
    (folder / "ray").mkdir()
    os.environ |= {
        "PYTHONPATH": os.pathsep.join(filter(None, [str(Path(__file__).parent), os.environ.get("PYTHONPATH")])),
        "RAY_TMPDIR": str(folder),
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_AUTH_MODE": "disabled",
        # No processes before there is work for them.
        "RAY_enable_worker_prestart": "0",
        "RAY_prestart_worker_first_driver": "0",
        # A dead node is noticed after 3 seconds, in place of 15; one that is slow to answer is not taken for dead.
        "RAY_health_check_period_ms": "500",
        "RAY_health_check_timeout_ms": "5000",
        "RAY_health_check_failure_threshold": "5",
        "SPEECHMILL_CACHE": str(folder / "cache"),
    }
    os.environ.pop("RAY_ADDRESS", None)
    return folder


class Nodes:
    """A head without room for replicas, and raylets with room for some each. Of the main thread only."""

    def __init__(self, num_nodes: int, replicas_each: int) -> None:
        from ray.cluster_utils import Cluster

        self._cluster = Cluster()
        self._replicas_each = replicas_each
        self._start(num_cpus=0, include_dashboard=False)
        self._workers = [self._add() for _ in range(num_nodes)]

    @property
    def address(self) -> str:
        """For `cluster.address`."""
        return str(self._cluster.address)

    def replicas(self) -> list[psutil.Process]:
        """The processes of all replicas, those that load as well."""
        return [process for process in descendants() if _title(process).startswith("ray::ReplicaActor")]

    def kill_one(self, chance: random.Random) -> None:
        """Kill -9 a raylet, which takes its replicas with it, and put another in its place."""
        index = chance.randrange(len(self._workers))
        node = self._workers[index]
        psutil.Process(node.all_processes["raylet"][0].process.pid).kill()
        self._cluster.remove_node(node, allow_graceful=False)
        self._workers[index] = self._add()

    def close(self) -> None:
        """Kill them all."""
        for node in [*self._cluster.worker_nodes, self._cluster.head_node]:
            if node is not None:
                with suppress(AssertionError):  # one that is slow to die
                    self._cluster.remove_node(node, allow_graceful=False)

    def _add(self) -> Any:
        return self._start(num_cpus=self._replicas_each)

    def _start(self, **options: Any) -> Any:
        from speechmill.cluster.lean_ray import lean_nodes

        handler = signal.getsignal(signal.SIGTERM)
        for left in reversed(range(START_TRIES)):
            given_up = threading.Event()
            timer = threading.Timer(START_S, given_up.set)
            timer.start()
            try:
                with lean_nodes(given_up):
                    return self._cluster.add_node(wait=False, **options, **_NODE)
            except Exception:  # Ray raises a plain one when a node does not start
                if not left:
                    raise
            finally:
                timer.cancel()
                signal.signal(signal.SIGTERM, handler)  # Ray puts its own there
        raise AssertionError


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own has died."""
    set_child_subreaper = 36
    ctypes.CDLL(None).prctl(set_child_subreaper, 1, 0, 0, 0)


def descendants() -> list[psutil.Process]:
    """All processes below this one."""
    return psutil.Process().children(recursive=True)


def end_descendants() -> None:
    """Kill all of them."""
    for _ in range(3):  # one that was just being started may appear after the first look
        left = descendants()
        for process in left:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(left, timeout=10)


class Driver:
    """`speechmill run`, one process after the other; one that is paused goes on beside its successor.

    lease_s          of each: so long one is paused before another may take over; it wakes when that one has
    stale_statuses   with which those ended that were paused
    """

    def __init__(self, file: Path, address: str, lease_s: float) -> None:
        where = ["run", str(file), "--json", "--set", f"cluster.address={address}"]
        self._command = [sys.executable, "-c", _CLI.format(lease_s=lease_s), *where]
        self._lease_s = lease_s
        self._log, self._told = file.with_suffix(".log"), file.with_suffix(".told")
        self._process = self._start()
        self._paused: list[subprocess.Popen[bytes]] = []
        self._starts_at_s: float | None = None
        self.stale_statuses: list[int] = []

    def kill(self) -> bool:
        """Kill -9, if it runs."""
        if self._starts_at_s is not None or self._process.poll() is not None:
            return False
        self._process.kill()
        return True

    def pause(self) -> bool:
        """SIGSTOP, if it runs; the next one is started when the lease has run out, and this one wakes beside it."""
        if self._starts_at_s is not None or self._process.poll() is not None:
            return False
        self._process.send_signal(signal.SIGSTOP)
        self._paused.append(self._process)
        self._starts_at_s = time.monotonic() + 1.2 * self._lease_s
        return True

    def status(self) -> int | None:
        """Its exit status, minus the signal that killed it; None while it runs, or is about to be started."""
        if self._starts_at_s is None:
            return self._process.poll()
        now_s = time.monotonic()
        if self._process in self._paused:
            if now_s >= self._starts_at_s:
                self._process = self._start()
        elif self._process.poll() is not None or self._told.stat().st_size > 0:  # it tells nothing without the lease
            self._starts_at_s = None
            self.wake()
        return None

    def wake(self) -> None:
        """SIGCONT to all that are paused, and their ends."""
        for process in self._paused:
            process.send_signal(signal.SIGCONT)
            self.stale_statuses.append(process.wait())
        self._paused.clear()

    def start_again(self) -> None:
        """The same command once more."""
        self._process = self._start()

    @property
    def said(self) -> str:
        """The end of what all of them said."""
        return self._log.read_text(errors="replace")[-3_000:]

    def close(self) -> None:
        """Kill it and wait."""
        for process in (*self._paused, self._process):
            process.kill()
            process.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        self._told.unlink(missing_ok=True)  # the one before, which may live, has its own
        with self._log.open("ab") as log, self._told.open("wb") as told:
            return subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=told, stderr=log)


def _title(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return (process.cmdline() or [""])[0]
    return ""
