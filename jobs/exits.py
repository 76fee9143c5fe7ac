"""How a command ends: errors as one line and an exit status (they stand in `cli`), SIGTERM like Ctrl-C."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

from ..errors import OutputDamaged, RunStopped, SpeechmillError
from .printable import printable

INTERRUPTED = 130
MAX_LINE = 4_000


def exit_code_of(error: SpeechmillError) -> int:
    """The exit status of a run that ended with an error."""
    return 3 if isinstance(error, RunStopped) else 1 if isinstance(error, OutputDamaged) else 2


@contextmanager
def reported() -> Generator[None]:
    """Errors that speechmill raises on purpose become one line and an exit status, never a stack trace."""
    try:
        yield
    except RunStopped as error:
        stop(f"stopped: {error}\nWhat is committed stays; run the same command to continue.", exit_code_of(error))
    except SpeechmillError as error:
        stop(f"error: {error}", exit_code_of(error))
    except KeyboardInterrupt:
        stop("Stopped.", INTERRUPTED)


def stop(message: str, code: int) -> NoReturn:
    """End the command with a message on standard error."""
    import typer  # takes a while, and a handle on a job has no use for it

    # A path or a name in a store may hold what moves a terminal's cursor.
    print(*(printable(line, MAX_LINE) for line in message.split("\n")), sep="\n", file=sys.stderr)
    raise typer.Exit(code)


@contextmanager
def terminated_like_interrupted() -> Generator[None]:
    """SIGTERM ends a run the way Ctrl-C does: replicas are ended, the message says how to go on."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before: Callable[..., Any] | int | None = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except SystemExit as error:
        # While Ray starts, its own handler answers SIGTERM, with an exit of that number.
        if error.code == signal.SIGTERM:
            raise KeyboardInterrupt from error
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
