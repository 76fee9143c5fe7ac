"""Utterances made column by column, since a driver makes millions of them.

Guaranteed: their seeds are equal to those of `seed_of`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np

from ...actors.records.reference import NamedClip
from ...actors.records.utterance import JsonScalar
from ...actors.records.utterance_columns import UtteranceColumns
from .bloom_filter import Hashes


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of utterances to be made, all of one length; `seeds` has None where a row brings none."""

    rows: list[int] = field(default_factory=list[int])
    ids: list[str] = field(default_factory=list[str])
    texts: list[str] = field(default_factory=list[str])
    seeds: list[int | None] = field(default_factory=list["int | None"])
    voices: list[str] = field(default_factory=list[str])
    speeds: list[float] = field(default_factory=list[float])
    metadata: list[dict[str, JsonScalar]] = field(default_factory=list[dict[str, JsonScalar]])
    languages: list[str] = field(default_factory=list[str])
    references: list[NamedClip | None] = field(default_factory=list["NamedClip | None"])

    def append(self, *values: Any) -> None:
        """One row more, in the order of the columns."""
        for name, value in zip(self.__slots__, values, strict=True):
            getattr(self, name).append(value)

    def extend(self, *columns: Iterable[Any]) -> None:
        """Some rows more, in the order of the columns."""
        for name, values in zip(self.__slots__, columns, strict=True):
            getattr(self, name).extend(values)

    def made(self, job_seed: int) -> tuple[UtteranceColumns, Hashes]:
        """The utterances, and 64 bits of a hash of the job's seed and each of their ids."""
        start = blake2b(f"{job_seed}\0".encode(), digest_size=8)
        digests: list[bytes] = []
        for row_id in self.ids:
            hashed = start.copy()
            hashed.update(row_id.encode("utf-8", "surrogatepass"))
            digests.append(hashed.digest())
        hashes = np.frombuffer(b"".join(digests), "<u8").astype(np.uint64, copy=False)
        seeds: list[int] = (hashes >> np.uint64(1)).tolist()
        if self.seeds.count(None) < len(seeds):
            seeds = [seed if own is None else own for own, seed in zip(self.seeds, seeds, strict=True)]
        others = self.voices, self.speeds, self.metadata, self.languages, self.references
        return UtteranceColumns(self.rows, self.ids, self.texts, seeds, *others), hashes
