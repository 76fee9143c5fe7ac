"""Laws of drawing: a row's codes are its own, the limits hold, the noise is uniform and comes from a counter."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from speechmill.actors.engine.request import Sampling
from speechmill.actors.engine.sampler import HISTORY, KEPT, Sampler

CPU = torch.device("cpu")
BOOKS, VOCABULARY, END = 4, 30, 29
few = settings(max_examples=min(20, settings.default.max_examples // 2))


def sampler(settings: list[tuple[int, Sampling]], slots: int | None = None) -> Sampler:
    made = Sampler(slots or len(settings), BOOKS, VOCABULARY, END, CPU)
    for slot, (seed, sampling) in enumerate(settings):
        made.put(slot, seed, sampling)
    return made


def logits(rows: int, seed: int = 0, scale: float = 3.0) -> torch.Tensor:
    return scale * torch.randn(rows, BOOKS, VOCABULARY, generator=torch.Generator().manual_seed(seed))


samplings = st.builds(
    Sampling,
    temperature=st.one_of(st.tuples(st.floats(0.05, 2)), st.tuples(*[st.floats(0.05, 2)] * BOOKS)),
    top_p=st.floats(0.05, 1.0),
    top_k=st.integers(1, 40),
    penalty=st.floats(1.0, 2.0),
    min_steps=st.integers(0, 6),
)


@few
@given(st.lists(st.tuples(st.integers(0, 2**63 - 1), samplings), min_size=2, max_size=6), st.integers(0, 99))
def test_a_row_draws_what_it_would_draw_alone(settings: list[tuple[int, Sampling]], seed: int) -> None:
    together = sampler(settings, slots=9)
    alone = [sampler([setting]) for setting in settings]
    for step in range(4):
        given_logits = logits(len(settings), seed + step)
        drawn = together.draw(given_logits, len(settings))
        for row, one in enumerate(alone):
            assert torch.equal(one.draw(given_logits[row : row + 1], 1)[0], drawn[row])


@few
@given(st.tuples(st.integers(0, 2**63 - 1), samplings), st.integers(0, 99))
def test_a_row_that_moves_goes_on_as_if_it_had_stayed(setting: tuple[int, Sampling], seed: int) -> None:
    stayed, moved = sampler([setting]), sampler([(1, Sampling()), setting])
    for step in range(6):
        one = logits(1, seed + step)
        if step == 3:
            moved.move(1, 0)
        both = torch.cat((logits(1, 7), one)) if step < 3 else one
        rows = len(both)
        assert torch.equal(stayed.draw(one, 1)[0], moved.draw(both, rows)[-1])


def test_the_limits_of_top_k_and_top_p_hold_and_leave_three() -> None:
    flat = torch.arange(VOCABULARY, 0, -1).float().expand(1, BOOKS, VOCABULARY) / 10
    for top_k, top_p, allowed in [(1, 1.0, KEPT), (5, 1.0, 5), (30, 0.01, KEPT), (30, 1.0, VOCABULARY)]:
        codes = {
            int(code)
            for seed in range(120)
            for code in sampler([(seed, Sampling((3.0,), top_p, top_k, 1.0))]).draw(flat, 1).flatten()
        }
        assert max(codes) < allowed
        assert len(codes) > 0.6 * allowed


def test_the_end_is_forbidden_until_it_may_come() -> None:
    certain = torch.zeros(1, BOOKS, VOCABULARY)
    certain[:, :, END] = 50.0
    one = sampler([(3, Sampling(min_steps=5))])
    drawn = [bool((one.draw(certain, 1) == END).all()) for _ in range(8)]
    assert drawn == [False] * 5 + [True] * 3


def test_what_was_drawn_of_late_is_penalised_and_forgotten_after_sixteen_steps() -> None:
    even = torch.zeros(1, BOOKS, VOCABULARY)
    even[:, :, 0], even[:, :, 1] = 10.0, 9.0
    one = sampler([(3, Sampling((1e-4,), 1.0, 30, 1.5))])
    drawn = [int(one.draw(even, 1)[0, 0]) for _ in range(HISTORY + 4)]
    assert drawn[:2] == [0, 1], "the second best once the best has been penalised"
    unpenalised = sampler([(3, Sampling((1e-4,), 1.0, 30, 1.0))])
    assert {int(unpenalised.draw(even, 1)[0, 0]) for _ in range(20)} == {0}


def test_codes_are_drawn_as_often_as_they_are_likely() -> None:
    scores = logits(1, scale=1.0)
    rows = 2_000
    many = sampler([(seed, Sampling((1.0,), 1.0, VOCABULARY, 1.0)) for seed in range(rows)])
    drawn = torch.cat([many.draw(scores.expand(rows, BOOKS, VOCABULARY), rows)[:, 0] for _ in range(10)])
    share = torch.bincount(drawn, minlength=VOCABULARY) / len(drawn)
    assert float((share - scores[0, 0].softmax(0)).abs().max()) < 0.012
