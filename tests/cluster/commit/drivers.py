"""Drivers that execute the product's own machines over a model store (`model_store`). What has to hold: `invariants`.

A role is "run:J" (a run of job J), "over:K" (with --overwrite), "repair:J", "update:U" (J with another corpus, in
which shard 0 is as before, and of the others some rows), "sweep", "forget" (a sweep that keeps no replaced state),
"read" or "readold" (the state that was replaced last). Reading goes a page, a manifest or an object at a time; deletes
land key by key. Whatever decides is the product's; mutations override here, or patch there, one decision at a time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from speechmill.actors.records.keys import AUDIO_PREFIX, ROOT_KEY, TEXT_PREFIX
from speechmill.cluster.commit import claimed_run, claims
from speechmill.cluster.commit import read as read_module
from speechmill.cluster.commit import sweep as sweep_module
from speechmill.cluster.commit.claimed_run import ClaimedRun, Commit
from speechmill.cluster.commit.claims import Resume
from speechmill.cluster.commit.operations import (
    DONE,
    REFUSED,
    AwaitAudio,
    Delete,
    Found,
    List,
    Named,
    Page,
    Put,
    PutIf,
    ReadNames,
    ReadObjects,
    RootFile,
    StoreAnswer,
    StoreRequest,
    Written,
)
from speechmill.cluster.commit.read import Read
from speechmill.cluster.commit.root import Root
from speechmill.cluster.commit.state import State
from speechmill.cluster.commit.write_root import WriteRoot

from .invariants import Invariants
from .model_store import PREFIXES, TAG, shard_of
from .space import Sent, World


@dataclass(frozen=True, slots=True)
class Driver:
    """One process.

    Attributes:
        why: What its root's write is for
        machine: What it is about, if it is one thing at a time
        base: The root as it was first read
        run: Once its claim is won
        have: Shards that are adopted, or begun by this run
        commits: Under way, by the key that each waits for
        sources: Shards with their audio, which the manifests that an update writes may name
        compared: Shards of which an update, or who continues it, has seen before its claim that they count on
    """

    role: str
    job: str
    is_over: bool = False
    why: str = ""
    machine: Any = None
    base: Found | None = None
    run: ClaimedRun | None = None
    have: frozenset[str] = frozenset()
    commits: tuple[tuple[str, Commit], ...] = ()
    tries: int = 0
    sources: tuple[tuple[str, str], ...] = ()
    compared: frozenset[str] | None = None


class ProtocolRules(Invariants):
    """The protocol as it is.

    Args:
        is_conditional: The store keeps conditions. If not, a root is written while the lease is held, and lands at once
        retries: How often a refused driver begins again, without a look at the lease
        is_audio_late: Audio lands some time after it was sent, as all else
        has_losers: Of shard 0 there is a second attempt's audio, which its own run deletes
        has_text: A text object goes before each manifest
        blind: Pairs of a driver and a shard whose manifests its listings never show
    """

    def __init__(
        self,
        num_shards: int = 2,
        *,
        retries: int = 0,
        is_audio_late: bool = False,
        has_losers: bool = False,
        has_text: bool = False,
        blind: Iterable[tuple[int, int]] = (),
        is_conditional: bool = True,
    ) -> None:
        super().__init__(num_shards, blind)
        self.is_conditional = is_conditional
        self.retries = retries
        self.is_audio_late = is_audio_late
        self.has_losers = has_losers
        self.has_text = has_text

    # What mutations may change.

    def deletes_first(self, world: World, driver: Driver, root: Root) -> Iterable[str]:
        """What is deleted before a begin is answered: nothing."""
        return ()

    def is_claimed(self, driver: Driver) -> bool:
        """Whether a driver that has sent its claim may speak."""
        return isinstance(driver.machine, WriteRoot) and driver.machine.state is State.DONE

    def run_of(self, who: int, driver: Driver) -> ClaimedRun:
        return ClaimedRun.of(driver.machine)

    def is_settled(self, run: ClaimedRun) -> bool:
        """Whether a run that has begun all its commits may complete."""
        return not run.num_open

    # Steps.

    def driver(self, role: str) -> Driver:
        return Driver(*role.partition(":")[::2])

    def step(self, world: World, who: int, driver: Driver) -> tuple[str, Driver] | None:
        machine = driver.machine
        if driver.is_over:
            return None
        if driver.run is not None and machine is None:
            return self._speak(world, who, driver)
        if machine is None:
            return self._start(world, who, driver)
        if driver.run is None and driver.why and self.is_claimed(driver):
            return self._claimed(world, who, driver)
        if machine.request is None:
            return self._ended(driver)
        answer = self.answer(world, who, machine.request)
        if answer is None:
            return None  # it waits for a write
        if isinstance(machine, Resume) and isinstance(answer, Page):
            adopted = {shard_of(key) for key in answer.keys if machine.adopts(key)}
            driver = replace(driver, have=driver.have | adopted)
        label = f"{_told(machine.request)}: {_answer_told(answer)}"
        return label, self._pump(world, who, replace(driver, machine=machine.step(answer)))

    def _start(self, world: World, who: int, driver: Driver) -> tuple[str, Driver]:
        store, base = world.store, self.found(world.store)
        driver = replace(driver, base=base)
        how: dict[str, Any] = {"nonce": f"{who}.{driver.tries}.claim", "is_conditional": self.is_conditional}
        why, machine = "", None
        if driver.role in ("read", "readold"):
            machine = None if base is None else read_module.Read(base)
            if base is not None and driver.role == "readold":
                number = base.file.root.generation - 1
                old = base.file.root.at(number)
                machine = (
                    None if old is None else Read(replace(base, file=replace(base.file, root=old)), generation=number)
                )
            return "reads the root", replace(driver, machine=machine, is_over=machine is None)
        world.lease = who
        if driver.role == "forget":
            if base is not None and base.file.root.is_complete and base.file.root.earlier:
                why, machine = "forget", claims.forget(base, base.file.body, **how)
        elif driver.role == "sweep":
            machine = None if base is None else sweep_module.Sweep.of(base.file.root, PREFIXES)
        elif base is None or driver.role == "over":
            why, machine = "begin", claims.begin(base, driver.job, tag=TAG, **how)
            for key in self.deletes_first(world, driver, machine.file.root):
                world.sent.append(Sent(who, "delete", key))
        elif driver.role == "update" and base.file.body == "J":
            only = [key for key, _ in self.counted(store, base.file.root).get(self.shards[0], ())]
            why, machine = "update", claims.update(base, driver.job, only, **how)
            compared = frozenset(shard_of(key) for key in only)
            driver = replace(driver, sources=self.sources(store, base.file.root), compared=compared)
        elif base.file.body == driver.job and not self.is_complete(store):
            why, machine = "resume", claims.resume(base, driver.job, **how)
            if base.file.root.generation > 1:
                counted = self.counted(store, base.file.root)
                machine = replace(machine, only=frozenset(key for many in counted.values() for key, _ in many))
                compared = frozenset(counted)
                driver = replace(driver, sources=self.sources(store, base.file.root), compared=compared)
        elif base.file.body == driver.job and driver.role == "repair":
            damaged = [key for key, _ in self.counted(store, base.file.root).get(self.shards[-1], ())]
            why, machine = "repair", claims.repair(base, driver.job, damaged, **how)
        driver = replace(driver, why=why, machine=machine, is_over=machine is None)
        return f"takes the lease, reads the root ({driver.role})", self._pump(world, who, driver)

    def _claimed(self, world: World, who: int, driver: Driver) -> tuple[str, Driver]:
        claim = driver.machine
        label = "has claimed"
        if driver.compared is not None:
            if driver.compared - driver.have:
                return "stops: less is listed than before", Driver(driver.role, driver.job, is_over=True)
            driver = replace(driver, have=driver.compared)
        if driver.why == "forget":
            sweep = sweep_module.Sweep.of(claim.file.root, PREFIXES)
            return f"{label}; sweeps", self._pump(world, who, replace(driver, why="", machine=sweep))
        if driver.why == "begin":
            # Its listings and deletes are sent at one moment here; the role "sweep" goes step by step.
            sweep = sweep_module.Sweep.of(claim.file.root, PREFIXES)
            while (request := sweep.request) is not None:
                if isinstance(request, Delete):
                    world.sent += [Sent(who, "delete", key) for key in request.keys]
                sweep = sweep.step(self.answer(world, who, request) or DONE)
            label += "; sends deletes of what is dead"
        return label, replace(driver, machine=None, run=self.run_of(who, driver))

    def _speak(self, world: World, who: int, driver: Driver) -> tuple[str, Driver] | None:
        run = driver.run
        assert run is not None
        for shard in self.shards:
            if shard not in driver.have and shard in dict(driver.sources):
                run, stamp = run.begin_commit()
                key = self.manifest_key(shard, stamp, who)
                commit = claimed_run.Commit((), ((key, (driver.job, dict(driver.sources)[shard])),))
                driver = replace(driver, run=run, have=driver.have | {shard})
                return f"keeps {shard}", self._pump_commit(world, who, driver, commit)
            if shard not in driver.have:
                audio = f"{AUDIO_PREFIX}{shard}-{run.stamp}-a{who}.tar"
                if self.is_audio_late:
                    world.sent.append(Sent(who, "put", audio, driver.job, None, "audio"))
                else:
                    world.store[audio] = driver.job
                if self.has_losers and shard == self.shards[0]:
                    loser = f"{AUDIO_PREFIX}{shard}-{run.stamp}-b{who}.tar"
                    world.store[loser] = driver.job
                    world.sent.append(Sent(who, "delete", loser))
                run, stamp = run.begin_commit()
                key = self.manifest_key(shard, stamp, who)
                objects = ((key, (driver.job, audio)),)
                if self.has_text:
                    objects = ((f"{TEXT_PREFIX}{shard}-{stamp}.jsonl", driver.job), *objects)
                driver = replace(driver, run=run, have=driver.have | {shard})
                return f"speaks {shard}", self._pump_commit(world, who, driver, claimed_run.Commit((audio,), objects))
        if not self.is_settled(run):
            return None
        machine = run.complete(driver.job, nonce=f"{who}.{driver.tries}.complete")
        return "all landed", self._pump(world, who, replace(driver, machine=machine, why="complete"))

    def _ended(self, driver: Driver) -> tuple[str, Driver]:
        if isinstance(driver.machine, WriteRoot) and driver.machine.state is State.LOST and driver.tries < self.retries:
            return "is refused; tries again", replace(
                self.driver(f"{driver.role}:{driver.job}"), tries=driver.tries + 1
            )
        # Only what a reader says is kept: the rest of an ended driver makes no difference any more.
        machine = driver.machine if isinstance(driver.machine, Read) else None
        return "ends", Driver(driver.role, driver.job, is_over=True, machine=machine)

    def _pump(self, world: World, who: int, driver: Driver) -> Driver:
        """Send what the machine wants written: that it lands late stands for that it is sent late."""
        request = driver.machine.request if driver.machine is not None else None
        if isinstance(request, PutIf):
            world.sent.append(Sent(who, "put_if", request.key, request.file, request.base, driver.why))
        elif isinstance(request, Put) and isinstance(driver.machine, WriteRoot) and not self.is_conditional:
            if world.lease != who:
                return Driver(driver.role, driver.job, is_over=True)
            sent = Sent(who, "put", request.key, request.value, driver.machine.base, driver.why)
            self.land(world, sent, None, is_answered=False)
            return replace(driver, machine=driver.machine.step(Written()))
        elif isinstance(request, Put):
            world.sent.append(
                Sent(who, "put", request.key, request.value, getattr(driver.machine, "base", None), driver.why)
            )
        elif isinstance(request, Delete):
            world.sent += [Sent(who, "delete", key) for key in request.keys]
            return self._pump(world, who, replace(driver, machine=driver.machine.step(DONE)))
        return driver

    def _pump_commit(self, world: World, who: int, driver: Driver, commit: Commit) -> Driver:
        request = commit.request
        if isinstance(request, AwaitAudio):
            if not self.is_audio_late:
                return self._pump_commit(world, who, driver, commit.step(DONE))
            return replace(driver, commits=(*driver.commits, (request.keys[0], commit)))
        assert isinstance(request, Put)
        world.sent.append(Sent(who, "put", request.key, request.value, None, "commit"))
        return replace(driver, commits=(*driver.commits, (request.key, commit)))

    # Landings.

    def land(self, world: World, sent: Sent, driver: Driver | None, is_answered: bool) -> Driver | None:
        store = world.store
        before = store.get(ROOT_KEY)
        is_refused = sent.kind == "put_if" and (before.root.nonce if before is not None else None) != sent.base
        if sent.kind == "delete":
            store.pop(sent.key, None)
            return driver
        if not is_refused:
            store[sent.key] = sent.value
            self._told(world, sent, before)
        if driver is None or sent.who is None or not is_answered:
            return driver
        for key, commit in driver.commits:
            if key == sent.key:
                return self._commit_landed(world, sent, driver, commit)
        machine = driver.machine
        if machine is None or machine.request is None or getattr(machine.request, "key", None) != sent.key:
            return driver
        answer = REFUSED if is_refused else Written(sent.value.root.nonce if sent.key == ROOT_KEY else "")
        return self._pump(world, sent.who, replace(driver, machine=machine.step(answer)))

    def _told(self, world: World, sent: Sent, before: RootFile | None) -> None:
        """What may be relied on from here."""
        is_root = sent.key == ROOT_KEY
        if is_root and sent.why == "update" and (before.root.nonce if before else None) == sent.base:
            world.done = None
            world.acked = world.acked & {self.shards[0]}
        if is_root and sent.why in ("begin", "repair") and (before.root.nonce if before else None) == sent.base:
            world.done = None
            world.acked = frozenset() if sent.why == "begin" else world.acked - {self.shards[-1]}
        if is_root and sent.value.root.is_complete:
            world.done = sent.value.root.run

    def _commit_landed(self, world: World, sent: Sent, driver: Driver, commit: Commit) -> Driver:
        assert sent.who is not None
        assert driver.run is not None
        left = tuple((key, other) for key, other in driver.commits if key != sent.key)
        driver, after = replace(driver, commits=left), commit.step(Written() if sent.why == "commit" else DONE)
        if after.request is not None:
            return self._pump_commit(world, sent.who, driver, after)
        root = world.store[ROOT_KEY].root if ROOT_KEY in world.store else None
        if world.lease == sent.who and root and not root.is_complete and root.run == driver.run.file.root.run:
            world.acked = world.acked | {shard_of(sent.key)}
        return replace(driver, run=driver.run.commit_landed(sent.key))


def _told(request: StoreRequest) -> str:
    match request:
        case List(prefix, _):
            return f"lists {prefix}"
        case ReadNames(key):
            return f"reads {key}"
        case ReadObjects(keys):
            return f"reads {', '.join(keys)}"
        case _:
            return "reads the root again"


def _answer_told(answer: StoreAnswer) -> str:
    match answer:
        case Page(keys):
            return ", ".join(keys) or "nothing"
        case Named(keys):
            return ", ".join(keys)
        case Found(file):
            return f"run {file.root.run}{', complete' if file.root.is_complete else ''}"
        case _:
            return "there" if answer is DONE else "missing"
