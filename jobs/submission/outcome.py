"""How a job in a cluster ended, told through its log: the driver writes one line for programs, its last. Pure.

Guaranteed: what `encode` writes, `Outcome.of` reads, whatever else stands in the log. The log is the way back because
it is always there: a driver that could not reach its store has said why in its log and nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from ... import errors
from ...actors.batcher.stats import BatchStats
from ...actors.gate.stats import GateStats
from ...actors.records.verdicts import VerdictCounts
from ...errors import JobError, RunStopped, SpeechmillError
from ..run.exit_status import ExitStatus
from ..run.result import Result

_MARK = '{"speechmill": "ended", '
_NO_PYTHON = {126, 127}
"""What a shell answers when it finds no command, or none that it may run."""


def encode(ended: Result | SpeechmillError) -> str:
    """The line that says how a driver ended."""
    if isinstance(ended, Result):
        return json.dumps({"speechmill": "ended", "result": asdict(ended)})
    return json.dumps({"speechmill": "ended", "error": type(ended).__name__, "message": str(ended)})


def is_for_programs(line: str) -> bool:
    """Whether a line of the log is not for people."""
    return line.startswith(_MARK)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended: with a result, or with an error of the tree in `errors`.

    Attributes:
        exit_code: As of `speechmill run`.
        is_told: Whether the driver itself said so in its log.
    """

    exit_code: int
    result: Result | None
    error: SpeechmillError | None
    is_told: bool = False

    @classmethod
    def of(cls, status: str, exit_code: int | None, message: str, log: str) -> Self:
        """From Ray's status, the driver's exit status, Ray's message and the log. `status` is one that is over."""
        ended = _last(log)
        if isinstance(ended, Result):
            return cls(ended.exit_code, ended, None, is_told=True)
        if isinstance(ended, SpeechmillError):
            return cls(ExitStatus.of(ended), None, ended, is_told=True)
        if status == "STOPPED" or exit_code == ExitStatus.INTERRUPTED:
            return cls(ExitStatus.INTERRUPTED, None, RunStopped("the job was stopped before its end"))
        error = _untold(status, exit_code, message, log)
        return cls(ExitStatus.of(error), None, error)


def _last(log: str) -> Result | SpeechmillError | None:
    for line in reversed(log.splitlines()):
        if is_for_programs(line):
            try:
                return _decode(json.loads(line))
            except (ValueError, KeyError, TypeError):
                return None
    return None


def _decode(body: Mapping[str, Any]) -> Result | SpeechmillError:
    if "result" in body:
        told = body["result"]
        gate = told["gate"]
        fields: dict[str, Any] = {
            **told,
            "batches": BatchStats(**told["batches"]),
            "verdicts": VerdictCounts(**told["verdicts"]),
            "gate": GateStats(**gate | {"passed": tuple(gate["passed"])}),
        }
        return Result(**fields)
    kind: Any = getattr(errors, body["error"], None)
    is_ours = isinstance(kind, type) and issubclass(kind, SpeechmillError)
    return kind(body["message"]) if is_ours else RunStopped(body["message"])


def _untold(status: str, exit_code: int | None, message: str, log: str) -> SpeechmillError:
    """What can be said of a driver that did not say it: it was killed, or never began."""
    if exit_code in _NO_PYTHON:
        return JobError("the head finds no `python`: start Ray with the bin folder of its environment first in PATH")
    said = next((line for line in reversed(log.splitlines()) if line.startswith("error: ")), None)
    if exit_code == ExitStatus.WRONG_JOB and said is not None:
        return JobError(said.removeprefix("error: "))
    if exit_code is None:
        return RunStopped(f"Ray gave the job up ({status}): {_short(message)}")
    how = f"by signal {-exit_code}" if exit_code < 0 else f"with exit status {exit_code}"
    return RunStopped(f"the driver ended {how}, and its log does not say why; it may have been killed")


def _short(message: str) -> str:
    words = " ".join(message.split())
    return words if len(words) <= 400 else f"{words[:200]} … {words[-200:]}"
