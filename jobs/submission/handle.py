"""A job that runs elsewhere, for Python: `Job.submit` makes one, `SubmittedJob(id)` finds one again.

Guaranteed: the job's own error comes out of `result`, of the class that `Job.run` would have raised. Nothing here ends
the job but `stop`: a process that goes away while it waits leaves the job as it is.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import TYPE_CHECKING

from ...errors import HeadAway, JobError, RunStopped
from ..run.result import Result
from .outcome import Outcome, is_for_programs
from .record import JobRecord

if TYPE_CHECKING:
    from .head import Head

PATIENCE_S = 60.0
"""How long a head may be away while a job is waited for."""
_LOOK_S = 1.0
_RAYS_OWN = "Running entrypoint for job"


class SubmittedJob:
    """A job on a cluster, by its id."""

    def __init__(self, id: str, address: str | None = None) -> None:
        """`address` is the head's dashboard; by default that of the environment.

        Raises:
            JobError: If it is not there
        """
        from .head import Head

        self._bind(id, Head(address))
        self.record()

    @classmethod
    def of(cls, id: str, head: Head) -> SubmittedJob:
        """One on a head that is connected already; not asked whether it is there."""
        job = cls.__new__(cls)
        job._bind(id, head)
        return job

    def _bind(self, id: str, head: Head) -> None:
        self.id = id
        self._head = head
        self._outcome: Outcome | None = None

    def __repr__(self) -> str:
        return f"SubmittedJob({self.id!r}, {self._head.address!r})"

    @property
    def address(self) -> str:
        return self._head.address

    def record(self) -> JobRecord:
        """What the head knows of the job now.

        Raises:
            JobError: If it knows no such job of speechmill
        """
        found = self._head.job(self.id)
        if found is None:
            raise JobError(
                f"the head at {self.address} knows no job {self.id} of speechmill; `speechmill list` shows its jobs"
            )
        return found

    def status(self) -> str:
        """PENDING, RUNNING, SUCCEEDED, FAILED or STOPPED, as Ray says it."""
        return self.record().status

    def logs(self) -> str:
        """All that the driver has printed so far."""
        return "".join(f"{line}\n" for line in self._head.log(self.id).splitlines() if _is_for_people(line))

    def follow(self) -> Generator[str]:
        """The lines of the log from the first on, as they come, until the job ends.

        A head that is away is waited for.

        Raises:
            RunStopped: If it stays away
        """
        shown = 0
        rest = ""
        while True:
            behind = shown
            for piece in self._head.tail(self.id):
                if piece is None:
                    if self._look().is_over:
                        break
                    continue
                new = piece[behind:]
                behind -= len(piece) - len(new)
                shown += len(new)
                *lines, rest = (rest + new).split("\n")
                yield from filter(_is_for_people, lines)
            if self._look().is_over:
                break
            time.sleep(_LOOK_S)
        yield from filter(_is_for_people, (rest + self._head.log(self.id)[shown:]).splitlines())

    def wait(self, timeout_s: float | None = None) -> int:
        """Wait for the end. Returns what `speechmill run` would have: 0, 1, 2, 3, or 130 if it was stopped.

        Raises:
            TimeoutError: If the head stays away
            RunStopped: If the head stays away
        """
        return self.outcome(timeout_s).exit_code

    def result(self, timeout_s: float | None = None) -> Result:
        """Wait for the end and say how it was, as `Job.run` does.

        Raises what `Job.run` raises, RunStopped for a job that was stopped or killed, and TimeoutError.
        """
        outcome = self.outcome(timeout_s)
        if outcome.result is None:
            raise outcome.error or RunStopped(f"job {self.id} ended without a result")
        return outcome.result

    def outcome(self, timeout_s: float | None = None) -> Outcome:
        """Wait for the end: exit status, and result or error.

        Raises:
            TimeoutError: As `wait` does
            RunStopped: As `wait` does
        """
        deadline_s = float("inf") if timeout_s is None else time.monotonic() + timeout_s
        while self._outcome is None:
            now = self._look()
            if now.is_over:
                self._outcome = Outcome.of(now.status, now.exit_code, now.message, self._head.log(self.id))
                break
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                raise TimeoutError(f"job {self.id} is {now.status} after {timeout_s:g} s; it goes on")
            time.sleep(min(_LOOK_S, left_s))
        return self._outcome

    def stop(self) -> bool:
        """Ask the driver to end: what is committed stays, and the same job may be submitted again to continue.

        Returns at once; `wait` tells when it has ended. False if it had ended before.
        """
        return not self.record().is_over and self._head.stop(self.id)

    def _look(self) -> JobRecord:
        """As `record`, with patience."""
        deadline_s = time.monotonic() + PATIENCE_S
        while True:
            try:
                found = self._head.job(self.id)
            except HeadAway as error:
                if time.monotonic() > deadline_s:
                    raise RunStopped(
                        f"{error}. How job {self.id} goes on is not known from here; if the head is gone, so is the job"
                    ) from error
                time.sleep(_LOOK_S)
                continue
            if found is None:
                raise RunStopped(
                    f"the head at {self.address} does not know job {self.id} any more: it was started anew, and the "
                    "job ended with it"
                )
            return found


def _is_for_people(line: str) -> bool:
    return not is_for_programs(line) and not line.startswith(_RAYS_OWN)
