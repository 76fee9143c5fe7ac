"""Who may count, and who may delete: how drivers write one output, whichever of them are paused, late or thought dead.

Guaranteed, however late, often or seldom a request lands, and without asking for the lease: of all runs one counts at
a time; no shard counts twice; what counts stays, with its audio; a complete output stays complete until a claim over
that very root. A driver that was replaced finds out when its next root is refused, and what it still sends counts for
nothing: nothing that counts has a name that it writes, or may delete. The lease only saves work.

Each machine is a frozen value. `request` is the one operation that it waits for, None at its end; `step` takes the
answer and gives the machine that follows. It does nothing itself: the driver sends requests, and may be stopped
before and after each. An operation whose answer got lost may be sent again, as it stands.

    begin    root read -> put_if(root of the next run, which adopts nothing) -> answered -> sweep, while speaking
    resume   open root read -> manifests listed -> put_if(next run, which adopts what the list showed) -> answered
    repair   the same over a complete root; damaged manifests are not adopted
    update   the same over either; manifests that do not fit any more are not adopted, and the replaced state is kept
    forget   complete root read -> put_if(the same root, which keeps no replaced state)
    commit   audio landed -> text landed -> manifest
    complete all commits landed -> put_if(the same run, complete, with its own commits adopted)
    sweep    root read -> all that is adopted listed -> dead objects that nothing names deleted, page by page
    read     root read -> what counts listed and read; where something is missing, the root again

Rules 4 and 5 are of the data: the mark of completeness stands in the root itself (`Root.is_complete`), and the run in
every name (`Stamp`). Rules 6, 7 and 9 are `root.counts` and `root.is_dead`.
Rule 13: a manifest may name audio of an earlier run only if a manifest named it that the own root adopts or keeps,
and both are of one shard. So no sweep, however old its root, deletes audio that such a manifest names.
Not known here: stores, rows, and what else `job.json` holds (`RootFile.body`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Any

from ...actors.records.keys import MANIFEST_PREFIX, ROOT_KEY
from ...errors import JobError
from .names import Kind, ObjectName, Stamp
from .operations import (
    MISSING,
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
from .root import (
    NO_NAMES,
    NO_NUMBERS,
    Adopted,
    Adoptions,
    Generation,
    NameDigest,
    Root,
    adopt,
    counts,
    is_dead,
    is_kept,
)


class State(Enum):
    """Where a machine is."""

    COMPARE = auto()
    WRITE = auto()
    LIST = auto()
    READ = auto()
    DELETE = auto()
    LOOK = auto()
    DONE = auto()
    LOST = auto()
    STOPPED = auto()
    CHANGED = auto()
    DAMAGED = auto()


# Claims: begin, resume, repair; and complete.


@dataclass(frozen=True, slots=True)
class WriteRoot:
    """One write of the root; DONE if it is there, LOST (with what was `found`) if another one came first.

    Rules 1, 2 and 3: each write of the root is compared with the root as its writer read it. A refusal may be of an
    own first try whose answer got lost: the root is read again, and one of the own nonce is ours. LOST needs no
    undoing: what was written by then counts only if the winner adopted it.

    Attributes:
        base: Tag of the root that is replaced.
        names: Names of the manifests that the new root adopts.
        is_conditional: The store keeps conditions. If not, the root is compared, written plainly (only while the lease
            is held) and read back. Then the promise falls that a claim is never overwritten: a root's put that lands
            after the lease was lost takes the output from its next driver. All other requests may be late as ever.
    """

    file: RootFile
    base: str | None
    names: NameDigest = NO_NAMES
    is_conditional: bool = True
    state: State = State.WRITE
    tag: str = ""
    found: Found | None = None

    @property
    def request(self) -> StoreRequest | None:
        if self.state is State.WRITE:
            return PutIf(ROOT_KEY, self.file, self.base) if self.is_conditional else Put(ROOT_KEY, self.file)
        return Get() if self.state in (State.COMPARE, State.LOOK) else None

    def step(self, answer: StoreAnswer) -> WriteRoot:
        if self.state is State.WRITE:
            if isinstance(answer, Written) and self.is_conditional:
                return replace(self, state=State.DONE, tag=answer.tag)
            return replace(self, state=State.LOOK)
        found = answer if isinstance(answer, Found) else None
        if self.state is State.COMPARE:
            is_same = (found and found.tag) == self.base
            return replace(self, state=State.WRITE if is_same else State.LOST, found=found)
        if found is not None and found.file.root.nonce == self.file.root.nonce:
            return replace(self, state=State.DONE, tag=found.tag)
        return replace(self, state=State.LOST, found=found)


def write_root(
    file: RootFile, base: str | None, names: NameDigest = NO_NAMES, *, is_conditional: bool = True
) -> WriteRoot:
    """The machine that writes this root."""
    return WriteRoot(file, base, names, is_conditional, State.WRITE if is_conditional else State.COMPARE)


def begin(base: Found | None, body: Any, *, tag: str, nonce: str, is_conditional: bool = True) -> WriteRoot:
    """Begin an output anew: where there is none, or over whatever was read there.

    Rule 1: by put_if. Rule 8: nothing is deleted before it is answered; from then on all older objects are dead, and
    `Sweep` removes them, in the background. `tag` is used if there was no root with one.
    """
    old = base.file.root if base is not None else Root.unstamped(is_complete=False)
    root = Root(old.run + 1, old.tag or tag, nonce)
    return write_root(RootFile(root, body), base.tag if base else None, is_conditional=is_conditional)


@dataclass(frozen=True, slots=True)
class Resume:
    """Claim an output to go on with it: lists the manifests, then becomes the `WriteRoot` that adopts them.

    Rule 2: nothing is spoken before that is DONE. Rule 6: each manifest is adopted by its number, so that one of an
    earlier run which lands after its page was listed does not count (rule 7); its shard is spoken again.

    Attributes:
        base: The root as read before the listing: open, or complete to be repaired or updated.
        damaged: Keys of manifests that are not adopted.
        only: Keys of the manifests that may be adopted; None: all others. Where the caller has read what they hold, one
            that landed since must not count: its rows are spoken again.
        is_update: The state of `base` is replaced by the next generation, and kept.
        seen: Every manifest that counted in it.
    """

    base: Found
    body: Any
    nonce: str
    damaged: frozenset[str] = frozenset()
    is_conditional: bool = True
    after: str | None = None
    adopted: Adoptions = ()
    names: NameDigest = NO_NAMES
    only: frozenset[str] | None = None
    is_update: bool = False
    seen: Adoptions = ()

    @property
    def request(self) -> StoreRequest | None:
        return List(MANIFEST_PREFIX, self.after)

    def adopts(self, key: str) -> bool:
        """Whether a listed manifest is adopted: the driver's ledger counts exactly these."""
        if key in self.damaged or (self.only is not None and key not in self.only):
            return False
        return _is_counted(self.base.file.root, key) is not None

    def step(self, answer: StoreAnswer) -> Resume | WriteRoot:
        assert isinstance(answer, Page)
        keys = [key for key in answer.keys if self.adopts(key)]
        adopted = adopt(self.adopted, (_name(key).stamp for key in keys))
        names, seen = self.names.plus(keys), self.seen
        if self.is_update and not self.base.file.root.is_complete:
            counted = (name for key in answer.keys if (name := _is_counted(self.base.file.root, key)) is not None)
            seen = adopt(seen, (name.stamp for name in counted))
        after = replace(self, after=answer.end or self.after, adopted=adopted, names=names, seen=seen)
        if not answer.is_last:
            return after
        return write_root(RootFile(after._root(), self.body), self.base.tag, names, is_conditional=self.is_conditional)

    def _root(self) -> Root:
        """The root that claims the output."""
        old = self.base.file.root
        generation, earlier = old.generation, old.earlier
        if self.is_update:
            replaced = old.adopted if old.is_complete else self.seen
            earlier = (*earlier, Generation(generation, replaced, old.names))
            generation += 1
        return Root(old.run + 1, old.tag, self.nonce, self.adopted, generation=generation, earlier=earlier)


