"""The roots that claim an output for a run: begin, resume, repair and update; and the one that forgets.

Guaranteed: a claim has a run number of its own, and adopts what the listing before it showed, of what counted. Not
known here: which manifests are damaged, and which of them fit the job.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from ...actors.records.keys import MANIFEST_PREFIX
from ...errors import JobError
from .adoptions import NO_NAMES, Adoptions, NameDigest, adopt
from .names import ObjectName
from .operations import Found, List, Page, RootFile, StoreAnswer, StoreRequest
from .root import Generation, Root, counted_manifest
from .write_root import WriteRoot, write_root


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
        return counted_manifest(self.base.file.root, key) is not None

    def step(self, answer: StoreAnswer) -> Resume | WriteRoot:
        assert isinstance(answer, Page)
        keys = [key for key in answer.keys if self.adopts(key)]
        adopted = adopt(self.adopted, (ObjectName.of(key).stamp for key in keys))
        names, seen = self.names.plus(keys), self.seen
        if self.is_update and not self.base.file.root.is_complete:
            counted = (name for key in answer.keys if (name := counted_manifest(self.base.file.root, key)) is not None)
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
