"""Laws of the list of rows to speak again: other seeds, the same voice, the row's other columns."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from speechmill.jobs.judging.again import COLUMNS, again_line, next_seed
from speechmill.jobs.judging.judged_clip import JudgedClip, decode_clips, encode_clips


def clip(**told: object) -> JudgedClip:
    return JudgedClip(3, "r3", "rejected", "signal", ("gap 2 s > 1.2 s",), text="A.", **told)


@given(st.integers(0, 2**63 - 1))
def test_each_attempt_has_a_seed_of_its_own_that_a_job_takes(seed: int) -> None:
    seeds = [seed]
    for attempt in range(1, 5):
        seeds.append(next_seed(seeds[-1], attempt))
        assert 0 <= seeds[-1] < 2**63
    assert len(set(seeds)) == 5
    assert next_seed(seed, 1) == seeds[1]


def test_a_voice_that_came_from_the_rows_seed_stays() -> None:
    line = json.loads(again_line(clip(voice="by_seed", seed=17)))
    assert (line["voice"], line["seed"] == 17) == ("seed:17", False)
    assert json.loads(again_line(clip(voice="heart")))["voice"] == "heart"


def test_other_columns_follow_and_none_takes_the_place_of_ours() -> None:
    told = {"chapter": 2, "text": "x", "seed": "y", "attempt": 9}
    line = json.loads(again_line(clip(metadata=told, attempt=1, speed=1.5)))
    assert tuple(line) == (*COLUMNS, "chapter")
    assert (line["text"], line["attempt"], line["speed"], line["chapter"]) == ("A.", 2, 1.5, 2)
    assert line["rejected"] == "signal: gap 2 s > 1.2 s"


_TEXT = st.text(max_size=20)


@settings(max_examples=min(20, settings.default.max_examples))
@given(
    st.builds(
        JudgedClip,
        row=st.integers(0, 2**40),
        id=_TEXT,
        verdict=st.sampled_from(["passed", "rejected", "unheard"]),
        judge=_TEXT,
        reasons=st.lists(_TEXT, max_size=3).map(tuple),
        unheard_by=st.lists(_TEXT, max_size=3).map(tuple),
        scores=st.dictionaries(_TEXT, st.floats(allow_nan=False, allow_infinity=False), max_size=3),
        heard=_TEXT,
        text=_TEXT,
        seed=st.integers(0, 2**63 - 1),
        speed=st.floats(0.1, 10),
        duration_s=st.floats(0, 1e6),
        metadata=st.dictionaries(_TEXT, st.none() | st.booleans() | st.integers() | _TEXT, max_size=3),
    )
)
def test_a_line_of_scores_reads_back(clip: JudgedClip) -> None:
    assert list(decode_clips(encode_clips([clip, clip]), "here")) == [clip, clip]
