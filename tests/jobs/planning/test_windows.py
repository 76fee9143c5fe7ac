"""Laws of windows: every row once, in order, the last one marked, one window in memory."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from speechmill.actors.records.utterance import Failure, Utterance
from speechmill.jobs.planning.windows import windows


def row(number: int, is_bad: bool) -> Utterance | Failure:
    return Failure(number, "id", "bad") if is_bad else Utterance(number, "id", "text", seed=0)


@given(st.lists(st.booleans(), max_size=100), st.integers(1, 30))
def test_every_row_is_in_one_window_in_order(bad: list[bool], size: int) -> None:
    rows = [row(number, is_bad) for number, is_bad in enumerate(bad)]
    made = list(windows(rows, size))
    assert [w.index for w in made] == list(range(len(made)))
    assert [w.is_last for w in made] == [False] * (len(made) - 1) + [True] * bool(made)
    assert all(w.num_rows == size for w in made[:-1])
    in_order = [sorted([*w.utterances, *w.rejected], key=lambda r: r.row) for w in made]
    assert [r for window in in_order for r in window] == rows


def test_a_window_is_made_before_the_rows_after_the_next_are_read() -> None:
    read: list[int] = []

    def stream() -> Iterator[Utterance]:
        for number in range(1_000):
            read.append(number)
            yield Utterance(number, "id", "text", seed=0)

    next(windows(stream(), 10))
    assert len(read) == 11, "a window and the one row that says whether it is the last"
