"""One conditional write of the root: how a run is claimed, and how it is completed.

Guaranteed: a root is replaced only as its writer has read it (rule 3), and a write whose answer got lost is told from
that of another driver. Not known here: what stands in the root.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...actors.records.keys import ROOT_KEY
from .adoptions import NO_NAMES, NameDigest
from .operations import Found, Get, Put, PutIf, RootFile, StoreAnswer, StoreRequest, Written
from .state import State


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
