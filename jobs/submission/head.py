"""The head of a Ray cluster, seen from outside through its job API.

Guaranteed: what Ray, HTTP and the network raise becomes one error in one line, here; none of Ray's own notices is
printed. Ray reads the token itself (`RAY_AUTH_MODE`, `RAY_AUTH_TOKEN`, `RAY_AUTH_TOKEN_PATH`, `~/.ray/auth_token`).
Not known here: what a job is.
"""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import socket
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from ...errors import HeadAway, JobError, SpecError
from .record import JobRecord

DEFAULT_ADDRESS = "http://127.0.0.1:8265"
CONNECT_S = 10.0
ANSWER_S = 60.0
"""Without a byte of an answer; a network that went away says nothing."""
_QUIET_S = 10.0
"""After that long without a line, a follower looks whether the job and its head are still there."""
_NOTICES = tuple(
    f"ray.{name}"
    for name in ("dashboard.modules.dashboard_sdk", "dashboard.modules.job.sdk", "_private.runtime_env.packaging")
)
_NODES_S = 30.0
"""A head that has just been started answers before it knows that it is a node itself."""
_ENVIRONMENT = "RAY_API_SERVER_ADDRESS"


def address_of(given: str | None) -> str:
    """The URL of a head's dashboard: as given, else of the environment as `ray job` reads it, else port 8265 here.

    Raises:
        SpecError: For what is no URL of a dashboard
    """
    address = given or os.environ.get(_ENVIRONMENT) or _http_only(os.environ.get("RAY_ADDRESS")) or DEFAULT_ADDRESS
    url = address if "://" in address else f"http://{address}"
    parts = urlsplit(url)
    try:
        is_known = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_known = False
    if not is_known:
        raise SpecError(f'--address "{address}" is no dashboard: write http://head:8265, or https://')
    if parts.username is not None:
        raise SpecError(
            "--address holds a name or password; Ray takes a token: set RAY_AUTH_MODE=token, RAY_AUTH_TOKEN"
        )
    return url.rstrip("/")


