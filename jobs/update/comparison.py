"""An output compared with its corpus: which clips still fit a row, which parts count on as they are, what is spoken.

Guaranteed: a clip is kept if and only if a row of the corpus has its id, text, voice, seed and speed, and the recording
that it names, if any, is the same; each row is kept at most once. A part counts on as it is if all its rows are kept
under their numbers and with their metadata; of any other part, the rows that are kept get a manifest of their own
(`kept`), and its objects stay as they are. The result depends on the corpus and the manifests alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...actors.records.json_line import dumps
from ...actors.records.part_name import PartName
from ...actors.records.record import Record
from ...actors.records.utterance import Failure, Utterance
from ...cluster.commit.names import ObjectName, Stamp
from ...cluster.commit.root import counts
from ...cluster.storage import Storage
from ...errors import JobChanged
from ..corpus import Corpus
from ..corpus.parallel import in_order
from ..output.ledger import list_manifests
from ..output.output_file import OutputFile
from ..output.reader import load_part
from ..planning.windows import KeptPart
from .corpus_table import NO_SEEDS, CorpusTable, Rows
from .keys import id_hash, key_of_record, metadata_hash


@dataclass(frozen=True, slots=True)
class Changes:
    """What an update does, in rows.

    Attributes:
        num_kept: Rows that stay as they are
        num_changed: Rows that are spoken, and whose id the output had before
        num_added: Rows that are spoken, and whose id is new
        num_removed: Rows whose id the corpus has no more
        num_rejected: Rows that cannot be spoken and are written anew with their reason
    """

    num_kept: int
    num_changed: int
    num_added: int
    num_removed: int
    num_rejected: int

    @property
    def num_spoken(self) -> int:
        return self.num_changed + self.num_added

    @property
    def is_nothing(self) -> bool:
        """Whether the output holds the corpus as it is."""
        return not (self.num_changed or self.num_added or self.num_removed or self.num_rejected)


@dataclass(frozen=True, slots=True)
class Retried:
    """Which failed rows are spoken again."""

    is_asked: bool = False
    ids: frozenset[str] | None = None

    def __contains__(self, id: str) -> bool:
        return self.is_asked and (self.ids is None or id in self.ids)


NOT_RETRIED = Retried()


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A part with clips that may fit. `is_present`: it counts in the present state, else in one that is kept."""

    part: PartName
    is_present: bool


