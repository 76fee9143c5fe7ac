"""The pretended device itself: it computes what a GPU would, refuses what CUDA refuses, and graphs are records."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from support.pretend_cuda import CaptureError, PretendCuda, StreamOrderError
from torch import Tensor
from torch.nn import functional as F


def captured(step: object) -> torch.cuda.CUDAGraph:
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()  # type: ignore[operator]
    return graph


def test_tensors_say_that_they_are_on_the_device(pretend_cuda: PretendCuda) -> None:
    x = torch.arange(6.0, device="cuda").view(2, 3)
    module = torch.nn.Linear(3, 2).to("cuda")
    assert x.is_cuda and module(x).device == torch.device("cuda", 0)
    with pytest.raises(TypeError, match="can't convert cuda:0"):
        x.numpy()
    x[0] = 7.0
    assert x.cpu().tolist() == [[7, 7, 7], [3, 4, 5]] == x.tolist()
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda: torch.tensor([1, 2], device="cuda").device.type).result() == "cuda"
    assert torch.zeros(1).device.type == "cpu"


def test_devices_and_formats_are_not_mixed(pretend_cuda: PretendCuda) -> None:
    x = torch.ones(2, 4, device="cuda")
    with pytest.raises(RuntimeError, match="same device"):
        x + torch.ones(4)
    with pytest.raises(RuntimeError, match="same device"):
        x.masked_fill(torch.ones(4, dtype=torch.bool), 0)
    with pytest.raises(RuntimeError, match="one number format"):  # a CPU normalises by weights of another format
        F.layer_norm(x.bfloat16(), (4,), x[0])
    assert (x + torch.tensor(1.0)).sum().item() == 16, "a number on the host is an argument of the kernel"


def test_waits_copies_and_operators_are_counted(pretend_cuda: PretendCuda) -> None:
    with pretend_cuda.trace() as trace:
        x = torch.tensor([1.0, 2.0], device="cuda")
        y = (x + 1)[:1].item()
        _ = x[x > 1]
        torch.empty(1, pin_memory=True).to("cuda", non_blocking=True)
    assert y == 2
    assert trace.operators == {"add": 1, "gt": 1, "index": 1}
    assert [trace.syncs.total(), trace.uploads.total(), trace.pinned.total()] == [2, 1, 1]
    assert all("test_cuda_rules.py" in name for name in trace.syncs)


def test_what_is_copied_without_waiting_is_there_after_waiting(pretend_cuda: PretendCuda) -> None:
    host = torch.zeros(2, pin_memory=True)
    host.copy_(torch.ones(2, device="cuda"), non_blocking=True)
    assert host.isnan().all()
    event = torch.cuda.Event()
    event.record()
    event.synchronize()
    assert host.tolist() == [1, 1]
    host.to("cuda", non_blocking=True)
    host.fill_(5)
    with pytest.raises(RuntimeError, match="written again before"):
        torch.cuda.synchronize()


def test_a_stream_has_to_wait_for_what_another_one_writes_or_reads(pretend_cuda: PretendCuda) -> None:
    side = torch.cuda.Stream()
    x = torch.ones(2, device="cuda")
    with torch.cuda.stream(side), pytest.raises(StreamOrderError, match="has written"):
        x + 1
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        y = x + 1
    with pytest.raises(StreamOrderError, match="has read"):
        x.zero_()
    torch.cuda.current_stream().wait_stream(side)
    assert x.zero_().tolist() == [0, 0]
    assert y.tolist() == [2, 2]


def test_memory_is_counted_and_ends(pretend_cuda: PretendCuda) -> None:
    before = torch.cuda.memory_allocated()
    x = torch.zeros(1 << 20, device="cuda")
    view = x[:5]
    del x
    assert torch.cuda.memory_allocated() - before == 4 << 20, "a view holds it"
    del view
    assert torch.cuda.memory_allocated() == before
    torch.cuda.set_per_process_memory_fraction(0.0001)
    with pytest.raises(torch.OutOfMemoryError, match="out of memory"):
        torch.empty(1 << 28, device="cuda")


def test_a_capture_changes_nothing_and_a_replay_does_what_was_recorded(pretend_cuda: PretendCuda) -> None:
    state, factor, made = torch.ones(2, device="cuda"), 2.0, list[Tensor]()

    def step() -> None:
        made.append(state * factor)
        state.add_(made[0])

    graph = captured(step)
    assert state.tolist() == [1, 1]
    with pytest.raises(CaptureError, match="not replayed"):
        made[0].cpu()
    factor = 100.0
    graph.replay()
    assert made[0].tolist() == [2, 2], "the number of the capture"
    with pretend_cuda.trace() as trace:
        graph.replay()
    assert state.tolist() == [9, 9]
    assert trace.num_operators == 1 and trace.replayed == {"mul": 1, "add_": 1}


def test_a_graph_copies_to_and_from_pinned_memory(pretend_cuda: PretendCuda) -> None:
    given, out = torch.zeros(2, pin_memory=True), torch.zeros(2, pin_memory=True)
    state = torch.zeros(2, device="cuda")

    def step() -> None:
        state.copy_(given, non_blocking=True)
        out.copy_(state + 1, non_blocking=True)

    graph = captured(step)
    given.fill_(4)
    graph.replay()
    torch.cuda.synchronize()
    assert out.tolist() == [5, 5]


@pytest.mark.parametrize("what", ["item", "upload", "shape", "synchronize", "query"])
def test_a_capture_refuses_what_waits(pretend_cuda: PretendCuda, what: str) -> None:
    x, event = torch.ones(2, device="cuda"), torch.cuda.Event()
    steps = {
        "item": lambda: x.sum().item(),
        "upload": lambda: torch.tensor([1], device="cuda"),
        "shape": lambda: x[x > 0],
        "synchronize": torch.cuda.synchronize,
        "query": event.query,
    }
    with pytest.raises(CaptureError, match="not permitted when stream is capturing"):
        captured(steps[what])
    assert x.tolist() == [1, 1], "the device goes on"


def test_a_capture_is_joined_and_on_a_stream_of_its_own(pretend_cuda: PretendCuda) -> None:
    x, side = torch.ones(2, device="cuda"), torch.cuda.Stream()
    with pytest.raises(CaptureError, match="not the default stream"):
        torch.cuda.CUDAGraph().capture_begin()

    def forks(*, joins: bool) -> None:
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            x.add_(1)
        if joins:
            torch.cuda.current_stream().wait_stream(side)

    captured(lambda: forks(joins=True)).replay()
    assert x.tolist() == [2, 2]
    with pytest.raises(CaptureError, match="unjoined"):
        captured(lambda: forks(joins=False))