def resume(base: Found, body: Any, damaged: Iterable[str] = (), *, nonce: str, is_conditional: bool = True) -> Resume:
    """Go on with an open output, without these manifests.

    Raises:
        JobError: For one of format 2, where late manifests look like others
    """
    if base.file.root.run == 0:
        raise JobError("this output was begun by an older version: finish it with that one, or use --overwrite")
    assert not base.file.root.is_complete, "a complete output is repaired, or begun anew"
    return Resume(base, body, nonce, frozenset(damaged), is_conditional)


def repair(base: Found, body: Any, damaged: Iterable[str], *, nonce: str, is_conditional: bool = True) -> Resume:
    """Open a complete output again, without these manifests.

    Raises:
        JobError: For one of format 2
    """
    if base.file.root.run == 0:
        raise JobError("this output was made by an older version: repair it with that one, or use --overwrite")
    assert base.file.root.is_complete, "an open output is resumed"
    return Resume(base, body, nonce, frozenset(damaged), is_conditional)


def update(
    base: Found, body: Any, only: Iterable[str], damaged: Iterable[str] = (), *, nonce: str, is_conditional: bool = True
) -> Resume:
    """Go on with an output as another job, whose corpus has changed: of all that counts, these manifests are adopted.

    The state of `base`, complete or open, is kept as a generation. A manifest of the run may name audio of the others
    (rule 13).

    Raises:
        JobError: For one of format 2
    """
    if base.file.root.run == 0:
        raise JobError("this output was made by an older version: it cannot be updated; use --overwrite")
    return Resume(base, body, nonce, frozenset(damaged), is_conditional, only=frozenset(only), is_update=True)


