"""A RangeReader is a file: compared with io.BytesIO, and with how often it asks for bytes."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmill.cluster.storage.ranges import FIRST_BYTES, RangeReader

steps = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.integers(-1, 400)),
        st.tuples(st.just("seek"), st.integers(0, 400)),
        st.tuples(st.just("end"), st.integers(-300, 0)),
        st.tuples(st.just("readline"), st.just(0)),
    ),
    max_size=12,
)


class Source:
    """Bytes that can only be had in ranges; remembers which."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.asked: list[tuple[int, int]] = []

    def __call__(self, start: int, length: int) -> bytes:
        assert length > 0
        assert start + length <= len(self.data)
        self.asked.append((start, length))
        return self.data[start : start + length]


@given(st.binary(max_size=300), st.integers(0, 300), st.integers(1, 64), st.integers(1, 64), steps)
def test_it_reads_as_any_file(
    data: bytes, num_first: int, block_bytes: int, buffer_bytes: int, steps: list[tuple[str, int]]
) -> None:
    """Law: any sequence of reads and seeks gives what a file in memory gives."""
    reader = RangeReader(Source(data), len(data), data[:num_first], block_bytes)
    ours, theirs = io.BufferedReader(reader, buffer_bytes), io.BytesIO(data)
    for verb, number in steps:
        for file in (ours, theirs):
            if verb == "seek":
                file.seek(number)
            elif verb == "end":
                file.seek(max(number, -len(data)), io.SEEK_END)
        if verb == "read":
            assert ours.read(number) == theirs.read(number)
        if verb == "readline":
            assert ours.readline() == theirs.readline()
        assert ours.tell() == theirs.tell()


def test_reading_on_doubles_the_ranges_up_to_a_block() -> None:
    """Each byte is fetched once, in ever larger ranges."""
    data = bytes(FIRST_BYTES * 30)
    source = Source(data)
    block_bytes = FIRST_BYTES * 8
    assert io.BufferedReader(RangeReader(source, len(data), data[:FIRST_BYTES], block_bytes)).read() == data
    lengths = [length // FIRST_BYTES for _, length in source.asked]
    assert lengths == [2, 4, 8, 8, 7]


def test_a_jump_fetches_little() -> None:
    """A parquet footer costs its own bytes, not a block."""
    data = bytes(FIRST_BYTES * 30)
    source = Source(data)
    reader = io.BufferedReader(RangeReader(source, len(data), b"", FIRST_BYTES * 8))
    reader.seek(-8, io.SEEK_END)
    reader.read(8)
    reader.seek(FIRST_BYTES * 10)
    reader.read(1)
    assert source.asked == [(len(data) - 8, 8), (FIRST_BYTES * 10, FIRST_BYTES)]


def test_no_read_holds_more_than_a_block() -> None:
    """One huge read becomes ranges of a block."""
    data = bytes(range(256)) * 40
    source = Source(data)
    assert io.BufferedReader(RangeReader(source, len(data), b"", 1000), 16).read(len(data)) == data
    assert max(length for _, length in source.asked) == 1000


def test_a_fetch_that_failed_is_tried_again_by_the_next_read() -> None:
    """An error leaves position and content as they were."""
    failures = [OSError("gone")]

    def fetch(start: int, length: int) -> bytes:
        if failures:
            raise failures.pop()
        return b"abcdef"[start : start + length]

    reader = RangeReader(fetch, 6, b"abc", 3)
    assert reader.read(3) == b"abc"
    with pytest.raises(OSError, match="gone"):
        reader.read(3)
    assert reader.tell() == 3
    assert reader.read(3) == b"def"


def test_a_closed_reader_says_so() -> None:
    """As every file does."""
    reader = RangeReader(Source(b"abc"), 3)
    reader.close()
    for use in (reader.tell, reader.read, lambda: reader.seek(0)):
        with pytest.raises(ValueError, match="closed"):
            use()


def test_a_position_before_the_beginning_is_refused() -> None:
    """As every file does."""
    with pytest.raises(ValueError, match="before the beginning"):
        RangeReader(Source(b"abc"), 3).seek(-4, io.SEEK_END)
