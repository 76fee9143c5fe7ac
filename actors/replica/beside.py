"""Rejected rows that are spoken in free slots, beside the rows that a step-by-step model speaks.

Guaranteed: what cannot be spoken so is left to the rows' next turn, alone, where failures are handled.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

from ...errors import JobError, RunStopped
from ..records.utterance import Segment
from .retries import Retries
from .row_results import Rows

_MOST_BESIDE = 8
"""Threads in which rejected rows are spoken beside others; each has taken all that waited when it began."""


@contextmanager
def spoken_beside(
    rows: Rows[Any], retries: Retries, speak: Callable[[Sequence[Segment]], None]
) -> Generator[Callable[[], None]]:
    """Speak rejected segments of these rows during the block, which calls now and then what is yielded.

    Args:
        retries: Of these rows alone
        speak: Speaks segments and hands out what comes of them, in a thread of its own

    Raises:
        JobError: Of `speak`
        RunStopped: Of `speak`; so do errors that are no `Exception`
    """
    threads: list[threading.Thread] = []
    raised: list[BaseException] = []

    def work(segments: Sequence[Segment]) -> None:
        try:
            speak(segments)
        except BaseException as error:
            raised.append(error)
            retries.add(rows, [segment for segment in segments if rows.is_expected(segment)])

    def look() -> None:
        if retries and not raised and sum(thread.is_alive() for thread in threads) < _MOST_BESIDE:
            taken = [segment for _, segment in retries.take() if rows.is_expected(segment)]
            threads.append(threading.Thread(target=work, args=(taken,), name="again", daemon=True))
            threads[-1].start()

    try:
        yield look
    finally:
        for thread in threads:
            thread.join()
    for error in raised:
        if not isinstance(error, Exception) or isinstance(error, JobError | RunStopped):
            raise error