def forget(base: Found, body: Any, *, nonce: str, is_conditional: bool = True) -> WriteRoot:
    """Keep no replaced state any more. By put_if (rule 3); rule 8: what only they held is dead once it is answered."""
    root = base.file.root
    assert root.is_complete, "an update may go on from the replaced states of an open output"
    root = replace(root, nonce=nonce, earlier=())
    return write_root(RootFile(root, body), base.tag, is_conditional=is_conditional)


# Commits.


@dataclass(frozen=True, slots=True)
class ClaimedRun:
    """An output that was claimed: what the driver needs to commit to it, and to complete it.

    Attributes:
        names: Names of all manifests that count: adopted, or landed since.
        landed: Numbers of the run's own commits that landed.
        num_open: Commits that were begun and have not landed.
    """

    file: RootFile
    tag: str
    names: NameDigest
    is_conditional: bool = True
    next_number: int = 0
    landed: Adopted = NO_NUMBERS
    num_open: int = 0

    @classmethod
    def of(cls, claim: WriteRoot) -> ClaimedRun:
        """Rule 2: of a claim that is DONE, not before."""
        assert claim.state is State.DONE, f"the claim is {claim.state.name}"
        return cls(claim.file, claim.tag, claim.names, claim.is_conditional)

    @property
    def stamp(self) -> Stamp:
        """Rule 5: it stands in every name of audio that this run has written."""
        return Stamp(self.file.root.tag, self.file.root.run)

    def begin_commit(self) -> tuple[ClaimedRun, Stamp]:
        """The stamp of one manifest, and of its text, taken right before they are written (not when they are queued).

        So the numbers that are skipped in the end are as few as writes are under way at once.
        """
        number = self.next_number
        return replace(self, next_number=number + 1, num_open=self.num_open + 1), replace(self.stamp, number=number)

    def commit_landed(self, manifest_key: str) -> ClaimedRun:
        """After the `Commit` of this manifest is DONE."""
        landed = self.landed.plus([_name(manifest_key).stamp.number or 0])
        return replace(self, landed=landed, names=self.names.plus([manifest_key]), num_open=self.num_open - 1)

    def complete(self, body: Any, *, nonce: str) -> WriteRoot:
        """Rule 3: by put_if over the run's own claim, when every commit that was begun has landed.

        Rule 4: the mark stands in the root, so no claim that comes in between overlooks it.
        """
        assert not self.num_open, f"{self.num_open} commits have not landed"
        claim = self.file.root
        own: Adoptions = ((claim.run, self.landed),) if len(self.landed) else ()
        earlier = tuple([state for state in claim.earlier if state.names is not None])
        root = replace(
            claim, nonce=nonce, adopted=(*claim.adopted, *own), is_complete=True, names=self.names, earlier=earlier
        )
        return write_root(RootFile(root, body), self.tag, self.names, is_conditional=self.is_conditional)


