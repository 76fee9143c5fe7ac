"""boto3 clients: where they connect to, how long they wait and how often they try.

Guaranteed: explicit timeouts, the tries and pauses of `s3_retries`, no shared session, and no client shared between
processes.
Credentials are boto3's business; only the access key id, which is no secret, is ever looked at.
"""

from __future__ import annotations

import os
import threading
from functools import cache
from typing import Any

import boto3.session
import botocore.loaders
import botocore.session
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from ....errors import SpecError
from ..base import S3Options
from .credentials import CredentialChain
from .deadline import Patience
from .retries import Retries

_QUICK_ATTEMPTS = 2
_QUICK_S = 30.0


class Clients:
    """The clients of a store, each made at first use, and made anew in a forked process. Threads may share them."""

    def __init__(self, options: S3Options) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._made: dict[tuple[int, Patience], Any] = {}
        self.patience = Patience.of(options.max_attempts, options.timeout_s)
        """Of the patient client."""

    def patient(self) -> Any:
        """A client that tries as often and as long as the options say, which may take minutes."""
        return self._of(self.patience)

    def quick(self) -> Any:
        """A client that gives up within seconds."""
        options = self._options
        attempts, timeout_s = min(_QUICK_ATTEMPTS, options.max_attempts), min(_QUICK_S, options.timeout_s)
        return self._of(Patience.of(attempts, timeout_s, connect_s=3, read_s=10))

    def _of(self, patience: Patience) -> Any:
        key = (os.getpid(), patience)
        with self._lock:
            if key not in self._made:
                self._made[key] = connect(self._options, patience)
            return self._made[key]


def connect(options: S3Options, patience: Patience) -> Any:
    """A new S3 client.

    Raises:
        SpecError: For an endpoint or region that is none
    """
    url = endpoint_url(options)
    # A session of our own: boto3's default session is not thread-safe.
    chain, own = CredentialChain(), botocore.session.Session()
    style = _addressing_style(options, own, url)
    config = Config(
        connect_timeout=patience.connect_s,
        read_timeout=patience.read_s,
        tcp_keepalive=True,
        max_pool_connections=32,
        retries={"mode": "legacy", "total_max_attempts": 1},  # `Retries` takes its place
        s3={"addressing_style": style} if style else None,
        signature_version=UNSIGNED if options.anonymous else None,
        request_checksum_calculation=_checksums(url),
    )
    try:
        own.register_component("credential_provider", chain)
        loader = _descriptions(own.get_config_variable("data_path"))
        own.register_component("data_loader", loader)
        session = boto3.session.Session(botocore_session=own)
        loader.search_paths[:] = dict.fromkeys(loader.search_paths)  # each session of boto3 adds the same folder
        client = session.client("s3", endpoint_url=url, region_name=options.region, config=config)
    except ValueError as error:
        raise SpecError(f"endpoint_url {url!r}, region {options.region!r}: {error}") from error
    Retries(patience, chain).attach(client)
    return client


@cache
def _descriptions(data_path: str | None) -> Any:
    """Botocore's descriptions of services, read once in a process: they are three quarters of what a client costs."""
    return botocore.loaders.create_loader(data_path)


def endpoint_url(options: S3Options) -> str | None:
    """The endpoint from the options or the environment; None for AWS itself."""
    environ = os.environ
    return options.endpoint_url or environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL") or None


def _addressing_style(options: S3Options, session: Any, url: str | None) -> str | None:
    """How bucket and endpoint make an address: by the options, by the profile, or as most other services want it."""
    if options.addressing_style:
        return options.addressing_style
    try:
        profile = session.get_scoped_config().get("s3")
    except BotoCoreError:  # a profile that is not there: the request says so
        profile = None
    named = profile.get("addressing_style") if isinstance(profile, dict) else None
    return named or ("path" if url else None)


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
