"""The driver of a submitted job, in the cluster: `run` with the display of a log, and a last line for programs.

Not known here: who sent the job. The output's lease decides whether it may be written.
"""

from __future__ import annotations

import json
import sys
import traceback
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from ...errors import RunStopped, SpecError, SpeechmillError
from ..api import Job
from ..run.exit_status import ExitStatus
from ..run.result import Result
from ..spec.job import JobSpec
from ..submission.driver_options import DriverOptions
from ..submission.outcome import encode
from .display import PlainDisplay
from .exits import terminated_like_interrupted
from .tables import show_result

_WIDTH = 100


def main(arguments: list[str]) -> int:
    """Run the job file that the first argument names; `DriverOptions` may follow. Returns the exit status."""
    spec: JobSpec | None = None
    try:
        spec = _read(Path(arguments[0]))
        display = PlainDisplay(spec.name)
        with terminated_like_interrupted(), display:
            options = asdict(DriverOptions.parse(arguments[1:]))
            result = Job.of(spec).run(**options, observe=display)
    except KeyboardInterrupt:
        where = spec.output.uri if spec else "the output"
        print(f"Stopped. What is committed in {where} stays; submit the same job to continue.", flush=True)
        return ExitStatus.INTERRUPTED
    except SpeechmillError as error:
        is_stop = isinstance(error, RunStopped)
        print(f"stopped: {error}" if is_stop else f"error: {error}", file=sys.stderr, flush=True)
        return _ended(error, ExitStatus.of(error))
    except Exception as error:  # status 1 means failed rows, and Python would end with it
        traceback.print_exc()
        return _ended(RunStopped(f"the driver failed: {type(error).__name__}: {error}"), ExitStatus.STOPPED)
    show_result(result, Console(width=_WIDTH))
    return _ended(result, result.exit_code)


def _ended(how: Result | SpeechmillError, exit_code: int) -> int:
    sys.stderr.flush()
    print(encode(how), flush=True)
    return exit_code


def _read(path: Path) -> JobSpec:
    """As JSON: YAML reads some of its numbers as text."""
    try:
        return JobSpec.parse(json.loads(path.read_text(encoding="utf-8")), "the job that was sent")
    except (OSError, ValueError) as error:
        raise SpecError(f"the job that was sent cannot be read: {error}") from error
