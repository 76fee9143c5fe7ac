"""The exit statuses of commands, and of drivers in a cluster. Scripts depend on them; docs/job.md lists them."""

from __future__ import annotations

from enum import IntEnum

from ...errors import OutputDamaged, RunStopped, SpeechmillError


class ExitStatus(IntEnum):
    """How a command ended."""

    OK = 0
    """Every row was spoken, or no more failed than the job allows; a check found no fault."""
    FAILED = 1
    """More rows failed than the job allows, or a check found damage."""
    WRONG_JOB = 2
    """Nothing was begun: the job or the command has to be changed."""
    STOPPED = 3
    """The run stopped early; the same command continues it."""
    INTERRUPTED = 130
    """Ctrl-C or SIGTERM ended the run; the same command continues it."""
    OUTPUT_CLOSED = 141
    """The reader of standard output has closed it; the status is the one that SIGPIPE gives."""

    @classmethod
    def of(cls, error: SpeechmillError) -> ExitStatus:
        """The status of a command that ended with an error."""
        if isinstance(error, RunStopped):
            return cls.STOPPED
        return cls.FAILED if isinstance(error, OutputDamaged) else cls.WRONG_JOB

    @classmethod
    def well(cls, is_well: bool) -> ExitStatus:
        """OK or FAILED."""
        return cls.OK if is_well else cls.FAILED


class OutputClosed(SystemExit):
    """The reader of standard output has closed it. A SystemExit, so that handlers of errors let it pass."""

    def __init__(self) -> None:
        super().__init__(ExitStatus.OUTPUT_CLOSED)
