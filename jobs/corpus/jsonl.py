"""Json lines: an object a line. Blank lines are no rows; every other line is one, whatever it holds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import cast

from ...errors import CorpusError
from .reader import (
    MAX_LINE,
    START,
    TOGETHER_CHARS,
    Broken,
    Position,
    RawRow,
    RawRows,
    Reader,
    bad_byte,
    columns_of,
    skip_bom,
)

_PEEK_ROWS = 100


class JsonlReader(Reader):
    """Reads json lines. The columns are those of the first hundred rows together, since keys may come and go."""

    def columns(self) -> tuple[str, ...] | None:
        names: dict[str, None] = {}
        rows = list(islice(self.rows(None), _PEEK_ROWS))
        for _, fields in rows:
            if not isinstance(fields, Broken):
                names.update(dict.fromkeys(fields))
        if not names and rows:
            line, first = rows[0]
            reason = first.reason if isinstance(first, Broken) else "an object without keys"
            raise CorpusError(f"{self.file.uri} line {line}: {reason}")
        return tuple(names) or None

    def rows(self, wanted: Sequence[str] | None, start: Position = START) -> Iterator[RawRow]:
        del wanted  # the whole line has to be parsed anyway
        with self._lines(start) as lines:
            for line in lines:
                row = self._row(line, lines)
                if row is not None:
                    yield self.number, row

    def batches(self, wanted: Sequence[str] | None, start: Position = START) -> Iterator[RawRows]:
        del wanted
        with self._lines(start) as lines:
            while some := _some(lines, self.most_rows):
                columns = None if _is_cut(some[-1]) else _parse_all(some)
                if columns is not None:
                    numbers = range(self.number + 1, self.number + len(some) + 1)
                    self.offset += sum(map(len, some))
                    self.number += len(some)
                    yield RawRows(numbers, columns)
                else:
                    yield from self._one_by_one(some, lines)

    def _one_by_one(self, some: Sequence[bytes], lines: Iterator[bytes]) -> Iterator[RawRows]:
        """These lines as a batch, none if all are blank."""
        rows: list[RawRow] = []
        end = self.offset, self.number
        for line in some:
            row = self._row(line, lines)
            if row is not None:
                rows.append((self.number, row))
                end = self.offset, self.number
        if rows:
            after = self.offset, self.number
            self.offset, self.number = end  # blank lines belong to the next batch
            yield RawRows.of(rows)
            self.offset, self.number = after

    def _row(self, line: bytes, lines: Iterator[bytes]) -> dict[str, object] | Broken | None:
        """The row of a line, which is behind the reader then; None if it is blank."""
        self.offset += len(line)
        self.number += 1
        if _is_cut(line):
            self._pass_over(lines)
            return Broken(f"the line is longer than {MAX_LINE:,} bytes")
        return None if line.isspace() else _parse(line)

    def _pass_over(self, lines: Iterator[bytes]) -> None:
        """Read to the end of a line of which a piece was read."""
        for piece in lines:
            self.offset += len(piece)
            if piece.endswith(b"\n"):
                return

    @contextmanager
    def _lines(self, start: Position) -> Generator[Iterator[bytes]]:
        with self.file.content() as stream:
            self.offset, self.number = max(skip_bom(stream, self.file.uri), start.offset), start.number
            if start.offset:
                stream.seek(start.offset)
            yield iter(partial(stream.readline, MAX_LINE), b"")


def _some(lines: Iterator[bytes], most: int) -> list[bytes]:
    """The next lines, at most `most`; only the last can be one without its end."""
    some: list[bytes] = []
    num_bytes = 0
    for line in islice(lines, most):
        some.append(line)
        num_bytes += len(line)
        if num_bytes >= min(TOGETHER_CHARS, MAX_LINE):
            break
    return some


def _is_cut(line: bytes) -> bool:
    """Whether a line is too long, so that only its beginning was read."""
    return len(line) >= MAX_LINE and not line.endswith(b"\n")


def _parse_all(lines: Sequence[bytes]) -> dict[str, list[object]] | None:
    """The columns of lines that are objects with the same keys in the same order; None for others."""
    try:
        text = b"".join(lines).decode()
        texts = text.removesuffix("\n").split("\n")
        values = list(map(_DECODE, texts))
    except (ValueError, RecursionError):
        return None
    if "\\ud" in text or "\\uD" in text:  # escapes that may be half a surrogate pair
        return None
    columns = columns_of(values)
    if not columns or any(line.count(":") > len(columns) and _has_twice(line) for line in texts):
        return None
    return columns


def _has_twice(text: str) -> bool:
    """Whether a key comes twice, or is nested too deeply for that to be known."""
    try:
        _DECODE_ONCE(text)
    except (ValueError, RecursionError):  # it goes a little deeper than what has read the text before
        return True
    return False


def _parse(line: bytes) -> dict[str, object] | Broken:
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        byte = line[error.start]
        return Broken(f"byte 0x{byte:02X} at byte {error.start + 1} is not UTF-8; save the file as UTF-8")
    try:
        value = _DECODE(text)
        if type(value) is dict and text.count(":") > len(value):  # each key has a colon
            value = _DECODE_ONCE(text)
    except json.JSONDecodeError as error:
        return Broken(f"no JSON: {error.msg} at character {error.pos + 1}")
    except (ValueError, RecursionError) as error:
        return Broken(f"no JSON that can be read: {error}")
    if not isinstance(value, dict):
        return Broken(f"a JSON {_KINDS.get(type(value), 'value')} where an object {{…}} is wanted")
    if "\\ud" in text or "\\uD" in text:  # only escapes can smuggle in half a surrogate pair
        problem = bad_byte(json.dumps(value, ensure_ascii=False))
        if problem is not None:
            return Broken(problem)
    return cast("dict[str, object]", value)


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) < len(pairs):
        (name, _), *_ = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"the key {name!r:.80} comes twice")
    return value


# `json.loads` would look at its arguments for each line. NaN and the infinities, which are no JSON but which Python
# writes, are read: as metadata they become null.
_DECODE = json.JSONDecoder().decode
_DECODE_ONCE = json.JSONDecoder(object_pairs_hook=_once).decode

_KINDS: dict[type, str] = {
    list: "array",
    str: "string",
    int: "number",
    float: "number",
    bool: "boolean",
    type(None): "null",
}
