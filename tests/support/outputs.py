"""Outputs of the present format, written as a run writes them, without a corpus, a model or a lease.

Not known here: what the rows are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from speechmill.actors.manifest import PartName, Record, content_digest, encode_records
from speechmill.cluster.sharding import CostModel
from speechmill.cluster.storage import Storage
from speechmill.jobs.claim import Claim
from speechmill.jobs.complete import Complete
from speechmill.jobs.identity import FORMAT, Identity, JobFile
from speechmill.jobs.output_file import OutputFile
from speechmill.jobs.texts import encode_texts, text_key
from speechmill.jobs.verify import rows_digest


class FreeLease:
    """A lease that nobody takes."""

    is_exclusive = True

    def check(self) -> None:
        """It is always ours."""


def job_file(container: str = "files", audio: str = "flac", task: str = "speak", **output: object) -> JobFile:
    """Of a job whose output is kept so."""
    spec = {"task": task, "output": {"container": container, "audio": audio, **output}}
    return JobFile("1", spec, Identity({"format": FORMAT}), "cpu", CostModel(1, 1, 1))


def begin(storage: Storage, job: JobFile) -> Claim:
    """Begin an output anew."""
    return Claim.begin(storage, FreeLease(), OutputFile.read(storage), job)


def commit(storage: Storage, claim: Claim, window: int, index: int | None, records: Sequence[Record]) -> PartName:
    """Commit a part; its rows in their order or in any."""
    records = sorted(records, key=lambda record: record.row)
    data = encode_records(records)
    name = PartName.of(window, index, rows_digest(records), records)
    name = replace(name, stamp=claim.begin_commit(), content=content_digest(data))
    if any(record.refined is not None for record in records):
        storage.put(text_key(name), encode_texts(records))
    storage.put(name.key, data)
    claim.landed(name.key)
    return name


def complete(claim: Claim, records: Sequence[Record]) -> None:
    """Say that these are all rows."""
    num_ok = sum(record.status == "ok" for record in records)
    audio_s = sum(record.audio_ms for record in records) / 1000
    claim.complete(Complete(len(records), num_ok, len(records) - num_ok, audio_s))


def reopen(storage: Storage, *without: str) -> None:
    """Make of a complete output one that a run was killed in, before these manifests were there."""
    Claim.resume(storage, FreeLease(), OutputFile.load(storage), without, storage.list, lambda part: None)
    storage.delete(without)
