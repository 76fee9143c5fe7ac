"""Ends read late, and steps replayed: nothing that is drawn changes, whatever comes, goes, waits, parks or follows."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.growing import CPU, HIDDEN, MOST, POSITIONS, GrowingNetwork, growing_request
from support.replayed import ReplayedSteps
from torch import Tensor

from speechmill.actors.engine.engine import Engine
from speechmill.actors.engine.region import Region
from speechmill.actors.engine.request import Generated, Request

ROWS = 12


class PlainNetwork:
    """The growing network without its region."""

    def __init__(self) -> None:
        inner = GrowingNetwork()
        self._inner, inner.region = inner, Region(0, lambda at: 0)
        self.num_codebooks, self.vocabulary, self.end = inner.num_codebooks, inner.vocabulary, inner.end
        self.hidden, self.dtype, self.position_bytes = inner.hidden, inner.dtype, inner.position_bytes
        self.cache, self.embed, self.hiddens, self.logits = inner.cache, inner.embed, inner.hiddens, inner.logits


NETWORKS = {"region": GrowingNetwork(), "plain": PlainNetwork()}


def request_of(kind: str, key: int) -> Request:
    """A row; every third one is followed by another, which depends on what was drawn."""
    made = growing_request(key)
    if kind == "plain":
        made = replace(made, opening=None)
    if key % 3 == 0:
        made = replace(made, follow=lambda ended: following(kind, ended))
    return made


def following(kind: str, ended: Generated) -> Request:
    made = growing_request(100 + int(ended.codes.sum()) % 7, steps=9)
    return made if kind == "region" else replace(made, opening=None)


def engine_of(kind: str, slots: int, **how: object) -> Engine:
    return Engine(NETWORKS[kind], slots, POSITIONS, CPU, **how)  # type: ignore[arg-type]


def replayed(engine: Engine) -> ReplayedSteps:
    """Let the engine record its steps, and replay them."""
    steps = ReplayedSteps(engine._stepper._step.run)
    engine._stepper._graphs = steps  # type: ignore[assignment]
    return steps


@cache
def alone(kind: str, key: int) -> Generated:
    """What a row draws by itself, its ends read at once."""
    engine = engine_of(kind, 1, is_late=False)
    engine.add([request_of(kind, key)])
    [found] = engine.run()
    return found


def spoken(engine: Engine, kind: str, chance: random.Random) -> tuple[dict[int, Generated], set[int]]:
    """Rows that come at any step, urgent or not, with prompts that grow, some cancelled: those that ended, and these.

    At every step, what is heard of a row is the beginning of what it draws in the end.
    """
    keys = chance.sample(range(ROWS), 9)
    coming, growing, found, gone = list(keys), dict[int, Tensor](), dict[int, Generated](), set[int]()
    for _ in range(5_000):
        if coming and chance.random() < 0.3:
            made = replace(request_of(kind, coming.pop()), is_urgent=chance.random() < 0.4)
            if kind == "region" and chance.random() < 0.6:
                growing[made.key], made = made.prompt, replace(made, prompt=made.prompt[:0], is_whole=False)
            engine.add([made])
        for key, rest in list(growing.items()):
            if chance.random() < 0.4:
                count = chance.randint(0, 12)
                is_last = count >= len(rest)
                engine.extend(key, rest[:count], is_last=is_last)
                growing[key] = rest[count:]
                if is_last:
                    del growing[key]
        if chance.random() < 0.01 and (key := chance.choice(keys)) not in {*coming, *found}:
            engine.cancel([key])
            gone.add(key)
            growing.pop(key, None)
        for row in engine.step():
            assert row.key not in found and row.key not in gone
            found[row.key] = row
        for key in engine.steps_so_far():
            so_far = engine.so_far(key, 0)
            assert so_far is not None
            assert torch.equal(so_far[0], alone(kind, key).codes[: len(so_far[0])])
        if engine.is_idle and not coming:
            assert found.keys() | gone == set(keys)
            return found, gone
    raise AssertionError("rows are left")


@settings(max_examples=settings.default.max_examples // 10, deadline=None)
@given(
    kind=st.sampled_from(["region", "plain"]),
    slots=st.integers(1, 7),
    is_fixed=st.booleans(),
    is_replayed=st.booleans(),
    beside=st.sampled_from([None, 0, 2]),
    seed=st.integers(0, 999),
)
def test_rows_draw_the_same_if_ends_are_read_late(
    kind: str, slots: int, is_fixed: bool, is_replayed: bool, beside: int | None, seed: int
) -> None:
    """Law: codes and ends of a row are those that it draws alone in an engine which reads them at once."""
    engine = engine_of(kind, slots, is_fixed=is_fixed, beside_urgent=beside, is_late=True)
    if is_replayed:
        replayed(engine)
        engine.capture()
    found, _ = spoken(engine, kind, random.Random(seed))
    for key, row in found.items():
        assert torch.equal(row.codes, alone(kind, key).codes), key
        assert row.is_complete == alone(kind, key).is_complete
        assert torch.allclose(row.hiddens, alone(kind, key).hiddens, atol=1e-4)


@pytest.mark.parametrize("kind", ["region", "plain"])
def test_with_fixed_shapes_no_bit_depends_on_the_rows_beside(kind: str) -> None:
    found: list[dict[int, Generated]] = []
    for keys in ([2], [1, 2, 4, 5, 7], [7, 5, 4, 3, 2, 1]):
        engine = engine_of(kind, 4, is_fixed=True, is_late=True)
        engine.add(request_of(kind, key) for key in keys)
        found.append({row.key: row for row in engine.run()})
        assert found[-1].keys() == set(keys)
        assert torch.equal(found[-1][2].hiddens, found[0][2].hiddens)


def test_a_step_of_a_shape_is_recorded_once() -> None:
    """Once common shapes are captured, rows are drawn by replaying alone; steps with free draws have another shape."""
    engine = engine_of("plain", 4, is_late=True)
    steps = replayed(engine)
    engine.capture()
    prepared = set(steps.recorded)
    assert engine.usage.steps == 0
    engine.add(request_of("plain", key) for key in range(ROWS))
    assert len(list(engine.run())) == ROWS
    assert steps.num_replayed == engine.usage.steps
    assert set(steps.recorded) == prepared


def test_the_end_is_known_one_step_later_and_no_step_is_counted_for_it() -> None:
    key = next(key for key in range(ROWS) if key % 3 and alone("plain", key).is_complete)
    wanted, counts = alone("plain", key), list[int]()
    for is_late in (False, True):
        engine = engine_of("plain", 1, is_late=is_late)
        engine.add([request_of("plain", key)])
        calls = 0
        while engine.has_work:
            calls += 1
            engine.step()
        counts.append(calls)
        assert engine.usage.row_steps == wanted.num_steps + 1
        assert not engine.has_work and engine.is_idle
    assert counts[1] == counts[0] + 1


def test_a_step_that_fails_leaves_no_end_to_be_read() -> None:
    engine = engine_of("plain", 2, is_late=True)
    engine.add([request_of("plain", 1)])
    engine.step()
    assert engine.has_work
    engine.clear()
    assert not engine.has_work and engine.step() == []


def test_a_prompt_of_the_full_region_and_the_most_steps_stay_within_the_slot() -> None:
    """The step that is thrown away writes behind the row's last position: with a row that fills its slot, on itself."""
    prompt = torch.randn(MOST, HIDDEN, generator=torch.Generator().manual_seed(3))
    for kind, network in NETWORKS.items():
        rows = [replace(request_of(kind, key), prompt=prompt, follow=None) for key in (1, 2)]
        positions = max(row.num_positions(getattr(network, "region", None)) for row in rows)
        found: list[dict[int, Generated]] = []
        for is_late in (False, True):
            engine = Engine(network, 2, positions, CPU, is_late=is_late)
            engine.add(replace(row, sampling=replace(row.sampling, min_steps=999)) for row in rows)
            found.append({row.key: row for row in engine.run()})
        for key in (1, 2):
            assert not found[0][key].is_complete
            assert torch.equal(found[0][key].codes, found[1][key].codes)
