"""Fixtures for every test folder: a real S3 server, and a proxy that can take it away.

s3_server   session-wide; .endpoint .access_key .secret_key .new_bucket() .stop() .start()
s3_env      the same server, with its keys in the environment of this test and nothing else from AWS
s3_proxy    a proxy in front of it; .endpoint .down() .up() .reset_next(count) .cut_next_answer(after_bytes)
s3_faults   a proxy that answers in its place; .endpoint .answer(status, code) .hang() .well() .delay_s .num_asked
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import settings

# The same examples on every run, and no example fails for being slow on a busy machine.
settings.register_profile("speechmill", deadline=None, derandomize=True, database=None)
settings.load_profile("speechmill")


def _sibling(name: str) -> ModuleType:
    """A module of this folder: with --import-mode=importlib, tests/ is not on the path."""
    spec = importlib.util.spec_from_file_location(f"speechmill_tests_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What tests measure stays out of the user's cache, and what the user measured out of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPEECHMILL_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def s3_server() -> Iterator[Any]:
    """SeaweedFS on loopback, killed at the end of the session."""
    server = _sibling("s3server").S3Server()
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
def s3_env(s3_server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The server, with boto3's credential chain pointing at its keys and at nothing of this machine's user."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-aws-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-aws-credentials"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3_server.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3_server.secret_key)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    return s3_server


@pytest.fixture
def s3_proxy(s3_env: Any) -> Iterator[Any]:
    """A TCP proxy in front of the server, for tests in which the network breaks."""
    proxy = _sibling("tcpproxy").TcpProxy(s3_env.port)
    yield proxy
    proxy.close()


@pytest.fixture
def s3_faults(s3_env: Any) -> Iterator[Any]:
    """An HTTP proxy in front of the server, for tests in which the service itself refuses, or says nothing."""
    proxy = _sibling("faultyproxy").FaultyProxy(s3_env.port)
    yield proxy
    proxy.close()
