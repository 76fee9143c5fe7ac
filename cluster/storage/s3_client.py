"""boto3 clients: where they connect to, how long they wait and how often they try.

Guaranteed: explicit timeouts, `attempts` tries per request with growing random pauses, no shared session, and no
client shared between processes.
Credentials are boto3's business; only the access key id, which is no secret, is ever looked at.
"""

from __future__ import annotations

import os
import threading
from typing import Any

import boto3.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from ...errors import SpecError
from .base import S3Options

_QUICK_ATTEMPTS = 2


class Clients:
    """The clients of a store, each made at first use, and made anew in a forked process. Threads may share them."""

    def __init__(self, options: S3Options) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._made: dict[tuple[int, int], Any] = {}

    def patient(self) -> Any:
        """A client that tries as often as the options say, which may take minutes."""
        return self._of(self._options.max_attempts, connect_s=10, read_s=60)

    def quick(self) -> Any:
        """A client that gives up within seconds."""
        return self._of(min(_QUICK_ATTEMPTS, self._options.max_attempts), connect_s=3, read_s=10)

    def _of(self, attempts: int, connect_s: int, read_s: int) -> Any:
        key = (os.getpid(), read_s)
        with self._lock:
            if key not in self._made:
                self._made[key] = connect(self._options, attempts, connect_s, read_s)
            return self._made[key]


def connect(options: S3Options, attempts: int, connect_s: int = 10, read_s: int = 60) -> Any:
    """A new S3 client. Raises SpecError for an endpoint or region that is none."""
    url = endpoint_url(options)
    config = Config(
        connect_timeout=connect_s,
        read_timeout=read_s,
        tcp_keepalive=True,
        max_pool_connections=32,
        # "standard" mode shares one budget of about 35 retries among all threads and pauses 50 ms at first: a service
        # that restarts for some seconds would end the run. "legacy" grants every request its tries, 1 s pauses first.
        retries={"mode": "legacy", "total_max_attempts": attempts},
        s3={"addressing_style": "path"} if url else None,
        request_checksum_calculation=_checksums(url),
    )
    try:
        # A session of our own: boto3's default session is not thread-safe.
        return boto3.session.Session().client("s3", endpoint_url=url, region_name=options.region, config=config)
    except ValueError as error:
        raise SpecError(f"endpoint_url {url!r}, region {options.region!r}: {error}") from error


def endpoint_url(options: S3Options) -> str | None:
    """The endpoint from the options or the environment; None for AWS itself."""
    environ = os.environ
    return options.endpoint_url or environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL") or None


def access_key_id() -> str:
    """The access key id in use, for messages."""
    try:
        credentials = boto3.session.Session().get_credentials()
    except BotoCoreError:
        return "(none)"
    return str(credentials.access_key) if credentials else "(none)"


def _checksums(url: str | None) -> str | None:
    """Many S3-compatible services refuse boto3's optional checksum trailers; None leaves it to boto3."""
    return None if url is None or "AWS_REQUEST_CHECKSUM_CALCULATION" in os.environ else "when_required"
