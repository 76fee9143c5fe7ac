"""The protocol without one of its rules, by the rule's number. Each has to be found out by the interleavings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from typing import Any

import pytest

from speechmill.actors.records.keys import ROOT_KEY
from speechmill.cluster.commit import claimed_run, claims
from speechmill.cluster.commit import read as read_module
from speechmill.cluster.commit import root as root_module
from speechmill.cluster.commit import sweep as sweep_module
from speechmill.cluster.commit.adoptions import NO_NUMBERS
from speechmill.cluster.commit.claimed_run import ClaimedRun, Commit
from speechmill.cluster.commit.claims import Resume
from speechmill.cluster.commit.names import ObjectName, Stamp
from speechmill.cluster.commit.operations import Page, Put, StoreAnswer, StoreRequest
from speechmill.cluster.commit.read import Read
from speechmill.cluster.commit.root import Root, counted_manifest
from speechmill.cluster.commit.state import State
from speechmill.cluster.commit.sweep import Sweep
from speechmill.cluster.commit.write_root import WriteRoot

from .drivers import Driver, ProtocolRules
from .model_store import TAG
from .space import Sent, World

Patch = Callable[[pytest.MonkeyPatch], None]


class PlainRoot(WriteRoot):
    """Written without a condition."""

    @property
    def request(self) -> StoreRequest | None:
        return Put(ROOT_KEY, self.file) if self.state is State.WRITE else None

    @classmethod
    def of(cls, machine: WriteRoot) -> PlainRoot:
        return cls(**{field.name: getattr(machine, field.name) for field in fields(machine)})


def begin_plainly(patch: pytest.MonkeyPatch) -> None:
    begin = claims.begin
    patch.setattr(claims, "begin", lambda *args, **keys: PlainRoot.of(begin(*args, **keys)))


class PlainResume(Resume):
    """Its claim is written without a condition."""

    def step(self, answer: StoreAnswer) -> Resume | WriteRoot:
        after = Resume.step(self, answer)
        return PlainRoot.of(after) if isinstance(after, WriteRoot) else after


def resume_plainly(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(claims, "Resume", PlainResume)


def complete_plainly(patch: pytest.MonkeyPatch) -> None:
    complete = ClaimedRun.complete
    patch.setattr(ClaimedRun, "complete", lambda run, body, nonce: PlainRoot.of(complete(run, body, nonce=nonce)))


class NoClaim(ProtocolRules):
    """Who goes on writes no root: the lease alone keeps two apart."""

    def is_claimed(self, driver: Driver) -> bool:
        return super().is_claimed(driver) or (isinstance(driver.machine, WriteRoot) and driver.why == "resume")

    def _pump(self, world: World, who: int, driver: Driver) -> Driver:
        return driver if driver.why == "resume" else super()._pump(world, who, driver)

    def run_of(self, who: int, driver: Driver) -> ClaimedRun:
        base = driver.base
        if driver.why != "resume" or base is None:
            return super().run_of(who, driver)
        own = dict(driver.machine.file.root.adopted).get(base.file.root.run, NO_NUMBERS)
        return ClaimedRun(base.file, base.tag, driver.machine.names, next_number=10 * who + 10, landed=own)


class SpeaksEarly(ProtocolRules):
    """Commits are begun before the claim is answered."""

    def is_claimed(self, driver: Driver) -> bool:
        return super().is_claimed(driver) or (isinstance(driver.machine, WriteRoot) and driver.why == "resume")

    def run_of(self, who: int, driver: Driver) -> ClaimedRun:
        return ClaimedRun.of(replace(driver.machine, state=State.DONE, tag=driver.machine.file.root.nonce))


class CompletesEarly(ProtocolRules):
    """Complete is sent before all commits have landed."""

    def is_settled(self, run: ClaimedRun) -> bool:
        return True


def complete_early(patch: pytest.MonkeyPatch) -> None:
    complete = ClaimedRun.complete
    patch.setattr(
        ClaimedRun, "complete", lambda run, body, nonce: complete(replace(run, num_open=0), body, nonce=nonce)
    )


class MarkApart(ProtocolRules):
    """The mark of completeness is an object of its own."""

    def is_complete(self, store: dict[str, Any]) -> bool:
        found = self.found(store)
        return found is not None and f"complete.{found.file.root.run}" in store

    def _told(self, world: World, sent: Sent, before: Any) -> None:
        super()._told(world, sent, before)
        if sent.key.startswith("complete."):
            world.done = sent.value

    def initial(self, kind: str) -> tuple[dict[str, Any], Any]:
        store, done = super().initial(kind)
        if kind == "complete":
            root = replace(store[ROOT_KEY].root, adopted=(), is_complete=False, names=None)
            store |= {ROOT_KEY: replace(store[ROOT_KEY], root=root), "complete.1": 1}
        return store, done


def mark_apart(patch: pytest.MonkeyPatch) -> None:
    def complete(run: ClaimedRun, body: Any, *, nonce: str) -> Commit:
        return Commit((), ((f"complete.{run.file.root.run}", run.file.root.run),))

    patch.setattr(ClaimedRun, "complete", complete)


class NoRunInNames(ProtocolRules):
    """A manifest's name says the shard alone."""

    def manifest_key(self, shard: str, stamp: Stamp, who: int) -> str:
        return super().manifest_key(shard, Stamp(TAG, 1, int(shard[-4:])), 0)


