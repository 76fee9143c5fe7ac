"""Which requests to S3 are tried again: in place of botocore's own retries, which know no end in time.

botocore's "standard" mode shares one budget of about 35 retries among all threads and pauses 50 ms at first: a service
that restarts for some seconds would end the run. Its "legacy" mode doubles its pauses without a limit.
Guaranteed: each request has the tries and the time of its `Patience`. Credentials that are refused are looked up
again: newer ones are tried at once; for expired ones newer ones are waited for, as for a busy service; any other
refusal is final. Every part of a multipart upload is a request.
Not known here: what an error means for a job.
"""

from __future__ import annotations

import random
import time
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, cast

from botocore import exceptions as boto

from ..guard import check_guard
from .credentials import CredentialChain
from .deadline import Patience

BUSY_STATUSES = {429, 500, 502, 503, 504, 509}
BUSY = {
    "BadDigest",
    "BandwidthLimitExceeded",
    "InternalError",
    "LimitExceeded",
    "PriorRequestNotComplete",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "RequestTimeout",
    "RequestTimeoutException",
    "ServiceUnavailable",
    "SlowDown",
    "SlowDownRead",
    "SlowDownWrite",
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "TooManyRequests",
    "TooManyRequestsException",
}
EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
REFUSED = EXPIRED | {"InvalidAccessKeyId", "InvalidToken", "InvalidTokenId", "SignatureDoesNotMatch"}
"""Keys that were rotated while the run went on look like wrong ones."""

CHANCE = random.SystemRandom()
"""For pauses. Not the process's own generator: a program that seeds that one would make all its drivers pause alike,
and its own draws would depend on how the store fares."""

_BEGAN_S, _VERSION = "speechmill_began_s", "speechmill_credentials"
_operation_began_s: ContextVar[float | None] = ContextVar("operation_began_s", default=None)


@contextmanager
def one_operation() -> Generator[float]:
    """Requests of this thread share one `timeout_s` inside; when it began to run, by `time.monotonic`."""
    began_s = time.monotonic()
    token = _operation_began_s.set(began_s)
    try:
        yield began_s
    finally:
        _operation_began_s.reset(token)


class Retries:
    """The retries of one client."""

    def __init__(self, patience: Patience, chain: CredentialChain) -> None:
        self._patience = patience
        self._chain = chain

    def attach(self, client: Any) -> None:
        """Decide for this client from now on."""
        events = client.meta.events
        events.unregister("needs-retry.s3", unique_id="retry-config-s3")
        events.register("before-call.s3", self._begin)
        events.register("before-sign.s3", self._sign)
        events.register("needs-retry.s3", self._pause_s)

    def _begin(self, params: dict[str, Any], **_: Any) -> None:
        check_guard()
        began_s = _operation_began_s.get()
        params["context"][_BEGAN_S] = time.monotonic() if began_s is None else began_s

    def _sign(self, request: Any, **_: Any) -> None:
        request.context[_VERSION] = self._chain.version

    def _pause_s(
        self,
        response: tuple[Any, dict[str, Any]] | None,
        attempts: int,
        caught_exception: Exception | None,
        request_dict: dict[str, Any],
        **_: Any,
    ) -> float | None:
        """Seconds until the next try, None if this answer is the last."""
        check_guard()
        context = request_dict["context"]
        elapsed_s = time.monotonic() - context[_BEGAN_S]
        pause_s = self._patience.pause_s(attempts, elapsed_s, CHANCE.random())
        if pause_s is None:
            return None
        if response is None:
            return pause_s if _is_of_the_network(caught_exception) else None
        status, code = response[0].status_code, _code_of(response[1])
        if code in REFUSED:
            if self._chain.renew(context.get(_VERSION, 0)):
                return 0.0
            return pause_s if code in EXPIRED else None
        return pause_s if status in BUSY_STATUSES or code in BUSY else None


def _is_of_the_network(error: Exception | None) -> bool:
    return isinstance(error, boto.HTTPClientError | boto.ConnectionError)


def _code_of(answer: dict[str, Any]) -> str:
    return str(cast(dict[str, object], answer.get("Error", {})).get("Code", ""))
