"""The lines of a text file, which can be read again.

Guaranteed: lines end at LF, CR and CR LF; the offset of each is known in bytes, also behind bytes that are not UTF-8,
which become halves of surrogate pairs; memory stays that of the pending lines, and those of `MAX_LINE` characters at
most; a file of which most has to be read again and again is refused.
"""

from __future__ import annotations

import csv
import io
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TextIO

from ...errors import CorpusError
from .files import InputFile
from .reader import MAX_LINE, Position, skip_bom

_AGAIN_LINES, _AGAIN_SHARE = 1_000_000, 20
"""So many lines may be read again, and that many times those that are done with."""
_FIELD_CHARS = 1 << 17
"""A quoted field may always have as many characters."""


class Tape:
    """The lines of a file; those since the last record are remembered and can be read again.

    Attributes:
        pending: The lines that were read since the last record.
        offset: Bytes of the file before them.
        line: Lines of the file before them.
    """

    def __init__(self, stream: TextIO, uri: str, offset: int, max_field: int) -> None:
        self.pending: list[str] = []
        self.line = 0
        self.offset = offset
        self._stream = stream
        self._uri = uri
        self._max_field = max(max_field, _FIELD_CHARS)
        self._again: deque[str] = deque()
        self._num_again = 0

    def lines(self) -> Iterator[str]:
        """Read the lines that follow.

        Raises:
            CorpusError: A line never ends.
            csv.Error: The pending lines are too long for a record, or those since the last quote for a field.
        """
        pending = self.pending
        length = since_quote = 0
        while True:
            line = self._next_line()
            if not line:
                return
            if not pending:
                length, since_quote = len(line), 0
            else:
                length += len(line)
                # A line without a quote closes no field: so a stray quote does not swallow the rest of the file.
                since_quote = 0 if '"' in line else since_quote + len(line)
                if length > MAX_LINE or since_quote > self._max_field:
                    pending.append(line)
                    what = f"a field in quotes is longer than {self._max_field:,} characters, see input.max_chars"
                    raise csv.Error(what if length <= MAX_LINE else f"it is longer than {MAX_LINE:,} characters")
            if len(line) >= MAX_LINE:
                where = self.line + len(pending) + 1
                raise CorpusError(f"{self._uri} line {where} is longer than {MAX_LINE:,} characters: is this text?")
            pending.append(line)
            yield line

    def some(self, num_lines: int, num_chars: int) -> list[str]:
        """Read some lines, which then are pending; the last may be one that has no end, as far as it was read.

        Args:
            num_lines: The most lines.
            num_chars: No further line is read after so many characters.

        Raises:
            CorpusError: Lines were read again too often.
        """
        pending = self.pending
        length = 0
        while len(pending) < num_lines and length < min(num_chars, MAX_LINE):
            line = self._next_line()
            if not line:
                break
            length += len(line)
            pending.append(line)
        return pending

    @property
    def is_too_long(self) -> bool:
        """Whether a pending line was not read to its end."""
        return max(map(len, self.pending), default=0) >= MAX_LINE

    def _next_line(self) -> str:
        """The next line, as far as it is read at once; "" at the end."""
        if self._again:
            self._count_again()
            return self._again.popleft()
        return self._stream.readline(MAX_LINE)

    def _count_again(self) -> None:
        """Each line that opens a quote and closes another one may have the whole rest behind it read once more."""
        self._num_again += 1
        if self._num_again > _AGAIN_LINES + _AGAIN_SHARE * self.line:
            raise CorpusError(
                f'{self._uri}: from line {self.line + 1:,} on, its quotes (") make no sense: each has to be closed, '
                "and one inside a field has to be doubled"
            )

    def seek(self, start: Position) -> None:
        """Go on from a position between two records."""
        self._stream.seek(start.offset)
        self._again.clear()
        self.offset, self.line = start.offset, start.number

    def accept(self) -> int:
        """Forget the pending lines; the number of the first of them."""
        first = self.line + 1
        self.offset += _num_bytes(self.pending[0] if len(self.pending) == 1 else "".join(self.pending))
        self.line += len(self.pending)
        self.pending.clear()
        return first

    def reject(self) -> tuple[int, str]:
        """Forget the first pending line only, and read the others again; its number and content."""
        first, *others = self.pending
        self._again.extendleft(reversed(others))
        self.line += 1
        self.offset += _num_bytes(first)
        self.pending.clear()
        return self.line, first

    def rewind(self) -> None:
        """Read all pending lines again."""
        self._again.extendleft(reversed(self.pending))
        self.pending.clear()


@contextmanager
def tape_of(file: InputFile, max_field: int) -> Generator[Tape]:
    """The lines of a file of text; a quoted field may have `max_field` characters.

    Raises:
        CorpusError: The corpus cannot be read; the message names the file and place
    """
    with file.content() as stream:
        offset = skip_bom(stream, file.uri)
        # `surrogateescape` keeps a bad byte inside its field: one row fails, and the decoder goes on.
        with io.TextIOWrapper(stream, "utf-8", errors="surrogateescape", newline="") as text:
            yield Tape(text, file.uri, offset, max_field)


def _num_bytes(line: str) -> int:
    return len(line) if line.isascii() else len(line.encode("utf-8", "surrogateescape"))
