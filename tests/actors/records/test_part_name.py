"""Names of parts are read back as they were written, and nothing else is read at all."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechmill.actors.records.part_name import PartName
from speechmill.actors.records.record import Record
from speechmill.cluster.commit.names import Stamp
from speechmill.errors import JobError

from .drawn import records

part_names = st.builds(
    PartName,
    window=st.integers(0, 10**8),
    index=st.integers(0, 10**6) | st.none(),
    num_ok=st.integers(0, 10**9),
    num_failed=st.integers(0, 10**9),
    audio_ms=st.integers(0, 10**12),
    digest=st.text("0123456789abcdef", min_size=1, max_size=64),
)
stamped_names = st.builds(
    replace,
    part_names,
    stamp=st.builds(lambda run, number: f"r5f3a-{run}.n{number}", st.integers(1, 10**17), st.integers(0, 10**17)),
    content=st.text("0123456789abcdef", min_size=16, max_size=16),
)


@settings(deadline=None)
@given(part_names | stamped_names)
def test_a_part_name_is_read_back_as_written(name: PartName) -> None:
    assert PartName.parse(name.key) == name


@settings(deadline=None)
@given(
    st.text(max_size=60)
    | st.from_regex(r"manifest/[0-9]{6}/(0001|rejected)\.ok\d+\.failed\d+\.ms\d+\.[0-9a-f]+\.jsonl")
    | st.from_regex(
        r"manifest/000000/0001\.r5f3a-\d{1,2}\.n\d{1,2}\.ok1\.failed0\.ms1\.[0-9a-f]+(\.[0-9a-f]{16})?\.jsonl"
    )
)
def test_a_key_is_refused_or_is_that_part_s_only_name(key: str) -> None:
    try:
        name = PartName.parse(key)
    except JobError:
        return
    assert name.key == key
    assert bool(name.stamp) == bool(name.content)
    if name.stamp:
        Stamp.parse(name.stamp)


def test_part_names_look_as_documented() -> None:
    part = PartName(12, 3, 98, 2, 412345, "9f2c1a")
    assert part.key == "manifest/000012/0003.ok98.failed2.ms412345.9f2c1a.jsonl"
    assert part.shard_id == "000012-0003"
    rejected = PartName(12, None, 0, 7, 0, "9f2c1a")
    assert rejected.key == "manifest/000012/rejected.ok0.failed7.ms0.9f2c1a.jsonl"
    assert rejected.shard_id == "000012-rejected"


@pytest.mark.parametrize(
    "key",
    [
        "manifest/000012/0003.ok98.failed2.ms1.9F.jsonl",
        "manifest/000012/0003.ok098.failed2.ms1.9f.jsonl",
        "manifest/0000012/0003.ok98.failed2.ms1.9f.jsonl",
        "manifest/000012/0003.ok98.failed2.ms1.9f.jsonl\n",
        "manifest/00001٢/0003.ok98.failed2.ms1.9f.jsonl",
        "x/manifest/000012/0003.ok98.failed2.ms1.9f.jsonl",
    ],
)
def test_a_second_spelling_of_a_part_name_is_refused(key: str) -> None:
    with pytest.raises(JobError, match="is no manifest"):
        PartName.parse(key)


@settings(deadline=None)
@given(st.lists(records, max_size=5))
def test_a_part_is_named_by_what_it_holds(rows: list[Record]) -> None:
    part = PartName.of(1, 2, "ab", rows)
    assert part.num_ok + part.num_failed == len(rows)
    assert part == PartName.of(1, 2, "ab", rows[::-1])
    assert part.audio_ms == sum(record.audio_ms for record in rows)
