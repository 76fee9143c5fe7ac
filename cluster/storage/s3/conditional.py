"""PUTs that S3 carries out only under a condition, and services that do not.

Guaranteed: of several conditional PUTs one at most is carried out, as far as the service keeps conditions; one that
was carried out although its answer got lost counts as such. `are_kept` finds out whether a service keeps them.
Not known here: whose objects these are. Errors are botocore's; the caller translates them.
"""

from __future__ import annotations

from typing import Any, cast

from botocore.exceptions import BotoCoreError, ClientError

from .deadline import Patience
from .responses import again, body_of

_LOST = {409, 412}
_READING_BACK = Patience.of(4, 30.0, connect_s=3, read_s=10)
_NO_SUCH_TAG = '"00000000000000000000000000000000"'


def put_if(client: Any, bucket: str, name: str, data: bytes, tag: str | None) -> str | None:
    """Write if the object has this ETag, or, with None, if there is none; the new ETag, None if another came first."""
    condition = {"IfNoneMatch": "*"} if tag is None else {"IfMatch": tag}
    try:
        return str(client.put_object(Bucket=bucket, Key=name, Body=data, **condition)["ETag"])
    except (BotoCoreError, ClientError) as error:
        is_lost = _is_lost(error)
        if not is_lost and not _is_open(error):
            raise
        # boto3 tries again when an answer is late or broken: what refuses us may be our own first try.
        found = _find(client, bucket, name)
        if found is not None and found[0] == data:
            return found[1]
        if not is_lost:
            raise
        return None


def are_kept(client: Any, bucket: str, name: str) -> bool:
    """Whether conditions are kept, tried with an object of this name, which must be unused; it is gone afterwards."""
    try:
        tag = put_if(client, bucket, name, b"1", None)
        return (
            tag is not None
            and put_if(client, bucket, name, b"2", None) is None
            and put_if(client, bucket, name, b"3", _NO_SUCH_TAG) is None
            and put_if(client, bucket, name, b"4", tag) is not None
        )
    except ClientError as error:
        if status_of(error) == 501:  # said openly
            return False
        raise
    finally:
        client.delete_object(Bucket=bucket, Key=name)


def status_of(error: ClientError) -> int:
    """The HTTP status of a service's answer."""
    return cast(dict[str, dict[str, int]], error.response)["ResponseMetadata"]["HTTPStatusCode"]


def _is_lost(error: Exception) -> bool:
    # AWS says 404 for a condition on an object that is gone, others 412.
    return isinstance(error, ClientError) and (status_of(error) in _LOST or _code_of(error) == "NoSuchKey")


def _is_open(error: Exception) -> bool:
    """Whether it may have been carried out all the same."""
    return isinstance(error, BotoCoreError) or (
        isinstance(error, ClientError) and status_of(error) in (500, 502, 503, 504)
    )


def _find(client: Any, bucket: str, name: str) -> tuple[bytes, str] | None:
    try:
        found, answer = again(
            lambda until_s: body_of(client.get_object(Bucket=bucket, Key=name), until_s), _READING_BACK
        )
    except ClientError as error:
        if _code_of(error) == "NoSuchKey":
            return None
        raise
    return found, str(answer["ETag"])


def _code_of(error: ClientError) -> str:
    return str(cast(dict[str, dict[str, object]], error.response).get("Error", {}).get("Code", ""))
