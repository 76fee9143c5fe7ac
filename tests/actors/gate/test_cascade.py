"""Laws of the cascade: order, shares, what is unheard; and what becomes of a row."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmill.actors.gate.attempts import Trial, are_alike, best_of, ending_of, error_of
from speechmill.actors.gate.cascade import ClipVerdict, hear, is_in_share, knows
from speechmill.actors.gate.config import GateConfig
from speechmill.actors.gate.stats import NO_GATE, GateStats, kind_of
from speechmill.actors.judges.base import Hearing, JudgeInfo, Verdict
from speechmill.actors.records.verdicts import VerdictCounts

INFOS = [
    JudgeInfo("cheap", "1", cost_s=0.001),
    JudgeInfo("dear", "1", cost_s=0.1, languages=("en",)),
    JudgeInfo("last", "1", cost_s=0.001),
]
CLIP = Hearing("id", "text", "voice", "en-GB", 1.0, np.zeros(8, np.float32), 8)
SAID = {
    "passed": Verdict(scores={"x": 1.0}),
    "rejected": Verdict(("x 2 > 1",), {"x": 2.0}, heard="two"),
    "unheard": Verdict(is_unheard=True),
}


@given(st.lists(st.sampled_from(sorted(SAID)), min_size=3, max_size=3))
def test_the_first_judge_that_rejects_ends_the_hearing(said: list[str]) -> None:
    asked: list[int] = []

    def ask(number: int, _: Hearing) -> Verdict:
        asked.append(number)
        return SAID[said[number]]

    verdict = hear(CLIP, INFOS, 1.0, ask)
    first = said.index("rejected") if "rejected" in said else None
    assert asked == list(range(3 if first is None else first + 1))
    assert verdict.depth == (3 if first is None else first)
    assert verdict.name == ("rejected" if first is not None else "unheard" if "unheard" in said else "passed")
    assert verdict.scores.keys() == {f"{INFOS[n].name}.x" for n in asked if said[n] != "unheard"}


def test_a_language_that_a_judge_does_not_know_is_unheard_and_never_a_pass() -> None:
    french = Hearing("id", "text", "voice", "fr", 1.0, CLIP.samples, 8)
    asked: list[int] = []
    verdict = hear(french, INFOS, 1.0, lambda number, _: asked.append(number) or SAID["passed"])
    assert (asked, verdict.name, verdict.unheard_by) == ([0, 2], "unheard", ("dear",))
    assert knows(INFOS[1], "en-GB") and knows(INFOS[1], "") and not knows(INFOS[1], "fr")


@given(st.integers())
def test_a_share_is_a_share_of_the_ids_and_a_larger_one_holds_it(salt: int) -> None:
    ids = [f"{salt}-{number}" for number in range(300)]
    third = {row for row in ids if is_in_share(row, 1 / 3)}
    assert 50 < len(third) < 150
    assert third <= {row for row in ids if is_in_share(row, 0.6)}
    assert all(is_in_share(row, 1.0) for row in ids)


def test_dear_judges_hear_their_share_and_cheap_ones_all() -> None:
    asked: list[tuple[str, int]] = []
    for number in range(200):
        clip = Hearing(str(number), "", "", "en", 1.0, CLIP.samples, 8)
        hear(clip, INFOS, 0.25, lambda judge, clip: asked.append((clip.id, judge)) or SAID["passed"])
    assert sum(judge == 0 for _, judge in asked) == sum(judge == 2 for _, judge in asked) == 200
    assert {row for row, judge in asked if judge == 1} == {str(n) for n in range(200) if is_in_share(str(n), 0.25)}


def trial(attempt: int, said: str = "rejected", depth: int = 0, heard: str = "") -> Trial:
    rejected = ClipVerdict("cheap", ("x 2 > 1",), depth=depth, heard=heard)
    verdicts = {"rejected": rejected, "passed": ClipVerdict(), "unheard": ClipVerdict(unheard_by=("dear",))}
    return Trial(attempt, verdicts[said], 1.0)


@pytest.mark.parametrize(
    ("said", "attempt", "keeps_rejected", "keeps_unheard", "ending"),
    [
        ("passed", 0, False, False, "store"),
        ("passed", 2, False, False, "store"),
        ("rejected", 0, True, True, "again"),
        ("rejected", 2, False, True, "fail"),
        ("rejected", 2, True, True, "store"),
        ("unheard", 0, False, True, "store"),
        ("unheard", 0, True, False, "fail"),
    ],
)
def test_what_becomes_of_a_row(said: str, attempt: int, keeps_rejected: bool, keeps_unheard: bool, ending: str) -> None:
    config = GateConfig((), (), 3, keeps_rejected, keeps_unheard)
    assert ending_of(config, trial(attempt, said)) == ending


def test_the_best_attempt_got_furthest_and_of_equals_it_is_the_first() -> None:
    assert best_of([trial(0), trial(1, depth=2), trial(2, depth=2)]).attempt == 1
    assert best_of([trial(0), trial(1)]).attempt == 0


def test_attempts_heard_alike_are_the_texts_or_the_ears_fault() -> None:
    alike = [trial(n, heard=text) for n, text in enumerate(("Ita  Naka", "ita naka"))]
    assert are_alike(alike)
    assert "heard alike 2 times ('ita naka'): text or ear" in error_of(alike)
    assert not are_alike([trial(0, heard="one"), trial(1, heard="two")])
    assert not are_alike([trial(0), trial(1)]), "no recogniser said a word"
    assert not are_alike([trial(0, heard="one")])
    assert error_of([trial(0)]) == "rejected: cheap: x 2 > 1"
    assert "dear could not judge" in error_of([trial(0, "unheard")])


COUNTS = st.builds(
    GateStats,
    num_judged=st.integers(0, 9),
    passed=st.lists(st.integers(0, 9), max_size=3).map(tuple),
    num_rejected=st.integers(0, 9),
    rejections=st.dictionaries(st.sampled_from("ab"), st.integers(1, 9)),
)


@given(st.lists(COUNTS, max_size=6))
def test_sums_lose_nothing_in_any_order(some: list[GateStats]) -> None:
    total, back = sum(some, NO_GATE), sum(some[::-1], NO_GATE)
    assert total.num_judged == back.num_judged == sum(one.num_judged for one in some if one.num_judged or one.num_rows)
    assert total.num_rows == back.num_rows == sum(one.num_rows for one in some)
    assert list(total.passed)[:1] == list(back.passed)[:1]


def test_reasons_are_counted_by_their_first_word() -> None:
    assert kind_of("signal", "gap 1.43 s > 1.2 s") == "signal gap"
    assert kind_of("own", "") == "own"


def test_counts_of_verdicts_add_up() -> None:
    one, two = VerdictCounts(1, 2, 3), VerdictCounts(10, 20, 30)
    assert one + two == VerdictCounts(11, 22, 33)
    assert not VerdictCounts() and one
