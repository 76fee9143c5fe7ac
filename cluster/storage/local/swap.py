"""Compare-and-swap of a file without a lock: a process that is paused anywhere in it keeps no other one from going on.

A process that replaces a version writes the new one beside it (`Stage`), then links a name to it that says which
version it follows (`ClaimVersion`: made once or not at all). From then on the successor is decided, and any process
that finds the claim may move it into place (`Move`): a file is moved once, as it loses its own name, so that a move
that comes late moves nothing.

Guaranteed, as no two versions have the same content: each version has one successor, and is replaced by that alone,
also where claims of versions that are over are removed: a claim is acted on only after the version that it follows was
seen to be still in place, and in that time it is not removed. A swap that says no has written nothing.
Not known here: file systems. Plain writes and deletes of the same file are not shut out; they go before or after.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Look:
    """Which version is in place? Answered by its tag, None for none."""


@dataclass(frozen=True, slots=True)
class FindClaim:
    """Which file follows this version? Answered by its name, None if that is undecided."""

    old: str


@dataclass(frozen=True, slots=True)
class Stage:
    """Write the new version under this name, onto the disk."""

    name: str


@dataclass(frozen=True, slots=True)
class ClaimVersion:
    """Have this file follow that version, unless another does. Answered by the name of the one that does."""

    old: str
    name: str


@dataclass(frozen=True, slots=True)
class FindOld:
    """Which claims are of other versions than this one, and old? Answered by their names."""

    old: str


@dataclass(frozen=True, slots=True)
class Move:
    """Move this file into place. Answered by whether it still had its name."""

    name: str


@dataclass(frozen=True, slots=True)
class IsThere:
    """Whether this file still has its name."""

    name: str


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove these files and claims; absent ones do not matter."""

    names: tuple[str, ...] = ()
    claim_of: str | None = None


Step = Look | FindClaim | Stage | ClaimVersion | FindOld | Move | IsThere | Remove
Steps = Generator[Step, object, bool]


class ClaimBroken(Exception):
    """A claim names a file that is gone, though the version that it follows is in place: it was removed by hand."""


def swap(old: str, new: str, name: str) -> Steps:
    """Replace a version of an object. Yields steps, is sent their answers.

    Args:
        old: Tag of the version that has to be in place.
        new: Tag of the one that takes its place.
        name: A name for its file, used by this swap alone.

    Returns:
        Whether it is in place.

    Raises:
        ClaimBroken: A file was removed by hand.
    """
    current = yield Look()
    if current != old:
        return current == new  # an own earlier try, whose end was not told
    follows = yield FindClaim(old)
    if follows is None:
        yield Stage(name)
        follows = yield ClaimVersion(old, name)
        if follows != name:
            yield Remove((name,))
    assert isinstance(follows, str)
    over = yield FindOld(old)
    assert isinstance(over, tuple)
    if (yield Look()) == old:
        # `old` is in place after the claim was there: the claim is true, nothing else can replace `old`, and the other
        # claims, which were there before, are of versions that are over.
        is_moved = yield Move(follows)
        if over:
            yield Remove(over)
        if not is_moved and (yield Look()) == old:
            raise ClaimBroken(follows)
    elif follows == name and (yield IsThere(name)):
        # The claim was made when `old` was over, and its own claim removed. What was true would have been moved.
        yield Remove((name,), old)
        return False
    if follows == name:
        return True
    return (yield Look()) == new
