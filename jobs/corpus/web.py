"""A single file behind https://, read in ranges; fetched whole where the server gives none, or no version of it.

Guaranteed: requests go over TLS, or to this machine, also after a redirect; a file of which a range is of another
version than the first look is an error; a copy that was fetched whole does not change, and its version is the hash
that a local file of the same content has. A request that fails in passing is tried again with growing pauses.
Not known here: credentials. None are sent, and a URL that holds some is refused (`jobs.spec.uris`).
"""

from __future__ import annotations

import io
import os
import ssl
import tempfile
import time
import weakref
from collections.abc import Callable, Iterator
from email.message import Message
from functools import partial
from http.client import HTTPException, HTTPResponse
from typing import Any, BinaryIO, TypeVar, cast
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from ...cluster.storage.base import Entry
from ...cluster.storage.ranges import RangeReader
from ...errors import CorpusError, StorageDenied, StorageMissing, StorageUnavailable
from .source import digest_of

T = TypeVar("T")

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_TIMEOUT_S = 60.0
_PAUSES_S = (0.25, 1.0, 2.0, 4.0)
_MAX_PAUSE_S = 30.0
_PIECE_BYTES = 1 << 20
_OK, _PART, _TOO_MANY, _NO_RANGE = 200, 206, 429, 416
_SERVER_ERRORS = 500


class WebFile:
    """A `Source` of one file, whose key is its URL.

    Attributes:
        name: The last part of the URL's path.
    """

    def __init__(self, url: str) -> None:
        """Look at the URL, not at the file.

        Raises:
            CorpusError: For one that names no file, or is not safe
        """
        self._url = url
        self.name = _name_of(url)
        self._copy: BinaryIO | None = None
        self._entry: Entry | None = None

    def look(self) -> Entry:
        """The file as it is now; as it was fetched, where it was fetched whole.

        Raises:
            StorageMissing: There is none.
            StorageDenied: The server wants credentials.
            StorageUnavailable: The server does not answer.
            CorpusError: Any other answer.
        """
        if self._copy is None:
            entry = self._tried(self._look)
            self._entry = self._entry or entry
            return entry
        assert self._entry is not None
        return self._entry

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """The file, where its URL starts with `prefix`. Raises what `look` does."""
        if self._url.startswith(prefix):
            yield self.look()

    def open(self, key: str) -> BinaryIO:
        """A seekable file. Raises what `look` does; CorpusError, as it is read, if the file changes meanwhile."""
        assert key == self._url
        if self._entry is None:
            self.look()
        fetch, entry = self._fetch if self._copy is None else self._copied, self._entry
        assert entry is not None
        return cast(BinaryIO, io.BufferedReader(RangeReader(partial(fetch, entry), entry.size), 64 << 10))

    def _look(self) -> Entry:
        try:
            with self._answer((0, 1)) as answer:
                size, version = _size_of_whole(answer), _version_of(answer.headers)
                if answer.status == _OK:
                    return self._keep(answer)
                if size is not None and version:
                    return Entry(self._url, size, version)
        except HTTPError as error:
            if error.code != _NO_RANGE:  # an empty file has none
                raise
        with self._answer(None) as answer:
            return self._keep(answer)

    def _keep(self, answer: HTTPResponse) -> Entry:
        """Fetch the file whole, into one without a name that goes with this object."""
        copy = cast(BinaryIO, tempfile.TemporaryFile(prefix="speechmill-"))  # noqa: SIM115 - it goes with this object
        size = 0
        while piece := answer.read(_PIECE_BYTES):
            size += copy.write(piece)
        told = answer.headers.get("Content-Length", "")
        if told.isdigit() and int(told) != size:
            copy.close()
            raise HTTPException(f"{size:,} of {told} bytes came")
        copy.flush()
        weakref.finalize(self, copy.close)
        self._entry = Entry(self._url, size, digest_of(copy, size))
        self._copy = copy
        return self._entry

    def _copied(self, entry: Entry, start: int, length: int) -> bytes:
        del entry
        assert self._copy is not None
        return os.pread(self._copy.fileno(), length, start)

    def _fetch(self, entry: Entry, start: int, length: int) -> bytes:
        return self._tried(partial(self._range, entry, start, length))

    def _range(self, entry: Entry, start: int, length: int) -> bytes:
        with self._answer((start, length)) as answer:
            if answer.status != _PART or (_size_of_whole(answer), _version_of(answer.headers)) != (
                entry.size,
                entry.version,
            ):
                raise CorpusError(f"{self._url} changed while it was read")
            data = answer.read()
        if len(data) != length:
            raise HTTPException(f"{len(data):,} of {length:,} bytes came")
        return data

    def _answer(self, span: tuple[int, int] | None) -> HTTPResponse:
        headers = {"User-Agent": "speechmill", "Accept-Encoding": "identity"}
        if span is not None:
            headers["Range"] = f"bytes={span[0]}-{span[0] + span[1] - 1}"
        request = Request(self._url.partition("#")[0], headers=headers)
        return build_opener(_SafeRedirects).open(request, timeout=_TIMEOUT_S)

    def _tried(self, ask: Callable[[], T]) -> T:
        """What `ask` returns, tried again after errors that pass."""
        for pause_s in (*_PAUSES_S, None):
            try:
                return ask()
            except HTTPError as error:
                with error:
                    passes = error.code == _TOO_MANY or error.code >= _SERVER_ERRORS
                    if pause_s is None or not passes:
                        raise self._refusal(error.code, error.reason, passes=passes) from error
                    wait_s = max(pause_s, min(_MAX_PAUSE_S, float(_digits(error.headers.get("Retry-After")))))
            except (OSError, HTTPException) as error:
                reason = error.reason if isinstance(error, URLError) else error
                if isinstance(reason, ssl.SSLError):
                    raise CorpusError(f"{self._url} cannot be read safely: {reason}") from error
                if pause_s is None:
                    tries = len(_PAUSES_S) + 1
                    raise StorageUnavailable(f"{self._url} did not answer in {tries} tries: {reason}") from error
                wait_s = pause_s
            time.sleep(wait_s)
        raise AssertionError("the last try raises or returns")

    def _refusal(self, code: int, reason: str, *, passes: bool) -> Exception:
        told = f"{code} {reason}"
        if code in (404, 410):
            return StorageMissing(f"no file at {self._url} ({told})")
        if code in (401, 403, 407):
            return StorageDenied(
                f"{self._url}: {told}. https:// files are read without credentials: fetch it first, or put it in S3"
            )
        if passes:
            return StorageUnavailable(f"{self._url} did not answer in {len(_PAUSES_S) + 1} tries: {told}")
        return CorpusError(f"{self._url} cannot be read: {told}")


