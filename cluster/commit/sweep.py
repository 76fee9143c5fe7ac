"""The sweep: what can never count again is deleted.

Guaranteed: nothing is deleted that counts, is kept, or is named by what counts or is kept, however old the root is
that the sweep goes by. Not known here: which prefixes an output has.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, replace

from ...actors.records.keys import MANIFEST_PREFIX
from .adoptions import NO_NAMES, adopt
from .names import Kind, ObjectName, Stamp
from .operations import Delete, List, Named, Page, ReadNames, StoreAnswer, StoreRequest
from .root import Generation, Root, counts, is_dead, is_kept
from .state import State


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


def _has_all(state: Generation, keys: list[str]) -> bool:
    own = [key for key in keys if ObjectName.of(key).stamp in state]
    is_named = state.names in (None, NO_NAMES.plus(own))
    return is_named and adopt((), (ObjectName.of(key).stamp for key in own)) == state.adopted
