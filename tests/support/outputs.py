"""Outputs of this format and of format 2, written as a run writes them, without a corpus, a model or a lease."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from speechmill.actors.records.manifest import content_digest, encode_records
from speechmill.actors.records.part_name import PartName
from speechmill.actors.records.record import Record
from speechmill.cluster.commit.adoptions import NO_NAMES, adopt
from speechmill.cluster.commit.executor import sealed
from speechmill.cluster.commit.names import Stamp
from speechmill.cluster.commit.root import Root
from speechmill.cluster.containers.base import shard_of
from speechmill.cluster.sharding.sharding import CostModel
from speechmill.cluster.storage import Storage
from speechmill.jobs.output.claim import Claim
from speechmill.jobs.output.complete import Complete
from speechmill.jobs.output.identity import FORMAT, Identity, JobFile
from speechmill.jobs.output.output_file import OutputFile
from speechmill.jobs.output.texts import encode_texts, text_key
from speechmill.jobs.verify import rows_digest


class FreeLease:
    """A lease that no other driver takes."""

    is_exclusive = True

    def check(self) -> None:
        """Do nothing: the lease is never lost."""


def job_file(container: str = "files", audio: str = "flac", task: str = "speak", **output: object) -> JobFile:
    """The `job.json` of a job with these settings of its output."""
    spec = {"task": task, "output": {"container": container, "audio": audio, **output}}
    identity = {"format": FORMAT, "model.name": "tone", "model.revision": "1"}
    return JobFile("1", spec, Identity(identity), "cpu", CostModel(1, 1, 1))


def begin(storage: Storage, job: JobFile) -> Claim:
    """Begin an output anew."""
    return Claim.begin(storage, FreeLease(), OutputFile.read(storage), job)


def commit(storage: Storage, claim: Claim, window: int, index: int | None, records: Sequence[Record]) -> PartName:
    """Commit a part; its rows may be in any order."""
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
    """Mark the output as complete with these rows."""
    claim.complete(mark_of(records))


class Format2:
    """An output of format 2: its names have no stamps, and its mark of completeness is an object of its own."""

    def __init__(self, storage: Storage, job: JobFile) -> None:
        identity = Identity({**job.identity.keys, "format": 2})
        storage.put("job.json", json.dumps(replace(job, identity=identity).body, indent=2).encode())
        self._storage = storage

    def commit(self, window: int, index: int | None, records: Sequence[Record]) -> PartName:
        """Commit a part."""
        name = PartName.of(window, index, "ab0", records)
        if any(record.refined is not None for record in records):
            self._storage.put(text_key(name), encode_texts(sorted(records, key=lambda record: record.row)))
        self._storage.put(name.key, encode_records(records))
        return name

    def complete(self, records: Sequence[Record]) -> None:
        """Say that these are all rows."""
        self._storage.put("complete.json", json.dumps(mark_of(records).body).encode())


def mark_of(records: Sequence[Record]) -> Complete:
    """The mark of completeness of an output with these rows."""
    num_ok = sum(record.status == "ok" for record in records)
    return Complete(len(records), num_ok, len(records) - num_ok, sum(record.audio_ms for record in records) / 1000)


def reopen(storage: Storage) -> None:
    """Turn an output that its first run has completed into an unfinished one."""

    def change(body: dict[str, Any]) -> None:
        body.pop("complete")
        root = Root.from_json(body["commit"])
        assert root.run == 1, "what earlier runs committed would have to be adopted"
        body["commit"] = replace(root, is_complete=False, adopted=(), names=None).to_json()

    edit_job(storage, change)


def reopen_without(storage: Storage, *without: str) -> None:
    """Turn a complete output into one whose second run was killed before these manifests were written."""
    Claim.resume(storage, FreeLease(), OutputFile.load(storage), without, storage.list, lambda part: None)
    storage.delete(without)


def shard_keys(storage: Storage, shard_id: str, key_prefixes: int = 0) -> list[str]:
    """The keys of the audio objects of a shard, in any container."""
    return [entry.key for entry in storage.list("audio/") if shard_of(entry.key, key_prefixes) == shard_id]


def edit_job(storage: Storage, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the content of `job.json`, and update its hash."""
    body = json.loads(storage.get("job.json"))
    body.pop("check", None)
    change(body)
    storage.put("job.json", sealed(body))


def replace_part(storage: Storage, part: PartName, records: Sequence[Record]) -> PartName:
    """Replace the records of a manifest, and update its name and the root in `job.json`.

    The mark of completeness stays.
    """
    records = sorted(records, key=lambda record: record.row)
    data = encode_records(records)
    name = PartName.of(part.window, part.index, rows_digest(records), records)
    name = replace(name, stamp=part.stamp, content=content_digest(data))
    storage.delete([part.key])
    storage.put(name.key, data)
    rename_parts(storage)
    return name


def rename_parts(storage: Storage) -> None:
    """Update the root of a complete output to the names of its present manifests."""

    def rename(body: dict[str, Any]) -> None:
        names = NO_NAMES.plus(entry.key for entry in storage.list("manifest/"))
        adopted = adopt((), (Stamp.parse(PartName.parse(entry.key).stamp) for entry in storage.list("manifest/")))
        root = replace(Root.from_json(body["commit"]), names=names, adopted=adopted)
        body["commit"] = root.to_json()

    edit_job(storage, rename)


def first_manifest(storage: Storage, shard: str = "0000") -> str:
    """The key of the first manifest of a shard of the first window; "": of any."""
    return next(storage.list(f"manifest/000000/{shard}")).key
