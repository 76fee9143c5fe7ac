"""Which text a step may see, and how long texts are cut: laws, and the numbers of the description."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmill.actors.models.minicpmo.text_schedule import HEAD, TextSchedule, TextWindow, TextWindows, Windowing

END = 9
TOKENS = st.lists(st.integers(0, END), max_size=120)
SMALL = Windowing(most=20, close_after=8, text_carried=3)


@pytest.mark.parametrize(
    ("at", "tokens"), [(0, 10), (48, 10), (49, 20), (98, 20), (99, 30), (1_449, 300), (4_000, 300)]
)
def test_ten_tokens_are_visible_first_and_ten_more_every_fifty_steps(at: int, tokens: int) -> None:
    assert TextSchedule().needs(at) == HEAD + tokens


@given(st.integers(0, 4_000))
def test_what_is_visible_never_becomes_less(at: int) -> None:
    schedule = TextSchedule()
    assert schedule.needs(at) <= schedule.needs(at + 1) <= schedule.start


def cut(parts: list[list[int]]) -> list[TextWindow]:
    text = TextWindows(SMALL, frozenset({END}))
    for part in parts:
        text.feed(part, is_last=False)
    text.feed((), is_last=True)
    return text.windows


@given(TOKENS)
def test_windows_hold_all_tokens_once_and_begin_with_the_end_of_the_one_before(tokens: list[int]) -> None:
    windows = cut([tokens])
    assert [token for window in windows for token in window.tokens[window.num_carried :]] == tokens
    for before, window in itertools.pairwise(windows):
        assert window.tokens[: window.num_carried] == before.tokens[-SMALL.text_carried :]
        assert len(window.tokens) > window.num_carried == SMALL.text_carried
        assert len(before.tokens) == SMALL.most or (
            before.tokens[-1] == END and len(before.tokens) >= SMALL.close_after
        )
    assert all(window.is_closed and len(window.tokens) <= SMALL.most for window in windows)


@given(TOKENS, st.lists(st.integers(0, 120), max_size=8))
def test_windows_do_not_depend_on_the_parts_in_which_a_text_comes(tokens: list[int], places: list[int]) -> None:
    bounds = [0, *sorted(places), len(tokens)]
    parts = [tokens[start:end] for start, end in itertools.pairwise(bounds)]
    assert cut(parts) == cut([tokens])
