"""Outputs of each kind, and a clock for each test."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest

from speechmill.cluster.lease import lease as leases
from speechmill.cluster.storage import S3Options, Storage, open_storage
from speechmill.cluster.storage.local.store import LocalStorage

from .places import opened
from .times import Time


@pytest.fixture(scope="session")
def bucket(s3_server: Any) -> str:
    """One bucket for all; each test has its own prefix."""
    return s3_server.new_bucket()


@pytest.fixture(params=["local", pytest.param("s3", marks=pytest.mark.integration)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """The uri of an empty output, and the endpoint that it is reached at, of each kind."""
    if request.param == "local":
        return str(tmp_path / "out"), ""
    server = request.getfixturevalue("s3_env")
    return f"s3://{request.getfixturevalue('bucket')}/{uuid.uuid4().hex}", server.endpoint


@pytest.fixture
def storage(place: tuple[str, str]) -> Storage:
    """An empty output of each kind."""
    return opened(*place)


@pytest.fixture
def local(tmp_path: Path) -> LocalStorage:
    """An empty output in a folder."""
    return LocalStorage(tmp_path / "out")


@pytest.fixture
def remote(s3_proxy: Any, bucket: str) -> Storage:
    """An empty output behind the proxy; one try per request."""
    return open_storage(f"s3://{bucket}/{uuid.uuid4().hex}", S3Options(s3_proxy.endpoint, max_attempts=1))


@pytest.fixture
def hand() -> Time:
    """A clock for one test."""
    return Time()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check waits ten leases for a renewal: on a busy machine one takes longer than the sixth of a short lease."""
    monkeypatch.setattr(leases, "TRUST", -9.0)