def count_as(patch: pytest.MonkeyPatch, counts: Callable[[Root, Stamp], bool]) -> None:
    patch.setattr(sweep_module, "counts", counts)
    patch.setattr(root_module, "counts", counts)  # that `is_dead` asks


class ReadsAll(Sweep):
    """Reads every manifest that counts: without runs in names, none can be told from the adopted ones."""

    @classmethod
    def of(cls, root: Root, prefixes: Iterable[str]) -> Sweep:
        return cls(root, tuple(prefixes), State.LIST)

    def _listed(self, page: Page) -> Sweep:
        keys = [(name.shard_id, key) for key in page.keys if (name := ObjectName.parse(key)) is not None]
        left = replace(self, after=page.end or self.after, counted=(*self.counted, *keys))
        return replace(left, state=State.DELETE, after=None) if page.is_last else left


def count_by_shard(patch: pytest.MonkeyPatch) -> None:
    count_as(patch, lambda root, stamp: stamp.number is not None)
    patch.setattr(sweep_module, "Sweep", ReadsAll)


def adopt_whole_runs(patch: pytest.MonkeyPatch) -> None:
    def counts(root: Root, stamp: Stamp) -> bool:
        is_own = stamp.run == root.run and not root.is_complete
        return stamp.number is not None and (is_own or stamp.run in dict(root.adopted))

    count_as(patch, counts)


def count_all(patch: pytest.MonkeyPatch) -> None:
    count_as(patch, lambda root, stamp: stamp.number is not None and stamp.run <= root.run)


class DeletesFirst(ProtocolRules):
    """Older objects are deleted before the begin is answered."""

    def deletes_first(self, world: World, driver: Driver, root: Root) -> Iterable[str]:
        names = {key: ObjectName.parse(key) for key in sorted(world.store)}
        return [key for key, name in names.items() if name is not None and sweep_module.is_dead(root, name.stamp)]


def all_other_runs_are_dead(patch: pytest.MonkeyPatch) -> None:
    def is_dead(root: Root, stamp: Stamp) -> bool:
        return stamp.run != root.run and not root_module.counts(root, stamp)

    patch.setattr(sweep_module, "is_dead", is_dead)


def sweep_beside_missing_names(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Sweep, "_is_whole", lambda sweep, keys: True)


