"""Several hosts on one machine: each with its own addresses, name, process table, /tmp and /dev/shm.

A host is a set of kernel namespaces. A switch is another set, with a bridge for each network and a port for each host.
All interfaces are created in the switch, so this machine's own network is not touched. Namespaces last as long as their
first processes, and the kernel kills these when this process dies in any way, so nothing has to be cleaned up.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

NETWORKS = {"cluster": "10.87.1", "store": "10.87.2"}
"""The network between hosts and the network to the store; each can fail alone."""

HOME = "/tmp/home"
"""Every host's own folder, the working directory of its programs."""

_TOOLS = {"ip": "iproute2", "unshare": "util-linux", "nsenter": "util-linux", "setpriv": "util-linux"}
_OWN_MEMORY = f"mount -t tmpfs tmpfs /tmp; mount -t tmpfs tmpfs /dev/shm; mkdir {HOME};"
_UNSHARE = ("setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--pid", "--fork", "--kill-child=KILL")
_ENTER = ("--net", "--mount", "--uts", "--pid")
_KEEP = "echo up; sleep infinity & wait"
"""A shell that waits also reaps orphaned processes."""
_CLONE_NEWNET = 0x40000000
_LEADS_OUT = ("proxy", "aws_", "ray_", "tmpdir")
"""Beginnings or ends of variables that name a service of this machine's user, or a folder that a host does not have."""


class NoHosts(Exception):
    """The machine cannot make hosts; the message says why."""


