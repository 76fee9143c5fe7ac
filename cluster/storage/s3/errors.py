"""What the errors of boto3 mean for a job, in words that say what to do. Secrets never enter a message.

Guaranteed: every boto3, botocore and S3 service error becomes one of speechmill's. What no retry can mend is a
StorageDenied or StorageMissing (exit status 2); what may be mended by the next run is a StorageUnavailable or
StorageFull (exit status 3).
Not known here: what was being done; the caller says that in `action`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from boto3.exceptions import Boto3Error
from botocore import exceptions as boto
from botocore.exceptions import BotoCoreError, ClientError

from ....errors import SpecError, SpeechmillError, StorageDenied, StorageFull, StorageMissing, StorageUnavailable
from .retries import BUSY, EXPIRED

FOREIGN_ERRORS = (BotoCoreError, ClientError, Boto3Error)

_NO_CREDENTIALS = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.CredentialRetrievalError,
    boto.TokenRetrievalError,
    boto.NoAuthTokenError,
    boto.UnauthorizedSSOTokenError,
    boto.SSOError,
    boto.LoginError,
    boto.ProfileNotFound,
    boto.ConfigParseError,
    boto.ConfigNotFound,
)
_WRONG_REQUEST = (boto.ParamValidationError, boto.ValidationError, boto.UnknownRegionError, boto.InvalidDNSNameError)
_FULL = {
    "QuotaExceeded",
    "XMinioStorageFull",
    "XMinioAdminBucketQuotaExceeded",
    "InsufficientStorage",
    "InsufficientCapacity",
    "StorageFull",
    "storage_cap_exceeded",
}
_BUSY = BUSY | {"OperationAborted"}
_DENIED = {
    "SignatureDoesNotMatch": "the secret key for the access key id {key_id} is wrong; correct AWS_SECRET_ACCESS_KEY",
    "InvalidAccessKeyId": "the access key id {key_id} is unknown there; correct AWS_ACCESS_KEY_ID",
    **dict.fromkeys(EXPIRED, "the credentials of {key_id} have expired; renew them, then run the same job again"),
    "InvalidToken": "the session token of {key_id} is not valid; renew the credentials or unset AWS_SESSION_TOKEN",
    "RequestTimeTooSkewed": "the clock of this machine is wrong by minutes; set it",
    "AuthorizationHeaderMalformed": "the bucket is in another region; correct the region",
    "PermanentRedirect": "the bucket is in another region or elsewhere; correct the region and the endpoint_url",
    "KeyTooLongError": "the key is too long; S3 takes 1,024 bytes",
}
_THROTTLED = (
    "the service wants fewer requests a second, in every try; raise s3.max_attempts and s3.timeout_s, or spread the "
    "output with output.key_prefixes; run the same job again"
)
_FORBIDDEN = (
    "the access key id {key_id} has no permission; grant it s3:ListBucket and s3:GetObject, "
    "for outputs also s3:PutObject and s3:DeleteObject"
)


@dataclass(frozen=True, slots=True)
class ObjectPlace:
    """Where something was tried, for the message."""

    uri: str
    bucket: str
    endpoint: str
    key_id: str

    def __str__(self) -> str:
        return f"{self.uri} at {self.endpoint}"


def storage_error(error: Exception, action: str, place: ObjectPlace) -> SpeechmillError:
    """The speechmill error for a boto3 error, with the place and what to do in its message."""
    if isinstance(error, Boto3Error) and isinstance(error.__context__, ClientError):
        error = error.__context__  # a failed upload carries the service's own answer
    what = f"{action} {place}"
    if isinstance(error, ClientError):
        return _service_error(error, what, place)
    if isinstance(error, _NO_CREDENTIALS):
        return StorageDenied(
            f"{what}: no usable credentials ({error}); "
            f"set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile that has them"
        )
    if isinstance(error, _WRONG_REQUEST):
        return SpecError(f"{what}: {error}; correct the uri, the endpoint_url or the region")
    if isinstance(error, boto.SSLError):
        return StorageUnavailable(
            f"{what}: no trusted TLS connection ({error}); "
            f"correct the endpoint_url, or name the authority's certificate in AWS_CA_BUNDLE"
        )
    return StorageUnavailable(
        f"{what}: no answer ({type(error).__name__}: {error}); "
        f"see whether the endpoint is up and reachable from here, then run the same job again"
    )


def _service_error(error: ClientError, what: str, place: ObjectPlace) -> SpeechmillError:
    answer = cast(dict[str, dict[str, object]], error.response)
    code = str(answer.get("Error", {}).get("Code", ""))
    said = str(answer.get("Error", {}).get("Message", ""))
    status = cast(int, answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    cases: tuple[tuple[bool, type[SpeechmillError], str], ...] = (
        (code in _FULL or status == 507, StorageFull, "no space or quota is left; free some, then run the job again"),
        (code in _DENIED, StorageDenied, _DENIED.get(code, "").format(key_id=place.key_id)),
        (code.startswith("SlowDown"), StorageUnavailable, _THROTTLED),
        (code in _BUSY or status >= 500 or status == 429, StorageUnavailable, "the service could not, in any try"),
        (code == "NoSuchBucket", StorageMissing, f"no bucket {place.bucket!r}; create it or correct the uri"),
        (status == 404 or code == "NoSuchKey", StorageMissing, "no such object"),
        (status in (401, 403) or code == "AccessDenied", StorageDenied, _FORBIDDEN.format(key_id=place.key_id)),
        (True, StorageDenied, "the service refused; see whether the uri, the endpoint_url and the region are right"),
    )
    kind, advice = next((kind, advice) for is_so, kind, advice in cases if is_so)
    return kind(f"{what}: {advice} ({code}: {said}, status {status})")
