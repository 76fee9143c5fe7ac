"""The root of an output: the one object that says which manifests count. It lies in `job.json`.

Guaranteed: what `Root.to_json` writes, `Root.from_json` reads, and nothing else passes, because an output may have
been edited by anyone. What counts and what is dead follows from the root and a key alone. What is dead is dead for
ever: `run` only rises, and of earlier runs, a root adopts or keeps only what the root before it adopted or kept.
Not known here: how the root is written, and what else `job.json` holds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

from ...errors import JobError
from .adoptions import Adopted, Adoptions, NameDigest
from .names import TAG, Kind, ObjectName, Stamp

_MAX = 10**18


@dataclass(frozen=True, slots=True)
class Generation:
    """A state of the output that an update has replaced. Its objects stay until it is forgotten.

    Attributes:
        number: From 1; each update makes the next one.
        adopted: The commits that counted in it.
        names: The names of their manifests; None if the state was not complete.
    """

    number: int
    adopted: Adoptions
    names: NameDigest | None = None

    def __contains__(self, stamp: Stamp) -> bool:
        """Whether a manifest of this stamp, by an earlier run of the same output, counted in it."""
        return stamp.number is not None and any(stamp.number in some for run, some in self.adopted if run == stamp.run)


@dataclass(frozen=True, slots=True)
class Root:
    """Which run the output belongs to, and what of the earlier ones counts.

    Attributes:
        run: Number of the claim, from 1: every claim has one of its own. 0: format 2, without stamps.
        tag: Random, of the first claim.
        nonce: Random, of this one write, so that it is recognised when its answer got lost.
        adopted: By run; of a complete output with its last run.
        is_complete: Every row is in a manifest that counts.
        names: In a complete output, the names of all manifests that count. None for format 2.
        generation: 1, and one more with each update.
        earlier: Replaced states that are kept, ascending. Only an open root has states that were not complete: what
            an update goes on from.
    """

    run: int
    tag: str
    nonce: str
    adopted: Adoptions = ()
    is_complete: bool = False
    names: NameDigest | None = None
    generation: int = 1
    earlier: tuple[Generation, ...] = ()

    def at(self, generation: int) -> Root | None:
        """The root of a complete state that is kept, as readers need it; None if there is none of this number."""
        for state in self.earlier:
            if state.number == generation and state.names is not None:
                run = max((run for run, _ in state.adopted), default=1)
                return Root(run, self.tag, "", state.adopted, True, state.names, generation)
        return self if generation == self.generation else None

    def to_json(self) -> dict[str, Any]:
        """As it stands in `job.json`."""
        assert self.run > 0, "format 2 is never written"
        body: dict[str, Any] = {
            "run": self.run,
            "tag": self.tag,
            "nonce": self.nonce,
            "state": "complete" if self.is_complete else "open",
            "adopted": _adoptions_json(self.adopted),
        }
        if self.names is not None:
            body |= _names_json(self.names)
        if self.generation > 1:
            body["generation"] = self.generation
        if self.earlier:
            body["earlier"] = [
                {"generation": state.number, "adopted": _adoptions_json(state.adopted)}
                | ({} if state.names is None else _names_json(state.names))
                for state in self.earlier
            ]
        return body

    @classmethod
    def from_json(cls, body: object) -> Root:
        """Read it back.

        Raises:
            JobError: The text is none that `to_json` writes; the message names the fault
        """
        fields = _fields(body)
        state = fields["state"]
        _require(state in ("open", "complete"), "state", state, "'open' or 'complete'")
        is_complete = state == "complete"
        if fields.keys() - _OF_UPDATES != (_KEYS | _OF_COMPLETE if is_complete else _KEYS):
            raise JobError(f"a root that is {state} has the keys {', '.join(sorted(fields)):.200}")
        run = _whole("run", fields["run"], 1)
        adopted = _adoptions(fields["adopted"], run if is_complete else run - 1)
        names = _names(fields, adopted) if is_complete else None
        generation = _whole("generation", fields.get("generation", 1), 1)
        earlier = _earlier(fields.get("earlier", []), run - 1, generation, is_complete=is_complete)
        tag = fields["tag"]
        _require(isinstance(tag, str) and re.fullmatch(TAG, tag) is not None, "tag", tag, "4 to 16 hexadecimal digits")
        nonce = _hex("nonce", fields["nonce"], "{8,64}")
        return cls(run, str(tag), nonce, adopted, is_complete, names, generation, earlier)

    @classmethod
    def unstamped(cls, *, is_complete: bool) -> Root:
        """The root of an output of format 2, whose `job.json` says nothing of runs."""
        return cls(0, "", "", (), is_complete)


def counts(root: Root, stamp: Stamp) -> bool:
    """Whether a manifest (or text) of this stamp counts.

    Rules 6 and 7: of the run itself while it is open, of earlier runs by number; what lands after it was replaced by
    another claim is not adopted, and does not count.
    """
    if root.run == 0:
        return stamp.run == 0
    if stamp.tag != root.tag or stamp.number is None:
        return False
    if stamp.run == root.run and not root.is_complete:
        return True
    return any(stamp.number in some for run, some in root.adopted if run == stamp.run)


def counted_manifest(root: Root, key: str) -> ObjectName | None:
    """The name of a manifest that counts; None for any other key."""
    name = ObjectName.parse(key)
    return name if name is not None and name.kind is Kind.MANIFEST and counts(root, name.stamp) else None


def is_kept(root: Root, stamp: Stamp) -> bool:
    """Whether a manifest (or text) of this stamp counted in a replaced state that is kept."""
    return stamp.tag == root.tag and any(stamp in state for state in root.earlier)


def is_dead(root: Root, stamp: Stamp) -> bool:
    """Whether an object of this stamp can never count again, unless (audio) a manifest that counts or is kept names it.

    Rule 9: only of runs below the root's as it was read, and of the last run once that is complete. So a decision that
    is hours old is still right. Names of another tag may be an output that was begun since: they are not dead.
    """
    if stamp.run == 0:
        return root.run > 0
    is_over = stamp.run < root.run or (stamp.run == root.run and root.is_complete)
    return stamp.tag == root.tag and is_over and not counts(root, stamp) and not is_kept(root, stamp)


_KEYS = {"run", "tag", "nonce", "state", "adopted"}
_OF_COMPLETE = {"num_manifests", "names"}
_OF_UPDATES = {"generation", "earlier"}


def _adoptions_json(adopted: Adoptions) -> dict[str, Any]:
    return {str(run): [some.last, list(some.skipped)] for run, some in adopted}


def _names_json(names: NameDigest) -> dict[str, Any]:
    return {"num_manifests": names.num_names, "names": f"{names.total:064x}"}


def _names(fields: dict[str, object], adopted: Adoptions) -> NameDigest:
    names = NameDigest(
        _whole("num_manifests", fields["num_manifests"], 0), int(_hex("names", fields["names"], "{64}"), 16)
    )
    num_adopted = sum(len(some) for _, some in adopted)
    _require(names.num_names == num_adopted, "num_manifests", names.num_names, f"{num_adopted}, as adopted")
    return names


def _earlier(value: object, last_run: int, generation: int, *, is_complete: bool) -> tuple[Generation, ...]:
    _require(isinstance(value, list), "earlier", value, "a list of states")
    states: list[Generation] = []
    for state in cast("list[object]", value):
        least = {"generation", "adopted"}
        fields = cast("dict[str, object]", state) if isinstance(state, dict) else {}
        allowed = [least | _OF_COMPLETE] if is_complete else [least, least | _OF_COMPLETE]
        _require(set(fields) in allowed, "earlier", state, "states with a generation and what they adopted")
        adopted = _adoptions(fields["adopted"], last_run)
        names = _names(fields, adopted) if "names" in fields else None
        states.append(Generation(_whole("generation", fields["generation"], 1), adopted, names))
    numbers = [*[state.number for state in states], generation]
    _require(all(low < high for low, high in pairwise(numbers)), "earlier", numbers, "generations that ascend")
    return tuple(states)


def _fields(body: object) -> dict[str, object]:
    if not isinstance(body, dict) or not body.keys() >= _KEYS:
        raise JobError(f"{body!r:.80} is no root; it has to be an object with {', '.join(sorted(_KEYS))}")
    return cast("dict[str, object]", body)


def _adoptions(value: object, last_run: int) -> Adoptions:
    _require(isinstance(value, dict), "adopted", value, "an object")
    adopted: list[tuple[int, Adopted]] = []
    for name, some in cast("dict[str, object]", value).items():
        where = f"adopted[{name!r:.40}]"
        run = int(name) if re.fullmatch(r"[1-9][0-9]{0,17}", name) else 0
        _require(0 < run <= last_run, where, run, f"a run from 1 to {last_run}")
        match some:
            case [int(last), [*skipped]]:
                last = _whole(where, last, 0)
                numbers = [_whole(where, number, 0) for number in skipped]
            case _:
                raise JobError(f"{where} is {some!r:.80}; it has to be the last number and those that are skipped")
        is_ascending = all(low < high for low, high in pairwise([*numbers, last]))
        _require(is_ascending, where, numbers, f"numbers that ascend, below {last}")
        adopted.append((run, Adopted(last, tuple(numbers))))
    return tuple(sorted(adopted, key=lambda item: item[0]))


def _whole(name: str, value: object, least: int) -> int:
    _require(type(value) is int and least <= value < _MAX, name, value, f"a whole number from {least} to 10**18 - 1")
    return cast(int, value)


def _hex(name: str, value: object, length: str) -> str:
    is_hex = isinstance(value, str) and re.fullmatch(f"[0-9a-f]{length}", value) is not None
    _require(is_hex, name, value, "lowercase hexadecimal digits")
    return cast(str, value)


def _require(is_right: bool, name: str, value: object, allowed: str) -> None:
    if not is_right:
        raise JobError(f"{name} is {value!r:.80}; it has to be {allowed}")
