"""Compare an output with the corpus that it was made of: id, text, voice, reference, seed, speed, metadata.

Guaranteed: one window of rows in memory, and of all ids what `IdIndex` takes; rows that were rejected as they were read
are compared too, but for their reasons, which name places. Not known here: what became of a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np

from ...actors.records.json_line import dumps
from ...actors.records.keys import ROOT_KEY
from ...actors.records.part_name import PartName
from ...actors.records.record import Record
from ...actors.records.utterance import Failure, Utterance
from ...cluster.storage import Storage
from ...errors import JobError
from ..corpus import Corpus
from ..corpus.parallel import in_order
from ..output.output_file import OutputFile
from ..output.reader import load_part
from ..planning.windows import windows
from ..resolve.corpus import open_corpus
from ..resolve.model import describe_model
from ..spec.job import InputSpec, JobSpec
from .report import Findings


def corpus_of(output: OutputFile, uri: str | None = None) -> Corpus:
    """The corpus that the job names, or one that lies at `uri` and is read in the same way.

    Raises:
        CorpusError: Where it is not there
        ModelError: Where the job's model is not
        SpecError: For a job that this version cannot read, or that is of a class of one's own: `job.json` is no reason
            to import anything
        JobError: For a job that this version cannot read, or that is of a class of one's own: `job.json` is no reason
            to import anything
    """
    body: dict[str, Any] = dict(output.job.spec)
    # As it stands in `job.json`, every key was given; what is a default was not asked for.
    source: Mapping[str, Any] = body.get("input") or {}
    body["input"] = {name: value for name, value in source.items() if not _is_default(name, value)}
    if uri is not None:
        body["input"]["uri"] = uri
    spec = JobSpec.parse(body)
    if ":" in spec.model.name:
        raise JobError(
            f"model.name in {ROOT_KEY} is {spec.model.name!r:.80}, a class of your own, which is not imported here: "
            "call speechmill.jobs.verify.verify with a corpus that you open yourself"
        )
    _, info = describe_model(spec, output.job.device)
    return open_corpus(spec, info)


def _is_default(name: str, value: object) -> bool:
    field = InputSpec.model_fields.get(name)
    return field is not None and not field.is_required() and field.get_default(call_default_factory=True) == value


def compare_corpus(
    storage: Storage,
    output: OutputFile,
    corpus: Corpus,
    parts: Mapping[str, Iterable[PartName]],
    end: int,
    findings: Findings,
) -> int:
    """Compare the corpus with the manifests that count.

    Rows that are in no manifest are named elsewhere, and so is what is wrong with a manifest itself.

    Args:
        storage: The store of the output.
        output: What its `job.json` says.
        corpus: What it was made of.
        parts: The manifests that count.
        end: One more than the largest row of the manifests.
        findings: Takes what does not agree.

    Returns:
        The number of rows of the corpus.
    """
    held = _Held(storage, [part for some in parts.values() for part in some], end) if output.is_updated else None
    by_window: dict[int, list[PartName]] = {}
    for some in parts.values():
        for part in some:
            by_window.setdefault(part.window, []).append(part)
    num_rows = 0
    for window in windows(corpus.rows(), _window_rows(output)):
        rows = (*window.utterances, *window.rejected)
        if held is None:
            some = (record for part in by_window.get(window.index, ()) for record in _load(storage, part))
        else:
            some = held.that_differ(rows, corpus)
        records = {record.row: record for record in some}
        for row in rows:
            record = records.pop(row.row, None)
            if record is not None and (names := _differences(row, record, corpus)):
                findings.problem(f"row {row.row} (id {record.id!r:.80}): {', '.join(names)} not as in the corpus")
        for record in records.values():
            findings.problem(f"row {record.row} (id {record.id!r:.80}) is not in window {window.index} of the corpus")
        num_rows += window.num_rows
    promised = None if output.complete is None else output.complete.num_rows
    if promised is not None and promised != num_rows:
        findings.problem(f"the corpus has {num_rows} rows, the job was completed with {promised}")
    elif end > num_rows:
        findings.problem(f"the corpus has {num_rows} rows, the manifests go up to row {end - 1}")
    return num_rows


class _Held:
    """The rows of an output that was updated, whose windows are not those of the corpus: 12 bytes of memory each."""

    def __init__(self, storage: Storage, parts: Sequence[PartName], num_rows: int) -> None:
        self._storage, self._parts = storage, parts
        self._hashes = np.zeros(num_rows, np.uint64)
        self._owners = np.full(num_rows, -1, np.int32)
        for number, records in enumerate(in_order(lambda part: list(_load(storage, part)), parts)):
            for record in records:
                self._hashes[record.row] = _hash({name: _asked(record, name) for name in _COMPARED})
                self._owners[record.row] = number

    def that_differ(self, rows: Iterable[Utterance | Failure], corpus: Corpus) -> Iterator[Record]:
        """The records of those rows that are not as in the corpus."""
        wanted: dict[int, set[int]] = {}
        for row in rows:
            is_there = row.row < len(self._owners) and self._owners[row.row] >= 0
            if is_there and self._hashes[row.row] != _hash(_wanted(row, corpus)):
                wanted.setdefault(int(self._owners[row.row]), set()).add(row.row)
        for number, numbers in wanted.items():
            yield from (record for record in _load(self._storage, self._parts[number]) if record.row in numbers)


def _hash(values: Mapping[str, object]) -> int:
    spelt = "".join(_spelt(values[name]) for name in _COMPARED)
    return int.from_bytes(blake2b(spelt.encode(), digest_size=8).digest(), "little")


def _window_rows(output: OutputFile) -> int:
    sharding: Any = output.job.spec.get("sharding")
    window_rows = sharding.get("window_rows") if isinstance(sharding, dict) else None
    if type(window_rows) is not int or window_rows <= 0:
        raise JobError(f"{ROOT_KEY} has no spec.sharding.window_rows, so its rows cannot be compared with the corpus")
    return window_rows


def _load(storage: Storage, part: PartName) -> Iterator[Record]:
    try:
        yield from load_part(storage, part)
    except JobError:
        return  # it was named when it was checked


def _differences(row: Utterance | Failure, record: Record, corpus: Corpus) -> list[str]:
    """Names of the fields in which a row's record is not the corpus's."""
    wanted = _wanted(row, corpus)
    if isinstance(row, Failure):
        wanted["status"] = "failed"
    return [name for name, value in wanted.items() if _spelt(_asked(record, name)) != _spelt(value)]


def _asked(record: Record, name: str) -> object:
    """A field as the corpus should have it."""
    if name == "reference" and record.reference is not None:
        return {key: record.reference[key] for key in ("clip", "text")}
    is_otherwise = name == "seed" and record.asked_seed is not None
    return record.asked_seed if is_otherwise else getattr(record, name)


def _wanted(row: Utterance | Failure, corpus: Corpus) -> dict[str, object]:
    """What the corpus says of a row, by the names of a record's fields."""
    wanted: dict[str, object] = {"id": row.id, "text": row.text, "metadata": row.metadata}
    if isinstance(row, Failure):
        return wanted | {"voice": "", "seed": None, "speed": None, "language": None, "reference": None}
    wanted |= {"voice": row.voice or corpus.options.default_voice, "seed": row.seed, "speed": row.speed}
    named = None if row.reference is None else {"clip": row.reference.clip, "text": row.reference.text}
    return wanted | {"language": row.language or None, "reference": named}


_COMPARED = ("id", "text", "metadata", "voice", "seed", "speed", "language", "reference")


def _spelt(value: object) -> str:
    """As JSON, in which a manifest keeps it: it tells 1 from true."""
    return dumps({"": dict(sorted(value.items())) if isinstance(value, Mapping) else value})
