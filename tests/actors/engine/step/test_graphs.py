"""Steps as CUDA graphs, on a CUDA device of tests: the codes of a CPU, one wait of the host a step, nothing eager."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from support.pretend_cuda import PretendCuda
from torch import Tensor

from speechmill.actors.engine.engine import Engine
from speechmill.actors.engine.request import Generated, Request, Sampling
from speechmill.actors.engine.step.device_step import DeviceStep
from speechmill.actors.engine.step.shape import StepShape
from speechmill.actors.models.chattts.checkpoint.layout import EOS_CODE, PART_FILES, TINY, tensors
from speechmill.actors.models.chattts.nets.backbone import Backbone, CodeNetwork

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
POSITIONS = 80
SIZES = replace(TINY, num_layers=1)
"""Graphs of several layers are those of tests/scenarios/test_models_on_cuda_rules.py."""


def state(part: str, seed: int, device: torch.device) -> dict[str, Tensor]:
    chance = torch.Generator().manual_seed(seed)
    made = {
        name: torch.randn(shape, generator=chance) * 0.3 for name, shape in tensors(SIZES)[PART_FILES[part]].items()
    }
    made = {name: torch.ones_like(value) if "norm" in name else value for name, value in made.items()}
    for book in range(TINY.num_vq):
        if part == "embed":
            made[f"head_code.{book}.parametrizations.weight.original0"][EOS_CODE] *= 3
    return {name: tensor.to(device) for name, tensor in made.items()}


def network_on(device: torch.device) -> CodeNetwork:
    embed = state("embed", 1, device)
    return CodeNetwork(Backbone(SIZES, state("gpt", 0, device), embed), embed)


def request(key: int, device: torch.device, **how: object) -> Request:
    prompt = torch.randn(3 + key % 5, TINY.hidden, generator=torch.Generator().manual_seed(key))
    sampling = Sampling(top_k=(3, 20)[key % 2], max_steps=6 + key, free_steps=key % 7 == 0)
    return replace(Request(key, prompt.to(device), 100 + key, sampling), **how)  # type: ignore[arg-type]


def spoken(network: CodeNetwork, device: torch.device, **how: object) -> dict[int, Generated]:
    """Rows in few slots, of which some are parked for urgent ones, and one is cancelled."""
    engine = Engine(network, 3, POSITIONS, device, **how)  # type: ignore[arg-type]
    engine.capture()
    engine.add(request(key, device) for key in range(8))
    found: dict[int, Generated] = {}
    for number in range(6):
        found |= {row.key: row for row in engine.step()}
        if number == 3:
            engine.add(request(key, device, is_urgent=True) for key in (8, 9))
    engine.cancel([7])
    return found | {row.key: row for row in engine.run()}


@pytest.fixture(scope="module")
def on_cpu() -> dict[int, Generated]:
    return spoken(network_on(CPU), CPU)


@pytest.mark.slow
@pytest.mark.parametrize("is_fixed", [False, True])
def test_replayed_steps_draw_the_codes_of_a_cpu(
    pretend_cuda: PretendCuda, on_cpu: dict[int, Generated], is_fixed: bool
) -> None:
    found = spoken(network_on(CUDA), CUDA, is_fixed=is_fixed, beside_urgent=1)
    assert found.keys() == on_cpu.keys()
    for key, row in found.items():
        assert torch.equal(row.codes.cpu(), on_cpu[key].codes), key
        assert row.is_complete == on_cpu[key].is_complete


def test_a_step_is_one_graph_and_one_wait(pretend_cuda: PretendCuda) -> None:
    """In the steady state the host starts a graph, and copies the ends of its rows."""
    network = network_on(CUDA)
    engine = Engine(network, 4, POSITIONS, CUDA)
    engine.capture()
    endless = Sampling(min_steps=60, max_steps=60)
    engine.add(request(key, CUDA, sampling=endless) for key in range(3))
    engine.step()
    engine.step()
    with pretend_cuda.trace() as trace:
        for _ in range(10):
            engine.step()
    assert trace.operators.total() == trace.replays == trace.syncs.total() == 10
    assert not trace.uploads and not trace.pinned


@pytest.mark.parametrize("has_free_steps", [pytest.param(False, marks=pytest.mark.slow), True])
def test_rows_that_come_and_go_make_the_host_wait_no_oftener(pretend_cuda: PretendCuda, has_free_steps: bool) -> None:
    """Every step is a replay, also the first one of a row that draws from all codes, if the engine knows of such."""
    engine = Engine(network_on(CUDA), 3, POSITIONS, CUDA, looks_at_all=has_free_steps)
    engine.capture()
    engine.add(request(key, CUDA) for key in (range(5, 9) if has_free_steps else range(1, 5)))
    with pretend_cuda.trace() as trace:
        assert len(list(engine.run())) == 4
    # Nobody waits for the ends of the step behind the last row's end.
    assert trace.replays == engine.usage.steps == trace.syncs.total() + 1
    assert not trace.uploads


@pytest.mark.slow
def test_rows_do_not_fail_with_a_capture(
    pretend_cuda: PretendCuda,
    on_cpu: dict[int, Generated],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A step that a graph cannot hold, as the host waits in it, is computed operator by operator; this is told once."""
    run = DeviceStep.run

    def with_wait(step: DeviceStep, shape: StepShape) -> None:
        run(step, shape)
        step._numbers[0].item()

    monkeypatch.setattr(DeviceStep, "run", with_wait)
    before = torch.cuda.current_stream()
    found = spoken(network_on(CUDA), CUDA, beside_urgent=1)
    assert torch.cuda.current_stream() is before
    assert {key: row.codes.tolist() for key, row in found.items()} == {
        key: row.codes.tolist() for key, row in on_cpu.items()
    }
    assert caplog.text.count("without CUDA graphs") == 1
    caplog.clear()
