"""A prefix in a bucket of any S3-compatible service, through boto3.

Guaranteed: plain PUTs and multipart uploads only (both atomic in S3); each request is tried `max_attempts` times
in `timeout_s`, with growing pauses, a download that breaks off as well; an object that changes while it is read is an
error. Only `put_if` relies on conditional PUTs. Credentials come from boto3's own chain. Threads may share a store: a
boto3 client is thread-safe; a copy in another process makes its own.
"""

from __future__ import annotations

import io
import re
import uuid
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, cast

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from ....errors import CorpusError, SpecError, StorageConflict, StorageDenied, StorageMissing
from ..base import Entry, S3Options, Storage, Tagged
from ..keys import check_key, check_prefix
from ..listing import ListingPage, in_key_order
from ..ranges import BLOCK_BYTES, FIRST_BYTES, RangeReader
from . import conditional
from .client import Clients, access_key_id, endpoint_url
from .conditional import status_of
from .errors import FOREIGN_ERRORS, ObjectPlace, storage_error
from .responses import again, body_of

MULTIPART_BYTES = 64 << 20
_MAX_PART_BYTES = 16 << 20
_DELETE_BATCH = 1000
# Old buckets of us-east-1 and other services allow a little more; whatever no service allows is refused.
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]|arn:aws[A-Za-z0-9:._-]*")


