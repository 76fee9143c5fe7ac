"""When playback may start: laws against a simulated player first."""

from __future__ import annotations

from collections import deque
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

import speechmill
from speechmill.jobs.say.command import _Meter
from speechmill.jobs.say.playback_start import MAX_ARRIVALS, PlaybackStart

RATES = st.floats(0.05, 50)  # seconds of audio made per second
CHAR_S = 0.06
PIECES = st.lists(st.tuples(st.integers(1, 300), st.floats(0, 5)), min_size=2, max_size=12)  # characters, late by s


def flow(pieces: list[tuple[int, float]], rate: float) -> list[tuple[float, float]]:
    """When each piece comes, and the audio made with it, in seconds: at that rate, each held up for a while."""
    arrivals, at_s, made_s = [], 0.0, 0.0
    for chars, late_s in pieces:
        made_s += chars * CHAR_S
        at_s = max(at_s, made_s / rate + late_s)
        arrivals.append((at_s, made_s))
    return arrivals


def runs_dry(start_s: float, chunks: list[float], rate: float) -> bool:
    """Whether a player that starts now with `start_s` of audio has nothing to play before the last chunk is there."""
    there, now = start_s, 0.0
    for chunk in chunks:
        now += chunk / rate
        if now > there + 1e-9:
            return True
        there += chunk
    return False


@given(RATES, st.integers(1, 300), st.lists(st.integers(1, 300), max_size=12))
def test_playback_that_was_allowed_never_runs_dry(rate: float, begun: int, left: list[int]) -> None:
    """Chunks of any length up to the limit, at the rate that was measured."""
    rule = PlaybackStart(CHAR_S, 300, margin=1.0)
    made_s = begun * CHAR_S
    if rule.may_start(made_s, made_s / rate, begun, sum(left)):
        assert not runs_dry(made_s, [chars * CHAR_S for chars in left], rate)


@given(RATES, st.floats(0.1, 60), st.integers(0, 3000))
def test_a_voice_that_streams_starts_at_once_if_it_is_fast_enough(rate: float, made_s: float, left: int) -> None:
    rule = PlaybackStart(CHAR_S, 0)
    chars = round(made_s / CHAR_S)
    needed_s = rule.needed_s(made_s, made_s / rate, chars, left)
    if rate >= rule.margin:
        assert needed_s < 1e-9
        assert rule.may_start(made_s, made_s / rate, chars, left)
    elif left and rate < rule.margin - 1e-9:
        assert needed_s > 0


@given(RATES, st.integers(1, 300), st.integers(0, 3000), st.integers(0, 3000))
def test_more_left_never_needs_less_and_a_margin_never_less(rate: float, begun: int, left: int, more: int) -> None:
    for chunk in (0, 300):
        made_s = begun * CHAR_S
        rule, bold = PlaybackStart(CHAR_S, chunk), PlaybackStart(CHAR_S, chunk, margin=1.0)
        spent_s = made_s / rate
        needed_s = rule.needed_s(made_s, spent_s, begun, left)
        assert rule.needed_s(made_s, spent_s, begun, left + more) >= needed_s - 1e-9
        assert bold.needed_s(made_s, spent_s, begun, left) <= needed_s + 1e-9


def test_nothing_left_starts_and_nothing_made_does_not() -> None:
    rule = PlaybackStart(CHAR_S, 300)
    assert rule.may_start(0.6, 100.0, 10, 0)
    assert not rule.may_start(0.0, 0.0, 0, None)


def test_a_slow_voice_waits_for_the_share_that_it_will_lack() -> None:
    """Twice slower than real time with 60 s to come: it takes 120 s, so that 60 s have to be there."""
    rule = PlaybackStart(CHAR_S, 0, margin=1.0)
    assert not rule.may_start(59.0, 118.0, 984, 1000)
    assert rule.may_start(61.0, 122.0, 1017, 1000)


def test_of_a_text_that_still_arrives_the_next_piece_counts() -> None:
    rule = PlaybackStart(CHAR_S, 300, margin=1.0)
    assert rule.may_start(1.2, 1.2 / 50, 20, None)
    assert not rule.may_start(1.2, 1.2 / 5, 20, None)  # the next piece may have 18 s, which take 3.6


