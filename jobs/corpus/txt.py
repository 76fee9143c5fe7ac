"""Plain text: a row a line. Blank lines are no rows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ...errors import CorpusError
from .reader import MAX_LINE, START, Broken, Position, RawRow, Reader, bad_byte
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
        name = self.options.text
        with tape_of(self.file, MAX_LINE) as tape:
            if start.offset:
                tape.seek(start)
            self.offset, self.number = start.offset, start.number
            for line in tape.lines():
                number = tape.accept()
                if line.isspace():
                    continue
                self.offset, self.number = tape.offset, tape.line
                problem = None if line.isascii() else bad_byte(line)
                yield (
                    number,
                    {name: line.rstrip("\r\n")} if problem is None else Broken(f"{problem}; save the file as UTF-8"),
                )

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
