"""One engine, several threads: everybody gets his own rows, and what they would be alone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from support.waiting import HANG_S, eventually
from torch import Tensor

from speechmill.actors.engine.cache import Cache
from speechmill.actors.engine.chunks import ChunkPolicy
from speechmill.actors.engine.engine import Engine
from speechmill.actors.engine.request import Generated, Request, Sampling
from speechmill.actors.engine.shared import Drawn, SharedEngine
from speechmill.actors.records.stream_handle import StreamHandle

CPU = torch.device("cpu")
END = 9
ROWS = 16
POLICY = ChunkPolicy(first=2, growth=1.5, most=8, ahead=1, context=3)


class Counting:
    """A network whose codes follow from its own last code alone: slots are mixed up if a row skips a number."""

    num_codebooks, vocabulary, end, hidden, dtype = 1, 10, END, 4, torch.float32

    def __init__(self) -> None:
        self.fails_at: int | None = None
        self.before_it_fails: Callable[[], None] = lambda: None
        self.steps = 0

    def cache(self, slots: int, positions: int) -> Cache:
        return Cache(1, slots, 1, positions, 1, torch.float32, CPU)

    def embed(self, codes: Tensor) -> Tensor:
        return codes.float().repeat(1, 4)

    def hiddens(self, x: Tensor, cache: Cache, first: int, starts: Tensor, reach: int) -> Tensor:
        self.steps += 1
        if self.steps == self.fails_at:
            self.before_it_fails()
            raise MemoryError("no room for this step")
        return x

    def logits(self, hidden: Tensor) -> Tensor:
        wanted = (hidden[:, 0].long() + 1) % END  # the end is never wanted
        return torch.nn.functional.one_hot(wanted, 10).float()[:, None] * 1_000


def request(key: int, steps: int) -> Request:
    prompt = torch.full((1 + key % 3, 4), float(key % END))
    return Request(key, prompt, seed=key, sampling=Sampling(temperature=(1.0,), penalty=1.0, max_steps=steps))


def wanted(key: int, steps: int) -> list[int]:
    return [(key % END + 1 + step) % END for step in range(steps)]


def shared(slots: int = 3, beside: int | None = None, network: Counting | None = None) -> SharedEngine:
    return SharedEngine(Engine(network or Counting(), slots, 100, CPU, beside_urgent=beside))


def streamed(engine: SharedEngine, key: int, steps: int) -> list[Drawn]:
    return list(engine.stream(request(key, steps), POLICY, StreamHandle()))


def codes_of(windows: list[Drawn]) -> list[int]:
    """The codes of the chunks, out of their windows."""
    codes: list[int] = []
    for window in windows:
        chunk = window.chunk
        assert len(window.codes) == len(window.hiddens) == chunk.window_end - chunk.window_start
        assert len(window.codes) <= POLICY.context + 2 * POLICY.most + POLICY.ahead
        codes += window.codes[chunk.start - chunk.window_start : chunk.end - chunk.window_start, 0].tolist()
    return codes


@pytest.mark.parametrize(("slots", "beside"), [(1, None), (3, 1), (8, 0)])
def test_rows_and_streams_at_once_each_get_their_own(slots: int, beside: int | None) -> None:
    engine = shared(slots, beside)

    def batch(first: int) -> dict[int, list[int]]:
        rows = [request(key, 1 + key % 30) for key in range(first, first + ROWS)]
        return {row.key: row.codes[:, 0].tolist() for row in engine.run(rows)}

    with ThreadPoolExecutor(8) as threads:
        batches = [threads.submit(batch, first) for first in (0, 1_000)]
        streams = [threads.submit(streamed, engine, key, 5 + key) for key in range(6)]
        for first, future in zip((0, 1_000), batches, strict=True):
            assert future.result(HANG_S) == {key: wanted(key, 1 + key % 30) for key in range(first, first + ROWS)}
        for key, stream in enumerate(streams):
            windows = stream.result(HANG_S)
            assert codes_of(windows) == wanted(key, 5 + key)
            assert [window.end is not None for window in windows] == [False] * (len(windows) - 1) + [True]
            end = windows[-1].end
            assert end is not None
            assert (end.key, end.num_steps, end.is_complete) == (key, 5 + key, False)


def test_a_stream_that_is_closed_frees_its_slot_and_a_batch_that_is_left_frees_all() -> None:
    engine = shared(2)
    stream = engine.stream(request(1, 90), POLICY, StreamHandle())
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert engine._engine.is_idle
    rows = engine.run([request(key, 5) for key in range(10)])
    next(rows)
    rows.close()  # type: ignore[attr-defined]
    assert engine._engine.is_idle
    assert codes_of(streamed(engine, 4, 20)) == wanted(4, 20)


def test_a_listener_who_leaves_frees_his_slot_before_the_next_step_though_others_wait() -> None:
    """His own thread is asleep while another one steps: it must not have to wake up first."""
    network = Counting()
    engine, listener = shared(4, None, network), StreamHandle()
    leaver = engine.stream(request(1, 90), POLICY, listener)
    next(leaver)
    stayer = engine.stream(request(2, 90), POLICY, StreamHandle())
    next(stayer)
    assert engine._engine.num_steps(0) is not None
    listener.leave()
    before = network.steps
    while network.steps == before:
        next(stayer)
    assert engine._engine.num_steps(0) is None
    assert next(leaver, None) is None
    assert codes_of([*streamed(engine, 4, 20)]) == wanted(4, 20)


def test_the_time_until_the_first_chunk_is_told_by_part() -> None:
    engine, listener = shared(2), StreamHandle()
    assert len(list(engine.stream(request(1, 40), POLICY, listener))) > 2
    assert listener.spent_s.keys() == {"queue", "prefill", "steps"}
    assert all(seconds >= 0 for seconds in listener.spent_s.values())


def test_a_step_that_fails_fails_for_all_and_the_next_caller_is_served() -> None:
    network = Counting()
    engine = shared(4, None, network)
    network.fails_at = 15
    callers = lambda: {id(caller) for caller in engine._callers.values()}  # noqa: E731
    network.before_it_fails = lambda: eventually(lambda: len(callers()) == 3, "all three callers")
    errors: list[BaseException] = []
    started = threading.Barrier(3)

    def attempt(work: Callable[[], Any]) -> None:
        started.wait()
        try:
            work()
        except MemoryError as error:
            errors.append(error)

    def batch() -> list[Generated]:
        return list(engine.run([request(key, 60) for key in range(6)]))

    threads = [
        threading.Thread(target=attempt, args=(work,))
        for work in (batch, lambda: streamed(engine, 1, 60), lambda: streamed(engine, 2, 60))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HANG_S)
    assert len(errors) == 3
    assert engine._engine.is_idle
    assert codes_of(streamed(engine, 4, 20)) == wanted(4, 20)


def test_a_row_that_no_slot_can_hold_is_refused_before_anything_runs() -> None:
    engine = shared()
    with pytest.raises(ValueError, match="do not fit into a slot of 100"):
        list(engine.run([request(0, 3), request(1, 100)]))
    with pytest.raises(ValueError, match="do not fit into a slot of 100"):
        streamed(engine, 0, 200)
    assert engine._engine.is_idle
    assert list(engine.run([])) == []
