"""Stores that arguments of the command line name."""

from __future__ import annotations

from typing import Any

from ...errors import SpecError, StorageMissing


def options_of(place: str, endpoint_url: str | None, region: str | None) -> Any:
    """How to reach a store, its place checked.

    Raises:
        SpecError: The place or the endpoint is wrong, or holds credentials
    """
    from ...cluster.storage import S3Options
    from ..spec.uris import checked_place

    for named in filter(None, (place, endpoint_url)):
        try:
            checked_place(named)
        except ValueError as error:
            raise SpecError(f"the path or URI {error}") from error
    return S3Options(endpoint_url, region)


def opened(output: str, endpoint_url: str | None, region: str | None) -> Any:
    """The store of an output that has to be there.

    Raises:
        SpecError: The place or the endpoint is wrong
        StorageMissing: The place does not exist
    """
    from ...cluster.storage import open_storage

    storage = open_storage(output, options_of(output, endpoint_url, region))
    try:
        storage.check(write=False)
    except StorageMissing as error:
        raise StorageMissing(f"there is no speechmill output at {output}: {error}") from error
    return storage
