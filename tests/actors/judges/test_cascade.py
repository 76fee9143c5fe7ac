"""Laws of several judges as one: cheap ones first, a rejection ends, a clip's verdict depends on the clip alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmill.actors.judges.base import Hearing, Judge, JudgeConfig, JudgeInfo, Verdict
from speechmill.actors.judges.cascade import Cascade, in_share, resampled
from speechmill.errors import RowError, SpecError


class Level(Judge):
    """Rejects clips whose peak is below 0.1; is broken in ways that a test asks for by the text."""

    def __init__(self, config: JudgeConfig) -> None:
        self.info = self.describe(config)
        self.asked: list[str] = []
        self.rates: list[int] = []

    @classmethod
    def describe(cls, config: JudgeConfig) -> JudgeInfo:
        options = dict(config.options)
        return JudgeInfo(
            name=config.name,
            revision="1",
            cost_s=float(str(options.get("cost_s", 0.001))),
            max_batch=int(str(options.get("max_batch", 4))),
            sample_rate=int(str(options["rate"])) if "rate" in options else None,
            languages=("en",),
        )

    def judge(self, clips: Sequence[Hearing]) -> Sequence[Verdict]:
        self.asked += [clip.id for clip in clips]
        self.rates += [clip.sample_rate for clip in clips]
        if any(clip.text == "crash" for clip in clips):
            raise RowError("cannot be judged")
        if any(clip.text == "short" for clip in clips):
            return []
        return [self._verdict(clip) for clip in clips]

    def _verdict(self, clip: Hearing) -> Verdict:
        peak = float(np.abs(clip.samples).max())
        return Verdict(("peak too low",) if peak < 0.1 else (), {"peak": peak}, heard=clip.text)


def judge_of(name: str, **options: object) -> Level:
    return Level(JudgeConfig(name, options=options))


def clip_of(row_id: str, peak: float = 0.5, text: str = "fine", language: str = "en") -> Hearing:
    return Hearing(row_id, text, "v", language, 1.0, np.full(100, peak, np.float32), 8000)


def test_cheap_judges_are_asked_first_and_a_rejection_ends_the_hearing() -> None:
    dear, cheap = judge_of("dear", cost_s=0.02), judge_of("cheap", cost_s=0.0)
    quiet, loud = Cascade({"dear": dear, "cheap": cheap}).hear([clip_of("a", 0.01), clip_of("b", 0.5)])
    assert (cheap.asked, dear.asked) == (["a", "b"], ["b"])
    assert (quiet.name, quiet.reasons) == ("rejected", ("cheap: peak too low",))
    assert (loud.name, loud.scores) == ("passed", {"cheap.peak": 0.5, "dear.peak": 0.5})


def test_for_calibration_all_judges_hear_all_clips() -> None:
    dear, cheap = judge_of("dear", cost_s=0.02), judge_of("cheap", cost_s=0.0)
    Cascade({"dear": dear, "cheap": cheap}, share=0.0).hear([clip_of("a", 0.01), clip_of("b")], to_the_end=True)
    assert dear.asked == cheap.asked == ["a", "b"]


def test_dear_judges_hear_their_share_and_cheap_ones_all() -> None:
    dear, cheap = judge_of("dear", cost_s=0.02), judge_of("cheap", cost_s=0.0)
    clips = [clip_of(f"row-{number}") for number in range(200)]
    Cascade({"cheap": cheap, "dear": dear}, share=0.3).hear(clips)
    assert len(cheap.asked) == 200
    assert 30 < len(dear.asked) < 90
    assert {row for row in dear.asked if in_share(row, 0.1)} == {clip.id for clip in clips if in_share(clip.id, 0.1)}


def test_no_answer_is_unheard_and_never_a_pass() -> None:
    texts = ["fine", "crash", "short", "fine"]
    verdicts = Cascade({"level": judge_of("level")}).hear([clip_of(str(i), text=t) for i, t in enumerate(texts)])
    assert [verdict.name for verdict in verdicts] == ["passed", "unheard", "unheard", "passed"]
    assert verdicts[1].reasons == ("level: RowError: cannot be judged",)
    assert verdicts[2].reasons == ("level: ValueError: 0 verdicts for 1 clips",)
    assert (verdicts[0].heard, verdicts[1].heard) == ("fine", "")


def test_a_language_that_the_judge_does_not_know_is_unheard_without_asking() -> None:
    judge = judge_of("level")
    languages = ["de", "en-gb", "", "zh"]
    heard = Cascade({"level": judge}).hear([clip_of(str(i), language=lang) for i, lang in enumerate(languages)])
    assert [verdict.name for verdict in heard] == ["unheard", "passed", "passed", "unheard"]
    assert judge.asked == ["1", "2"]


@given(st.lists(st.sampled_from(["fine", "crash", "short", "quiet", "foreign"]), max_size=9), st.integers(1, 4))
def test_a_verdict_alone_is_that_in_any_batch(kinds: list[str], max_batch: int) -> None:
    clips = [
        clip_of(str(i), 0.01 if kind == "quiet" else 0.5, kind, "fr" if kind == "foreign" else "en")
        for i, kind in enumerate(kinds)
    ]
    cascade = Cascade({"a": judge_of("a", max_batch=max_batch), "b": judge_of("b", cost_s=0.9)})
    assert cascade.hear(clips) == [cascade.hear([clip])[0] for clip in clips]


def test_a_judge_hears_at_its_own_rate() -> None:
    judge = judge_of("level", rate=16000)
    assert Cascade({"level": judge}).hear([clip_of("a")])[0].name == "passed"
    assert judge.rates == [16000]
    assert len(resampled(np.zeros(100, np.float32), 8000, 16000)) == 200


def test_two_judges_of_one_name_are_refused() -> None:
    name = f"{__name__}:Level"
    with pytest.raises(SpecError, match="comes twice"):
        Cascade.load([JudgeConfig(name), JudgeConfig(name)])