@dataclass(frozen=True, slots=True)
class Commit:
    """The commit of a shard. Rule 11: the manifest is written when all that it names has landed.

    Attributes:
        audio: Keys of what its attempt wrote.
        objects: Keys and contents in the order in which they are written, each after the one before has landed: the
            text if there is one, the manifest last.
    """

    audio: tuple[str, ...]
    objects: tuple[tuple[str, Any], ...]

    @property
    def request(self) -> StoreRequest | None:
        if self.audio:
            return AwaitAudio(self.audio)
        return Put(*self.objects[0]) if self.objects else None

    def step(self, answer: StoreAnswer) -> Commit:
        return Commit((), self.objects) if self.audio else Commit((), self.objects[1:])


# Sweep and read.


@dataclass(frozen=True, slots=True)
class Sweep:
    """Delete what is dead and not named; DONE, or STOPPED where something that has to be there was not found.

    Rule 8: `root` is a root that was read, or whose write was answered; it may be old by now.
    Rule 10: all that the root adopts is listed before anything is deleted: where a name is missing (a listing that
    lags), nothing tells which audio it names. A manifest that cannot be read stops the sweep for the same reason.
    Only manifests that are adopted or kept are read: those of the open run itself name nothing that is dead, but what
    one of these names too (rule 13).

    Attributes:
        prefixes: Prefixes of what is swept, still to be listed; the manifests' among them.
        counted: Shard and key of the manifests that are adopted or kept, sorted.
        dead: Keys of the page that are dead unless named; `unread`: manifests that may name them.
    """

    root: Root
    prefixes: tuple[str, ...]
    state: State
    after: str | None = None
    counted: tuple[tuple[str, str], ...] = ()
    dead: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    is_last: bool = False

    @classmethod
    def of(cls, root: Root, prefixes: Iterable[str]) -> Sweep:
        """A sweep of everything below these prefixes."""
        return cls(root, tuple(prefixes), State.LIST if root.adopted or root.earlier else State.DELETE)

    @property
    def request(self) -> StoreRequest | None:
        if self.state is State.LIST:
            return List(MANIFEST_PREFIX, self.after)
        if self.state is not State.DELETE:
            return None
        if self.unread:
            return ReadNames(self.unread[0])
        if self.dead:
            return Delete(self.dead)
        return List(self.prefixes[0], self.after) if self.prefixes else None

    def step(self, answer: StoreAnswer) -> Sweep:
        if isinstance(answer, Page):
            return self._listed(answer) if self.state is State.LIST else self._judged(answer)
        if not self.unread:
            return self._deleted()
        if not isinstance(answer, Named):
            return replace(self, state=State.STOPPED, dead=(), unread=())
        dead = tuple(key for key in self.dead if key not in answer.keys)
        left = replace(self, dead=dead, unread=self.unread[1:])
        return left if dead or left.unread else left._deleted()

    def _listed(self, page: Page) -> Sweep:
        counted = [*self.counted]
        for key in page.keys:
            name = ObjectName.parse(key)
            if name is not None and name.kind is Kind.MANIFEST and self._is_promised(name.stamp):
                counted.append((name.shard_id, key))
        if not page.is_last:
            return replace(self, after=page.end or self.after, counted=tuple(counted))
        is_whole = self._is_whole([key for _, key in counted])
        state = State.DELETE if is_whole else State.STOPPED
        return replace(self, state=state, after=None, counted=tuple(sorted(counted)))

    def _is_promised(self, stamp: Stamp) -> bool:
        """Whether the root adopts or keeps a manifest of this stamp by its number."""
        is_adopted = counts(self.root, stamp) and stamp.run in dict(self.root.adopted)
        return is_adopted or is_kept(self.root, stamp)

    def _is_whole(self, keys: list[str]) -> bool:
        """Rule 10: whether these are the manifests that the root adopts or keeps, all of them."""
        states = [Generation(self.root.generation, self.root.adopted, self.root.names), *self.root.earlier]
        return all(_has_all(state, keys) for state in states)

    def _judged(self, page: Page) -> Sweep:
        names = {key: ObjectName.parse(key) for key in sorted((*page.keys, *page.empty))}
        dead = {key: name for key, name in names.items() if name is not None and is_dead(self.root, name.stamp)}
        shards = sorted({name.shard_id for name in dead.values() if name.kind is Kind.AUDIO})
        unread = tuple(key for shard_id in shards for key in self._counted_of(shard_id))
        judged = replace(self, after=page.end or self.after, dead=tuple(dead), unread=unread, is_last=page.is_last)
        return judged if dead else judged._deleted()

    def _counted_of(self, shard_id: str) -> Iterable[str]:
        for shard, key in self.counted[bisect_left(self.counted, (shard_id, "")) :]:
            if shard != shard_id:
                return
            yield key

    def _deleted(self) -> Sweep:
        if not self.is_last:
            return replace(self, dead=())
        prefixes = self.prefixes[1:]
        state = State.DELETE if prefixes else State.DONE
        return replace(self, state=state, prefixes=prefixes, after=None, dead=(), is_last=False)


