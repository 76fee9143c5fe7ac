"""What decides a row's audio, as a hash: rows of the corpus and records of the manifests with one key sound alike.

Guaranteed: the key of a row and the key of the record that came of it are equal. Keys have 128 bits, so that of a
billion rows no two that differ share one. Everything else that decides audio is in the identity of the job.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from hashlib import blake2b
from typing import cast

from ...actors.records.json_line import dumps
from ...actors.records.part_name import PartName
from ...actors.records.record import Record
from ...actors.records.utterance import Failure, Utterance

KEY_BYTES = 16
DECIDING = tuple(field.name for field in fields(Utterance) if field.name not in ("row", "metadata"))
"""What decides a row's audio, of all that stands in it; a record has a field of each name."""


def key_of_row(
    row: Utterance | Failure, default_voice: str, asked_seed: int | None = None, reference_digest: str = ""
) -> bytes:
    """The key of a row of the corpus. Of a rejected row, everything counts, its reason and its number too.

    Args:
        asked_seed: The corpus's seed, where the row has another one by the file of `--rows`
        reference_digest: Of the recording that the row names, as it is now; "" where it cannot be used
    """
    if isinstance(row, Failure):
        return _hash(["rejected", row.row, row.id, row.reason, row.text, dumps(row.metadata)])
    named = None if row.reference is None else [row.reference.clip, row.reference.text, reference_digest]
    values = {name: getattr(row, name) for name in DECIDING}
    return _spoken(values | {"voice": row.voice or default_voice, "reference": named}, asked_seed)


def key_of_record(record: Record, part: PartName, *, is_as_asked: bool = False) -> bytes:
    """The key of the row that a record of this part is of.

    Args:
        is_as_asked: Of the row as the corpus has it, although it was spoken with another seed
    """
    if part.index is None:
        error, metadata = record.error or "", dumps(record.metadata)
        return _hash(["rejected", record.row, record.id, error, record.text, metadata])
    values, asked_seed = {name: getattr(record, name) for name in DECIDING}, record.asked_seed
    if record.reference is not None:
        values["reference"] = [record.reference.get(key, "") for key in ("clip", "text", "digest")]
    if is_as_asked and asked_seed is not None:
        values["seed"], asked_seed = asked_seed, None
    return _spoken(values, asked_seed)


def metadata_hash(metadata: str) -> int:
    """64 bits of the hash of metadata, given as JSON."""
    return int.from_bytes(blake2b(metadata.encode(), digest_size=8).digest(), "little") if metadata != "{}" else 0


def id_hash(id: str) -> int:
    """64 bits of the hash of an id."""
    return int.from_bytes(blake2b(id.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def _spoken(values: Mapping[str, object], asked_seed: int | None) -> bytes:
    speed = float(cast("float", values["speed"] or 0.0))
    all_values = {**values, "speed": speed}.values()
    return _hash(["spoken", *("" if value is None else value for value in all_values), asked_seed])


def _hash(values: list[object]) -> bytes:
    return blake2b(dumps({"": values}).encode(), digest_size=KEY_BYTES).digest()