class Space:
    """A set of namespaces, and the process that keeps them alive."""

    def __init__(self, *namespaces: str, first: str = "") -> None:
        """`first`: commands that the first process runs at its start.

        Raises:
            NoHosts: This machine makes no hosts
        """
        self._keeper = subprocess.Popen(
            [*_UNSHARE, *namespaces, "sh", "-ec", f"{first} {_KEEP}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert self._keeper.stdout is not None
        if (said := self._keeper.stdout.readline()) != "up\n":
            self._keeper.kill()
            raise NoHosts(f"namespaces cannot be made: {said}{self._keeper.communicate()[0]}".strip())
        self.pid: int = psutil.Process(self._keeper.pid).children()[0].pid

    def ip(self, *arguments: str) -> None:
        """Run `ip` in its network.

        Raises:
            NoHosts: This machine makes no hosts
        """
        done = subprocess.run(
            ["nsenter", f"--target={self.pid}", "--net", "ip", *arguments], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise NoHosts(f"ip {' '.join(arguments)}: {done.stderr.strip()}")

    def close(self) -> None:
        """End the space, with all its processes."""
        self._keeper.kill()  # the kernel kills the first process of the space, and that takes all others with it
        self._keeper.communicate()


class Host(Space):
    """A machine of its own, plugged into a network by `Switch.plug`."""

    def __init__(self, name: str, number: int) -> None:
        super().__init__("--mount", "--uts", "--mount-proc", first=f"{_OWN_MEMORY} hostname {name};")
        self.name, self.number = name, number
        self.ip("link", "set", "lo", "up")
        self._switch: Switch | None = None
        self._started: list[subprocess.Popen[str]] = []

    def address(self, network: str = "cluster") -> str:
        """Its address on a network."""
        return f"{NETWORKS[network]}.{self.number}"

    def plugged(self, switch: Switch) -> None:
        """Remember the switch that the host is plugged into."""
        self._switch = switch

    def link(self, network: str, *, is_up: bool) -> None:
        """Unplug the host's cable, or plug it in again: packets are lost without an error."""
        assert self._switch is not None
        self._switch.ip("link", "set", f"{network}{self.number}", "up" if is_up else "down")

    @contextmanager
    def cut_off(self, *networks: str) -> Generator[None]:
        """Unplug the host from these networks during the block."""
        for network in networks:
            self.link(network, is_up=False)
        try:
            yield
        finally:
            for network in networks:
                self.link(network, is_up=True)

    def inside(self, path: str) -> Path:
        """The path on this machine of an absolute path on the host."""
        return Path(f"/proc/{self.pid}/root{path}")

    def write(self, name: str, text: str) -> str:
        """Write a file in the host's folder; its path on the host."""
        self.inside(f"{HOME}/{name}").write_text(text, encoding="utf-8")
        return f"{HOME}/{name}"

    def start(self, *command: str, log: Path | None = None, **environment: str) -> subprocess.Popen[str]:
        """Start a program on the host; its output goes to the returned process, or to the file `log` of ours."""
        with contextlib.ExitStack() as stack:
            output = subprocess.PIPE if log is None else stack.enter_context(log.open("ab"))
            process = subprocess.Popen(
                ["nsenter", f"--target={self.pid}", *_ENTER, "env", f"--chdir={HOME}", *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.PIPE if log is None else subprocess.STDOUT,
                text=True,
                env=_environment() | environment,
                start_new_session=True,
            )
        self._started.append(process)
        return process

    def call(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a program on the host to its end."""
        process = self.start(*command, **environment)
        said, error = process.communicate()
        return subprocess.CompletedProcess(command, process.returncode, said, error)

    def end_all(self) -> None:
        """Kill -9 all programs of the host, as a power cut would; the host itself stays."""
        doomed = [process for process in psutil.process_iter() if self._has(process)]
        for process in doomed:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(doomed, timeout=30)

    def close(self) -> None:
        """End the host, with all its programs."""
        super().close()
        for process in self._started:
            with process:  # waits, and closes its pipes
                process.kill()

    def _has(self, process: psutil.Process) -> bool:
        try:
            ours, its = (Path(f"/proc/{pid}/ns/pid").readlink() for pid in (self.pid, process.pid))
            return ours == its and process.pid != self.pid and process.cmdline()[:2] != ["sleep", "infinity"]
        except (OSError, psutil.Error):
            return False

    @contextmanager
    def network(self) -> Generator[None]:
        """In the block, this thread and the processes that it starts use the host's networks, and this machine's files.

        Only connections that are opened in the block do so: make a new client.
        """
        with Path("/proc/thread-self/ns/net").open() as ours, Path(f"/proc/{self.pid}/ns/net").open() as its:
            _enter(its.fileno())
            try:
                yield
            finally:
                _enter(ours.fileno())


class Switch(Space):
    """The networks between hosts."""

    def __init__(self) -> None:
        super().__init__()
        for network in NETWORKS:
            self.ip("link", "add", network, "type", "bridge")
            self.ip("link", "set", network, "up")

    def plug(self, host: Host, networks: Sequence[str] = tuple(NETWORKS)) -> None:
        """Plug the host into each of these networks."""
        host.plugged(self)
        for network in networks:
            port = f"{network}{host.number}"
            self.ip("link", "add", port, "type", "veth", "peer", "name", network, "netns", str(host.pid))
            self.ip("link", "set", port, "master", network)
            self.ip("link", "set", port, "up")
            host.ip("address", "add", f"{host.address(network)}/24", "dev", network)
            host.ip("link", "set", network, "up")


@contextmanager
def hosts(*names: str) -> Iterator[list[Host]]:
    """Hosts of these names on both networks, until the block ends.

    Raises:
        NoHosts: This machine makes no hosts; the message says why
    """
    for tool, package in _TOOLS.items():
        if shutil.which(tool) is None:
            raise NoHosts(f"`{tool}` is missing, install {package}")
    for place in (sys.prefix, sys.base_prefix, str(Path(__file__).resolve())):
        if place.startswith("/tmp/"):
            raise NoHosts(f"{place} lies in /tmp, and each host has a /tmp of its own")
    with contextlib.ExitStack() as stack:
        switch = stack.enter_context(contextlib.closing(Switch()))
        made: list[Host] = []
        for number, name in enumerate(names, start=1):
            made.append(stack.enter_context(contextlib.closing(Host(name, number))))
            switch.plug(made[-1])
        yield made


def _environment() -> dict[str, str]:
    """The environment after `activate` in a fresh shell of the host: `python` is the one that runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not _leads_out(name.lower())}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return kept | {"PATH": path, "HOME": HOME, "SPEECHMILL_CACHE": f"{HOME}/cache", "NO_PROXY": "*"}


def _leads_out(name: str) -> bool:
    return any(name.startswith(part) or name.endswith(part) for part in _LEADS_OUT)


def _enter(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, _CLONE_NEWNET):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
