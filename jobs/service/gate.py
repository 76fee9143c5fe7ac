"""The gate of the service: requests without the key are refused, and all requests while the service drains.

Guaranteed: a key is compared by its hash, in constant time.
"""

from __future__ import annotations

import hashlib
import hmac
import re

from starlette.requests import Request

from ...errors import SpecError
from .admission import AdmissionGate
from .http_problem import HttpProblem


class KeyGate:
    """A dependency of routes that need the key.

    Args:
        token_sha256: SHA-256 of the key in hex; None: no key is needed

    Raises:
        SpecError: `token_sha256` is no SHA-256
    """

    def __init__(self, token_sha256: str | None, admission_gate: AdmissionGate) -> None:
        if token_sha256 is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", token_sha256):
            raise SpecError("the key's SHA-256 must be 64 hexadecimal digits")
        self._wanted = token_sha256.lower() if token_sha256 is not None else None
        self._admission_gate = admission_gate

    async def __call__(self, request: Request) -> None:
        """Raise HttpProblem 401 or 503, or let the request pass."""
        if self._wanted is not None:
            given = [value for name, value in request.scope["headers"] if name == b"authorization"]
            scheme, _, token = given[0].partition(b" ") if len(given) == 1 else (b"", b"", b"")
            is_known = hmac.compare_digest(hashlib.sha256(token.strip()).hexdigest(), self._wanted)
            if scheme.lower() != b"bearer" or not is_known:
                told = 'the key is wrong or missing; send it as "Authorization: Bearer KEY"'
                raise HttpProblem(401, told, code="invalid_api_key", headers={"WWW-Authenticate": "Bearer"})
        self._admission_gate.check_open()
