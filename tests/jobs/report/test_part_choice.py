"""Laws of what is read: by seed and names, within the bound, and what has failed is found by its name."""

from __future__ import annotations

import random

from speechmill.actors.records.part_name import PartName
from speechmill.jobs.report.part_choice import NUM_EXTREME_PARTS, NUM_FAILED_PARTS, PartChoice


def parts(count: int) -> list[PartName]:
    return [
        PartName(number // 80, number % 80, 100, int(number % 50 == 0), 100 * (1000 + number), f"{number:x}")
        for number in range(count)
    ]


def chosen(some: list[PartName], seed: int, max_rows: int) -> list[tuple[str, bool]]:
    choice = PartChoice(seed, max_rows)
    for part in some:
        choice.add(part)
    assert choice.totals.num_rows == sum(part.num_ok + part.num_failed for part in some)
    return [(item.part.key, item.is_random) for item in choice.chosen()]


def test_all_is_read_where_it_is_little_enough() -> None:
    some = parts(20)
    assert sorted(key for key, _ in chosen(some, 0, 10_000)) == sorted(part.key for part in some)
    choice = PartChoice(0, 10_000)
    assert choice.is_whole
    assert list(choice.chosen()) == []


def test_a_large_output_is_drawn_from_in_memory_that_does_not_grow() -> None:
    some = parts(5_000)
    choice = PartChoice(7, 2_000)
    for part in some:
        choice.add(part)
        assert len(choice._drawn) <= 21
    assert not choice.is_whole
    assert 2_000 <= choice.num_drawn_rows < 2_200
    drawn = [item for item in choice.chosen() if item.is_random]
    others = [item for item in choice.chosen() if not item.is_random]
    assert len(drawn) in (20, 21)
    assert len(others) <= NUM_FAILED_PARTS + 2 * NUM_EXTREME_PARTS
    assert sum(item.part.num_failed for item in others) >= NUM_FAILED_PARTS - 2
    keys = {item.part.key for item in choice.chosen()}
    assert {some[-1].key, some[0].key} <= keys, "the longest and the shortest rows are in these"


def test_the_order_of_the_names_changes_nothing_and_the_seed_does() -> None:
    some = parts(300)
    shuffled = random.Random(1).sample(some, len(some))
    assert chosen(some, 1, 1_000) == chosen(shuffled, 1, 1_000)
    assert chosen(some, 1, 1_000) != chosen(some, 2, 1_000)
