"""What decides a row's audio, as a hash: rows of the corpus and records of the manifests with one key sound alike.

Guaranteed: the key of a row and the key of the record that came of it are equal. Keys have 128 bits, so that of a
billion rows no two that differ share one. Everything else that decides audio is in the identity of the job.
"""

from __future__ import annotations

import struct
from hashlib import blake2b

from ...actors.records.manifest import PartName, Record, dumps
from ...actors.records.utterance import Failure, Utterance

KEY_BYTES = 16


def key_of_row(row: Utterance | Failure, default_voice: str, asked_seed: int | None = None) -> bytes:
    """The key of a row of the corpus. Of a rejected row, everything counts, its reason and its number too.

    Args:
        asked_seed: The corpus's seed, where the row has another one by the file of `--rows`
    """
    if isinstance(row, Failure):
        return _key("rejected", (row.id, row.reason, row.text, dumps(row.metadata)), row.row, 0.0)
    return _key(_kind(asked_seed), (row.id, row.text, row.voice or default_voice), row.seed, row.speed)


def key_of_record(record: Record, part: PartName, *, is_as_asked: bool = False) -> bytes:
    """The key of the row that a record of this part is of.

    Args:
        is_as_asked: Of the row as the corpus has it, although it was spoken with another seed
    """
    if part.index is None:
        return _key("rejected", (record.id, record.error or "", record.text, dumps(record.metadata)), record.row, 0.0)
    seed, kind = record.seed or 0, _kind(record.asked_seed)
    if is_as_asked and record.asked_seed is not None:
        seed, kind = record.asked_seed, _kind(None)
    return _key(kind, (record.id, record.text, record.voice), seed, record.speed or 0.0)


def _kind(asked_seed: int | None) -> str:
    return "spoken" if asked_seed is None else f"spoken in place of {asked_seed}"


def metadata_hash(metadata: str) -> int:
    """64 bits of the hash of metadata, given as JSON."""
    return int.from_bytes(blake2b(metadata.encode(), digest_size=8).digest(), "little") if metadata != "{}" else 0


def id_hash(id: str) -> int:
    """64 bits of the hash of an id."""
    return int.from_bytes(blake2b(id.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def _key(kind: str, texts: tuple[str, ...], number: int, speed: float) -> bytes:
    encoded = [text.encode("utf-8", "surrogatepass") for text in (kind, *texts)]
    hashed = blake2b(struct.pack("<qd", number, speed), digest_size=KEY_BYTES)
    hashed.update(struct.pack(f"<{len(encoded)}q", *map(len, encoded)))
    hashed.update(b"".join(encoded))
    return hashed.digest()
