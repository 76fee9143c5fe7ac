"""Manifests: the records of a part as one object, a line each.

Guaranteed: `decode_records` inverts `encode_records`; a line that no record writes is refused with its number. Not
known here: the name of the object (`part_name`), and whether the audio that it names exists.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from ...errors import JobError
from .record import Record


def content_digest(data: bytes) -> str:
    """Of a manifest's bytes, for its name: 16 hexadecimal digits."""
    return hashlib.blake2b(data, digest_size=8).hexdigest()


def encode_records(records: Iterable[Record]) -> bytes:
    """A manifest's content: one line a record, in the order of their rows."""
    lines = [record.to_json() + "\n" for record in sorted(records, key=lambda record: record.row)]
    return "".join(lines).encode("utf-8")


def decode_records(data: bytes, source: str) -> Iterator[Record]:
    """Read a manifest's content.

    Raises:
        JobError: A line is wrong; the message names `source` and the first such line
    """
    lines = data.split(b"\n")
    if lines.pop():
        raise JobError(f"{source}: the last line has no end; the object is cut off")
    last = -1
    for number, line in enumerate(lines, start=1):
        try:
            record = Record.from_json(line)
        except JobError as error:
            raise JobError(f"{source}, line {number}: {error}") from error
        if record.row <= last:
            raise JobError(f"{source}, line {number}: row {record.row} comes after row {last}; rows have to ascend")
        last = record.row
        yield record