@dataclass(frozen=True, slots=True)
class Read:
    """Read what counts; DONE, CHANGED (begin again with the root as it is now), or DAMAGED.

    Rule 12: where something is missing, an object or a name that a complete root promises, the root is read again: if
    it is another one by now, all that was read may have been replaced, and nothing is damaged.

    Attributes:
        generation: The kept state whose root is `base` (`Root.at`); None for the present one.
    """

    base: Found
    state: State = State.LIST
    after: str | None = None
    names: NameDigest = NO_NAMES
    unread: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()
    is_last: bool = False
    generation: int | None = None

    @property
    def request(self) -> StoreRequest | None:
        if self.state is State.LOOK:
            return Get()
        if self.state is not State.LIST:
            return None
        if self.objects:
            return ReadObjects(self.objects)
        return ReadNames(self.unread[0]) if self.unread else List(MANIFEST_PREFIX, self.after)

    def step(self, answer: StoreAnswer) -> Read:
        root = self.base.file.root
        if self.state is State.LOOK:
            now = answer.file.root if isinstance(answer, Found) else None
            is_same = (now.at(self.generation) if now and self.generation is not None else now) == root
            return replace(self, state=State.DAMAGED if is_same else State.CHANGED)
        if answer is MISSING:
            return replace(self, state=State.LOOK, unread=(), objects=())
        if isinstance(answer, Page):
            keys = tuple(key for key in answer.keys if _is_counted(root, key) is not None)
            after = replace(
                self, after=answer.end or self.after, names=self.names.plus(keys), unread=keys, is_last=answer.is_last
            )
        elif isinstance(answer, Named):
            after = replace(self, unread=self.unread[1:], objects=tuple(sorted(answer.keys)))
        else:
            after = replace(self, objects=())
        return after._ended() if after.is_last and not after.unread and not after.objects else after

    def _ended(self) -> Read:
        is_whole = self.base.file.root.names in (None, self.names)
        return replace(self, state=State.DONE if is_whole else State.LOOK)


Machine = WriteRoot | Resume | Commit | Sweep | Read


def _is_counted(root: Root, key: str) -> ObjectName | None:
    """The name of a manifest that counts."""
    name = ObjectName.parse(key)
    return name if name is not None and name.kind is Kind.MANIFEST and counts(root, name.stamp) else None


def _has_all(state: Generation, keys: list[str]) -> bool:
    own = [key for key in keys if _name(key).stamp in state]
    is_named = state.names in (None, NO_NAMES.plus(own))
    return is_named and adopt((), (_name(key).stamp for key in own)) == state.adopted


def _name(key: str) -> ObjectName:
    name = ObjectName.parse(key)
    assert name is not None, f"{key} is no name that a run writes"
    return name
