"""Paths and URIs as a job names them. They go into `job.json`, logs and messages, so they hold no secret."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_CREDENTIALS = re.compile(r'://[^"]*@|(?<=s3)://[^"/]*:[^"]*', re.IGNORECASE)
_SIGNATURE = re.compile(
    r"[?&](x-(?:amz|goog)-(?:signature|credential|security-token)|signature|sig|[a-z_-]*token|api[_-]?key|auth)=[^&#\"]*",
    re.IGNORECASE,
)
"""Parameters by which a signed URL lets in anyone who has it."""


def checked_place(uri: str) -> str:
    """The path or URI itself.

    Raises:
        ValueError: For credentials and for control characters in it
    """
    if _has_credentials(uri):
        raise ValueError("must not hold credentials; they come from the environment or a profile, see docs/job.md")
    if _CONTROL.search(uri):
        raise ValueError("must not hold control characters")
    return uri


UriText = Annotated[str, AfterValidator(checked_place)]


def without_credentials(shown: str) -> str:
    """JSON text of a wrong value as it may be shown."""
    return _SIGNATURE.sub(r"?\1=…", _CREDENTIALS.sub("://…", shown))


def _has_credentials(uri: str) -> bool:
    scheme, separator, rest = uri.partition("://")
    if scheme.lower() in ("http", "https") and _SIGNATURE.search(uri):
        return True
    host = rest.partition("/")[0]
    # A secret key may hold a slash, so that its "@" comes after it.
    return bool(separator) and scheme.lower() != "file" and ("@" in host or (scheme.lower() == "s3" and ":" in host))
