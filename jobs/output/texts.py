"""The objects of refined rows: `text/<shard>-<stamp>.jsonl`, a JSON object a line, which a later job reads as a corpus.

Guaranteed: the content depends on the records of the part alone. The driver writes it right before the manifest, under
a name with the same stamp. Objects left by a replaced run are swept at the end of the next run, so that `text/*.jsonl`
of a complete output holds every refined row once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import cast

from ...actors.records.json_line import dumps, loads
from ...actors.records.keys import TEXT_PREFIX
from ...actors.records.part_name import PartName
from ...actors.records.record import Record

_OWNED = re.compile(re.escape(TEXT_PREFIX) + r"([0-9]{6,}-[0-9]{4,})(?:-r[0-9a-f]+-[0-9]+\.n[0-9]+)?\.jsonl")


def text_key(part: PartName) -> str:
    """The key of the object with the refined rows of a part."""
    return f"{TEXT_PREFIX}{part.shard_id}{'-' if part.stamp else ''}{part.stamp}.jsonl"


def text_shard_of(key: str) -> str | None:
    """The shard whose refined rows are stored under the key; None if the key is another one's."""
    match = _OWNED.fullmatch(key)
    return match[1] if match else None


def encode_texts(records: Iterable[Record]) -> bytes:
    """The refined records as JSON lines, in the order given; no bytes if none is refined."""
    return "".join(_line(record) + "\n" for record in records if record.refined is not None).encode("utf-8")


def text_faults(data: bytes, records: Sequence[Record]) -> Iterator[str]:
    """Differences between these lines and the records. The spelling of the JSON may differ."""
    refined = [record for record in records if record.refined is not None]
    *lines, rest = data.split(b"\n")
    if rest or len(lines) != len(refined):
        cut_off = ", and the last one has no end" if rest else ""
        yield f"{len(lines)} lines where the manifest has {len(refined)} refined rows{cut_off}"
        return
    for number, (line, record) in enumerate(zip(lines, refined, strict=True), start=1):
        wanted = _parsed(_line(record)) or {}
        found = _parsed(line)
        if found is None:
            yield f"line {number}, row {record.row}: no JSON object"
        elif names := sorted(
            name for name in found.keys() | wanted.keys() if _spelt(found, name) != _spelt(wanted, name)
        ):
            yield f"line {number}, row {record.row}: {', '.join(names):.200} not as in the manifest"


def _spelt(values: Mapping[str, object], name: str) -> str | None:
    """A value as JSON, in which 1, 1.0 and true differ; None if there is no such key."""
    return dumps({"": values[name]}) if name in values else None


def _line(record: Record) -> str:
    """A line with the columns that a job reads. They replace the row's own columns of these names."""
    own = {
        "id": record.id,
        "text": record.refined,
        "voice": record.voice,
        "seed": record.seed,
        "speed": record.speed,
    }
    if record.language is not None:
        own["language"] = record.language
    return dumps({**own, **record.metadata, **own})


def _parsed(line: str | bytes) -> dict[str, object] | None:
    try:
        value: object = loads(line)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, object]", value) if isinstance(value, dict) else None
