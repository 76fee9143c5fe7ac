"""Object stores: whole objects under keys, in a local folder or an S3 bucket."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

from ...errors import SpecError
from .base import Entry, S3Options, Storage, Tagged
from .local.store import LocalStorage
from .schemes import instead_of, split_scheme

__all__ = ["Entry", "S3Options", "Storage", "Tagged", "open_storage"]


def open_storage(uri: str, s3: S3Options | None = None) -> Storage:
    """The store at a plain path, `~/path`, `file:///path` (percent-encoded) or `s3://bucket/prefix`.

    Nothing is contacted yet: `Storage.check` does that.

    Raises:
        SpecError: For any other URI
    """
    scheme, rest = split_scheme(uri)
    if not uri.strip() or "\0" in uri or (not scheme and uri.lower().startswith(("file:", "s3:"))):
        raise SpecError(f"the storage uri {uri!r} is no path and no uri; write /folder or s3://bucket/prefix")
    if not scheme and "://" not in uri:
        return LocalStorage(_expanded(uri))
    if scheme == "file":
        return LocalStorage(_file_path(uri, rest))
    if scheme == "s3":
        return _s3_store(f"s3://{rest}", s3)
    if scheme in ("http", "https", "hf"):
        raise SpecError(f"{uri!r} can be read, not written: write to a path, file:///folder or s3://bucket/prefix")
    raise SpecError(
        f"no store for {scheme}:// ({uri!r}); write a path, file:///folder or s3://bucket/prefix{instead_of(scheme)}"
    )


def _s3_store(uri: str, options: S3Options | None) -> Storage:
    from .s3.store import S3Storage  # boto3 takes a while to import, and local runs have no use for it

    return S3Storage(uri, options)


def _file_path(uri: str, rest: str) -> Path:
    path = _expanded(unquote(rest.removeprefix("localhost")))
    if not path.is_absolute():
        raise SpecError(
            f"{uri!r} names the host {rest.partition('/')[0]!r}; a local file has three slashes: file:///path"
        )
    return path


def _expanded(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise SpecError(f"the path {path!r}: {error}") from error
