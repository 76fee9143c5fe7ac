"""A run that has claimed its output: the numbers of its commits, each of them, and its end.

Guaranteed: no two commits of a run have the same number, and it is completed when all that were begun have landed.
Not known here: what is committed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from .adoptions import NO_NUMBERS, Adopted, Adoptions, NameDigest
from .names import ObjectName, Stamp
from .operations import AwaitAudio, Put, RootFile, StoreAnswer, StoreRequest
from .state import State
from .write_root import WriteRoot, write_root


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
        landed = self.landed.plus([ObjectName.of(manifest_key).stamp.number or 0])
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
