"""Check what manifests say of rows: each row once, each id once, names that fit, and the job that the output is of.

Guaranteed: memory is a bit a row, and what `IdIndex` takes for the ids. Not known here: what rows became, and whether
the corpus has them so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from hashlib import blake2b
from itertools import islice

import numpy as np

from ...actors.records.part_name import PartName
from ...actors.records.record import Record
from ...actors.records.reference import NamedClip
from ...actors.records.utterance import Utterance
from ...cluster.sharding.sharding import digest
from ..corpus import IdIndex
from ..output.output_file import OutputFile
from ..output.row_bitmap import RowBitmap
from .report import Findings

_GAPS = 10
"""Of rows, so many are named."""


class RowCheck:
    """The rows of one output, as its manifests are read."""

    def __init__(self, output: OutputFile, findings: Findings) -> None:
        self._findings = findings
        self._complete = output.complete
        self._seen = RowBitmap()
        self._ids = IdIndex()
        self._identity = output.job.identity.keys
        self._seed = output.job.spec.get("seed", 0)

    @property
    def end(self) -> int:
        """One more than the largest row seen."""
        return self._seen.end

    @property
    def num_missing(self) -> int:
        """Rows that no manifest holds, of those promised or else up to the largest seen."""
        end = self._seen.end if self._complete is None else self._complete.num_rows
        return end - len(self._seen)

    def part(self, part: PartName, records: Sequence[Record], rows_of_shard: set[int]) -> None:
        """Check the rows of a manifest, of whose shard another one may have had `rows_of_shard`; it is added to."""
        content = rows_digest(records) if part.content else part.digest  # of format 2, it cannot be made anew
        found = PartName.of(part.window, part.index, content, records)
        if found != replace(part, stamp="", content=""):
            self._findings.problem(f"{part.key}: its name does not fit its content, which would be {found.key}")
        new = [record for record in records if record.row not in rows_of_shard]
        rows_of_shard.update(record.row for record in new)
        for record in new:
            self._row(part, record)
        if part.index is not None:
            self._check_ids(part, new)

    def _row(self, part: PartName, record: Record) -> None:
        where = f"{part.key}: row {record.row}"
        self._findings.row(record)
        if self._complete is not None and record.row >= self._complete.num_rows:
            self._findings.problem(f"{where}, but the corpus has {self._complete.num_rows} rows")
        elif not self._seen.add(record.row):
            self._findings.problem(f"{where} is in another manifest too")
        if part.index is None and record.status == "ok":
            self._findings.problem(f"{where} is ok, among the rows that were rejected as they were read")
        if record.duration_s is not None and record.duration_s != (record.num_samples or 0) / (record.sample_rate or 1):
            lasting_s = (record.num_samples or 0) / (record.sample_rate or 1)
            self._findings.problem(f"{where}: duration_s is {record.duration_s}, its samples last {lasting_s}")
        self._model(where, record)

    def _model(self, where: str, record: Record) -> None:
        """A model of one's own ("module:Class") may call itself as it likes."""
        for name, value in (("name", record.model), ("revision", record.model_revision)):
            wanted = self._identity.get(f"model.{name}")
            if wanted is not None and value != wanted and not (name == "name" and ":" in str(wanted)):
                self._findings.problem(
                    f"{where}: the {name} of its model is {value!r:.80}, the job's is {wanted!r:.80}"
                )

    def _check_ids(self, part: PartName, records: Sequence[Record]) -> None:
        """Of rows that could be spoken; those that were rejected may repeat an id."""
        # Hashed as the corpus does, so that two ids of one hash were told apart, or not, there as here.
        start = f"{self._seed}\0".encode("utf-8", "surrogatepass")
        encoded = [start + record.id.encode("utf-8", "surrogatepass") for record in records]
        hashes = np.frombuffer(b"".join(blake2b(name, digest_size=8).digest() for name in encoded), "<u8")
        for at in self._ids.add(hashes.astype(np.uint64, copy=False)):
            record = records[at]
            self._findings.problem(f"{part.key}: row {record.row} has the id {record.id!r:.80}, as another row has")

    def finish(self) -> None:
        """Check that no row is missing, once every manifest is read."""
        complete = self._complete
        if complete is None:
            return
        gaps = [f"{first}" if first == last else f"{first} to {last}" for first, last in self._gaps(complete.num_rows)]
        if gaps:
            names = ", ".join(gaps[:_GAPS]) + (" and more" if len(gaps) > _GAPS else "")
            self._findings.problem(f"{self.num_missing} rows are in no manifest: {names}")
        found = {"num_ok": self._findings.num_ok, "num_failed": self._findings.num_failed}
        for name, number in found.items():
            if (promised := getattr(complete, name)) != number:
                self._findings.problem(f"the job was completed with {name} {promised}, the manifests have {number}")
        if abs(complete.audio_s - self._findings.audio_s) > 0.01:
            self._findings.problem(
                f"the job was completed with audio_s {complete.audio_s}, the manifests have {self._findings.audio_s}"
            )

    def _gaps(self, num_rows: int) -> Iterable[tuple[int, int]]:
        return islice(self._seen.missing(num_rows), _GAPS + 1)


def rows_digest(records: Sequence[Record]) -> str:
    """Of a manifest's rows, as the plan has it of the corpus's."""
    return digest(
        [
            Utterance(
                r.row,
                r.id,
                r.text,
                r.seed or 0,
                r.voice,
                r.speed or 1.0,
                r.metadata,
                r.language or "",
                None if r.reference is None else NamedClip(r.reference["clip"], r.reference["text"]),
            )
            for r in records
        ]
    )
