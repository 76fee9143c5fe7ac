"""The engine's book-keeping: rows in slots, whatever comes, goes and makes room."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from speechmill.actors.engine.row_progress import Slot
from speechmill.actors.engine.schedule import Schedule

prompts_of = st.lists(st.integers(1, 40), max_size=40)


class Mirror:
    """Slots as an engine has them: what is moved by the schedule's word alone."""

    def __init__(self, schedule: Schedule[int]) -> None:
        self.schedule = schedule
        self.held: dict[int, tuple[int, int]] = {}
        self.parked: dict[int, int] = {}

    def move(self, moves: list[tuple[int, int]]) -> None:
        for source, target in moves:
            self.held[target] = self.held[source]

    def make_room(self) -> None:
        while (slot := self.schedule.next_to_park()) is not None:
            assert not self.schedule.slots[slot].is_urgent
            row, filled = self.held[slot]
            self.parked[row] = filled
            self.move(self.schedule.park(slot))

    def admit(self) -> list[int]:
        admitted: list[int] = []
        while (place := self.schedule.admit()) is not None:
            self.move(place[1])
            row = self.schedule.slots[place[0]].row
            self.held[place[0]] = (row, self.parked.pop(row, 0))
            admitted.append(row)
        return admitted

    def check(self) -> None:
        for number, slot in enumerate(self.schedule.slots):
            assert self.held[number] == (slot.row, slot.filled)
        kinds = [0 if s.is_ready else 1 if s.is_urgent else 2 for s in self.schedule.slots]
        assert kinds == sorted(kinds), "ready ones, urgent ones, others"
        assert len(kinds) <= self.schedule.num_slots


@given(prompts_of, st.integers(1, 8), st.integers(1, 60), st.integers(0, 8), st.randoms(use_true_random=False))
def test_every_row_is_filled_whole_and_goes_once(
    prompts: list[int], num_slots: int, budget: int, beside: int, chance: random.Random
) -> None:
    schedule: Schedule[int] = Schedule(num_slots, budget, beside)
    mirror = Mirror(schedule)
    coming = list(enumerate(prompts))
    gone: list[int] = []
    forgotten: list[int] = []
    for _ in range(10_000):
        while coming and chance.random() < 0.3:
            row, prompt = coming.pop()
            schedule.add(row, prompt, is_urgent=row % 3 == 0)
        if not coming and schedule.is_idle:
            break
        mirror.make_room()
        mirror.admit()
        mirror.check()
        chunks = schedule.chunks() if chance.random() < 0.5 else schedule.whole_chunks(7)
        assert chunks or all(slot.is_ready for slot in schedule.slots)
        assert [chunk.slot for chunk in chunks] == list(range(schedule.num_ready, schedule.num_ready + len(chunks)))
        urgent = [schedule.slots[chunk.slot].is_urgent for chunk in chunks]
        assert all(urgent) or not any(s.is_urgent and not s.is_ready for s in schedule.slots)
        for chunk in chunks:
            row, filled = mirror.held[chunk.slot]
            assert (row, filled) == (schedule.slots[chunk.slot].row, chunk.start)
            mirror.held[chunk.slot] = (row, filled + chunk.count)
            schedule.filled(chunk)
        for slot in schedule.slots[: schedule.num_ready]:
            slot.steps += 1
        if chance.random() < 0.1 and (rows := list(schedule.rows())):
            forgotten.append(chance.choice(rows))
            mirror.move(schedule.forget(forgotten[-1]))
            mirror.parked.pop(forgotten[-1], None)
        mirror.check()
        ending = [n for n in range(schedule.num_ready) if chance.random() < 0.3]
        for slot_number in reversed(ending):
            gone.append(schedule.slots[slot_number].row)
            mirror.move(schedule.leave(slot_number))
        mirror.check()
    assert sorted(gone + forgotten) == list(range(len(prompts)))
    assert not mirror.parked


@given(prompts_of, st.integers(1, 8))
def test_rows_are_let_in_in_their_order_urgent_ones_first(prompts: list[int], num_slots: int) -> None:
    schedule: Schedule[int] = Schedule(num_slots, 10**6)
    for row, prompt in enumerate(prompts):
        schedule.add(row, prompt, is_urgent=row % 2 == 1)
    mirror, seen = Mirror(schedule), list[int]()
    while not schedule.is_idle:
        seen += mirror.admit()
        for chunk in schedule.chunks():
            schedule.filled(chunk)
            row, filled = mirror.held[chunk.slot]
            mirror.held[chunk.slot] = (row, filled + chunk.count)
        while schedule.slots:
            mirror.move(schedule.leave(0))
    assert seen == sorted(range(len(prompts)), key=lambda row: (row % 2 == 0, row))


def test_an_urgent_row_takes_the_place_of_the_one_that_has_come_least_far() -> None:
    schedule: Schedule[str] = Schedule(3, 100, beside_urgent=1)
    for row in "abc":
        schedule.add(row, 5)
    while schedule.admit() is not None:
        pass
    for chunk in schedule.chunks():
        schedule.filled(chunk)
    for steps, slot in zip((9, 4, 7), schedule.slots, strict=True):
        slot.steps = steps
    assert schedule.next_to_park() is None
    schedule.add("urgent", 5, is_urgent=True)
    parked = []
    while (slot := schedule.next_to_park()) is not None:
        parked.append(schedule.slots[slot].row)
        schedule.park(slot)
    assert parked == ["b", "c"], "until one is left beside it"
    assert schedule.admit() is not None
    assert schedule.admit() is None, "there is a slot, and it is kept free of others"
    assert _rows(schedule.slots) == ["a", "urgent"]
    [chunk] = schedule.chunks()
    schedule.filled(chunk)
    schedule.leave(1)
    while schedule.admit() is not None:
        pass
    assert _rows(schedule.slots) == ["a", "c", "b"], "parked rows go on, the last one parked first"
    assert schedule.slots[2].steps == 4


def _rows(slots: list[Slot[Any]]) -> list[Any]:
    return [slot.row for slot in slots]
