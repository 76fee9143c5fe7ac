"""The exit statuses of commands, and of drivers in a cluster. Scripts depend on them; docs/job.md lists them."""

from __future__ import annotations

from enum import IntEnum

from ...errors import OutputDamaged, RunStopped, SpeechmillError


class ExitStatus(IntEnum):
    """How a command ended."""

    OK = 0
    """Every row was spoken, or as many as the job allows; what was checked is well."""
    FAILED = 1
    """Rows failed beyond the allowance, or what was checked is damaged."""
    WRONG_JOB = 2
    """Nothing was begun: the job, or the command, has to be changed."""
    STOPPED = 3
    """The same command continues."""
    INTERRUPTED = 130
    """By Ctrl-C or SIGTERM; the same command continues."""
    OUTPUT_CLOSED = 141
    """The reader of standard output has closed it: as after SIGPIPE."""

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
    """The reader of standard output has closed it. No error, so that what handles errors lets it pass."""

    def __init__(self) -> None:
        super().__init__(ExitStatus.OUTPUT_CLOSED)
