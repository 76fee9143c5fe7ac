"""How a command ends: errors as one line and an exit status (`ExitStatus`), SIGTERM like Ctrl-C.

Guaranteed: a command whose standard output was closed by its reader ends as after an interrupt, says nothing, and has
the status that SIGPIPE would give it.
"""

from __future__ import annotations

import io
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn, Protocol

from ...errors import RunStopped, SpeechmillError
from ..corpus.printable import printable
from ..run.exit_status import ExitStatus, OutputClosed

MAX_LINE = 4_000


@contextmanager
def reported() -> Generator[None]:
    """Errors that speechmill raises on purpose become one line and an exit status, never a stack trace."""
    try:
        yield
    except RunStopped as error:
        stop(f"stopped: {error}", ExitStatus.of(error))
    except SpeechmillError as error:
        stop(f"error: {error}", ExitStatus.of(error))
    except KeyboardInterrupt:
        stop("Stopped.", ExitStatus.INTERRUPTED)


class Counting(Protocol):
    """What knows how many rows a run has committed; None before it can know."""

    rows_committed: int | None


@contextmanager
def continued_by_the_same_command(seen: Counting) -> Generator[None]:
    """A run that stops in the block says how to go on, and that its committed rows stay where there are some."""
    try:
        yield
    except (RunStopped, KeyboardInterrupt) as error:
        is_error = isinstance(error, RunStopped)
        said = f"stopped: {error}" if is_error else "Stopped."
        count = seen.rows_committed
        kept = f"{count:,} {'row is' if count == 1 else 'rows are'} committed, and kept; " if count else "Please "
        stop(
            f"{said}\n{kept}run the same command to continue.",
            ExitStatus.of(error) if is_error else ExitStatus.INTERRUPTED,
        )


def stop(message: str, status: ExitStatus) -> NoReturn:
    """End the command with a message on standard error."""
    import typer  # takes a while, and a handle on a job has no use for it

    # A path or a name in a store may hold what moves a terminal's cursor.
    print(*(printable(line, MAX_LINE) for line in message.split("\n")), sep="\n", file=sys.stderr)
    raise typer.Exit(status)


@contextmanager
def ended_with_its_reader() -> Generator[None]:
    """Standard output in the block raises OutputClosed when its reader has closed it, at the end of the block at last.

    Once only: what is written afterwards, by the interpreter's own flush for one, goes nowhere.
    """
    before = sys.stdout
    try:
        raw = _Output(before.fileno(), "wb", closefd=False)
    except (AttributeError, OSError, ValueError):  # there is none, or it is no file
        yield
        return
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=before.encoding,
        errors=before.errors,
        line_buffering=getattr(before, "line_buffering", False),
        write_through=getattr(before, "write_through", False),
    )
    try:
        yield
    finally:
        try:
            sys.stdout.flush()
        except OSError as error:
            raw.is_closed = True
            print(f"error: standard output cannot be written: {error.strerror or error}", file=sys.stderr)
            raise SystemExit(ExitStatus.STOPPED) from None


class _Output(io.FileIO):
    """A file that is written to as long as it is read.

    Attributes:
        is_closed: What is written goes nowhere.
    """

    is_closed = False

    def write(self, data: Any, /) -> int:
        """Write some bytes; how many.

        Raises:
            OutputClosed: The reader of the output has left; raised once
        """
        if not self.is_closed:
            try:
                return super().write(data)
            except BrokenPipeError:
                self.is_closed = True
                raise OutputClosed from None
        return memoryview(data).nbytes


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
