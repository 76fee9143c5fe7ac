"""A run's claim on an output: the run number that the names of all its commits carry.

Guaranteed by `cluster/commit`: one claim counts at a time. Requests that a run sends after another run has claimed the
output add nothing that counts, and delete nothing that counts. The lease is checked before each request, so that a run
without it stops early. This module does not interpret shards or manifests.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any, Protocol

from ...actors.records.keys import AUDIO_PREFIX, COMPLETE_KEY, MANIFEST_PREFIX, ROOT_KEY, TEXT_PREFIX
from ...actors.records.part_name import PartName
from ...cluster.commit.claimed_run import ClaimedRun
from ...cluster.commit.claims import Resume, begin, forget, repair, resume, update
from ...cluster.commit.executor import Executor
from ...cluster.commit.operations import Page, StoreAnswer
from ...cluster.commit.protocol import Machine
from ...cluster.commit.root import Root
from ...cluster.commit.state import State
from ...cluster.commit.sweep import Sweep
from ...cluster.commit.write_root import WriteRoot
from ...cluster.storage import Entry, Storage
from ...cluster.storage.guard import guarded
from ...errors import LeaseLost, OutputGone
from .card import delete_companions
from .complete import Complete
from .identity import JobFile
from .output_file import OutputFile, completed
from .plan_log import delete_plan
from .reader import named_keys

SWEPT = (AUDIO_PREFIX, TEXT_PREFIX, MANIFEST_PREFIX)
"""Prefixes that a run sweeps; all of them, because the output may have held another task before."""


SWEEP_THREADS = 16
"""Manifests read at once for the names in them."""
MANIFESTS_KEPT = 256
"""Manifests whose names are kept in memory: those of a window and more."""


class MayWrite(Protocol):
    """The part of a lease that a writer needs.

    Attributes:
        is_exclusive: Whether the store keeps conditions on writes
    """

    is_exclusive: bool

    def check(self) -> None:
        """Raise LeaseLost if another driver may hold the lease."""
        ...


class Claim:
    """The claim of this run on an output. Several threads may commit to it."""

    def __init__(self, storage: Storage, lease: MayWrite, job: JobFile, claimed: WriteRoot) -> None:
        self._storage, self._lease, self._job = storage, lease, job
        self._run = ClaimedRun.of(claimed)
        self._numbering = threading.Lock()

    @classmethod
    def begin(cls, storage: Storage, lease: MayWrite, found: OutputFile | None, job: JobFile) -> Claim:
        """Begin an output anew. Objects that it held before do not count any more.

        Raises:
            LeaseLost: Another run has claimed it first
        """
        tag, base = secrets.token_hex(2), found.base if found else None
        how: dict[str, Any] = {"tag": tag, "nonce": _nonce(), "is_conditional": lease.is_exclusive}
        claim = cls(storage, lease, job, _written(storage, lease, begin(base, job.body, **how)))
        with guarded(lease.check):
            delete_plan(storage)  # it is another job's
            if found is not None:
                delete_companions(storage, found.job)
            if found is not None and not found.root.run:
                storage.delete([COMPLETE_KEY])
        return claim

    @classmethod
    def resume(
        cls,
        storage: Storage,
        lease: MayWrite,
        found: OutputFile,
        damaged: Iterable[str],
        listed: Callable[[str], Iterator[Entry]],
        count: Callable[[PartName], None],
        *,
        only: Iterable[str] | None = None,
        updated: JobFile | None = None,
    ) -> Claim:
        """Continue an output. Its parts go on to count, except those with damaged manifests.

        Args:
            found: The output's `job.json`
            damaged: Keys of the damaged manifests
            listed: Lists the manifests, in any order
            count: Called with each part that goes on to count
            only: Keys of the manifests that may go on to count, where their rows were compared with the corpus
            updated: The job from now on, of an update: the present state becomes a generation that is kept

        Raises:
            LeaseLost: Another run has claimed it first
            JobError: The output has format 2
        """
        how: dict[str, Any] = {"nonce": _nonce(), "is_conditional": lease.is_exclusive}
        if updated is not None:
            machine = update(found.base, updated.body, only or (), damaged, **how)
        elif found.root.is_complete:
            machine = repair(found.base, found.job.body, damaged, **how)
        else:
            machine = resume(found.base, found.job.body, frozenset(damaged), **how)
        if only is not None:
            machine = replace(machine, only=frozenset(only))

        def see(machine: Machine, answer: StoreAnswer) -> None:
            if isinstance(machine, Resume) and isinstance(answer, Page):
                for key in filter(machine.adopts, answer.keys):
                    count(PartName.parse(key))

        claimed = _written(storage, lease, machine, see, listed)
        return cls(storage, lease, updated or found.job, claimed)

    def check(self) -> None:
        """Raise LeaseLost if another driver may have claimed the output."""
        self._lease.check()

    @property
    def stamp(self) -> str:
        """The stamp in the names of audio objects: "r5f3a-7"."""
        return str(self._run.stamp)

    @property
    def is_first(self) -> bool:
        """Whether this run is the output's first, so that no other run can have left objects."""
        return self._run.stamp.run == 1

    def begin_commit(self) -> str:
        """The stamp of one manifest, to be taken right before it is written: "r5f3a-7.n42"."""
        with self._numbering:
            self._run, stamp = self._run.begin_commit()
        return str(stamp)

    def landed(self, manifest_key: str) -> None:
        """Record that the manifest is stored."""
        with self._numbering:
            self._run = self._run.commit_landed(manifest_key)

    def complete(self, complete: Complete) -> None:
        """Write the mark of completeness.

        Raises:
            LeaseLost: Another run has claimed the output
            OutputGone: `job.json` was deleted
        """
        body = completed(self._job.body, complete)
        _written(self._storage, self._lease, self._run.complete(body, nonce=_nonce()))

    def sweep(self) -> int:
        """Delete objects that cannot count any more; the number of keys."""
        root = self._run.file.root
        if (found := OutputFile.read(self._storage)) is not None and found.root.tag == root.tag:
            root = found.root  # newer, if this run has completed the output
        with guarded(self._lease.check):
            return sweep(self._storage, root)


