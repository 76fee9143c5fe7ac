"""Fixtures for every test folder: a real S3 server, a proxy that can take it away, and Ray.

Helpers that are no fixtures lie in the package `support`, tests/support.

s3_server   session-wide; .endpoint .access_key .secret_key .new_bucket() .stop() .start()
s3_env      the same server, with its keys in the environment of this test and nothing else from AWS
s3_proxy    a proxy in front of it; .endpoint .down() .up() .reset_next(count) .cut_next_answer(after_bytes)
s3_faults   a proxy that answers in its place; .endpoint .answer(status, code) .hang() .well() .delay_s .num_asked
ray_nodes   ray_machines.py: .head() and .worker(), machines of a Ray cluster on loopback
ray_head    session-wide; one of two cores, with the S3 server's keys: .address .folder
joined_ray  this process's connection to it, for a module: a run joins the session that its process already has
write_output, tell   a small output, and the law of hostile input (`support/small_output.py`)
pretend_cuda  a CUDA device on machines that have none (`support/pretend_cuda`)
hosted_replicas  replicas of small runs are threads of this process, but where a test is marked `replica_processes`

In every test nothing waits for the disk, a batcher measures a shape once, and a graph of hibari is loaded once
(`pytest_sessionstart`).

A test that needs Ray, a server or processes of its own is marked `integration`: by what it asks for, or in its file.
One that loads or computes for a second or more is marked `slow`. `make check` leaves both out.
"""

from __future__ import annotations

import gc
import os
import re
import sys
from collections.abc import Generator, Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
import typer.testing
from hypothesis import settings
from support import ray_machines
from support.faultyproxy import FaultyProxy
from support.in_process import speaking_here  # noqa: F401  (a fixture)
from support.s3server import S3Server
from support.small_output import tell, write_output  # noqa: F401  (fixtures)
from support.tcpproxy import TcpProxy
from support.threads import ThreadSource

from speechmill.actors.batcher import calibration
from speechmill.actors.models.hibari import int8

if TYPE_CHECKING:
    from support.pretend_cuda import PretendCuda

# The same examples on every run, and none fails for being slow on a busy machine; `make check` has a few.
settings.register_profile("speechmill", deadline=None, derandomize=True, database=None, max_examples=50)
settings.register_profile("quick", deadline=None, derandomize=True, database=None, max_examples=10)
# Other examples on every run, and many: `make soak`.
settings.register_profile("soak", deadline=None, max_examples=2_000, database=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "speechmill"))

# Threads of torch sleep while they wait for each other; on a busy machine they would spin. Child processes inherit it.
os.environ.setdefault("GOMP_SPINCOUNT", "0")
# One thread each, as a replica on one core has: workers share the cores, and last bits depend on the number of threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A process is of one mind about Ray's tokens: of two Rays in one, each would cancel the other's actors.
os.environ["RAY_AUTH_MODE"] = "disabled"

# Typer builds all commands anew at every call in this process: 40 ms, more than what most tests ask of one.
typer.testing._get_command = cache(typer.testing._get_command)  # type: ignore[attr-defined]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Files whose tests are all deselected are not imported: some take seconds, in each worker."""
    if not collection_path.match("test_*.py"):
        return None
    marked = _MARK_OF_ALL.search(collection_path.read_text(encoding="utf-8"))
    return True if marked and f"not {marked[1]}" in config.option.markexpr else None


_MARK_OF_ALL = re.compile(r"^pytestmark = \[?pytest\.mark\.(integration|slow)\b", re.M)


def pytest_collectstart() -> None:
    """What imports and collection leave stays to the end, millions of objects: to look for garbage in it costs much."""
    gc.disable()


def pytest_collection_finish() -> None:
    """The collector of garbage sees only what tests make. What imports left is not looked through even once."""
    gc.freeze()
    gc.enable()


@pytest.fixture
def pretend_cuda(caplog: pytest.LogCaptureFixture) -> Iterator[PretendCuda]:
    """A CUDA device that is there during the test; no step may do there without its graph."""
    from support.pretend_cuda import PretendCuda  # imports torch, which most tests do without

    with PretendCuda() as gpu:
        yield gpu
    told = [record.getMessage() for record in caplog.get_records("call")]
    assert not [message for message in told if "without CUDA graphs" in message]


# Files of ten seconds or more, the longest first: one that is begun as the last keeps the other workers waiting.
_LONGEST = (
    "test_chaos",
    "test_submit",
    "test_benchmarks",
    "test_faults",
    "test_hosts",
    "test_serve",
    "test_going_node",
    "test_addresses",
    "test_fencing",
    "test_pool",
    "test_store_faults",
    "test_model",
    "test_compiled",
    "test_run",
    "test_gated_run",
    "test_update",
    "test_check_model",
    "test_actor",
    "test_real_weights",
    "test_refine",
    "test_docs",
    "test_package",
    "test_judging",
    "test_exits",
    "test_changed_corpus",
    "test_documents",
    "test_batching",
    "test_hostile_store",
    "test_interleavings",
)


