"""The demo's S3 server, started by the very command that its pod has: keys from the environment, and a bucket."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3.session
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from support.ports import free_ports
from support.waiting import HANG_S

from speechmill.jobs.spec.job import JobSpec

from .pods import pods_of
from .render import K8S, render

pytestmark = pytest.mark.integration
PORTS = ("master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, str]]:
    """Endpoint, access key and secret key."""
    (pod,) = (pod for pod in pods_of(render(K8S / "overlays" / "cpu-demo")) if pod.role == "other")
    (container,) = pod.containers
    data = tmp_path_factory.mktemp("data")
    key, secret = secrets.token_hex(8), secrets.token_hex(16)
    ports = free_ports(len(PORTS) + 2)
    # Where two of a flag are given the last one counts: other ports than the pod's, and this machine only.
    moved = [f"-{name}={port}" for name, port in zip((*PORTS, "s3.port", "s3.port.grpc"), ports, strict=True)]
    moved += ["-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
    moved += [f"-{name}.localSocket={data / name}.sock" for name in ("filer", "s3")]
    args = [arg.replace("/data", str(data)) for arg in container["args"]]
    environ = {"PATH": os.environ["PATH"], "HOME": str(data), "TMPDIR": str(data)}
    keys = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}
    assert {entry["name"] for entry in container["env"]} == keys.keys()
    with (data / "out").open("wb") as output:
        process = subprocess.Popen(
            [*die_with_me(), weed(container["command"]), *args, *moved],
            env=environ | keys,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
    try:
        endpoint = f"http://127.0.0.1:{ports[len(PORTS)]}"
        wait_until_ready(process, endpoint, key, secret, data / "out")
        yield endpoint, key, secret
    finally:
        process.kill()
        process.wait()


def test_the_bucket_that_the_job_writes_to_is_there(server: tuple[str, str, str]) -> None:
    job = JobSpec.load(K8S / "overlays" / "cpu-demo" / "job.yaml")
    bucket = job.output.uri.removeprefix("s3://").partition("/")[0]
    client = client_of(*server)
    wait_for_bucket(client, bucket)
    client.put_object(Bucket=bucket, Key="demo/job.json", Body=b"{}")
    assert client.get_object(Bucket=bucket, Key="demo/job.json")["Body"].read() == b"{}"


def test_who_has_other_keys_is_refused(server: tuple[str, str, str]) -> None:
    endpoint, key, _ = server
    for wrong in ((key, "guessed"), ("guessed", "guessed")):
        with pytest.raises(ClientError) as caught:
            client_of(endpoint, *wrong).list_buckets()
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def client_of(endpoint: str, key: str, secret: str) -> Any:
    return boto3.session.Session().client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=Config(connect_timeout=5, read_timeout=20, s3={"addressing_style": "path"}, retries={"max_attempts": 0}),
    )


def wait_until_ready(process: subprocess.Popen[bytes], endpoint: str, key: str, secret: str, output: Path) -> None:
    deadline = time.monotonic() + HANG_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            client_of(endpoint, key, secret).put_object(Bucket="ready", Key="x", Body=b"x")
        except (BotoCoreError, ClientError):
            time.sleep(0.2)
        else:
            return
    pytest.fail(f"weed did not start:\n{output.read_text(errors='replace')[-3000:]}")


def wait_for_bucket(client: Any, bucket: str) -> None:
    """The server makes it a moment after it takes requests. A request that names it would make it, too: a listing."""
    deadline = time.monotonic() + HANG_S
    while bucket not in (names := [entry["Name"] for entry in client.list_buckets()["Buckets"]]):
        assert time.monotonic() < deadline, f"there are only {names}"
        time.sleep(0.2)


def weed(command: list[str]) -> str:
    assert command == ["weed"]
    beside_python = Path(sys.executable).parent / "weed"
    return str(beside_python if beside_python.exists() else shutil.which("weed"))


def die_with_me() -> list[str]:
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL"] if setpriv else []