class Head:
    """A connection to a head. Making one asks the head for its version."""

    def __init__(self, address: str | None = None) -> None:
        """Ask the head once.

        Raises:
            SpecError: The address is none
            JobError: No head with a job API answers, or it refuses the token
        """
        self.address = address_of(address)
        _knock(self.address)
        with self._told(), _address_in_environment(self.address):
            from .head_client import HeadClient

            for notices in _NOTICES:
                logging.getLogger(notices).setLevel(logging.WARNING)
            self._client = HeadClient(self.address, (CONNECT_S, ANSWER_S))

    def submit(
        self, id: str, entrypoint: str, env: dict[str, Any], labels: Mapping[str, str], num_cpus: float | None
    ) -> None:
        """Upload what `env` names, unless the head has it, and queue the job."""
        with self._told(f"job {id} could not be sent"):
            self._client.submit_job(
                entrypoint=entrypoint,
                submission_id=id,
                runtime_env=env,
                metadata=dict(labels),
                entrypoint_num_cpus=num_cpus,
            )

    def jobs(self) -> list[JobRecord]:
        """The jobs of speechmill that the head remembers, newest first."""
        with self._told():
            found = [JobRecord.of(details) for details in self._client.list_jobs()]
        return sorted((job for job in found if job is not None), key=lambda job: (-job.started_s, job.id))

    def ids(self) -> set[str]:
        """The ids that are taken, by jobs of anybody."""
        with self._told():
            return {details.submission_id for details in self._client.list_jobs() if details.submission_id}

    def job(self, id: str) -> JobRecord | None:
        """One job; None for what is not there, or not sent by speechmill."""
        with self._told():
            try:
                return JobRecord.of(self._client.get_job_info(id))
            except RuntimeError:  # of any refusal, with the status in its text only
                if id in {details.submission_id for details in self._client.list_jobs()}:
                    raise
                return None

    def stop(self, id: str) -> bool:
        """Ask a job to stop; False if it had ended."""
        with self._told(f"job {id} could not be stopped"):
            return self._client.stop_job(id)

    def log(self, id: str) -> str:
        """All that the job has printed so far."""
        with self._told(f"the log of job {id} could not be read"):
            return self._client.get_job_logs(id)

    def sees_this_machine_only(self) -> bool:
        """Whether all nodes are this machine, by their addresses: then they see its files."""
        import psutil

        with self._told(), _address_in_environment(self.address):
            from ray.util.state import list_nodes
            from ray.util.state.exception import RayStateApiException

            nodes: list[Any] = []
            deadline_s = time.monotonic() + _NODES_S
            while not nodes and time.monotonic() < deadline_s:
                try:
                    nodes = list_nodes(self.address, limit=1000, filters=[("state", "=", "ALIVE")])
                except RayStateApiException as error:
                    raise ConnectionError(_first_line(error)) from error
                time.sleep(0 if nodes else 0.5)
        ours = {address.address for card in psutil.net_if_addrs().values() for address in card}
        return bool(nodes) and all(node.node_ip in ours for node in nodes)

    def tail(self, id: str) -> Generator[str | None]:
        """The log from its beginning, in pieces as it grows; None now and then while it does not.

        Ends with the job, and when the connection breaks.
        """
        pieces: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        loop = asyncio.new_event_loop()

        async def pump() -> None:
            async for piece in self._client.tail_job_logs(id):
                pieces.put(piece)

        def work() -> None:
            try:
                loop.run_until_complete(task)
            except (Exception, asyncio.CancelledError) as error:  # a follower asks the head what is the matter
                logging.getLogger(__name__).debug("the log of %s breaks off: %s", id, error)
            finally:
                loop.run_until_complete(loop.shutdown_asyncgens())
                loop.close()
                pieces.put(None)

        task = loop.create_task(pump())
        thread = threading.Thread(target=work, name="job log", daemon=True)
        thread.start()
        try:
            while True:
                try:
                    piece = pieces.get(timeout=_QUIET_S)
                except queue.Empty:
                    yield None
                    continue
                if piece is None:
                    return
                yield piece
        finally:
            if thread.is_alive():
                with suppress(RuntimeError):  # it may have ended this moment
                    loop.call_soon_threadsafe(task.cancel)
                thread.join(CONNECT_S)

    @contextmanager
    def _told(self, what: str = "") -> Generator[None]:
        """Foreign errors become ours, once."""
        from ray.exceptions import AuthenticationError

        at = f"{what}: the head at {self.address}" if what else f"the head at {self.address}"
        try:
            yield
        except AuthenticationError as error:
            # Ray has one class for both, and no field for the status.
            is_wrong = error.message.startswith("Authentication failed")
            problem = "refuses the token" if is_wrong else "asks for a token, and none was sent"
            raise JobError(
                f"{at} {problem}: set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH to the cluster's"
            ) from error
        except OSError as error:  # requests' errors are such, too
            raise HeadAway(f"{at} does not answer: {_first_line(error)}") from error
        except (RuntimeError, ValueError, KeyError, AssertionError) as error:
            raise JobError(f"{at} answered: {_first_line(error)}") from error


def _knock(address: str) -> None:
    """Raise HeadAway when nothing listens there: HTTP libraries wait for minutes, and try again."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    if parts.scheme in getproxies() and not proxy_bypass(host):
        return
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        socket.create_connection((host, port), timeout=CONNECT_S).close()
    except OSError as error:
        raise HeadAway(
            f"no Ray head answers at {address}: {error.strerror or error}. Name its dashboard with --address "
            "http://head:8265, and make sure that this machine reaches it"
        ) from error


@contextmanager
def _address_in_environment(address: str) -> Generator[None]:
    """Ray lets the environment overrule the address that it is given."""
    before = os.environ.get(_ENVIRONMENT)
    os.environ[_ENVIRONMENT] = address
    try:
        yield
    finally:
        if before is None:
            del os.environ[_ENVIRONMENT]
        else:
            os.environ[_ENVIRONMENT] = before


def _http_only(address: str | None) -> str | None:
    return address if address and address.startswith(("http://", "https://")) else None


def _first_line(error: BaseException) -> str:
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return line[:300]
