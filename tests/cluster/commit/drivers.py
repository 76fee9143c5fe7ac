"""Drivers that execute the product's own machines over a model store, and what has to hold whatever happens.

A role is "run:J" (a run of job J), "over:K" (with --overwrite), "repair:J", "update:U" (J with another corpus, in
which shard 0 is as before, and of the others some rows), "sweep", "forget" (a sweep that keeps no replaced state),
"read" or "readold" (the state that was replaced last). Reading goes a page, a manifest or an object at a time; deletes
land key by key. Whatever decides is the product's; mutations override here, or patch there, one decision at a time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from speechmill.actors.records.keys import AUDIO_PREFIX, MANIFEST_PREFIX, ROOT_KEY, TEXT_PREFIX
from speechmill.cluster.commit import protocol
from speechmill.cluster.commit.names import Kind, ObjectName, Stamp
from speechmill.cluster.commit.operations import (
    DONE,
    MISSING,
    REFUSED,
    AwaitAudio,
    Delete,
    Found,
    Get,
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
from speechmill.cluster.commit.protocol import ClaimedRun, Commit, Read, Resume, State, WriteRoot
from speechmill.cluster.commit.root import Generation, Root

from .space import Sent, World

TAG = "5f3a"
PREFIXES = (MANIFEST_PREFIX, AUDIO_PREFIX)
Counted = dict[str, list[tuple[str, Any]]]
"""By shard: the manifests that count, and what they hold: (job, key of the audio)."""


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


class ProtocolRules:
    """The protocol as it is.

    is_conditional the store keeps conditions. If not, a root is written while the lease is held, and lands at once

    Args:
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
        self.is_conditional = is_conditional
        self.shards = [f"000000-{number:04d}" for number in range(num_shards)]
        self.retries = retries
        self.is_audio_late = is_audio_late
        self.has_losers = has_losers
        self.has_text = has_text
        self.blind = {(who, self.shards[shard]) for who, shard in blind if shard < num_shards}

    # What mutations may change.

    def found(self, store: dict[str, Any]) -> Found | None:
        """The root as a driver reads it."""
        file = store.get(ROOT_KEY)
        return None if file is None else Found(file, file.root.nonce)

    def is_complete(self, store: dict[str, Any]) -> bool:
        found = self.found(store)
        return found is not None and found.file.root.is_complete

    def counted(self, store: dict[str, Any], root: Root) -> Counted:
        """The manifests that a reader counts."""
        counted: Counted = {}
        for key, value in store.items():
            name = ObjectName.parse(key)
            if name is not None and name.kind is Kind.MANIFEST and protocol.counts(root, name.stamp):
                counted.setdefault(name.shard_id, []).append((key, value))
        return counted

    def sources(self, store: dict[str, Any], root: Root) -> tuple[tuple[str, str], ...]:
        """The audio of each shard that an update over this root may go on from: of what counts, or is kept."""
        states = [root, *[kept for state in root.earlier if (kept := _as_root(root, state))]]
        found: dict[str, str] = {}
        for state in states:
            for shard, many in self.counted(store, state).items():
                found.setdefault(shard, many[0][1][1])
        return tuple(sorted(found.items()))

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

    def manifest_key(self, shard: str, stamp: Stamp, who: int) -> str:
        """The key of a manifest with one row, whose audio is not equally long in every attempt."""
        window, _, index = shard.partition("-")
        return f"{MANIFEST_PREFIX}{window}/{index}.{stamp}.ok1.failed0.ms{1000 + who}.aa.jsonl"

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
        answer = self._read(world, who, machine.request)
        if answer is None:
            return None  # it waits for a write
        if isinstance(machine, Resume) and isinstance(answer, Page):
            adopted = {_shard(key) for key in answer.keys if machine.adopts(key)}
            driver = replace(driver, have=driver.have | adopted)
        label = f"{_told(machine.request)}: {_answer_told(answer)}"
        return label, self._pump(world, who, replace(driver, machine=machine.step(answer)))

    def _start(self, world: World, who: int, driver: Driver) -> tuple[str, Driver]:
        store, base = world.store, self.found(world.store)
        driver = replace(driver, base=base)
        how: dict[str, Any] = {"nonce": f"{who}.{driver.tries}.claim", "is_conditional": self.is_conditional}
        why, machine = "", None
        if driver.role in ("read", "readold"):
            machine = None if base is None else protocol.Read(base)
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
                why, machine = "forget", protocol.forget(base, base.file.body, **how)
        elif driver.role == "sweep":
            machine = None if base is None else protocol.Sweep.of(base.file.root, PREFIXES)
        elif base is None or driver.role == "over":
            why, machine = "begin", protocol.begin(base, driver.job, tag=TAG, **how)
            for key in self.deletes_first(world, driver, machine.file.root):
                world.sent.append(Sent(who, "delete", key))
        elif driver.role == "update" and base.file.body == "J":
            only = [key for key, _ in self.counted(store, base.file.root).get(self.shards[0], ())]
            why, machine = "update", protocol.update(base, driver.job, only, **how)
            compared = frozenset(_shard(key) for key in only)
            driver = replace(driver, sources=self.sources(store, base.file.root), compared=compared)
        elif base.file.body == driver.job and not self.is_complete(store):
            why, machine = "resume", protocol.resume(base, driver.job, **how)
            if base.file.root.generation > 1:
                counted = self.counted(store, base.file.root)
                machine = replace(machine, only=frozenset(key for many in counted.values() for key, _ in many))
                compared = frozenset(counted)
                driver = replace(driver, sources=self.sources(store, base.file.root), compared=compared)
        elif base.file.body == driver.job and driver.role == "repair":
            damaged = [key for key, _ in self.counted(store, base.file.root).get(self.shards[-1], ())]
            why, machine = "repair", protocol.repair(base, driver.job, damaged, **how)
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
            sweep = protocol.Sweep.of(claim.file.root, PREFIXES)
            return f"{label}; sweeps", self._pump(world, who, replace(driver, why="", machine=sweep))
        if driver.why == "begin":
            # Its listings and deletes are sent at one moment here; the role "sweep" goes step by step.
            sweep = protocol.Sweep.of(claim.file.root, PREFIXES)
            while (request := sweep.request) is not None:
                if isinstance(request, Delete):
                    world.sent += [Sent(who, "delete", key) for key in request.keys]
                sweep = sweep.step(self._read(world, who, request) or DONE)
            label += "; sends deletes of what is dead"
        return label, replace(driver, machine=None, run=self.run_of(who, driver))

    def _speak(self, world: World, who: int, driver: Driver) -> tuple[str, Driver] | None:
        run = driver.run
        assert run is not None
        for shard in self.shards:
            if shard not in driver.have and shard in dict(driver.sources):
                run, stamp = run.begin_commit()
                key = self.manifest_key(shard, stamp, who)
                commit = protocol.Commit((), ((key, (driver.job, dict(driver.sources)[shard])),))
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
                return f"speaks {shard}", self._pump_commit(world, who, driver, protocol.Commit((audio,), objects))
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

    def _read(self, world: World, who: int, request: StoreRequest) -> StoreAnswer | None:
        store = world.store
        match request:
            case Get():
                return self.found(store) or MISSING
            case List(prefix, after):
                return self._page(store, who, prefix, after)
            case ReadNames(key):
                return Named(frozenset({store[key][1]})) if key in store else MISSING
            case ReadObjects(keys):
                return DONE if all(key in store for key in keys) else MISSING
            case _:
                return None

    def _page(self, store: dict[str, Any], who: int, prefix: str, after: str | None) -> Page:
        """Of manifests a shard, of audio everything."""
        keys = sorted(key for key in store if key.startswith(prefix))
        if prefix != MANIFEST_PREFIX:
            return Page(tuple(keys), is_last=True)
        keys = [key for key in keys if (who, _shard(key)) not in self.blind]
        for shard in self.shards:
            if after is not None and shard <= _shard(after):
                continue
            if page := tuple(key for key in keys if _shard(key) == shard):
                return Page(page, is_last=shard == self.shards[-1])
        return Page((), is_last=True)

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
            world.acked = world.acked | {_shard(sent.key)}
        return replace(driver, run=driver.run.commit_landed(sent.key))

    # What has to hold.

    def fault_of(self, driver: Driver) -> str | None:
        is_damaged = isinstance(driver.machine, Read) and driver.machine.state is State.DAMAGED
        return "a reader says damaged, and nothing is" if is_damaged else None

    def fault(self, world: World) -> str | None:
        store = world.store
        found = self.found(store)
        if found is None:
            return "a complete output lost its root" if world.done else None
        root, counted, is_complete = found.file.root, self.counted(store, found.file.root), self.is_complete(store)
        if world.done is not None and not (is_complete and root.run == world.done):
            return "what was told complete is not complete any more"
        for many in counted.values():
            if len(many) > 1:
                return "a shard counts twice"
            _, (job, audio) = many[0]
            if job != found.file.body and (job, found.file.body) != ("J", "U"):
                return "a manifest of another job counts"
            if audio not in store:
                return "audio that a counted manifest names is gone"
        for state in root.earlier:
            kept = _as_root(root, state)
            if kept is None:
                continue
            held = self.counted(store, kept)
            keys = [key for many in held.values() for key, _ in many]
            if kept.names != protocol.NO_NAMES.plus(keys):
                return "a state that is kept has lost a manifest"
            if any(audio not in store for many in held.values() for _, (_, audio) in many):
                return "a state that is kept has lost audio"
        if is_complete and len(counted) < len(self.shards):
            return "complete, and a shard is missing"
        keys = [key for many in counted.values() for key, _ in many]
        if root.names is not None and root.names != protocol.NO_NAMES.plus(keys):
            return "complete, and other manifests count than when it was completed"
        if world.acked - counted.keys() and not self.blind:  # what a listing does not show is spoken again
            return "a committed shard does not count any more"
        return None

    # Where it starts, and where it ends.

    def initial(self, kind: str) -> tuple[dict[str, Any], Any]:
        """A store and what is told complete there: "empty", "open" (without the last shard), "complete"; by run 1."""
        if kind == "empty":
            return {}, None
        store: dict[str, Any] = {}
        run = ClaimedRun(RootFile(Root(1, TAG, "old"), "J"), "old", protocol.NO_NAMES)
        for shard in self.shards[: -1 if kind == "open" else None]:
            run, stamp = run.begin_commit()
            audio = f"{AUDIO_PREFIX}{shard}-{run.stamp}-a9.tar"
            key = self.manifest_key(shard, stamp, 9)
            store |= {audio: "J", key: ("J", audio)}
            run = run.commit_landed(key)
        store[ROOT_KEY] = run.file if kind == "open" else WriteRoot(run.file, None).file
        if kind == "complete":
            store[ROOT_KEY] = run.complete("J", nonce="old complete").file
        return store, 1 if kind == "complete" else None

    def left_over(self, store: dict[str, Any]) -> set[str]:
        """What a sweep ought to have removed, or not."""
        root = store[ROOT_KEY].root
        keep = {ROOT_KEY}
        for state in [root, *[kept for state in root.earlier if (kept := _as_root(root, state))]]:
            for many in self.counted(store, state).values():
                keep |= {many[0][0], many[0][1][1]}
        texts = {key for key in store if key.startswith(TEXT_PREFIX)}
        return (set(store) ^ keep) - texts


def _as_root(root: Root, state: Generation) -> Root | None:
    """The root of a kept state as its readers need it; of one that was not complete, None."""
    return root.at(state.number)


def _shard(key: str) -> str:
    name = ObjectName.parse(key)
    assert name is not None, key
    return name.shard_id


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
