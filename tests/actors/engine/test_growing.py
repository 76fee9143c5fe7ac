"""Prompts that grow: what a row draws depends on its prompt, never on when that arrived or what else was drawn."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.growing import CPU, END, MAX_STEPS, POSITIONS, GrowingNetwork, growing_request, needs

from speechmill.actors.engine.engine import Engine
from speechmill.actors.engine.request import Generated, Request
from speechmill.actors.engine.row_progress import PATIENCE_STEPS

ROWS = 12
NETWORK = GrowingNetwork()


def engine_of(slots: int, *, is_fixed: bool = False, beside: int | None = None) -> Engine:
    return Engine(NETWORK, slots, POSITIONS, CPU, is_fixed=is_fixed, beside_urgent=beside)


@pytest.fixture(scope="module")
def alone() -> dict[int, Generated]:
    """Each row by itself, with its whole prompt."""
    found: dict[int, Generated] = {}
    for key in range(ROWS):
        engine = engine_of(1)
        engine.add([growing_request(key)])
        [found[key]] = engine.run()
    return found


class Writer:
    """A prompt that arrives piece by piece."""

    def __init__(self, request: Request, chance: random.Random) -> None:
        self.key, self._prompt, self._chance = request.key, request.prompt, chance
        self._at = chance.choice([0, 0, 1, len(request.prompt)])
        self.is_done = False
        urgent = chance.random() < 0.6
        self.request = replace(request, prompt=request.prompt[: self._at], is_whole=False, is_urgent=urgent)

    def write(self, engine: Engine, *, most: int) -> None:
        """Add some of the prompt; the end comes with its last piece, or by itself."""
        end = min(len(self._prompt), self._at + self._chance.randint(0, most))
        is_last = end == len(self._prompt) and self._chance.random() < 0.5
        piece = self._prompt[self._at : end]
        engine.extend(self.key, piece if len(piece) else None, is_last=is_last)
        self._at, self.is_done = end, is_last


def drawn(engine: Engine, writers: list[Writer], chance: random.Random, pace: float) -> dict[int, Generated]:
    """Rows that come, wait, go on and end, beside rows whose prompts are there."""
    found: dict[int, Generated] = {}
    coming = [writer.request for writer in writers]
    for _ in range(20_000):
        if coming and chance.random() < 0.5:
            engine.add([coming.pop()])
        here = {request.key for request in coming}
        for writer in writers:
            if not writer.is_done and writer.key not in here and chance.random() < pace:
                writer.write(engine, most=chance.choice([1, 3, 30]))
        for row in engine.step():
            assert row.key not in found
            found[row.key] = row
        if engine.is_idle and not coming:
            return found
    raise AssertionError("rows are left")


@settings(max_examples=min(6, settings.default.max_examples // 5), deadline=None)
@given(
    st.integers(1, 12), st.booleans(), st.sampled_from([None, 0, 2]), st.sampled_from([0.05, 0.5]), st.integers(0, 99)
)
def test_the_same_text_at_any_pace_beside_any_rows_gives_the_same_codes(
    alone: dict[int, Generated], slots: int, is_fixed: bool, beside: int | None, pace: float, seed: int
) -> None:
    chance = random.Random(seed)
    engine = engine_of(slots, is_fixed=is_fixed, beside=beside)
    keys = chance.sample(range(ROWS), 10)
    engine.add(growing_request(key) for key in keys[:4])
    found = drawn(engine, [Writer(growing_request(key), chance) for key in keys[4:]], chance, pace)
    assert found.keys() == set(keys)
    for key, row in found.items():
        assert torch.equal(row.codes, alone[key].codes), key
        assert row.is_complete == alone[key].is_complete


def test_with_fixed_shapes_not_one_bit_depends_on_the_pace() -> None:
    hiddens: list[dict[int, torch.Tensor]] = []
    for seed, pace in ((1, 1.0), (2, 0.3), (3, 0.05)):
        chance = random.Random(seed)
        writers = [Writer(growing_request(key), chance) for key in range(6)]
        rows = drawn(engine_of(4, is_fixed=True), writers, chance, pace)
        hiddens.append({key: row.hiddens for key, row in rows.items()})
    for key in range(6):
        assert torch.equal(hiddens[0][key], hiddens[1][key]) and torch.equal(hiddens[0][key], hiddens[2][key]), key


def test_rows_end_only_where_their_rule_allows_it(alone: dict[int, Generated]) -> None:
    assert {row.is_complete for row in alone.values()} == {True, False}
    for row in alone.values():
        assert not (row.codes == END).any()
        if row.is_complete:
            assert row.num_steps % 6 >= 4


def first_waiting(engine: Engine, key: int) -> int:
    """Step until the row can not go on; its number of steps."""
    steps = -1
    while (now := engine.num_steps(key)) != steps or now is None:
        steps = -1 if now is None else now
        engine.step()
    return steps


def test_a_row_waits_exactly_where_its_text_ends_and_costs_others_no_step(alone: dict[int, Generated]) -> None:
    waits = replace(growing_request(0, steps=MAX_STEPS), is_whole=False)
    waits = replace(waits, prompt=waits.prompt[: needs(0)], sampling=replace(waits.sampling, end_from=6))
    engine = engine_of(4)
    engine.add([waits])
    steps = first_waiting(engine, 0)
    last = len(waits.opening) - 1 + steps  # type: ignore[arg-type]
    assert needs(last - 1) <= needs(0) < needs(last)
    assert not engine.has_work and not engine.is_idle and engine.step() == []
    other = growing_request(1)
    engine.add([other])
    count = 0
    while engine.has_work:
        count += 1
        done = engine.step()
    assert [row.key for row in done] == [1]
    assert count == alone[1].num_steps + alone[1].is_complete
    assert engine.num_steps(0) == steps
    assert engine.usage.useful == 1.0, "a row that waits is not computed"


def full_of_waiting(slots: int) -> Engine:
    """An engine in whose slots urgent rows wait for more text."""
    engine = engine_of(slots)
    for key in range(slots):
        whole = growing_request(key, steps=MAX_STEPS)
        sampling = replace(whole.sampling, end_from=6)
        prompt = torch.cat((whole.prompt, whole.prompt.new_zeros(99, 16)))[: needs(4)]
        engine.add([replace(whole, prompt=prompt, is_whole=False, is_urgent=True, sampling=sampling)])
    while engine.has_work:
        engine.step()
    return engine


@pytest.mark.parametrize("is_urgent", [True, False])
def test_a_row_that_waits_is_parked_when_its_slot_is_needed_and_goes_on(is_urgent: bool) -> None:
    engine = full_of_waiting(2)
    steps = {key: engine.num_steps(key) for key in range(2)}
    engine.add([replace(growing_request(7), is_urgent=is_urgent)])
    done = [row.key for row in engine.run()]
    assert done == [7]
    assert None in {engine.num_steps(key) for key in range(2)}, "one of them left its slot"
    for key in range(2):
        assert engine.extend(key, is_last=True)
    ended = {row.key: row for row in engine.run()}
    assert all(ended[key].num_steps == MAX_STEPS > steps[key] for key in range(2))  # type: ignore[operator]


def test_a_row_of_a_job_takes_the_slot_of_a_writer_that_has_stalled_for_long() -> None:
    engine = full_of_waiting(1)
    assert engine.extend(0, torch.zeros(MORE_TEXT, 16))
    engine.add([growing_request(7)])
    for row in engine.run():
        assert row.key == 7
    assert PATIENCE_STEPS > MAX_STEPS


MORE_TEXT = 3


def test_what_cannot_grow_or_does_not_fit_is_said() -> None:
    engine = engine_of(2)
    engine.add([replace(growing_request(0), is_whole=False), growing_request(1)])
    with pytest.raises(ValueError, match="does not fit into a region of 40"):
        engine.extend(0, torch.zeros(99, 16))
    with pytest.raises(ValueError, match="prompt of row 1 is complete"):
        engine.extend(1, torch.zeros(1, 16))
    assert not engine.extend(99, torch.zeros(1, 16)), "such a row has ended"
    with pytest.raises(ValueError, match="needs an opening"):
        engine.add([replace(growing_request(2), opening=None)])
    with pytest.raises(ValueError, match="does not fit into a region of 40"):
        engine.add([replace(growing_request(2), prompt=torch.zeros(41, 16))])


def test_a_waiting_row_can_be_cancelled(alone: dict[int, Generated]) -> None:
    engine = full_of_waiting(3)
    engine.cancel([0, 2])
    assert engine.num_steps(0) is engine.num_steps(2) is None
    engine.add([growing_request(5)])
    [row] = engine.run()
    assert torch.equal(row.codes, alone[5].codes)
    engine.cancel([1])
    assert engine.is_idle