def forget_earlier(storage: Storage, lease: MayWrite, found: OutputFile) -> OutputFile:
    """Keep no earlier generation of a complete output any more; its `job.json` then.

    Raises:
        LeaseLost: A run has claimed the output first
        OutputGone: `job.json` was deleted
    """
    assert found.complete is not None, "the output is complete"
    job = replace(found.job, earlier={})
    body = completed(job.body, found.complete)
    _written(storage, lease, forget(found.base, body, nonce=_nonce(), is_conditional=lease.is_exclusive))
    return OutputFile.load(storage)


def sweep(storage: Storage, root: Root, prefixes: Iterable[str] = SWEPT) -> int:
    """Delete objects that cannot count under this root; the number of keys."""
    num_deleted = 0
    # Where each clip is an object, a shard's keys lie on several pages of the listing.
    names = lru_cache(MANIFESTS_KEPT)(partial(named_keys, storage))
    with ThreadPoolExecutor(SWEEP_THREADS, "sweep") as threads:
        coming: dict[str, Future[set[str]]] = {}

        def see(machine: Machine, answer: StoreAnswer) -> None:
            nonlocal num_deleted
            if not isinstance(machine, Sweep):
                return
            if isinstance(answer, Page):
                # In a continued run nearly every manifest has to be read; one after the other that takes hours.
                for key in machine.step(answer).unread:
                    coming[key] = threads.submit(names, PartName.parse(key))
            elif not machine.unread:
                num_deleted += len(machine.dead)

        Executor(storage, names=lambda key: coming.pop(key).result()).run(Sweep.of(root, prefixes), see)
    return num_deleted


def _written(
    storage: Storage,
    lease: MayWrite,
    machine: WriteRoot | Resume,
    see: Callable[[Machine, StoreAnswer], None] | None = None,
    listed: Callable[[str], Iterator[Entry]] | None = None,
) -> WriteRoot:
    """Carry out a claim or a completion.

    Raises:
        LeaseLost: Another run has claimed the output first
        OutputGone: `job.json` was deleted
    """
    with guarded(lease.check):
        lease.check()
        ended: Any = Executor(storage, listed=listed).run(machine, see)
    if ended.state is State.DONE:
        return ended
    where = storage.location(ROOT_KEY)
    if ended.found is None:
        raise OutputGone(
            f"{where} was deleted while this run wrote its output, and maybe more with it; delete what is left in "
            f"{storage.uri}, or restore it, and run the same command"
        )
    raise LeaseLost(f"{where} was claimed by run {ended.found.file.root.run} meanwhile; this run commits nothing more")


def _nonce() -> str:
    return secrets.token_hex(16)
