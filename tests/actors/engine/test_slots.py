"""Slots are chosen by trying, on a clock that the network drives; the choice is kept for exactly what it holds for."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.waiting import HANG_S, eventually
from torch import Tensor

from speechmill.actors.batcher.profile import ProfileKey
from speechmill.actors.engine import kept_slots
from speechmill.actors.engine.cache import Cache
from speechmill.actors.engine.chunks import Chunker, ChunkPolicy
from speechmill.actors.engine.kept_slots import kept_choice, slots_key
from speechmill.actors.engine.slots import Choice, choose_slots, tried_slots, warm_windows

CPU = torch.device("cpu")
TRIED = (1, 2, 4, 8)


class Timed:
    """A network whose steps take what it is told: seconds by rows and the number of the step; it is the clock, too."""

    num_codebooks, vocabulary, end, hidden, dtype = 1, 10, 9, 4, torch.float32

    def __init__(self, step_s: Callable[[int, int], float]) -> None:
        self._step_s = step_s
        self.now = 0.0
        self.steps: list[int] = []

    def cache(self, slots: int, positions: int) -> Cache:
        return Cache(1, slots, 1, positions, 1, torch.float32, CPU)

    def embed(self, codes: Tensor) -> Tensor:
        raise NotImplementedError

    def hiddens(self, x: Tensor, cache: Cache, first: int, starts: Tensor, reach: int) -> Tensor:
        assert len(x) == len(starts)
        self.now += self._step_s(len(x), len(self.steps))
        self.steps.append(len(x))
        return x

    def logits(self, hidden: Tensor) -> Tensor:
        return hidden

    def choose(self, tried: tuple[int, ...] = TRIED) -> Choice:
        return choose_slots(self, CPU, tried, lambda: self.now)


@given(st.integers(1, 600))
def test_what_is_tried_goes_from_one_to_about_the_most(most: int) -> None:
    tried = tried_slots(most)
    assert list(tried) == sorted(set(tried))
    assert tried[0] == 1
    assert 0.75 * most <= tried[-1] <= most
    assert all(second <= 2 * first for first, second in pairwise(tried))
    assert tried_slots(tried[-1]) == tried, "a little more room is the same choice"


def test_where_there_is_room_for_none_nothing_is_tried() -> None:
    assert tried_slots(0) == tried_slots(-3) == ()


@given(st.lists(st.floats(0.001, 0.1), min_size=4, max_size=4), st.integers(0, 100))
def test_the_fewest_slots_with_about_the_best_share_are_taken(seconds: list[float], burst: int) -> None:
    """Though the first step of each is slow, and one step in between is disturbed."""
    by_rows = dict(zip(TRIED, seconds, strict=True))
    network = Timed(lambda rows, step: by_rows[rows] * (10 if step < 4 or step == burst else 1))
    choice = network.choose()
    assert choice.is_quiet
    assert dict(choice.step_s) == pytest.approx(by_rows)
    shares = {rows: by_rows[rows] / rows for rows in TRIED}
    best = min(shares.values())
    assert shares[choice.slots] * 0.949 <= best
    assert all(shares[rows] * 0.951 > best for rows in TRIED if rows < choice.slots)


def test_a_machine_that_is_never_quiet_gets_the_most_after_a_bounded_time() -> None:
    network = Timed(lambda rows, step: 0.001 * 1.3**step)
    choice = network.choose()
    assert (choice.slots, choice.is_quiet) == (8, False)
    slow = Timed(lambda rows, step: 15.0)
    assert slow.choose().slots == 8
    assert len(slow.steps) == 2, "seconds, not minutes"


def quiet(slots: int = 4) -> Choice:
    """A choice of so many."""
    return Choice(
        TRIED[-1], {rows: 1.0 * rows if rows < slots else 0.1 * rows**2 / slots for rows in TRIED}, is_quiet=True
    )


DISTURBED = Choice(TRIED[-1], {}, is_quiet=False)


def key(**network: object) -> ProfileKey:
    return slots_key("toy", CPU, TRIED, network)


def never() -> Choice:
    raise AssertionError("it was to be found")


def test_a_choice_is_kept_for_exactly_its_key(tmp_path: Path) -> None:
    chosen = quiet(4)
    assert kept_choice(key(dtype="float32"), TRIED, lambda: chosen, tmp_path) == chosen
    assert kept_choice(key(dtype="float32"), TRIED, never, tmp_path) == chosen
    assert chosen.slots == 4
    others = [key(dtype="bfloat16"), key(dtype="float32", threads=2), replace(key(dtype="float32"), hardware="abacus")]
    others += [replace(key(dtype="float32"), versions="torch 0.1"), slots_key("toy", CPU, (1, 2), {"dtype": "float32"})]
    for other in others:
        assert kept_choice(other, TRIED, lambda: quiet(8), tmp_path).slots == 8


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[:-20],
        lambda text: "[]",
        lambda text: "[" * 100_000,
        lambda text: text.replace("toy", "boy"),
        lambda text: json.dumps(json.loads(text) | {"step_s": {}}),
        lambda text: json.dumps(json.loads(text) | {"is_quiet": "maybe"}),
        lambda text: json.dumps(json.loads(text) | {"step_s": None}),
        lambda text: json.dumps(json.loads(text) | {"step_s": {"many": 1.0}}),
        lambda text: json.dumps(json.loads(text) | {"step_s": {"1": 1.0, "2": 1.0, "4": 1.0, "800": 0.1}}),
        lambda text: json.dumps(json.loads(text) | {"step_s": {"1": 1.0, "2": 1.0, "4": -1.0, "8": 0.1}}),
        lambda text: json.dumps(json.loads(text) | {"step_s": {"1": 1.0, "2": 1.0, "4": float("nan"), "8": 0.1}}),
    ],
)
def test_a_damaged_or_foreign_file_is_made_anew(tmp_path: Path, damage: Callable[[str], str]) -> None:
    kept_choice(key(), TRIED, lambda: quiet(2), tmp_path)
    [file] = tmp_path.glob("*.json")
    file.write_text(damage(file.read_text()))
    assert kept_choice(key(), TRIED, lambda: quiet(4), tmp_path) == quiet(4)
    assert kept_choice(key(), TRIED, never, tmp_path) == quiet(4)


def test_a_choice_that_was_disturbed_is_not_for_the_next_start(tmp_path: Path) -> None:
    assert kept_choice(key(), TRIED, lambda: DISTURBED, tmp_path).slots == 8
    [file] = tmp_path.glob("*.json")
    os.utime(file, (0, file.stat().st_mtime - 1))
    assert kept_choice(key(), TRIED, lambda: quiet(2), tmp_path) == quiet(2)
    assert kept_choice(key(), TRIED, never, tmp_path) == quiet(2)


class CountingClock:
    """The clock of starts, which are counted by it: each looks at it first of all."""

    def __init__(self) -> None:
        self.looks: list[float] = []

    def time(self) -> float:
        self.looks.append(time.time())
        return self.looks[-1]


@pytest.mark.parametrize("found", [quiet(4), DISTURBED])
def test_of_replicas_that_start_at_once_one_tries(
    tmp_path: Path, found: Choice, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[int] = []
    clock = CountingClock()
    monkeypatch.setattr(kept_slots, "time", clock)

    def choose() -> Choice:
        tries.append(1)
        eventually(lambda: len(clock.looks) >= 6, "the other replicas")
        time.sleep(0.05)  # the times of files are coarse
        return found

    with ThreadPoolExecutor(6) as threads:
        starts = [threads.submit(kept_choice, key(), TRIED, choose, tmp_path) for _ in range(6)]
        assert [start.result(HANG_S) for start in starts] == [found] * 6
    assert len(tries) == 1


def test_a_folder_that_cannot_be_written_only_costs_time(tmp_path: Path) -> None:
    blocked = tmp_path / "a file, no folder"
    blocked.write_text("")
    assert kept_choice(key(), TRIED, lambda: quiet(4), blocked) == quiet(4)


@given(st.integers(1, 9), st.floats(1, 2), st.integers(0, 40), st.integers(0, 9), st.integers(0, 60), st.data())
def test_every_window_of_a_stream_that_goes_on_has_been_decoded(
    first: int, growth: float, more: int, ahead: int, context: int, data: st.DataObject
) -> None:
    policy = ChunkPolicy(first, growth, first + more, ahead, context)
    warmed: set[int] = set()

    def decode(steps: Tensor, lengths: Tensor) -> Tensor:
        assert steps.shape == (1, 3, int(lengths))
        warmed.add(int(lengths))
        return steps

    warm_windows(decode, torch.zeros(3), policy, 300)
    chunker, there = Chunker(policy), 0
    for count in data.draw(st.lists(st.integers(0, 60), max_size=8).filter(lambda counts: sum(counts) <= 300)):
        there += count
        while (chunk := chunker.next(there, is_complete=False)) is not None:
            assert chunk.num_window_steps in warmed
