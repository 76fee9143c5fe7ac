"""The store that the drivers of the model share: what a driver reads in it, and what counts there.

A listing of manifests goes shard by shard, so that others may write between its pages.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from speechmill.actors.records.keys import AUDIO_PREFIX, MANIFEST_PREFIX, ROOT_KEY
from speechmill.cluster.commit import root as root_module
from speechmill.cluster.commit.names import Kind, ObjectName, Stamp
from speechmill.cluster.commit.operations import (
    DONE,
    MISSING,
    Found,
    Get,
    List,
    Named,
    Page,
    ReadNames,
    ReadObjects,
    StoreAnswer,
    StoreRequest,
)
from speechmill.cluster.commit.root import Generation, Root

from .space import World

TAG = "5f3a"
PREFIXES = (MANIFEST_PREFIX, AUDIO_PREFIX)
Counted = dict[str, list[tuple[str, Any]]]
"""By shard: the manifests that count, and what they hold: (job, key of the audio)."""


class ModelStore:
    """What its drivers see of a store.

    Args:
        blind: Pairs of a driver and a shard whose manifests its listings never show
    """

    def __init__(self, num_shards: int, blind: Iterable[tuple[int, int]]) -> None:
        self.shards = [f"000000-{number:04d}" for number in range(num_shards)]
        self.blind = {(who, self.shards[shard]) for who, shard in blind if shard < num_shards}

    # Mutations may change these.

    def found(self, store: dict[str, Any]) -> Found | None:
        """The root as a driver reads it."""
        file = store.get(ROOT_KEY)
        return None if file is None else Found(file, file.root.nonce)

    def is_complete(self, store: dict[str, Any]) -> bool:
        found = self.found(store)
        return found is not None and found.file.root.is_complete

    def counted(self, store: dict[str, Any], root: Root) -> Counted:
        """The manifests that a reader counts."""
        counted: Counted = {}
        for key, value in store.items():
            name = ObjectName.parse(key)
            if name is not None and name.kind is Kind.MANIFEST and root_module.counts(root, name.stamp):
                counted.setdefault(name.shard_id, []).append((key, value))
        return counted

    def sources(self, store: dict[str, Any], root: Root) -> tuple[tuple[str, str], ...]:
        """The audio of each shard that an update over this root may go on from: of what counts, or is kept."""
        states = [root, *[kept for state in root.earlier if (kept := as_root(root, state))]]
        found: dict[str, str] = {}
        for state in states:
            for shard, many in self.counted(store, state).items():
                found.setdefault(shard, many[0][1][1])
        return tuple(sorted(found.items()))

    def manifest_key(self, shard: str, stamp: Stamp, who: int) -> str:
        """The key of a manifest with one row, whose audio is not equally long in every attempt."""
        window, _, index = shard.partition("-")
        return f"{MANIFEST_PREFIX}{window}/{index}.{stamp}.ok1.failed0.ms{1000 + who}.aa.jsonl"

    # The answers to what machines ask.

    def answer(self, world: World, who: int, request: StoreRequest) -> StoreAnswer | None:
        store = world.store
        match request:
            case Get():
                return self.found(store) or MISSING
            case List(prefix, after):
                return self._page(store, who, prefix, after)
            case ReadNames(key):
                return Named(frozenset({store[key][1]})) if key in store else MISSING
            case ReadObjects(keys):
                return DONE if all(key in store for key in keys) else MISSING
            case _:
                return None

    def _page(self, store: dict[str, Any], who: int, prefix: str, after: str | None) -> Page:
        """Of manifests a shard, of audio everything."""
        keys = sorted(key for key in store if key.startswith(prefix))
        if prefix != MANIFEST_PREFIX:
            return Page(tuple(keys), is_last=True)
        keys = [key for key in keys if (who, shard_of(key)) not in self.blind]
        for shard in self.shards:
            if after is not None and shard <= shard_of(after):
                continue
            if page := tuple(key for key in keys if shard_of(key) == shard):
                return Page(page, is_last=shard == self.shards[-1])
        return Page((), is_last=True)


def as_root(root: Root, state: Generation) -> Root | None:
    """The root of a kept state as its readers need it; of one that was not complete, None."""
    return root.at(state.number)


def shard_of(key: str) -> str:
    name = ObjectName.parse(key)
    assert name is not None, key
    return name.shard_id
