"""Feeds the shards of an iterator to a dispatcher one by one, as long as it wants more."""

from __future__ import annotations

from collections.abc import Iterator

from speechmill.actors.records.utterance import Shard
from speechmill.cluster.scheduling.attempts import Attempt
from speechmill.cluster.scheduling.dispatcher import Dispatcher


def add(dispatch: Dispatcher, shards: Iterator[Shard]) -> None:
    """Add shards while the dispatcher wants more; at the end of the iterator, with `is_all`."""
    while dispatch.wants_more:
        shard = next(shards, None)
        dispatch.add([] if shard is None else [shard], is_all=shard is None)


def send(dispatch: Dispatcher, shards: Iterator[Shard], now_s: float) -> list[Attempt]:
    """Add shards while the dispatcher wants more, then send."""
    add(dispatch, shards)
    return dispatch.send(now_s)
