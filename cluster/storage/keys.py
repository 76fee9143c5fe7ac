"""Object keys: which ones every store takes, so that no key can name anything outside its store.

Guaranteed: a key that passes is relative, has no "." or ".." part, and is a legal S3 key and POSIX file name.
Not known here: whether the object exists, or how long a key the store allows.
"""

from __future__ import annotations

from ...errors import StorageDenied

TEMPORARY_PREFIX = "."
TEMPORARY_SUFFIX = ".tmp"


def check_key(key: str) -> str:
    """The key itself.

    Raises:
        StorageDenied: If it could leave the store or is no legal key
    """
    if fault := _fault(key):
        raise StorageDenied(f"the key {key!r} {fault}; a key is a relative path such as 'parts/00001.tar'")
    return key


def check_prefix(prefix: str) -> str:
    """The listing prefix itself: empty, or a key that may stop anywhere.

    Raises:
        StorageDenied: The store refuses the request
    """
    folder, _, start = prefix.rpartition("/")
    if folder or prefix.startswith("/"):
        check_key(f"{folder}/x")
    if start:
        check_key(f"x{start}x")
    return prefix


def is_temporary(name: str) -> bool:
    """Whether a file name belongs to a write in progress (or one that was killed)."""
    return name.startswith(TEMPORARY_PREFIX) and name.endswith(TEMPORARY_SUFFIX)


def _fault(key: str) -> str:
    parts = key.split("/")
    faults = {
        "is empty": not key,
        "is absolute": key.startswith("/"),
        "contains a NUL": "\0" in key,
        "contains a backslash": "\\" in key,
        "is no valid Unicode (a file name that is not UTF-8? rename the file)": not _is_unicode(key),
        "has an empty, '.' or '..' part": any(part in ("", ".", "..") for part in parts),
        "is a name kept for writes in progress": is_temporary(parts[-1]),
    }
    return next((fault for fault, is_so in faults.items() if is_so), "")


def _is_unicode(key: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in key)
