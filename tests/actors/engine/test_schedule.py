"""Laws of the slots: rows in use come first, prompts are filled whole and in order, nobody is lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from speechmill.actors.engine.schedule import Schedule

prompts_of = st.lists(st.integers(1, 40), max_size=30)


@given(prompts_of, st.integers(1, 8), st.integers(1, 50), st.randoms(use_true_random=False))
def test_every_row_comes_and_goes_once_and_the_ready_ones_are_always_first(prompts, num_slots, budget, chance) -> None:
    schedule: Schedule[int] = Schedule(num_slots, budget)
    schedule.add(enumerate(prompts))
    gone: list[int] = []
    held: list[tuple[int, int] | None] = [None] * num_slots  # what a cache would hold: (row, positions filled)
    for _ in range(10_000):
        if schedule.is_idle:
            break
        for slot in schedule.admit():
            held[slot] = (schedule.slots[slot].row, 0)
        chunks = schedule.chunks()
        assert sum(chunk.count for chunk in chunks) <= budget
        assert [chunk.slot for chunk in chunks] == list(range(schedule.num_ready, schedule.num_ready + len(chunks)))
        for chunk in chunks:
            row, filled = held[chunk.slot]  # type: ignore[misc]
            assert (row, filled) == (schedule.slots[chunk.slot].row, chunk.start)
            held[chunk.slot] = (row, filled + chunk.count)
            schedule.filled(chunk)
        ready = [slot.is_ready for slot in schedule.slots]
        assert ready == sorted(ready, reverse=True)
        ending = [n for n in range(schedule.num_ready) if chance.random() < 0.3]
        for slot in reversed(ending):
            gone.append(schedule.slots[slot].row)
            for source, target in schedule.leave(slot):
                held[target] = held[source]
        for number, slot in enumerate(schedule.slots):
            assert held[number] == (slot.row, slot.filled)
        assert len(schedule.slots) <= num_slots
    assert sorted(gone) == list(range(len(prompts)))


@given(prompts_of, st.integers(1, 8))
def test_rows_are_let_in_in_their_order(prompts, num_slots) -> None:
    schedule: Schedule[int] = Schedule(num_slots, 10**6)
    schedule.add(enumerate(prompts))
    seen: list[int] = []
    while not schedule.is_idle:
        seen += [schedule.slots[slot].row for slot in schedule.admit()]
        for chunk in schedule.chunks():
            schedule.filled(chunk)
        schedule.leave(0)
    assert seen == list(range(len(prompts)))
