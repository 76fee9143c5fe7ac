"""Check an output from its objects alone: every row once, what was made of it there and whole, nothing unowned.

Guaranteed: each object is listed once and read at most once, a part in memory at a time (manifests twice where they
are compared with the corpus); problems are counted all and named up to `MAX_NAMED`. Sweeping deletes only what cannot
count any more, and only where all else is well: beside a damaged manifest, an orphan may be the last copy of a clip.
Not known here: what the text sounds like, and whether the audio is of the text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext

from ...actors.records.keys import (
    AUDIO_PREFIX,
    CARD_KEY,
    COMPLETE_KEY,
    DRIVER_KEY,
    MANIFEST_PREFIX,
    METADATA_KEY,
    ROOT_KEY,
    TEXT_PREFIX,
)
from ...actors.records.part_name import PartName
from ...cluster.lease.lease import Lease
from ...cluster.storage.base import Storage
from ...errors import JobError
from ..corpus import Corpus
from ..output.claim import MayWrite, forget_earlier
from ..output.claim import sweep as sweep_dead
from ..output.output_file import OutputFile
from ..output.plan_log import is_plan_key
from ..output.reader import Layout, load_part, named_keys
from ..output.texts import text_key
from .clips import ClipCheck
from .corpus import compare_corpus
from .job import job_faults
from .parts import Owner, Parts, is_manifest, parts_by_shard, walk
from .report import Findings, VerifyReport
from .rows import RowCheck
from .texts import TextCheck

COMPANIONS = frozenset({ROOT_KEY, COMPLETE_KEY, DRIVER_KEY, CARD_KEY, METADATA_KEY})
"""Objects of an output that no part holds."""
Progress = Callable[[int, int], None]
"""Called after each part with the number of parts checked, and of all parts."""


def verify(
    storage: Storage,
    *,
    decode: bool = True,
    sweep: bool = False,
    force: bool = False,
    corpus: Corpus | None = None,
    progress: Progress | None = None,
) -> VerifyReport:
    """Check an output.

    Args:
        storage: Where it lies.
        decode: Also decode every clip; without, its bytes are still compared with their SHA-256.
        sweep: Then delete orphans, and let go of earlier generations: what only they name is deleted too. Refused while
            a run may be writing and while there are problems.
        force: Sweep all the same.
        corpus: Also compare every row with the corpus, see `corpus_of`.
        progress: Called after each part.

    Raises:
        JobError: There is no output, or a sweep of one that is not complete was asked for without `force`.
        OutputBusy: A sweep was asked for beside a run.
        CorpusError: The corpus cannot be read.
    """
    output = OutputFile.load(storage)
    with Lease.take(storage) if sweep else nullcontext() as lease:
        return _verify(storage, output, decode=decode, sweep=lease, force=force, corpus=corpus, progress=progress)[0]


def damaged_manifests(storage: Storage, output: OutputFile) -> list[str]:
    """Keys of the manifests that have any problem, in themselves or in what they name."""
    return _verify(storage, output, decode=True)[1]


def _verify(
    storage: Storage,
    output: OutputFile,
    *,
    decode: bool,
    sweep: MayWrite | None = None,
    force: bool = False,
    corpus: Corpus | None = None,
    progress: Progress | None = None,
) -> tuple[VerifyReport, list[str]]:
    owner, findings, complete = _owner(storage, output, decode=decode), Findings(), output.complete
    if sweep and complete is None and not force:
        raise JobError(
            f"{storage.uri} is not complete: a run may still be writing what looks like an orphan. "
            "Let the run end first, or sweep with force when none is running."
        )
    for fault in job_faults(output):
        findings.problem(fault)
    parts, earlier = parts_by_shard(storage, output, findings)
    check = _Check(storage, owner, findings, RowCheck(output, findings), earlier)
    num_done = 0
    for shard_id, objects in walk(storage, owner, parts.keys() | earlier.keys()):
        if shard_id is None:
            check.unowned(objects)
            continue
        check.shard(shard_id, parts.get(shard_id, []), objects)
        num_done += 1
        if progress:
            progress(num_done, len(parts.keys() | earlier.keys()))
    check.rows.finish()
    if corpus is not None:
        findings.compared(compare_corpus(storage, output, corpus, parts, check.rows.end, findings))
    swept, refused = _sweep(storage, output, findings, sweep, force) if sweep else (0, None)
    task = "refine" if output.is_text else "speak"
    report = findings.report(storage.uri, task, complete, len(parts), check.rows.num_missing, swept, refused)
    return report, sorted(check.damaged)


def _owner(storage: Storage, output: OutputFile, *, decode: bool) -> Owner:
    if output.is_text:
        return TextCheck(storage)
    return ClipCheck(storage, Layout.of(storage, output.job.spec), decode=decode)


class _Check:
    """One pass over the output.

    Attributes:
        damaged: Keys of the manifests with a problem.
    """

    def __init__(self, storage: Storage, owner: Owner, findings: Findings, rows: RowCheck, earlier: Parts) -> None:
        self._storage = storage
        self._owner = owner
        self._findings = findings
        self.rows = rows
        self._earlier = earlier
        self.damaged: set[str] = set()

    def unowned(self, objects: Mapping[str, int]) -> None:
        """Objects that belong to no committed shard."""
        for key, size in objects.items():
            if key.startswith(self._owner.prefix):
                self._findings.orphan(key, size)
            elif key not in COMPANIONS and not is_manifest(key) and not is_plan_key(key):
                self._findings.stray(key)

    def shard(self, shard_id: str, parts: list[PartName], objects: Mapping[str, int]) -> None:
        """Check a committed shard's manifest (or manifests, which is a problem) and the shard's objects."""
        if len(parts) > 1:
            self._findings.problem(f"shard {shard_id} has {len(parts)} manifests: {', '.join(p.key for p in parts)}")
        referenced: set[str] = set()
        rows: set[int] = set()
        is_readable = True
        for part in parts:
            num_problems = self._findings.num_problems
            try:
                records = load_part(self._storage, part)
                self.rows.part(part, records, rows)
                referenced |= self._owner.part(part, records, objects, self._findings)
            except JobError as error:
                self._findings.problem(str(error))
                is_readable = False
            if self._findings.num_problems > num_problems or len(parts) > 1:
                self.damaged.add(part.key)
        left = {key: size for key, size in objects.items() if key not in referenced}
        earlier = self._named_earlier(shard_id) if left else set()
        for key, size in left.items():
            # An unreadable manifest may name any of them.
            if earlier is None or key in earlier:
                self._findings.earlier(size)
            elif is_readable:
                self._findings.orphan(key, size)

    def _named_earlier(self, shard_id: str) -> set[str] | None:
        """The keys that a shard's manifests of earlier generations name; None if one cannot be read."""
        named: set[str] = set()
        for part in self._earlier.get(shard_id, ()):
            try:
                named |= named_keys(self._storage, part)
            except JobError as error:
                self._findings.problem(f"{error}; it is of an earlier generation")
                return None
            if part.index is not None:
                named.add(text_key(part))
        return named


def _sweep(
    storage: Storage, output: OutputFile, findings: Findings, lease: MayWrite, force: bool
) -> tuple[int, str | None]:
    """Delete what cannot count any more; how many keys, or why none."""
    if not output.root.run:
        return 0, "nothing was deleted: the output is of an older version, whose names do not say what is over"
    if findings.num_problems and not force:
        return 0, "nothing was deleted: beside problems, an orphan may be the last copy of a clip"
    if output.root.earlier and output.complete is not None:
        output = forget_earlier(storage, lease, output)
    prefix = TEXT_PREFIX if output.is_text else AUDIO_PREFIX
    return sweep_dead(storage, output.root, (prefix, MANIFEST_PREFIX)), None
