"""The body of a request: JSON only, with limits on its bytes and seconds.

The type `application/json` also keeps pages of other sites out: a browser asks for permission before it sends this type
to another site. The bytes are not parsed here.
"""

from __future__ import annotations

import asyncio

from starlette.requests import Request

from ..admission import AdmissionLimits
from ..http_problem import CLOSE, HttpProblem


async def read_body(request: Request, limits: AdmissionLimits) -> bytes:
    """The whole body.

    Raises:
        HttpProblem: 413 as soon as the body is too large, 408 if it takes too long, 415 for another type
        starlette.requests.ClientDisconnect: The client left before the body's end
    """
    _check_type(request)
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and _is_above(declared, limits.max_body_bytes):
        raise _too_large(limits)
    body = bytearray()
    try:
        async with asyncio.timeout(limits.body_s):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limits.max_body_bytes:
                    raise _too_large(limits)
    except TimeoutError:
        told = f"the body did not arrive within {limits.body_s:g} s"
        raise HttpProblem(408, told, code="request_timeout", headers=CLOSE) from None
    return bytes(body)


def _is_above(declared: str, limit: int) -> bool:
    digits = declared.lstrip("0")
    return len(digits) > len(str(limit)) or int(digits or "0") > limit


def _too_large(limits: AdmissionLimits) -> HttpProblem:
    told = f"the body is larger than {limits.max_body_bytes:,} bytes"
    return HttpProblem(413, told, code="request_too_large", headers=CLOSE)


def _check_type(request: Request) -> None:
    media_type, _, _ = request.headers.get("content-type", "").partition(";")
    if media_type.strip().lower() != "application/json":
        told = f'"Content-Type" is "{media_type[:80]}"; it must be application/json'
        raise HttpProblem(415, told, code="unsupported_media_type")
    coding = request.headers.get("content-encoding", "identity")
    if coding.strip().lower() != "identity":
        raise HttpProblem(
            415, f'"Content-Encoding" is "{coding[:80]}"; send it as it is', code="unsupported_media_type"
        )
