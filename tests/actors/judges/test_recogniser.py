"""Any recogniser as a judge: five lines of one's own, and the rules of hearing that all share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from support.heard import hearing, murmur

from speechmill.actors.judges.base import Hearing, JudgeConfig, JudgeInfo, Verdict
from speechmill.actors.judges.recogniser import PROBABILITY_LIMITS, Recogniser, TextProbability
from speechmill.actors.judges.registry import describe_judge, load_judge

pytest.importorskip("jiwer")

TEXT = "The old ferry carries bread and letters across the bay before noon"


class Reader(Recogniser):
    """Hears what its options say, a second time something else; what it was asked about is kept."""

    @classmethod
    def describe(cls, config: JudgeConfig) -> JudgeInfo:
        return cls.described(config, "reader", "1", languages=("en",), first=str, second=str)

    def __init__(self, config: JudgeConfig) -> None:
        super().__init__(config)
        self.asked: list[str] = []
        self._first, self._second = config.options.get("first"), config.options.get("second")

    def hear(self, clips: Sequence[Hearing]) -> Sequence[str | None]:
        self.asked += [f"first {clip.id}" for clip in clips]
        return [self._first] * len(clips)  # type: ignore[list-item]

    def hear_again(self, clips: Sequence[Hearing]) -> Sequence[str | None]:
        self.asked += [f"again {clip.id}" for clip in clips]
        return [self._second] * len(clips)  # type: ignore[list-item]


def judged(first: str | None, second: str | None = None, text: str = TEXT, **more: object) -> tuple[Verdict, list[str]]:
    options = {name: text for name, text in (("first", first), ("second", second)) if text is not None}
    judge = load_judge(JudgeConfig(f"{__name__}:Reader", options=options))
    assert isinstance(judge, Reader)
    samples = more.pop("samples", murmur(4))
    return judge.judge([hearing(samples, text, **more)])[0], judge.asked  # type: ignore[arg-type]


def test_a_user_names_a_recogniser_of_its_own() -> None:
    info = describe_judge(JudgeConfig(f"{__name__}:Reader", options={"cer": 0.2}))
    assert (info.name, info.languages, info.thresholds["cer"]) == ("reader", ("en",), 0.2)


def test_what_is_understood_passes_and_is_heard_once() -> None:
    verdict, asked = judged(TEXT.upper() + "!")
    assert verdict.name == "passed"
    assert verdict.scores == {"cer": 0, "run": 0, "wer": 0}
    assert asked == ["first row"]


def test_a_rejection_counts_after_a_second_hearing_only() -> None:
    verdict, asked = judged("quote quote quote", TEXT)
    assert (verdict.name, verdict.heard, asked) == ("passed", TEXT, ["first row", "again row"])
    verdict, _ = judged("quote quote quote", "the old ferry")
    assert verdict.name == "rejected"
    assert verdict.heard == "the old ferry"
    assert any(reason.startswith("stretch of wrong words 9 > ") for reason in verdict.reasons)


@pytest.mark.parametrize("second", [None, "thank you " * 60])
def test_no_answer_and_an_answer_longer_than_speech_can_be_are_unheard(second: str | None) -> None:
    verdict, _ = judged("nonsense", second)
    assert verdict.name == "unheard"
    assert judged(None)[0].name == "unheard"


def test_silence_is_rejected_and_never_heard() -> None:
    verdict, asked = judged("I'm not sure.", "I'm not sure.", samples=np.zeros(48_000, np.float32))
    assert verdict.reasons == ("nothing to hear: 0.00 s of sound",)
    assert asked == []


def test_a_text_without_a_word_is_unheard() -> None:
    assert judged("hello", text="…")[0].name == "unheard"


def test_a_misheard_name_rejects_no_short_text() -> None:
    assert judged("Call Kern Buster", "Call Kern Buster", "Call Curve Buster.")[0].name == "passed"
    assert judged("Thank you.", "Thank you.", "Call Curve Buster.")[0].name == "rejected"


def test_nothing_understood_in_a_clip_with_sound_is_rejected() -> None:
    assert judged("", "")[0].name == "rejected"


def test_a_text_is_explained_as_far_as_its_worst_third() -> None:
    found = TextProbability([-0.1] * 8 + [-4.0] * 4, [-5.0] * 12).scores
    assert found == {"log_prob": pytest.approx(-1.4), "explained": pytest.approx(0.2)}
    assert set(found) == {limit.score for limit in PROBABILITY_LIMITS}


def test_a_name_that_is_unlikely_anyway_is_explained_though_its_probability_is_low() -> None:
    name = TextProbability([-0.1] * 6 + [-3.0] * 3, [-4.0] * 6 + [-12.0] * 3).scores
    garbage = TextProbability([-0.1] * 6 + [-3.0] * 3, [-4.0] * 9).scores
    assert name["log_prob"] == garbage["log_prob"]
    assert garbage["explained"] < 0.5 < name["explained"]


def test_one_token_has_scores() -> None:
    assert TextProbability([-100.0], [-0.5]).scores == {"log_prob": -8.0, "explained": -7.0}
