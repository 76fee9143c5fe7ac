"""Check the refined rows of a part against its manifest: each has its line, and every line is a row's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...actors.records.keys import TEXT_PREFIX
from ...actors.records.part_name import PartName
from ...actors.records.record import Record
from ...cluster.storage.base import Storage
from ...errors import JobError
from ..output.texts import text_faults, text_key, text_shard_of
from .report import Findings


class TextCheck:
    """The objects of a job that refines text."""

    prefix = TEXT_PREFIX

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def shard_of(self, key: str) -> str | None:
        """The shard that an object was written for, None if it is not a shard's."""
        return text_shard_of(key)

    def order(self, shard_id: str) -> str:
        """The place of its window's objects in a listing of the output: their keys begin with this."""
        return f"{TEXT_PREFIX}{shard_id.partition('-')[0]}-"

    def part(
        self, part: PartName, records: Sequence[Record], objects: Mapping[str, int], findings: Findings
    ) -> set[str]:
        """Check the lines of a part, whose shard has these objects (key: bytes); the keys that it names.

        That is one, whether or not a row of it is refined; none where all were rejected.
        """
        for record in records:
            if record.audio is not None:
                findings.problem(f"{part.key}: row {record.row} is audio, in a job that refines text")
        named = set() if part.index is None else {text_key(part)}
        for key in named:
            if key not in objects:
                findings.problem(f"{key} does not exist; {part.key} has {part.num_ok} rows in it")
                continue
            try:
                faults = list(text_faults(self._storage.get(key), records))
                findings.texts(part.num_ok)
            except JobError as error:
                faults = [str(error)]
            for fault in faults:
                findings.problem(f"{key}, {fault}")
        return named
