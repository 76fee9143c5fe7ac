"""A Ray cluster, an S3 server and a desk, each on a host of its own (`hosts.py`), as in a machine room.

The head has no cores for replicas; each worker has one. Only the nodes have the store's keys, and the desk for `run`.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from speechmill.actors.records.manifest import decode_records
from speechmill.actors.records.record import Record
from speechmill.cluster.storage import S3Options, open_storage
from speechmill.jobs.verify import verify

from .hosts import HOME, Host, hosts
from .ray_node import AGENT_PORTS, UP
from .raynode import NODE, NODE_ENVIRONMENT, START_TRIES
from .s3server import S3Server
from .waiting import eventually

NAMES = ("head", "worker-1", "worker-2", "store", "desk")
SPEECHMILL = ("python", "-c", "from speechmill.jobs.cli.main import main; main()")


class HostCluster:
    """The hosts, with Ray on three of them."""

    def __init__(self, made: list[Host], server: S3Server, folder: Path, *, has_dashboard: bool) -> None:
        self.head, *self.workers, self.store, self.desk = made
        self.server = server
        self.keys = {
            "AWS_ACCESS_KEY_ID": server.access_key,
            "AWS_SECRET_ACCESS_KEY": server.secret_key,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        self._folder, self._has_dashboard = folder, has_dashboard
        self._rays: dict[str, subprocess.Popen[str]] = {}
        self.dashboard = f"http://{self.head.address()}:8265"
        self.client = f"ray://{self.head.address()}:10001"
        self.address = f"{self.head.address()}:6379"

    def start(self) -> None:
        """Start Ray on the nodes where it does not run."""
        dashboard = {
            "include_dashboard": self._has_dashboard,
            "dashboard_host": self.head.address(),
            "dashboard_port": 8265,
        }
        ports = {"gcs_server_port": 6379, "ray_client_server_port": 10001, "temp_dir": f"{HOME}/ray"}
        self._up([self.head], "head", num_cpus=0, **dashboard, **ports)
        # With a dashboard, jobs bring their environments.
        self._up(self.workers, "worker", num_cpus=1, gcs_address=self.address, include_dashboard=self._has_dashboard)

    def is_up(self, node: Host) -> bool:
        """Whether Ray is running on a node."""
        ray = self._rays.get(node.name)
        return ray is not None and ray.poll() is None

    def _up(self, nodes: Iterable[Host], kind: str, **options: Any) -> None:
        """Start Ray on these nodes at once; try again if it gives up because the machine is busy."""
        logs: dict[str, Path] = {}
        for left in reversed(range(START_TRIES)):
            down = [node for node in nodes if not self.is_up(node)]
            for node in down:
                node.end_all()
                logs[node.name] = self._folder / f"{node.name}-{uuid.uuid4().hex[:6]}.log"
                ports = {name: 8401 + place for place, name in enumerate(AGENT_PORTS)}
                own = options | ports | {"node_ip_address": node.address(), "object_store_memory": 80_000_000}
                command = ("python", "-P", NODE, kind, json.dumps(own))
                self._rays[node.name] = node.start(*command, log=logs[node.name], **NODE_ENVIRONMENT, **self.keys)
            for node in down:
                log = logs[node.name]
                eventually(
                    lambda node=node, log=log: not self.is_up(node) or UP in log.read_text(errors="replace"),
                    f"Ray on {node.name}, up or given up",
                    every_s=0.2,
                )
            if all(self.is_up(node) for node in nodes):
                return
            assert left, "".join(log.read_text(errors="replace") for log in logs.values())

    def put(self, key: str, data: bytes) -> str:
        """Make a bucket with one object; the bucket's name."""
        with self.store.network():
            bucket = self.server.new_bucket()
            self.server.client().put_object(Bucket=bucket, Key=key, Body=data)
        return bucket

    def records(self, uri: str) -> list[Record]:
        """The records of an output's manifests."""
        with self.desk.network():
            storage = open_storage(uri, S3Options(endpoint_url=self.server.endpoint))
            return [
                record
                for entry in storage.list("manifest/")
                for record in decode_records(storage.get(entry.key), entry.key)
            ]

    def verified(self, uri: str) -> Any:
        """The report on an output: listed, read and decoded from the desk."""
        with self.desk.network():
            return verify(open_storage(uri, S3Options(endpoint_url=self.server.endpoint)))

    def speechmill(self, host: Host, *arguments: str) -> Running:
        """Start a command line on a host."""
        return Running(host.start(*SPEECHMILL, *arguments, **self.keys, RAY_AUTH_MODE="disabled"))


class Running:
    """A command on a host, and the JSON lines that it prints."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.last: dict[str, Any] = {}

    def events(self) -> Iterator[dict[str, Any]]:
        """The events of the command, as they come."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.last = json.loads(line)
            yield self.last

    def until(self, happens: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait for an event; if it does not come, fail with the command's output."""
        for event in self.events():
            if happens(event):
                return event
        pytest.fail(f"it ended first: {self.last}\n{self.end()[1][-3000:]}")

    def end(self) -> tuple[int, str]:
        """Wait for the end: exit status and standard error."""
        for _ in self.events():
            pass
        _, error = self.process.communicate()
        return self.process.returncode, error


@contextmanager
def host_cluster(folder: Path, *, has_dashboard: bool) -> Generator[HostCluster]:
    """The cluster, until the block ends; logs of its nodes go into the folder. `submit` needs a dashboard.

    Raises:
        NoHosts: This machine makes no hosts
    """
    with hosts(*NAMES) as made, pytest.MonkeyPatch.context() as patch:
        store = made[NAMES.index("store")]
        with contextlib.closing(S3Server(store.address("store"))) as server:
            with store.network():
                server.start()
            cluster = HostCluster(made, server, folder, has_dashboard=has_dashboard)
            for name, value in cluster.keys.items():  # this process reads the store, too
                patch.setenv(name, value)
            cluster.start()
            yield cluster