@pytest.mark.parametrize("chunk_chars", [0, 300])
@given(pieces=PIECES, rate=RATES)
def test_with_the_jitter_that_the_whole_has_playback_never_runs_dry(
    pieces: list[tuple[int, float]], rate: float, chunk_chars: int
) -> None:
    """Started at the first piece: whatever comes later is there when the audio before it has been played."""
    rule = PlaybackStart(CHAR_S, chunk_chars, margin=1.0)
    arrivals = flow(pieces, rate)
    (began_s, made_s), (ended_s, whole_s) = arrivals[0], arrivals[-1]
    spent_s = made_s * (ended_s - began_s) / (whole_s - made_s)
    begun, left = pieces[0][0], sum(chars for chars, _ in pieces[1:])
    if rule.may_start(made_s, spent_s, begun, left, rule.jitter_s(arrivals)):
        for (_, there_s), (at_s, _) in pairwise(arrivals):
            assert at_s - began_s <= there_s + 1e-6


@given(PIECES, RATES, st.floats(0, 100))
def test_jitter_is_how_late_pieces_were_whenever_it_began(
    pieces: list[tuple[int, float]], rate: float, shift_s: float
) -> None:
    rule = PlaybackStart(CHAR_S, 300)
    arrivals = flow(pieces, rate)
    jitter_s = rule.jitter_s(arrivals)
    assert 0 <= jitter_s <= arrivals[-1][0] - arrivals[0][0] + 1e-9
    assert rule.jitter_s([(at_s + shift_s, made_s) for at_s, made_s in arrivals]) == pytest.approx(jitter_s, abs=1e-6)
    assert PlaybackStart(CHAR_S, 0).jitter_s(arrivals) >= jitter_s - 1e-9


@given(st.lists(st.integers(1, 300), max_size=12), RATES)
def test_chunks_that_come_at_an_even_rate_have_no_jitter(chunks: list[int], rate: float) -> None:
    """However long each is: a chunk comes at its end, and the rule knows that."""
    assert PlaybackStart(CHAR_S, 300).jitter_s(flow([(chars, 0.0) for chars in chunks], rate)) < 1e-6


@given(RATES, st.integers(1, 300), st.integers(1, 3000), st.floats(0, 10))
def test_what_is_late_has_to_be_there_besides(rate: float, begun: int, left: int, jitter_s: float) -> None:
    for chunk in (0, 300):
        rule, made_s = PlaybackStart(CHAR_S, chunk), begun * CHAR_S
        calm_s = rule.needed_s(made_s, made_s / rate, begun, left)
        assert rule.needed_s(made_s, made_s / rate, begun, left, jitter_s) == pytest.approx(calm_s + jitter_s)
        assert rule.may_start(made_s, made_s / rate, begun, 0, jitter_s)  # nothing is left that could be late


def test_the_jitter_of_few_arrivals_and_of_a_stall() -> None:
    stream = PlaybackStart(CHAR_S, 0)
    assert stream.jitter_s([]) == stream.jitter_s([(5.0, 1.0)]) == 0
    assert stream.jitter_s([(0.0, 1.0), (9.0, 1.0)]) == 0  # no audio, no rate
    assert stream.jitter_s([(0.0, 1.0), (0.5, 2.0), (1.0, 3.0)]) == pytest.approx(0.5)  # the time of a piece
    stalled = [(0.0, 1.0), (0.5, 2.0), (3.5, 3.0), (3.5, 4.0), (3.5, 5.0), (3.5, 6.0), (3.5, 8.0)]
    assert stream.jitter_s(stalled) == pytest.approx(3.0)  # nothing came for so long


def test_the_command_measures_when_pieces_came_and_counts_what_was_late() -> None:
    meter = _Meter()
    speech = speechmill.say("A sentence of some length, and no more. " * 200, model="tone", begun=meter.begun)
    num_pieces = sum(1 for _ in meter.pieces(speech))
    assert len(meter.arrivals) == MAX_ARRIVALS < num_pieces
    assert meter.arrivals[-1][1] == meter.made_s
    assert list(meter.arrivals) == sorted(meter.arrivals)
    rule, stall = PlaybackStart(CHAR_S, 0), deque([(0.0, 1.0), (3.0, 1.5), (3.0, 2.0)])
    for arrivals, may_start in ((deque[tuple[float, float]](), True), (stall, False)):
        assert _Meter(spent_s=0.5, made_s=2.0, chars_begun=33, arrivals=arrivals).may_start(rule, 100) == may_start
