"""Laws of the summary: sums, quantiles with thresholds, the worst first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from speechmill.actors.judges.base import JudgeInfo
from speechmill.jobs.judging.judged_clip import JudgedClip
from speechmill.jobs.judging.summary import Tally, Worst

INFO = JudgeInfo("signal", "1", thresholds={"gap_s": 1.2, "level_db": -45.0}, rejects_below=("level_db",))


def clip(row: int, verdict: str = "passed", gap_s: float = 0.3, **told: object) -> JudgedClip:
    return JudgedClip(row, f"r{row}", verdict, scores={"signal.gap_s": gap_s}, duration_s=2.0, text="said", **told)


@given(st.lists(st.sampled_from(["passed", "rejected", "unheard"])))
def test_every_clip_is_counted_once(verdicts: list[str]) -> None:
    tally = Tally()
    for row, verdict in enumerate(verdicts):
        tally.add(clip(row, verdict, judge="signal" * (verdict == "rejected"), reasons=("gap 2 s > 1.2 s",)))
    counts = tally.counts()
    assert counts["num_clips"] == len(verdicts)
    assert counts["num_rejected"] == verdicts.count("rejected") == counts["rejections"].get("signal gap", 0)
    assert counts["audio_s"] == 2.0 * len(verdicts)


def test_quantiles_come_with_the_threshold_and_its_direction_and_memory_is_bounded(monkeypatch) -> None:
    monkeypatch.setattr("speechmill.jobs.judging.summary.SAMPLE", 1000)
    tally = Tally()
    for row in range(3000):
        tally.add(clip(row, gap_s=row / 3000))
    found = tally.scores([INFO])["signal.gap_s"]
    assert (found.num_clips, found.threshold, found.is_lowest) == (3000, 1.2, False)
    assert len(tally._samples["signal.gap_s"]) == 1000
    lowest, p01, _, median, _, p99, highest = found.quantiles
    assert lowest < p01 < median < p99 < highest
    assert abs(median - 0.5) < 0.1


def test_the_worst_are_those_farthest_beyond_the_threshold_in_either_direction() -> None:
    tally, clips = Tally(), [clip(row, gap_s=0.2 + row / 1000) for row in range(30)]
    clips += [clip(100, gap_s=3.0), clip(101, gap_s=9.0, heard="else")]
    quiet = JudgedClip(102, "r102", "passed", scores={"signal.level_db": -90.0}, text="said")
    clips += [JudgedClip(200 + n, f"r{200 + n}", "passed", scores={"signal.level_db": -20.0}) for n in range(9)] + [
        quiet
    ]
    for each in clips:
        tally.add(each)
    worst = Worst(tally.scores([INFO]), num_kept=3)
    for each in clips:
        worst.add(each)
    assert [bad.id for bad in worst.clips] == ["r101", "r100", "r102"]
    assert (worst.clips[0].said, worst.clips[0].heard) == ("said", "else")


def test_of_equal_ones_the_first_are_kept() -> None:
    worst = Worst({}, num_kept=2)
    for row in range(5):
        worst.add(clip(row))
    assert [bad.id for bad in worst.clips] == ["r0", "r1"]