class Comparison:
    """The result. Make it with `compare`.

    Attributes:
        table: The rows of the corpus
        whole: Keys of the manifests that count on
        num_whole: Rows in them
        next_window: The number of a window that no part has, and all after it
    """

    def __init__(
        self, storage: Storage, table: CorpusTable, candidates: Sequence[_Candidate], next_window: int
    ) -> None:
        self.table = table
        self.next_window = next_window
        self.whole: set[str] = set()
        self.num_whole = 0
        self._storage = storage
        self._candidates = candidates
        self._owner = np.full(table.num_rows, -1, np.int32)
        self._lost_ids: list[int] = []

    @property
    def is_missing(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """The rows that no part holds: bool [num_rows]."""
        return self._owner < 0

    @property
    def num_kept(self) -> int:
        return int((self._owner >= 0).sum())

    @property
    def is_same(self) -> bool:
        """Whether the output holds the corpus as it is, under the present numbers and with the present metadata."""
        num_present = sum(candidate.is_present for candidate in self._candidates)
        return self.num_whole == self.table.num_rows and len(self.whole) == num_present

    def missing(self) -> Iterator[list[Utterance | Failure]]:
        """The rows that no part holds, in order, some at a time. Raises as `CorpusTable.read_again`."""
        return self.table.read_again(self.is_missing)

    def kept(self) -> Iterator[KeptPart]:
        """The parts of which only some rows are kept, or under another number or with other metadata."""
        left = self._partly_kept()
        for (number, candidate), records in zip(left, self._loaded([each for _, each in left]), strict=True):
            rows = self._rows_of(records, candidate.part)
            pairs = [(row, record) for row, record in zip(rows.tolist(), records, strict=True) if row >= 0]
            moved = [self._moved(record, row) for row, record in pairs if self._owner[row] == number]
            part = candidate.part
            yield KeptPart(part.window, part.index, tuple(sorted(moved, key=lambda record: record.row)))

    def refuse_others(self, ids: frozenset[str]) -> None:
        """Refuse to speak rows with other ids than these. Reads the rows that are not kept again.

        Raises:
            JobChanged: There are some; the message names the first
        """
        for rows in self.missing():
            for row in rows:
                if isinstance(row, Utterance) and row.id not in ids:
                    raise JobChanged(
                        f"row {row.row} (id {row.id!r:.80}) has changed too, or was never spoken, and --rows does not "
                        "name it: an output holds every row of its corpus as it is. Name it, or leave --rows out"
                    )

    def changes(self) -> Changes:
        """The counts. Reads the rows that are not kept again."""
        lost = np.unique(np.asarray(self._lost_ids, np.uint64))
        num_changed = num_added = num_rejected = 0
        num_again = 0
        for rows in self.missing():
            ids = np.asarray([id_hash(row.id) for row in rows], np.uint64)
            is_known = np.isin(ids, lost)
            is_failure = np.asarray([isinstance(row, Failure) for row in rows])
            num_again += int(is_known.sum())
            num_rejected += int(is_failure.sum())
            num_changed += int((is_known & ~is_failure).sum())
            num_added += int((~is_known & ~is_failure).sum())
        return Changes(self.num_kept, num_changed, num_added, max(0, len(self._lost_ids) - num_again), num_rejected)

    def _partly_kept(self) -> list[tuple[int, _Candidate]]:
        owners = set(np.unique(self._owner[self._owner >= 0]).tolist())
        return [
            (number, candidate)
            for number, candidate in enumerate(self._candidates)
            if number in owners and candidate.part.key not in self.whole
        ]

    def _loaded(self, candidates: Iterable[_Candidate]) -> Iterator[list[Record]]:
        return in_order(lambda candidate: load_part(self._storage, candidate.part), candidates)

    def _moved(self, record: Record, row: int) -> Record:
        """The record of a clip that is kept, with the number and the metadata that its row has now."""
        metadata = self.table.metadata_of(row)
        if record.audio is None:
            return replace(record, row=row, metadata=metadata)
        name = ObjectName.parse(record.audio)
        assert name is not None, f"{record.audio} is no name that a run writes"
        beside = record.sidecar["metadata"]
        kept: dict[str, object] = {"run": name.stamp.run, "row": record.row_beside_clip}
        if dumps({"": beside}) != dumps({"": metadata}):
            kept["metadata"] = beside
        return replace(record, row=row, metadata=metadata, kept=kept)

    def _rows_of(self, records: Sequence[Record], part: PartName) -> Rows:
        """The rows of the corpus that these records may stand for; int64, -1 where there is none."""
        rows = self.table.find([key_of_record(record, part) for record in records])
        again = [at for at, record in enumerate(records) if record.asked_seed is not None and rows[at] < 0]
        if again:
            rows[again] = self.table.find([key_of_record(records[at], part, is_as_asked=True) for at in again])
        return rows

    def take(self, number: int, candidate: _Candidate, records: Sequence[Record], retried: Retried) -> None:
        """Compare the records of a part."""
        part = candidate.part
        rows = self._rows_of(records, part)
        is_whole = candidate.is_present
        for record, row in zip(records, rows.tolist(), strict=True):
            is_held = row >= 0 and self._owner[row] < 0 and _is_held(record, candidate, retried)
            if is_held:
                self._owner[row] = number
            elif candidate.is_present:
                self._lost_ids.append(id_hash(record.id))
            is_same = (
                is_held and row == record.row and metadata_hash(dumps(record.metadata)) == int(self.table.metadata[row])
            )
            is_whole = is_whole and is_same
        if is_whole:
            self.whole.add(part.key)
            self.num_whole += len(records)


def _is_held(record: Record, candidate: _Candidate, retried: Retried) -> bool:
    """Whether what came of a row may stand for it."""
    if record.status == "ok":
        return True
    return candidate.is_present and (candidate.part.index is None or record.id not in retried)


def compare(
    corpus: Corpus,
    storage: Storage,
    output: OutputFile,
    block_rows: int,
    *,
    damaged: Iterable[str] = (),
    retried: Retried = NOT_RETRIED,
    seeds: Mapping[str, int] = NO_SEEDS,
) -> Comparison:
    """Compare an output with a corpus: reads the corpus once, and each manifest that counts.

    Args:
        block_rows: Rows of the corpus in memory at once
        damaged: Keys of manifests whose rows are spoken again
        retried: Failed rows that are spoken again
        seeds: By id, seeds that rows have in place of their own

    Raises:
        CorpusError: The corpus cannot be read
        CorpusChanged: A file has changed since the corpus was found
        JobError: A manifest is damaged
    """
    table = CorpusTable.read(corpus, block_rows, seeds)
    candidates, next_window = _candidates(storage, output, frozenset(damaged))
    comparison = Comparison(storage, table, candidates, next_window)
    loaded = in_order(lambda candidate: load_part(storage, candidate.part), candidates)
    for number, (candidate, records) in enumerate(zip(candidates, loaded, strict=True)):
        comparison.take(number, candidate, records, retried)
    return comparison


def _candidates(storage: Storage, output: OutputFile, damaged: frozenset[str]) -> tuple[list[_Candidate], int]:
    """The parts with clips that may fit, those of the present state first; and the first window beyond all parts.

    Of states that are kept, the newer ones come first; of each shard, the newest manifest is taken.
    """
    root = output.root
    present: list[_Candidate] = []
    before: list[list[_Candidate]] = [[] for _ in root.earlier]
    shards: set[str] = set()
    next_window = 0
    for entry in list_manifests(storage):
        if not entry.size:
            continue
        part = PartName.parse(entry.key)
        stamp = Stamp.parse(part.stamp) if part.stamp else Stamp("", 0)
        next_window = max(next_window, part.window + 1)
        if counts(root, stamp):
            shards.add(part.shard_id)  # of a damaged one too: its clips may be those of the state before
            if entry.key not in damaged:
                present.append(_Candidate(part, True))
        elif stamp.tag == root.tag:
            for state, candidates in zip(root.earlier, before, strict=True):
                if stamp in state:
                    candidates.append(_Candidate(part, False))
    chosen = present
    for candidates in reversed(before):
        chosen = [*chosen, *(candidate for candidate in candidates if candidate.part.shard_id not in shards)]
        shards.update(candidate.part.shard_id for candidate in candidates)
    return chosen, next_window
