"""Requests to one server: JSON out, bytes of audio back, or a fault. The only file here that knows HTTP.

Guaranteed: the key goes in a header to the named address and nowhere else (redirects are not followed), and is in no
message; an answer is never larger than it may be; no piece of one is waited for after its time, and for none longer
than `timeout_s`; one that ends early is a fault.
Foreign errors are translated here.
"""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from .fault import Blame, Fault, RequestFailed, fault_of
from .options import EndpointOptions

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

_CHUNK_BYTES = 1 << 16
_MOST_ERROR_BYTES = 1 << 16
_RATE_DIGITS = 6
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class SpeechClient:
    """A server with OpenAI's speech interface, as many connections as requests are under way.

    Args:
        url: The address of requests
        key: The server's key; "" for none
        places: Requests at once
    """

    def __init__(self, url: str, options: EndpointOptions, key: str, places: int) -> None:
        self.url, self._options, self._key = url, options, key
        self._pool = _pool(url, places)
        self._headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        if key:
            is_bearer = options.api_key_header.lower() == "authorization"
            self._headers[options.api_key_header] = f"Bearer {key}" if is_bearer else key

    @property
    def place(self) -> str:
        """The address for messages: without a query, which may hold what is no one's business."""
        return self.url.partition("?")[0]

    def ask(self, body: Mapping[str, Any], is_over: Callable[[], bool]) -> tuple[bytes, int | None]:
        """The audio of one request, and its rate in Hz where a header says it.

        Args:
            is_over: Asked between pieces: whether the answer is wanted no more

        Raises:
            RequestFailed: There is none, or not all of it
        """
        pieces = list(self.pieces(body, is_over))
        return b"".join(piece for piece, _ in pieces), pieces[0][1] if pieces else None

    def pieces(self, body: Mapping[str, Any], is_over: Callable[[], bool]) -> Generator[tuple[bytes, int | None]]:
        """The audio of one request as it comes, each piece with the rate that a header says.

        Raises:
            RequestFailed: There is none, or it breaks off
        """
        import urllib3

        until_s = time.monotonic() + self._options.timeout_s
        wait = urllib3.Timeout(connect=self._options.connect_s, read=self._options.timeout_s)
        data = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        try:
            answer = self._pool.urlopen(
                "POST",
                self.url,
                body=data,
                headers=self._headers,
                timeout=wait,
                retries=False,
                redirect=False,
                preload_content=False,
            )
            with closing(answer):
                yield from self._read(answer, until_s, is_over)
        except RequestFailed as failed:
            raise RequestFailed(self._without_key(failed.fault)) from None
        except urllib3.exceptions.HTTPError as error:
            raise RequestFailed(self._without_key(_connection_fault(error, self._options))) from error

    def _read(
        self, answer: BaseHTTPResponse, until_s: float, is_over: Callable[[], bool]
    ) -> Generator[tuple[bytes, int | None]]:
        headers = answer.headers
        kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if answer.status != 200 or kind in ("application/json", "text/html", "text/plain", "application/problem+json"):
            said = _message(answer, until_s)
            fault = fault_of(answer.status, said, headers.get("Retry-After"), time.time())
            answer.close()
            raise RequestFailed(fault)
        rate = _rate(headers)
        most = self._options.max_bytes
        total = 0
        while piece := answer.read1(_CHUNK_BYTES):
            total += len(piece)
            if total > most:
                raise RequestFailed(
                    Fault(Blame.ROW, f"the answer has more than {most:,} bytes; model.options.max_audio_s bounds it")
                )
            if is_over():
                raise RequestFailed(Fault(Blame.ATTEMPT, "the answer was wanted no more"))
            if time.monotonic() > until_s:
                raise RequestFailed(_late(self._options))
            yield piece, rate
        # urllib3 checks announced lengths itself, but not in every version that the answer was read to its end.
        if answer.length_remaining:
            raise RequestFailed(Fault(Blame.ATTEMPT, f"the answer breaks off {answer.length_remaining} bytes early"))

    def _without_key(self, fault: Fault) -> Fault:
        """The fault; a server may repeat the key in its message."""
        if not self._key or self._key not in fault.reason:
            return fault
        return Fault(fault.blame, fault.reason.replace(self._key, "***"), fault.wait_s, fault.is_missing)


def _rate(headers: Mapping[str, str]) -> int | None:
    """Hz by a header: `X-Sample-Rate`, or the parameter `rate` of the content's type (audio/L16, RFC 2586)."""
    told = headers.get("X-Sample-Rate", "")
    for parameter in headers.get("Content-Type", "").split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "rate":
            told = told or value.strip()
    return int(told) if told.isdecimal() and len(told) <= _RATE_DIGITS and int(told) else None


def _message(answer: BaseHTTPResponse, until_s: float) -> bytes:
    """The beginning of an answer without audio, as much of it as comes in time."""
    said = b""
    while len(said) < _MOST_ERROR_BYTES and time.monotonic() < until_s and (piece := answer.read1(_CHUNK_BYTES)):
        said += piece
    return said


def _late(options: EndpointOptions) -> Fault:
    return Fault(Blame.ATTEMPT, f"no whole answer within {options.timeout_s:g} s (model.options.timeout_s)")


def _connection_fault(error: Exception, options: EndpointOptions) -> Fault:
    """What a failed connection says: nobody was there (busy), it broke off (attempt), it is not to be trusted (job)."""
    from urllib3 import exceptions

    reason: BaseException = error
    while isinstance(inner := (getattr(reason, "reason", None) or reason.__cause__), BaseException):
        reason = inner
    if isinstance(error, exceptions.SSLError) and isinstance(reason, ssl.SSLCertVerificationError):
        return Fault(Blame.JOB, f"its certificate is not trusted: {reason.verify_message}")
    if isinstance(error, exceptions.ConnectTimeoutError | exceptions.NewConnectionError | exceptions.ProxyError):
        return Fault(Blame.BUSY, f"cannot connect: {reason}")
    if isinstance(error, exceptions.ReadTimeoutError):
        return _late(options)
    return Fault(Blame.ATTEMPT, f"the connection broke off: {type(reason).__name__}: {reason}")


def _pool(url: str, places: int) -> PoolManager:
    """Connections to a server, through the proxy that the environment names for it. Loopback needs none."""
    import urllib3

    parts = urlsplit(url)
    host = parts.hostname or ""
    proxy = getproxies().get(parts.scheme)
    if proxy is None or host in _LOOPBACK or proxy_bypass(host):
        return urllib3.PoolManager(num_pools=1, maxsize=places)
    return urllib3.ProxyManager(proxy, num_pools=1, maxsize=places)
