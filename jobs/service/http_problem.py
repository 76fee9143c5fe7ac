"""An error as an HTTP answer: a status, and JSON in OpenAI's form.

Guaranteed: the answer is ASCII, whatever the message quotes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import Response

from ...errors import SpeechmillError

CLOSE = {"Connection": "close"}


class HttpProblem(SpeechmillError):
    """A request that is answered with an error.

    Args:
        status: HTTP status, 4xx or 5xx
        message: The error in words
        code: The error as a word for programs
        param: The wrong key of the request; None if no key is wrong
        headers: Headers of the answer
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param
        self.headers = dict(headers or {})

    @property
    def kind(self) -> str:
        """OpenAI's type of the error."""
        if self.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return "server_error"
        return "rate_limit_error" if self.status == HTTPStatus.TOO_MANY_REQUESTS else "invalid_request_error"

    def body(self) -> dict[str, object]:
        """The content of the answer."""
        error = {"message": str(self), "type": self.kind, "param": self.param, "code": self.code}
        return {"error": error}

    def response(self) -> Response:
        """The whole answer."""
        headers = {"Cache-Control": "no-store", **self.headers}
        return Response(json.dumps(self.body()), self.status, headers, "application/json")


def retry_after(seconds: float) -> dict[str, str]:
    """The header with the time of the next try: whole seconds, at least 1."""
    return {"Retry-After": str(max(1, math.ceil(seconds)))}
