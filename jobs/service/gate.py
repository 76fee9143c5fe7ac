"""The gate of the service: requests without the key are refused, and all requests while the service drains.

Guaranteed: a key is compared by its hash, in constant time.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

from starlette.requests import Request
from starlette.types import Scope

from ...errors import SpecError
from .admission import AdmissionGate
from .http_problem import HttpProblem

BEARER = "speechmill.bearer."
"""Before the key, in base64url without padding, in the subprotocol of a WebSocket."""


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
        self.check(request.scope)

    def check(self, scope: Scope) -> None:
        """Raise HttpProblem 401 or 503, or let the request or the WebSocket of a scope pass."""
        if self._wanted is not None:
            token = _token_of(scope)
            is_known = hmac.compare_digest(hashlib.sha256(token or b"").hexdigest(), self._wanted)
            if token is None or not is_known:
                told = 'the key is wrong or missing; send it as "Authorization: Bearer KEY"'
                raise HttpProblem(401, told, code="invalid_api_key", headers={"WWW-Authenticate": "Bearer"})
        self._admission_gate.check_open()


def _token_of(scope: Scope) -> bytes | None:
    """The token of the header; or of a subprotocol, for WebSockets of browsers, which send no header."""
    given = [value for name, value in scope["headers"] if name == b"authorization"]
    if not given and scope["type"] == "websocket":
        coded = [name for name in scope.get("subprotocols", ()) if name.startswith(BEARER)]
        return _decoded_token(coded[0].removeprefix(BEARER)) if len(coded) == 1 else None
    scheme, _, token = given[0].partition(b" ") if len(given) == 1 else (b"", b"", b"")
    return token.strip() if scheme.lower() == b"bearer" else None


def _decoded_token(coded: str) -> bytes | None:
    try:
        return base64.urlsafe_b64decode(coded + "=" * (-len(coded) % 4))
    except ValueError:
        return None
