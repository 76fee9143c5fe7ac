"""Listings in key order, from servers that list in key order and from those that list folder by folder.

S3 orders keys by their UTF-8 bytes, so "a-b/x" comes before "a/x". Servers that keep objects in a file tree
(SeaweedFS among them) order folder names first and give "a/x" before "a-b/x".
Guaranteed: key order from both. A prefix of up to a page costs one request; a larger one a request per page plus
about one per folder. In memory: a page per level, and folders whose successor is not known yet.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from .base import Entry


@dataclass(frozen=True, slots=True)
class ListingPage:
    """One answer: objects, the folders ("a/b/") whose objects were left out, and where to go on (None: the end)."""

    objects: tuple[Entry, ...]
    folders: tuple[str, ...] = ()
    token: str | None = None


class FetchPage(Protocol):
    """Asks the server for a page of all objects under a prefix, or with `level` of those up to the next "/"."""

    def __call__(self, prefix: str, token: str | None, *, level: bool) -> ListingPage: ...


def in_key_order(fetch: FetchPage, prefix: str) -> Iterator[Entry]:
    """Every object under the prefix, in key order."""
    page = fetch(prefix, None, level=False)
    if page.token is None:
        yield from sorted(page.objects, key=lambda entry: entry.key)
        return
    for key, entry in _level(fetch, prefix):
        if entry is None:
            yield from in_key_order(fetch, key)
        else:
            yield entry


def _level(fetch: FetchPage, prefix: str) -> Iterator[tuple[str, Entry | None]]:
    """Objects and folders of one level in key order; a folder comes as (its key, None).

    Without its trailing "/", every name still to come is greater than those that came (file trees), or its key is
    (S3). Either way, what waits and is not greater than the newest bare name can go out.
    """
    waiting: list[str] = []
    entries: dict[str, Entry | None] = {}
    token: str | None = None
    while True:
        page = fetch(prefix, token, level=True)
        arrived: dict[str, Entry | None] = {entry.key: entry for entry in page.objects}
        # A key with "//" in it makes some servers name the folder itself, below itself.
        arrived.update(dict.fromkeys(folder for folder in page.folders if folder != prefix))
        for key in sorted(arrived, key=_bare):
            while waiting and waiting[0] <= _bare(key):
                ready = heapq.heappop(waiting)
                yield ready, entries.pop(ready)
            if key not in entries:
                heapq.heappush(waiting, key)
            entries[key] = arrived[key]
        token = page.token
        if token is None:
            break
    yield from ((key, entries[key]) for key in sorted(waiting))


def _bare(key: str) -> str:
    return key.removesuffix("/")
