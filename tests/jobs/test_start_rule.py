"""When playback may start: laws against a simulated player first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from speechmill.jobs.start_rule import StartRule

RATES = st.floats(0.05, 50)  # seconds of audio made per second
CHAR_S = 0.06


def runs_dry(start_s: float, lumps: list[float], rate: float) -> bool:
    """Whether a player that starts now with `start_s` of audio has nothing to play before the last lump is there."""
    there, now = start_s, 0.0
    for lump in lumps:
        now += lump / rate
        if now > there + 1e-9:
            return True
        there += lump
    return False


@given(RATES, st.integers(1, 300), st.lists(st.integers(1, 300), max_size=12))
def test_playback_that_was_allowed_never_runs_dry(rate: float, begun: int, left: list[int]) -> None:
    """Lumps of any length up to the limit, at the rate that was measured."""
    rule = StartRule(CHAR_S, 300, margin=1.0)
    made_s = begun * CHAR_S
    if rule.may_start(made_s, made_s / rate, begun, sum(left)):
        assert not runs_dry(made_s, [chars * CHAR_S for chars in left], rate)


@given(RATES, st.floats(0.1, 60), st.integers(0, 3000))
def test_a_voice_that_streams_starts_at_once_if_it_is_fast_enough(rate: float, made_s: float, left: int) -> None:
    rule = StartRule(CHAR_S, 0)
    chars = round(made_s / CHAR_S)
    needed_s = rule.needed_s(made_s, made_s / rate, chars, left)
    if rate >= rule.margin:
        assert needed_s < 1e-9
        assert rule.may_start(made_s, made_s / rate, chars, left)
    elif left and rate < rule.margin - 1e-9:
        assert needed_s > 0


@given(RATES, st.integers(1, 300), st.integers(0, 3000), st.integers(0, 3000))
def test_more_left_never_needs_less_and_a_margin_never_less(rate: float, begun: int, left: int, more: int) -> None:
    for lump in (0, 300):
        made_s = begun * CHAR_S
        rule, bold = StartRule(CHAR_S, lump), StartRule(CHAR_S, lump, margin=1.0)
        spent_s = made_s / rate
        needed_s = rule.needed_s(made_s, spent_s, begun, left)
        assert rule.needed_s(made_s, spent_s, begun, left + more) >= needed_s - 1e-9
        assert bold.needed_s(made_s, spent_s, begun, left) <= needed_s + 1e-9


def test_nothing_left_starts_and_nothing_made_does_not() -> None:
    rule = StartRule(CHAR_S, 300)
    assert rule.may_start(0.6, 100.0, 10, 0)
    assert not rule.may_start(0.0, 0.0, 0, None)


def test_a_slow_voice_waits_for_the_share_that_it_will_lack() -> None:
    """Twice slower than real time with 60 s to come: it takes 120 s, so that 60 s have to be there."""
    rule = StartRule(CHAR_S, 0, margin=1.0)
    assert not rule.may_start(59.0, 118.0, 984, 1000)
    assert rule.may_start(61.0, 122.0, 1017, 1000)


def test_of_a_text_that_still_arrives_the_next_piece_counts() -> None:
    rule = StartRule(CHAR_S, 300, margin=1.0)
    assert rule.may_start(1.2, 1.2 / 50, 20, None)
    assert not rule.may_start(1.2, 1.2 / 5, 20, None)  # the next piece may have 18 s, which take 3.6
