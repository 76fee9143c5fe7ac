"""A text between two threads: whole and in order, bounded, and closed from anywhere."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from speechmill.actors.records.text_channel import TextChannel


def test_the_reader_gets_all_characters_in_order() -> None:
    channel, parts = TextChannel(), [str(number) + " " for number in range(500)]
    with ThreadPoolExecutor(2) as threads:
        read = threads.submit(lambda: "".join(channel))
        for part in parts:
            channel.feed(part)
        channel.end()
        assert read.result(60) == "".join(parts)
    with pytest.raises(ValueError, match="has ended"):
        channel.feed("more")


def test_a_writer_is_told_of_room_once_the_reader_has_taken() -> None:
    channel, told = TextChannel(4), list[int]()
    channel.when_room(lambda: told.append(1))
    channel.feed("12345")
    assert not channel.has_room
    channel.when_room(lambda: told.append(2))
    assert told == [1]
    assert channel.take() == ("12345", False)
    assert (told, channel.has_room) == ([1, 2], True)


def test_closing_ends_a_reader_and_a_writer_that_wait() -> None:
    channel, told = TextChannel(4), list[int]()
    with ThreadPoolExecutor(1) as threads:
        read = threads.submit(list, channel)
        channel.close()
        assert read.result(60) == []
    channel.feed("thrown away")
    channel.when_room(lambda: told.append(1))
    assert told == [1]
    assert channel.take() == ("", True)


def test_whoever_polls_is_told_of_all_that_comes() -> None:
    channel, told = TextChannel(), threading.Semaphore(0)
    channel.when_ready(told.release)
    assert not channel.is_ready
    channel.feed("a")
    assert channel.is_ready
    assert channel.take() == ("a", False)
    channel.end()
    assert channel.take() == ("", True)
    assert told.acquire(timeout=0) and told.acquire(timeout=0) and not told.acquire(timeout=0)