class S3Storage(Storage):
    """Objects of one bucket below one prefix. Makes its client at first use."""

    def __init__(
        self,
        uri: str,
        options: S3Options | None = None,
        multipart_bytes: int = MULTIPART_BYTES,
        block_bytes: int = BLOCK_BYTES,
    ) -> None:
        """Uploads of `multipart_bytes` (at least 5 MiB) or more go in parts.

        Raises:
            SpecError: For a bad URI
        """
        self._bucket, self._prefix = _parse(uri)
        self.uri = f"s3://{self._bucket}/{self._prefix}".rstrip("/")
        self.options = options or S3Options()
        self._multipart_bytes = multipart_bytes
        self._block_bytes = block_bytes
        self._clients = Clients(self.options)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.uri, self.options, self._multipart_bytes, self._block_bytes)

    def check(self, *, write: bool) -> None:
        """List one key and, with `write`, put and delete a small object; a dead endpoint is said within seconds."""
        with self._translated("checking"):
            client = self._clients.quick()
            # Not a HEAD: its 403 has no code, so it could not say what is wrong with the credentials.
            client.list_objects_v2(Bucket=self._bucket, Prefix=self._prefix, MaxKeys=1)
        if write:
            probe = self._probe()
            with self._translated("writing below"):
                client.put_object(Bucket=self._bucket, Key=probe, Body=b"speechmill")
            with self._translated("deleting below"):
                client.delete_object(Bucket=self._bucket, Key=probe)

    def put(self, key: str, data: bytes | Path) -> None:
        """Upload an object, in parts if it is large.

        Raises:
            StorageDenied: The store refuses the request
            StorageFull: The store has no room left
            StorageUnavailable: The store does not answer
        """
        name = self._name(key)
        source = _opened(data) if isinstance(data, Path) else io.BytesIO(data)
        with source, self._translated("writing", key):
            size = source.seek(0, io.SEEK_END)
            source.seek(0)
            if size < self._multipart_bytes:
                body = data if isinstance(data, bytes) else source
                self._client().put_object(Bucket=self._bucket, Key=name, Body=body)
            elif isinstance(data, Path):
                self._client().upload_file(str(data), self._bucket, name, Config=self._transfer())
            else:
                self._client().upload_fileobj(source, self._bucket, name, Config=self._transfer())

    def get(self, key: str) -> bytes:
        """The whole object.

        Raises:
            StorageMissing: No object lies under the key
        """
        name = self._name(key)
        with self._translated("reading", key):
            return self._download(Key=name)[0]

    def get_tagged(self, key: str) -> Tagged:
        """The whole object and its ETag.

        Raises:
            StorageMissing: No object lies under the key
        """
        name = self._name(key)
        with self._translated("reading", key):
            body, answer = self._download(Key=name)
        return Tagged(body, str(answer["ETag"]))

    def put_if(self, key: str, data: bytes, tag: str | None) -> str:
        """Upload an object under a condition, with few tries.

        Raises:
            StorageConflict: The object is no longer the one that was read; what `put` raises passes
        """
        name = self._name(key)
        with self._translated("writing", key):
            new = conditional.put_if(self._clients.quick(), self._bucket, name, data, tag)
        if new is None:
            raise StorageConflict(f"writing {self.location(key)}: another writer came first")
        return new

    def can_put_if(self) -> bool:
        """Whether the service keeps conditions: by a small object, written four times and deleted."""
        with self._translated("writing below"):
            return conditional.are_kept(self._clients.quick(), self._bucket, self._probe())

    def open(self, key: str) -> BinaryIO:
        """A seekable file that fetches ranges.

        Raises:
            StorageMissing: No object lies under the key
        """
        name = self._name(key)
        length = min(FIRST_BYTES, self._block_bytes)
        with self._translated("reading", key):
            try:
                first, answer = self._download(Key=name, Range=f"bytes=0-{length - 1}")
            except ClientError as error:
                if status_of(error) != 416:
                    raise
                first, answer = b"", {}  # no range of an empty object can be satisfied
        total = str(answer.get("ContentRange", "")).rpartition("/")[2]
        size = int(total) if total.isdigit() else len(first)
        fetch = partial(self._fetch_range, key, answer.get("ETag"))
        return cast(BinaryIO, io.BufferedReader(RangeReader(fetch, size, first, self._block_bytes), 64 << 10))

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """Objects in key order, page by page. Folder markers (keys that end in "/") are no objects."""
        check_prefix(prefix)
        return self._entries(self._prefix + prefix)

    def delete(self, keys: Iterable[str]) -> int:
        """Remove objects, a thousand per request. Raises the error of the first that could not be removed."""
        names = (self._name(key) for key in keys)
        count = 0
        while batch := [{"Key": name} for name in islice(names, _DELETE_BATCH)]:
            with self._translated("deleting from"):
                request = {"Objects": batch, "Quiet": True}
                answer = self._client().delete_objects(Bucket=self._bucket, Delete=request)
                for refusal in answer.get("Errors", []):
                    raise ClientError({"Error": refusal, "ResponseMetadata": {"HTTPStatusCode": 200}}, "DeleteObjects")
            count += len(batch)
        return count

    def exists(self, key: str) -> bool:
        """Whether the object is there, by a listing: unlike a HEAD it says why it was refused."""
        name = self._name(key)
        with self._translated("looking at", key):
            answer = self._client().list_objects_v2(Bucket=self._bucket, Prefix=name, MaxKeys=1)
        return any(found["Key"] == name for found in answer.get("Contents", []))

    def _probe(self) -> str:
        return f"{self._prefix}.speechmill-{uuid.uuid4().hex}"

    def _name(self, key: str) -> str:
        return self._prefix + check_key(key)

    def _entries(self, prefix: str) -> Iterator[Entry]:
        last = ""
        for entry in in_key_order(self._page, prefix):
            if entry.key <= last:
                raise StorageDenied(
                    f"listing {self.uri}: {entry.key!r} came after {last!r}; "
                    f"speechmill needs a service that lists keys in order (S3 directory buckets do not)"
                )
            last = entry.key
            yield Entry(entry.key.removeprefix(self._prefix), entry.size, entry.version)

    def _page(self, prefix: str, token: str | None, *, level: bool) -> ListingPage:
        request = {"Bucket": self._bucket, "Prefix": prefix}
        if level:
            request["Delimiter"] = "/"
        if token is not None:
            request["ContinuationToken"] = token
        with self._translated("listing"):
            ask = partial(self._client().list_objects_v2, **request)
            answer = again(lambda _: ask(), self._clients.patience)
        objects = tuple(
            Entry(found["Key"], found["Size"], found.get("ETag", "").strip('"'))
            for found in answer.get("Contents", [])
            if not found["Key"].endswith("/")
        )
        folders = tuple(found["Prefix"] for found in answer.get("CommonPrefixes", []))
        return ListingPage(objects, folders, answer.get("NextContinuationToken") if answer.get("IsTruncated") else None)

    def _fetch_range(self, key: str, etag: str | None, start: int, length: int) -> bytes:
        request = {"Key": self._name(key), "Range": f"bytes={start}-{start + length - 1}"}
        if etag:
            request["IfMatch"] = etag
        with self._translated("reading", key):
            try:
                body, answer = self._download(**request)
            except ClientError as error:
                if status_of(error) not in (412, 416):
                    raise
                raise self._changed(key) from error
        if len(body) != length or answer.get("ETag") != etag:  # a service that ignores If-Match
            raise self._changed(key)
        return body

    def _changed(self, key: str) -> CorpusError:
        return CorpusError(
            f"reading {self.location(key)}: the object was overwritten while it was being read; "
            f"inputs must not change during a run: run again once it is complete"
        )

    def _download(self, **request: str) -> tuple[bytes, dict[str, Any]]:
        get = partial(self._client().get_object, Bucket=self._bucket, **request)
        return again(lambda until_s: body_of(get(), until_s), self._clients.patience)

    def _transfer(self) -> TransferConfig:
        part_bytes = min(self._multipart_bytes, _MAX_PART_BYTES)
        return TransferConfig(
            multipart_threshold=self._multipart_bytes, multipart_chunksize=part_bytes, max_concurrency=4
        )

    @contextmanager
    def _translated(self, action: str, key: str = "") -> Generator[None]:
        try:
            yield
        except FOREIGN_ERRORS as error:
            endpoint = endpoint_url(self.options) or "AWS S3"
            place = ObjectPlace(self.location(key) if key else self.uri, self._bucket, endpoint, access_key_id())
            raise storage_error(error, action, place) from error

    def _client(self) -> Any:
        return self._clients.patient()


def _parse(uri: str) -> tuple[str, str]:
    """Bucket, and prefix with its trailing "/" (or empty)."""
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    if not uri.startswith("s3://") or not bucket:
        raise SpecError(f"{uri!r} names no bucket; write s3://bucket/prefix")
    if not _BUCKET.fullmatch(bucket):
        raise SpecError(
            f"{uri!r}: {bucket!r} is no name of a bucket: 3 to 63 small letters, digits, dots and hyphens, a letter or "
            "digit at both ends"
        )
    prefix = prefix.rstrip("/")
    try:
        return bucket, f"{check_key(prefix)}/" if prefix else ""
    except StorageDenied as error:
        raise SpecError(f"{uri!r}: {error}") from error


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise StorageMissing(f"reading the upload {path}: {error.strerror}") from error
