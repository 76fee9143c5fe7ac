"""Outputs of each kind of store."""

from __future__ import annotations

from speechmill.cluster.storage import S3Options, Storage, open_storage


def opened(uri: str, endpoint: str) -> Storage:
    """The store of a place."""
    return open_storage(uri, S3Options(endpoint, max_attempts=3) if endpoint else None)