_SERVERS = {"s3_server", "ray_nodes", "ray_head", "hosted_replicas"}
"""Fixtures that start processes, or stand for them; others ask for them."""


@pytest.hookimpl(tryfirst=True)  # before tests are chosen by their marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not _SERVERS.isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.integration)
    items[:] = _ordered(items)


def _ordered(items: list[pytest.Item]) -> list[pytest.Item]:
    """Between two long files one that only computes: two that start a Ray at once make each other's time-outs pass."""
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    places = {name: place for place, name in enumerate(_LONGEST)}
    long = sorted((path for path in files if path.stem in places), key=lambda path: places[path.stem])
    busy = [path for path in files if path not in long and _is_integration(files[path])]
    quiet = [path for path in files if path not in long and path not in busy]
    busy = long + busy
    placed = [(place / len(some), path) for some in (busy, quiet) for place, path in enumerate(some)]
    return [item for _, path in sorted(placed, key=lambda pair: pair[0]) for item in files[path]]


def _is_integration(items: list[pytest.Item]) -> bool:
    return any(item.get_closest_marker("integration") for item in items)


# Hooks and no fixtures: each fixture that every test has costs a third of a millisecond a test, of 5,000.


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None]:
    """The law of the mark, for the fixtures of a test."""
    yield from _leaving_ray_alone(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """The law of the mark, for the test."""
    yield from _leaving_ray_alone(item)


def _leaving_ray_alone(item: pytest.Item) -> Generator[None]:
    """A test that is not marked `integration` starts and joins no Ray."""
    was_there = _is_ray_here()  # a module's fixture may have joined one for other tests
    yield
    if item.get_closest_marker("integration") is None:
        assert was_there or not _is_ray_here(), "mark it: pytest.mark.integration"


def _is_ray_here() -> bool:
    return "ray" in sys.modules and sys.modules["ray"].is_initialized()


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What tests measure stays out of the user's cache, and what the user measured out of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPEECHMILL_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def pytest_sessionstart(session: pytest.Session) -> None:
    """What costs much, and what no test of this process can see.

    No test takes the power away, so files need not reach the disk: that costs a millisecond each. A batcher needs one
    measurement of a shape, not the fastest of five. The graph of the embedded voice takes a second to load: once.
    """
    sessions: dict[bytes, Any] = {}

    def session_of(raw: bytes, file: Path) -> Any:
        key = sha256(raw).digest()
        if key not in sessions:
            sessions[key] = load_session(raw, file)
        return sessions[key]

    load_session = int8._session
    patch = pytest.MonkeyPatch()
    patch.setattr(os, "fsync", lambda descriptor: None)
    patch.setattr(calibration, "MOST_PASSES", 0)
    patch.setattr(int8, "_session", session_of)
    session.config.add_cleanup(patch.undo)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[Any]:
    """SeaweedFS on loopback, killed at the end of the session."""
    server = S3Server()
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
def s3_env(s3_server: Any, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The server, with boto3's credential chain pointing at its keys and at nothing of this machine's user."""
    assert request.node.get_closest_marker("integration"), "it asks for a server; mark it: pytest.mark.integration"
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
    proxy = TcpProxy(s3_env.port)
    yield proxy
    proxy.close()


@pytest.fixture
def s3_faults(s3_env: Any) -> Iterator[Any]:
    """An HTTP proxy in front of the server, for tests in which the service itself refuses, or says nothing."""
    proxy = FaultyProxy(s3_env.port)
    yield proxy
    proxy.close()


@pytest.fixture(scope="session")
def ray_nodes() -> ModuleType:
    return ray_machines


@pytest.fixture(scope="session")
def ray_head(ray_nodes: ModuleType, s3_server: Any, _own_cache: None) -> Iterator[Any]:
    """One for all that need no Ray of their own: to start a Ray costs more than what most of them do with it."""
    keys = {"AWS_ACCESS_KEY_ID": s3_server.access_key, "AWS_SECRET_ACCESS_KEY": s3_server.secret_key}
    with ray_nodes.head(AWS_DEFAULT_REGION="us-east-1", AWS_EC2_METADATA_DISABLED="true", **keys) as head:
        yield head


@pytest.fixture(scope="module")
def joined_ray(ray_head: Any) -> Iterator[None]:
    import ray

    ray.init(address=ray_head.address, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture
def hosted_replicas(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replicas of small runs in threads of this process (`support/threads.py`), without Ray."""
    if request.node.get_closest_marker("replica_processes") is None:
        monkeypatch.setattr("speechmill.jobs.run.driver.ProcessSource", ThreadSource)
