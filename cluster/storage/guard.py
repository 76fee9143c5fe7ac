"""A check that every write of a block makes before it is sent: also before each batch of deletes, and each retry.

What was sent before is sent. Not known here: what is checked.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar

_check: ContextVar[Callable[[], None] | None] = ContextVar("check", default=None)


@contextmanager
def guarded(check: Callable[[], None]) -> Generator[None]:
    """Requests of this thread are sent only while `check` raises nothing; what it raises ends them."""
    token = _check.set(check)
    try:
        yield
    finally:
        _check.reset(token)


def check_guard() -> None:
    """Raise what the block's check raises, if there is one."""
    if (check := _check.get()) is not None:
        check()