class _SafeRedirects(HTTPRedirectHandler):
    def redirect_request(self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Request | None:
        """Follow to a safe place only."""
        if not is_safe(newurl):
            raise CorpusError(
                f"{req.full_url} leads to {newurl:.200}, which is neither https:// nor on this machine: name the file "
                "where it lies"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def is_safe(url: str) -> bool:
    """Whether what comes from this URL cannot be read or changed on the way."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)


def _name_of(url: str) -> str:
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError as error:
        raise CorpusError(f"{url} is no URL: {error}") from error
    name = unquote(parts.path.rpartition("/")[2])
    if not host or not name:
        raise CorpusError(f"{url} names no file: write https://host/folder/file.csv")
    if not is_safe(url):
        raise CorpusError(
            f"{url}: http:// is read from this machine only, since it can be changed on the way: use https://"
        )
    if "*" in parts.path:
        raise CorpusError(f"{url}: no list of files can be had over https://: name each in input.uri, as a list")
    return name


def _version_of(headers: Message) -> str:
    return (headers.get("ETag") or "").removeprefix("W/").strip('"') or headers.get("Last-Modified") or ""


def _size_of_whole(answer: HTTPResponse) -> int | None:
    """Bytes of the file of which a range was answered."""
    total = (answer.headers.get("Content-Range") or "").rpartition("/")[2]
    return int(total) if total.isascii() and total.isdigit() else None


def _digits(value: str | None) -> str:
    return value if value and value.isascii() and value.isdigit() else "0"
