"""Plain text: a row a line. Blank lines are no rows."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager

from ...errors import CorpusError
from .reader import MAX_LINE, START, TOGETHER_CHARS, Broken, Position, RawRow, RawRows, Reader, bad_byte
from .tape import Tape, tape_of

_FILELIST = re.compile(r"[^|]*\.(wav|flac|mp3|ogg|opus|m4a)\|", re.IGNORECASE)


class TxtReader(Reader):
    """Reads plain text; its one column is that of the text, whatever the job calls it."""

    def columns(self) -> tuple[str, ...]:
        if self.options.format == "auto":
            with tape_of(self.file, MAX_LINE) as tape:
                self._refuse_filelist(tape)
        return (self.options.text,)

    def rows(self, wanted: Sequence[str] | None, start: Position = START) -> Iterator[RawRow]:
        del wanted
        with self._tape(start) as tape:
            for line in tape.lines():
                number = tape.accept()
                if not line.isspace():
                    self.offset, self.number = tape.offset, tape.line
                    yield number, self._row(line)

    def batches(self, wanted: Sequence[str] | None, start: Position = START) -> Iterator[RawRows]:
        del wanted
        with self._tape(start) as tape:
            while lines := tape.some(self.most_rows, TOGETHER_CHARS):
                if tape.is_too_long:
                    num_before = len(lines) - 1
                    tape.rewind()
                    # Only the last line can be: no further one is read after so many characters.
                    lines = tape.some(num_before, TOGETHER_CHARS) if num_before else list(tape.lines())
                spoken = {number: line for number, line in enumerate(lines, tape.line + 1) if not line.isspace()}
                if not spoken:
                    tape.accept()
                    continue
                numbers = list(spoken)
                num_after = tape.line + len(lines) - numbers[-1]  # blank lines, which belong to the next batch
                bytes_after = sum(len(line.encode()) for line in lines[len(lines) - num_after :])
                joined = "".join(lines)
                if joined.isascii() or bad_byte(joined) is None:
                    batch = RawRows(numbers, {self.options.text: [line.rstrip("\r\n") for line in spoken.values()]})
                else:
                    batch = RawRows(numbers, None, list(map(self._row, spoken.values())))
                tape.accept()
                self.offset, self.number = tape.offset - bytes_after, tape.line - num_after
                yield batch

    @contextmanager
    def _tape(self, start: Position) -> Generator[Tape]:
        with tape_of(self.file, MAX_LINE) as tape:
            if start.offset:
                tape.seek(start)
            self.offset, self.number = start.offset, start.number
            yield tape

    def _row(self, line: str) -> dict[str, object] | Broken:
        problem = None if line.isascii() else bad_byte(line)
        if problem is not None:
            return Broken(f"{problem}; save the file as UTF-8")
        return {self.options.text: line.rstrip("\r\n")}

    def _refuse_filelist(self, tape: Tape) -> None:
        """Raise CorpusError for a list of recordings, whose paths would be spoken."""
        for line in tape.lines():
            tape.accept()
            if not line.isspace():
                if _FILELIST.match(line):
                    raise CorpusError(
                        f"{self.file.uri} looks like a list of recordings and their texts: --set input.format=filelist "
                        "reads it as that, --set input.format=txt speaks each line whole"
                    )
                return
