"""A trace file of all attempts, for Chrome (chrome://tracing) and Perfetto.

Guaranteed: the file can be read at any moment, also after the run was killed, because the format needs no end. Times
are in microseconds since the first attempt began.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ...cluster.pool.attempt_span import AttemptSpan
from ...errors import SpecError

_DRIVER = 0


class Trace:
    """A trace file that is being written."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out
        self._named: set[int] = set()
        self._began_s: float | None = None
        out.write("[\n")

    def add(self, span: AttemptSpan) -> None:
        """Append one attempt at a task, from its sending to its answer."""
        if self._began_s is None:
            self._began_s = span.began_s
        if span.replica not in self._named:
            self._named.add(span.replica)
            self._write(
                {"ph": "M", "name": "thread_name", "args": {"name": f"replica {span.replica} {span.home}"}}, span
            )
        self._write(
            {
                "ph": "X",
                "name": span.shard_id,
                "cat": span.outcome,
                "ts": round(1e6 * (span.began_s - self._began_s)),
                "dur": round(1e6 * (span.ended_s - span.began_s)),
                "args": {"rows": span.num_rows, "outcome": span.outcome, "part": span.part},
            },
            span,
        )

    def _write(self, event: dict[str, object], span: AttemptSpan) -> None:
        self._out.write(json.dumps({"pid": _DRIVER, "tid": span.replica, **event}) + ",\n")
        self._out.flush()


@contextmanager
def open_trace(path: str | None) -> Generator[Trace | None]:
    """A trace file at `path`; None if `path` is None.

    Raises:
        SpecError: The file cannot be written
    """
    if path is None:
        yield None
        return
    try:
        out = Path(path).open("w", encoding="utf-8")  # noqa: SIM115 - closed below
    except OSError as error:
        raise SpecError(f"--trace {path}: cannot be written: {error.strerror}") from error
    with out:
        yield Trace(out)
