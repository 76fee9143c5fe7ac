"""Sets of commits: their numbers, and the digest of their names."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmill.cluster.commit.adoptions import MAX_SKIPPED, NO_NAMES, NO_NUMBERS, Adopted
from speechmill.errors import JobError

NUMBERS = st.sets(st.integers(0, 40), min_size=1, max_size=12)


@given(st.lists(NUMBERS, min_size=1, max_size=4))
def test_adopted_numbers_are_those_that_were_added(parts: list[set[int]]) -> None:
    """Law: in whatever portions they come."""
    adopted, numbers = NO_NUMBERS, set[int]().union(*parts)
    for part in parts:
        adopted = adopted.plus(part)
    assert {number for number in range(-1, 60) if number in adopted} == numbers
    assert len(adopted) == len(numbers)
    assert adopted == NO_NUMBERS.plus(numbers)


def test_a_number_that_no_run_gave_is_refused_before_it_fills_the_memory() -> None:
    """An output may have been edited by anyone."""
    assert len(NO_NUMBERS.plus([MAX_SKIPPED])) == 1
    with pytest.raises(JobError, match="n1000000000000"):
        Adopted(5).plus([10**12])


@given(st.lists(st.text(max_size=5), unique=True), st.randoms())
def test_the_digest_of_names_knows_no_order(keys: list[str], chance: Any) -> None:
    """Law: and tells every other set."""
    shuffled = chance.sample(keys, len(keys))
    half = len(keys) // 2
    assert NO_NAMES.plus(keys) == NO_NAMES.plus(shuffled[:half]).plus(shuffled[half:])
    if keys:
        assert NO_NAMES.plus(keys) != NO_NAMES.plus(keys[1:])
        assert NO_NAMES.plus(keys) != NO_NAMES.plus([*keys[1:], f"{keys[0]}+"])
