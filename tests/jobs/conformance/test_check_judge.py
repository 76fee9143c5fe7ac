"""Judges of ours keep all laws; a fault that is planted in a judge is found by the law that it breaks."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from support.heard import hearing, murmur
from typer.testing import CliRunner

import speechmill
from speechmill.actors.judges.base import Hearing, Judge, JudgeConfig, JudgeInfo, Limit, Verdict
from speechmill.actors.judges.limits import Limits, check_options
from speechmill.actors.judges.recogniser import Recogniser
from speechmill.actors.judges.registry import load_judge
from speechmill.jobs.cli.main import app
from speechmill.jobs.conformance.check_judge import check_judge
from speechmill.jobs.conformance.check_model import finding_of
from speechmill.jobs.conformance.judge_laws import JUDGE_LAWS, JudgeSubject


class Good(Judge):
    """Rejects what is longer than a limit."""

    limits = (Limit("seconds", "length", 60.0, "s"),)

    @classmethod
    def describe(cls, config: JudgeConfig) -> JudgeInfo:
        check_options(config, cls.limits)
        return JudgeInfo("good", "1", thresholds=Limits.of(cls.limits, config).values)

    def __init__(self, config: JudgeConfig) -> None:
        self.info = self.describe(config)
        self._limits = Limits.of(self.limits, config)
        self._asked = 0

    def judge(self, clips: Sequence[Hearing]) -> Sequence[Verdict]:
        self._asked += 1
        return [self.verdict(clip, len(clips)) for clip in clips]

    def verdict(self, clip: Hearing, num: int) -> Verdict:
        scores = {"seconds": clip.duration_s}
        return Verdict(self._limits.reasons(scores), scores)


class MatesCount(Good):
    def verdict(self, clip: Hearing, num: int) -> Verdict:
        return Verdict(scores={"mates": float(num)})


class Remembers(Good):
    def verdict(self, clip: Hearing, num: int) -> Verdict:
        return Verdict(scores={"asked": float(self._asked)})


class OneMissing(Good):
    def judge(self, clips: Sequence[Hearing]) -> Sequence[Verdict]:
        return list(super().judge(clips))[1:]


class NoNumber(Good):
    def verdict(self, clip: Hearing, num: int) -> Verdict:
        return Verdict(scores={"loss": float("nan")})


class Loud(Good):
    def verdict(self, clip: Hearing, num: int) -> Verdict:
        clip.samples[:] *= 2
        return Verdict()


class Fragile(Good):
    def verdict(self, clip: Hearing, num: int) -> Verdict:
        return Verdict(scores={"words_s": clip.duration_s / len(clip.text.split())})


class Credulous(Good):
    @classmethod
    def describe(cls, config: JudgeConfig) -> JudgeInfo:
        return JudgeInfo("credulous", "1")


class Polite(Recogniser):
    """Passes silence as if all had been said."""

    @classmethod
    def describe(cls, config: JudgeConfig) -> JudgeInfo:
        check_options(config, cls.limits)
        return JudgeInfo("polite", "1")

    def __init__(self, config: JudgeConfig) -> None:
        super().__init__(config)

    def judge(self, clips: Sequence[Hearing]) -> Sequence[Verdict]:
        return [Verdict() for _ in clips]


def subject_of(judge: str) -> JudgeSubject:
    """The judge, and two clips that are no speech."""
    config = JudgeConfig(judge)
    texts = ("The kettle is on.", "The door is open again.")
    return JudgeSubject(
        config, load_judge(config), tuple(hearing(murmur(1 + at), text) for at, text in enumerate(texts))
    )


@pytest.mark.parametrize("name", ["signal", "duration"])
def test_judges_of_ours_keep_all_laws(name: str) -> None:
    report = check_judge(name)
    assert report.is_ok, [finding for finding in report.findings if finding.detail]
    assert [finding.law for finding in report.findings] == [law.__name__ for law in JUDGE_LAWS]


@pytest.mark.parametrize("law", JUDGE_LAWS[1:], ids=lambda law: law.__name__)
@pytest.mark.parametrize("name", ["signal", "duration", f"{__name__}:Good"])
def test_they_keep_them_with_what_is_no_speech(name: str, law: Callable[[JudgeSubject], None]) -> None:
    assert finding_of(law, subject_of(name)).outcome in ("kept", "skipped")


@pytest.mark.parametrize(
    ("judge", "law"),
    [
        ("MatesCount", "depends_on_no_batch_mate"),
        ("Remembers", "repeats_itself"),
        ("OneMissing", "answers_each_clip"),
        ("NoNumber", "answers_each_clip"),
        ("Loud", "leaves_clips_as_they_are"),
        ("Fragile", "survives_odd_clips"),
        ("Credulous", "refuses_what_is_wrong"),
        ("Polite", "passes_no_silence_as_words"),
    ],
)
def test_a_planted_fault_is_found(judge: str, law: str) -> None:
    laws = {own.__name__: own for own in JUDGE_LAWS}
    finding = finding_of(laws[law], subject_of(f"{__name__}:{judge}"))
    assert finding.outcome == "broken" and finding.detail, finding


@pytest.mark.quality
@pytest.mark.parametrize("name", ["forced", "transcript"])
def test_recognisers_keep_all_laws(name: str) -> None:
    pytest.importorskip("faster_whisper")
    report = check_judge(name)
    assert report.is_ok, [finding for finding in report.findings if finding.detail]


def test_the_command_says_each_law_and_ends_with_its_status() -> None:
    done = CliRunner().invoke(app, ["check-judge", "signal", "--option", "gap_s=2", "--json"])
    assert done.exit_code == 0, done.output
    body = json.loads(done.stdout)
    assert body["is_ok"] and body["thresholds"]["gap_s"] == 2
    done = CliRunner().invoke(app, ["check-judge", "signal", "--option", "gap=2"])
    assert done.exit_code == 2
    assert "quality.options.signal.gap is not an option" in done.stderr


def test_the_guide_shows_the_example_as_it_is() -> None:
    root = Path(speechmill.__file__).parent
    blocks = re.findall(r"```python\n# (\S+)\n(.*?)\n```", (root / "docs/quality.md").read_text("utf-8"), re.S)
    assert [name for name, _ in blocks] == ["examples/own_recogniser.py"]
    assert blocks[0][1] in (root / blocks[0][0]).read_text("utf-8")
