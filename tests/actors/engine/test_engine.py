"""The token loop on a small random ChatTTS: a row alone and a row among others say the same."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from speechmill.actors.engine.engine import Engine
from speechmill.actors.engine.request import Generated, Request, Sampling
from speechmill.actors.engine.shared import SharedEngine
from speechmill.actors.engine.slots import warm
from speechmill.actors.models.chattts.checkpoint.layout import EOS_CODE, PART_FILES, TINY, tensors
from speechmill.actors.models.chattts.nets.backbone import Backbone, CodeNetwork, TextNetwork

CPU = torch.device("cpu")
POSITIONS = 200


def state(part: str, seed: int = 0) -> dict[str, Tensor]:
    chance = torch.Generator().manual_seed(seed)
    shapes = tensors(TINY)[PART_FILES[part]]
    return {
        name: torch.ones(shape) if "norm" in name else torch.randn(shape, generator=chance) * 0.3
        for name, shape in shapes.items()
    }


@pytest.fixture(scope="module")
def network() -> CodeNetwork:
    embed = state("embed", 1)
    for book in range(TINY.num_vq):
        # The end is likely enough to be drawn by many rows, and unlikely enough that they speak first.
        embed[f"head_code.{book}.parametrizations.weight.original0"][EOS_CODE] *= 3
    return CodeNetwork(Backbone(TINY, state("gpt"), embed), embed)


def request(key: int) -> Request:
    """Rows that differ in everything that a row may differ in."""
    chance = random.Random(key)
    prompt = torch.randn(chance.randint(1, 60), TINY.hidden, generator=torch.Generator().manual_seed(key))
    sampling = Sampling(
        temperature=chance.choice([(0.3,), (0.9,), (0.1, 0.3, 0.1, 0.3)]),
        top_p=chance.choice([0.7, 0.9]),
        top_k=chance.choice([3, 20]),
        penalty=chance.choice([1.0, 1.05]),
        min_steps=chance.choice([0, 1, 8]),
        max_steps=chance.randint(1, 20),
    )
    return Request(key, prompt, seed=1_000 + key, sampling=sampling)


def speak(network: CodeNetwork, keys: list[int], slots: int, *, is_fixed: bool = False) -> dict[int, Generated]:
    engine = Engine(network, slots, POSITIONS, CPU, is_fixed=is_fixed)
    engine.add(request(key) for key in keys)
    found = list(engine.run())
    assert sorted(generated.key for generated in found) == sorted(keys), "every request is answered once"
    return {generated.key: generated for generated in found}


NUM_ROWS = 24


@pytest.fixture(scope="module")
def alone(network: CodeNetwork) -> dict[int, Generated]:
    return {key: speak(network, [key], 1)[key] for key in range(NUM_ROWS)}


@pytest.mark.parametrize(
    ("slots", "is_fixed"), [pytest.param(3, False, marks=pytest.mark.slow), (NUM_ROWS, False), (16, True)]
)
def test_rows_with_seeds_of_their_own_draw_what_each_draws_alone(
    network: CodeNetwork, alone: dict[int, Generated], slots: int, is_fixed: bool
) -> None:
    keys = list(range(NUM_ROWS))
    random.Random(slots).shuffle(keys)
    together = speak(network, keys, slots, is_fixed=is_fixed)
    for key in keys:
        assert torch.equal(together[key].codes, alone[key].codes), f"row {key} of {len(alone[key].codes)} steps"
        assert torch.allclose(together[key].hiddens, alone[key].hiddens, atol=1e-4)
        assert together[key].is_complete == alone[key].is_complete


@pytest.mark.parametrize(
    ("slots", "beside", "is_fixed"),
    [
        pytest.param(3, None, False, marks=pytest.mark.slow),
        pytest.param(4, 1, False, marks=pytest.mark.slow),
        (6, 2, False),
        (4, 0, True),
    ],
)
def test_urgent_rows_take_the_place_of_others_and_all_draw_what_they_draw_alone(
    network: CodeNetwork, alone: dict[int, Generated], slots: int, beside: int | None, is_fixed: bool
) -> None:
    engine = Engine(network, slots, POSITIONS, CPU, is_fixed=is_fixed, beside_urgent=beside)
    engine.add(request(key) for key in range(14))
    urgent = list(range(14, NUM_ROWS))
    found: dict[int, Generated] = {}
    step = 0
    while not engine.is_idle or urgent:
        if urgent and step % 5 == 4:
            engine.add([replace(request(urgent.pop(0)), is_urgent=True)])
        found |= {generated.key: generated for generated in engine.step()}
        in_slots = engine._schedule.slots
        others = sum(not slot.is_urgent for slot in in_slots)
        if beside is not None and len(in_slots) > others:
            assert others <= beside
        step += 1
    assert found.keys() == set(range(NUM_ROWS))
    for key, generated in found.items():
        assert torch.equal(generated.codes, alone[key].codes), key
        assert torch.allclose(generated.hiddens, alone[key].hiddens, atol=1e-4)


def test_an_urgent_row_draws_at_the_very_next_step(network: CodeNetwork) -> None:
    engine = Engine(network, 2, POSITIONS, CPU)
    engine.add(request(key) for key in range(8))
    engine.step()
    wanted = replace(request(50), is_urgent=True, sampling=Sampling(min_steps=30, max_steps=30))
    engine.add([wanted])
    engine.step()
    assert engine.num_steps(50) == 1
    so_far = engine.so_far(50, 0)
    assert so_far is not None
    assert len(so_far[0]) == len(so_far[1]) == 1


def test_steps_so_far_are_those_of_the_end(network: CodeNetwork, alone: dict[int, Generated]) -> None:
    key = max(alone, key=lambda key: alone[key].num_steps)
    engine = Engine(network, 2, POSITIONS, CPU)
    engine.add([request(key), request(key + 1)])
    pieces: list[Tensor] = []
    done: list[Generated] = []
    while not done:
        done = [generated for generated in engine.step() if generated.key == key]
        so_far = engine.so_far(key, sum(map(len, pieces)))
        if so_far is not None and len(so_far[0]) >= 3:
            pieces.append(so_far[0])
    rest = done[0].codes[sum(map(len, pieces)) :]
    assert len(pieces) > 1
    assert torch.equal(torch.cat([*pieces, rest]), alone[key].codes)
    assert engine.so_far(key, 0) is None, "it is in no slot any more"


def test_a_cancelled_row_is_gone_and_nobody_else_is(network: CodeNetwork, alone: dict[int, Generated]) -> None:
    engine = Engine(network, 3, POSITIONS, CPU)
    engine.add(request(key) for key in range(20))
    found: dict[int, Generated] = {}
    for unwanted in range(0, 20, 2):
        found |= {generated.key: generated for generated in engine.step()}
        engine.cancel([unwanted, 999])
        assert engine.so_far(unwanted, 0) is engine.num_steps(unwanted) is None
    found |= {generated.key: generated for generated in engine.run()}
    assert set(range(1, 20, 2)) <= found.keys()
    for key, generated in found.items():
        assert torch.equal(generated.codes, alone[key].codes)


def test_rows_end_where_they_say_or_where_they_are_cut_off(alone: dict[int, Generated]) -> None:
    assert {generated.is_complete for generated in alone.values()} == {True, False}
    for key, generated in alone.items():
        sampling = request(key).sampling
        assert not (generated.codes == EOS_CODE).any()
        assert generated.codes.shape == (generated.num_steps, TINY.num_vq)
        assert generated.hiddens.shape == (generated.num_steps, TINY.hidden)
        if generated.is_complete:
            assert min(sampling.min_steps, sampling.max_steps) <= generated.num_steps <= sampling.max_steps
        else:
            assert generated.num_steps == sampling.max_steps


def test_rows_that_come_while_others_are_spoken_are_spoken_too(
    network: CodeNetwork, alone: dict[int, Generated]
) -> None:
    engine = Engine(network, 3, POSITIONS, CPU)
    engine.add([request(0), request(1)])
    found: dict[int, Generated] = {}
    for late in range(2, 20):
        found |= {generated.key: generated for generated in engine.step()}
        engine.add([request(late)])
    found |= {generated.key: generated for generated in engine.run()}
    assert found.keys() == set(range(20))
    assert all(torch.equal(found[key].codes, alone[key].codes) for key in found)


def test_a_prompt_longer_than_a_chunk_is_filled_in_pieces(
    network: CodeNetwork, alone: dict[int, Generated], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("speechmill.actors.engine.engine.PREFILL_POSITIONS", 7)
    found = speak(network, list(range(10)), 5)
    assert all(torch.equal(found[key].codes, alone[key].codes) for key in found)


def test_the_slots_are_used_and_counted(network: CodeNetwork, alone: dict[int, Generated]) -> None:
    engine = Engine(network, 8, POSITIONS, CPU)
    engine.add(request(key) for key in range(NUM_ROWS))
    list(engine.run())
    assert engine.usage.useful == 1.0
    assert engine.usage.prefilled == sum(len(request(key).prompt) for key in range(NUM_ROWS))
    steps = sum(generated.num_steps + generated.is_complete for generated in alone.values())
    assert engine.usage.row_steps == steps
    assert engine.usage.steps < steps / 4


def test_a_request_that_no_slot_holds_is_refused(network: CodeNetwork) -> None:
    engine = Engine(network, 2, 20, CPU)
    with pytest.raises(ValueError, match="60 positions do not fit into a slot of 20"):
        engine.add([Request(0, torch.zeros(10, TINY.hidden), 1, Sampling(max_steps=50))])
    assert engine.is_idle


def test_text_is_drawn_by_the_same_loop() -> None:
    """Refining is the same engine with one codebook of words."""
    embed = state("embed", 1)
    end = TINY.first_special + 8
    network = TextNetwork(Backbone(TINY, state("gpt"), embed), embed, end)
    prompts = [torch.randn(5 + n, TINY.hidden, generator=torch.Generator().manual_seed(n)) for n in range(6)]
    requests = [Request(n, prompt, n, Sampling((0.7,), penalty=1.0, max_steps=20)) for n, prompt in enumerate(prompts)]
    found: list[dict[int, list[int]]] = []
    for slots in (1, 4):
        engine = Engine(network, slots, 64, CPU)
        engine.add(requests)
        found.append({g.key: g.codes[:, 0].tolist() for g in engine.run()})
    assert found[0] == found[1]
    assert all(0 <= token < TINY.text_vocab for tokens in found[0].values() for token in tokens)


def test_an_engine_is_warmed_without_a_trace(network: CodeNetwork, alone: dict[int, Generated]) -> None:
    engine = SharedEngine(Engine(network, 3, POSITIONS, CPU))
    warm(engine, network, 3)
    [generated] = engine.run([request(7)])
    assert torch.equal(generated.codes, alone[7].codes)