def do_not_await_audio(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(claimed_run, "Commit", lambda audio, objects: Commit((), objects))


class NoSecondLook(Read):
    """What is missing is damaged at once."""

    def step(self, answer: StoreAnswer) -> Read:
        after = Read.step(self, answer)
        return replace(after, state=State.DAMAGED) if after.state is State.LOOK else after


def read_without_second_look(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(read_module, "Read", NoSecondLook)


class ForgetsAtOnce(Resume):
    """An update keeps nothing of the state that it goes on from."""

    def _root(self) -> Root:
        return replace(Resume._root(self), earlier=())


def update_without_the_state_before(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(claims, "Resume", ForgetsAtOnce)


class AdoptsWhatLanded(Resume):
    """An update adopts all that is listed, also what it has not compared."""

    def adopts(self, key: str) -> bool:
        return key not in self.damaged and counted_manifest(self.base.file.root, key) is not None


def update_by_listing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(claims, "Resume", AdoptsWhatLanded)


@dataclass(frozen=True, slots=True)
class Mutation:
    """A rule that is dropped, and a scenario that shows it: what is there, who runs, what lands twice."""

    rule: int
    what: str
    start: str
    roles: str
    fault: str
    patch: Patch = lambda patch: None
    rules: type[ProtocolRules] = ProtocolRules
    num_shards: int = 1
    options: tuple[tuple[str, Any], ...] = ()


_NOT_COMPLETE = "what was told complete is not complete any more"
_TWICE = "a shard counts twice"
_GONE = "audio that a counted manifest names is gone"
_UNCOUNTED = "a committed shard does not count any more"
_SHORT = "complete, and a shard is missing"

MUTATIONS = [
    Mutation(1, "begin by a plain put", "empty", "run:J run:J", _NOT_COMPLETE, begin_plainly),
    Mutation(2, "resume by a plain put", "open", "run:J run:J", _NOT_COMPLETE, resume_plainly),
    Mutation(2, "no claim", "open", "run:J run:J", _TWICE, rules=NoClaim),
    Mutation(2, "speak before the claim is answered", "open", "run:J run:J", _TWICE, rules=SpeaksEarly),
    Mutation(3, "complete by a plain put", "complete", "over:J over:J", _GONE, complete_plainly),
    Mutation(3, "complete before all has landed", "empty", "run:J", _SHORT, complete_early, CompletesEarly),
    Mutation(4, "the mark apart from the root", "open", "run:J run:J", _NOT_COMPLETE, mark_apart, MarkApart),
    Mutation(5, "no run in names", "empty", "run:J run:J sweep", _GONE, count_by_shard, NoRunInNames),
    Mutation(6, "whole runs are adopted", "empty", "run:J run:J", _TWICE, adopt_whole_runs, num_shards=2),
    Mutation(7, "whatever lands counts", "empty", "run:J run:J", _TWICE, count_all),
    Mutation(8, "delete before the begin is answered", "complete", "over:K over:K", _GONE, rules=DeletesFirst),
    Mutation(9, "all runs but the root's are dead", "complete", "over:J sweep", _UNCOUNTED, all_other_runs_are_dead),
    Mutation(
        10, "sweep beside a missing name", "complete", "repair:J sweep", _GONE, sweep_beside_missing_names,
        num_shards=2, options=(("blind", ((1, 0),)),),
    ),
    Mutation(
        11, "manifest before its audio", "empty", "run:J", _GONE, do_not_await_audio, options=(("is_audio_late", True),)
    ),
    Mutation(13, "an update keeps nothing of the state before", "complete", "update:U run:U sweep", _GONE,
             update_without_the_state_before, num_shards=2),
    Mutation(6, "an update adopts what it has not compared", "open", "run:J update:U", _TWICE, update_by_listing,
             num_shards=2),
    Mutation(12, "no second look at the root", "complete", "over:K read", "a reader says damaged, and nothing is",
             read_without_second_look),
]  # fmt: skip
