"""The reading of what counts, while other drivers write.

Guaranteed: what is called damaged is missing under a root that stands. Not known here: how objects are read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...actors.records.keys import MANIFEST_PREFIX
from .adoptions import NO_NAMES, NameDigest
from .operations import MISSING, Found, Get, List, Named, Page, ReadNames, ReadObjects, StoreAnswer, StoreRequest
from .root import counted_manifest
from .state import State


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
            keys = tuple(key for key in answer.keys if counted_manifest(root, key) is not None)
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
