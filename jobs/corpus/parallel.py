"""Calls that wait for a store, several at once, their answers in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

NUM_THREADS = 8


def in_order(function: Callable[[T], R], items: Iterable[T], num_threads: int = NUM_THREADS) -> Iterator[R]:
    """`function` of each item, at most `num_threads` answers ahead of the one that is wanted.

    One item alone is answered in the caller's thread: most corpora and outputs of a test or a `say` have one file.
    """
    items = iter(items)
    first = list(islice(items, 2))
    if len(first) < 2:
        yield from map(function, first)
        return
    with ThreadPoolExecutor(num_threads) as threads:
        waiting: deque[Future[R]] = deque()
        for item in chain(first, items):
            waiting.append(threads.submit(function, item))
            if len(waiting) >= num_threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
