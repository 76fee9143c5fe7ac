"""Swaps of a file by processes that are paused or killed between any two steps: all orders, over a model folder."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from speechmill.cluster.storage.local import swap as local_swap
from speechmill.cluster.storage.local.swap import (
    ClaimBroken,
    ClaimVersion,
    FindClaim,
    FindOld,
    IsThere,
    Look,
    Move,
    Remove,
    Stage,
    Step,
    Steps,
    swap,
)

Swap = Callable[[str, str, str], Steps]


@dataclass(frozen=True, slots=True)
class Folder:
    """The version in place, claims (version, file), files beside it (name, version), and every move that was made."""

    version: str = "v0"
    claims: frozenset[tuple[str, str]] = frozenset()
    files: frozenset[tuple[str, str]] = frozenset()
    history: tuple[str, ...] = ("v0",)

    def after(self, step: Step, new: str) -> tuple[Folder, object]:
        """What a step does, and its answer."""
        claims, files = dict(self.claims), dict(self.files)
        answer: object = None
        match step:
            case Look():
                answer = self.version
            case FindClaim(old):
                answer = claims.get(old)
            case Stage(name):
                files[name] = new
            case ClaimVersion(old, name):
                answer = claims.setdefault(old, name)
            case FindOld(old):
                answer = tuple(sorted(f"claim of {version}" for version in claims if version != old))
            case IsThere(name):
                answer = name in files
            case Remove(names, claim_of):
                for name in names:
                    files.pop(name, None)
                    claims.pop(name.removeprefix("claim of "), None)
                claims.pop(claim_of or "", None)
            case Move(name) if name in files:
                version = files.pop(name)
                history = (*self.history, version)
                return replace(self, version=version, files=frozenset(files.items()), history=history), True
            case Move(_):
                return self, False
        return replace(self, claims=frozenset(claims.items()), files=frozenset(files.items())), answer


@dataclass(frozen=True, slots=True)
class Process:
    """One that reads the version in place and swaps it, twice at most: all that it was answered.

    Attributes:
        swaps: Begun, the last one with these answers; `step` is what it does next
        told: Versions that it was told are written, and those that are not
    """

    who: int
    old: str | None = None
    swaps: int = 0
    answers: tuple[object, ...] = ()
    step: Step | None = None
    told: tuple[tuple[str, bool, str], ...] = ()

    @property
    def new(self) -> str:
        return f"{'abc'[self.who]}{self.swaps}"


@dataclass
class Orders:
    """All orders of a few processes' steps."""

    swap: Swap
    num_swaps: int = 1
    seen: set[Any] = field(default_factory=set)

    def next(self, process: Process, folder: Folder) -> tuple[Process, Folder] | None:
        if process.step is None:
            if process.swaps == self.num_swaps:
                return None
            begun = replace(process, old=folder.version, swaps=process.swaps + 1, answers=())
            return self._gone_on(begun), folder
        folder, answer = folder.after(process.step, process.new)
        return self._gone_on(replace(process, answers=(*process.answers, answer))), folder

    def _gone_on(self, process: Process) -> Process:
        assert process.old is not None
        steps = self.swap(process.old, process.new, f"file {process.new}")
        try:
            step = next(steps)
            for answer in process.answers:
                step = steps.send(answer)
        except StopIteration as end:
            told = (*process.told, (process.new, end.value, process.old))
            return replace(process, step=None, old=None, answers=(), told=told)
        return replace(process, step=step)

    def explore(self, num_processes: int) -> int:
        """The number of states.

        Raises:
            AssertionError: One is wrong; the first is named
        """
        start = (Folder(), tuple(Process(who) for who in range(num_processes)))
        frontier: list[Any] = [start]
        self.seen = {start}
        while frontier:
            folder, processes = frontier.pop()
            for process in processes:
                if (after := self.next(process, folder)) is not None:
                    changed = tuple(after[0] if other is process else other for other in processes)
                    state = (after[1], changed)
                    if state not in self.seen:
                        self.seen.add(state)
                        self.check(*state)
                        frontier.append(state)
        return len(self.seen)

    def check(self, folder: Folder, processes: tuple[Process, ...]) -> None:
        history = folder.history
        assert len(set(history)) == len(history), f"a version came twice: {history}"
        for process in processes:
            for new, is_written, old in process.told:
                assert (new in history) == is_written, f"{new} over {old} was told {is_written}: {history}"
                follows = not is_written or history[history.index(new) - 1] == old
                assert follows, f"{new} replaced another version than {old}: {history}"


def alone(folder: Folder, swap: Swap) -> int:
    """How many steps one more process needs to write, while all others stay where they are."""
    orders, process, num_steps = Orders(swap, num_swaps=3), Process(2, swaps=5), 0
    orders.num_swaps = 8
    while not any(is_written for _, is_written, _ in process.told):
        after = orders.next(process, folder)
        assert after is not None, "it was refused three times, and nothing else moved"
        process, folder = after
        num_steps += 1
    return num_steps


@pytest.mark.parametrize(("num_processes", "num_swaps"), [(2, 2), (3, 1)])
def test_each_version_is_replaced_by_one_in_all_orders(
    num_processes: int, num_swaps: int, record_property: Any
) -> None:
    """Law: who is told yes has written over what it read, who is told no has not, and nobody waits for the paused."""
    orders = Orders(swap, num_swaps)
    num_states = orders.explore(num_processes)
    record_property("states", num_states)
    folders = {folder for folder, _ in orders.seen}
    print(f"\n{num_processes} processes, {num_swaps} swaps each: {num_states:,} states, {len(folders):,} folders")
    assert max(alone(folder, swap) for folder in folders) <= 20


def changed(what: str, by: str) -> Swap:
    """The same swap with other code in one place."""
    source = inspect.getsource(swap)
    assert source.count(what) == 1
    names = dict(vars(local_swap))
    exec("from __future__ import annotations\n" + source.replace(what, by), names)
    return names["swap"]


@pytest.mark.parametrize(
    ("what", "by"),
    [
        pytest.param(
            "if (yield Look()) == old:\n        #", "if (yield Look()) or True:\n        #", id="no second look"
        ),
        pytest.param("follows = yield Claim(old, name)", "follows = name", id="no claim"),
        pytest.param("yield Remove((name,), old)\n        return False", "return True", id="late claim counts"),
        pytest.param(
            "    over = yield FindOld(old)\n    assert isinstance(over, tuple)\n    if (yield Look()) == old:\n",
            "    if (yield Look()) == old:\n        over = yield FindOld(old)\n",
            id="old claims found after the look",
        ),
    ],
)
def test_no_step_can_be_left_out(what: str, by: str) -> None:
    """Law: the orders find each one that is missing."""
    with pytest.raises(AssertionError):
        for sizes in ((2, 2), (3, 1)):
            Orders(changed(what, by), sizes[1]).explore(sizes[0])


def test_a_claim_whose_file_was_removed_by_hand_is_told() -> None:
    """Nothing tells how far its process came, so the swap does not decide alone."""
    orders = Orders(swap)
    process, folder = Process(0), Folder(claims=frozenset({("v0", "file of a process that is gone")}))
    with pytest.raises(ClaimBroken, match="file of a process"):
        while (after := orders.next(process, folder)) is not None:
            process, folder = after
