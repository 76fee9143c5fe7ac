"""The judges that a job names: what is refused before a replica starts, and what belongs to the job's identity."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from speechmill.actors.judges.base import Judge, JudgeConfig, JudgeInfo, Verdict
from speechmill.cluster.session import Resources
from speechmill.errors import JobError, ModelError, SpecError
from speechmill.jobs.output.identity import identity_of
from speechmill.jobs.resolve.model import describe_model
from speechmill.jobs.resolve.quality import ResolvedGate, beside_judges, resolve_gate
from speechmill.jobs.spec.job import JobSpec


class German(Judge):
    """Knows German only, and costs something."""

    @classmethod
    def describe(cls, config: JudgeConfig) -> JudgeInfo:
        return JudgeInfo("german", "1", languages=("de",), cost_s=0.02)

    def __init__(self, config: JudgeConfig) -> None:
        self.info = self.describe(config)

    def judge(self, clips: Any) -> list[Verdict]:
        return [Verdict() for _ in clips]


def spec_of(model: str = "tone", **quality: Any) -> JobSpec:
    return JobSpec.parse(
        {"input": {"uri": "corpus.csv"}, "output": {"uri": "out"}, "model": {"name": model}, "quality": quality}
    )


def resolved(spec: JobSpec) -> ResolvedGate | None:
    return resolve_gate(spec, describe_model(spec, "cpu")[1], "cpu")


def keys(spec: JobSpec) -> dict[str, Any]:
    gate = resolved(spec)
    return dict(identity_of(spec, describe_model(spec, "cpu")[1], "cpu", "corpus", gate.keys if gate else None).keys)


@pytest.mark.parametrize(
    ("model", "quality", "message"),
    [
        ("tone", {"attempts": 2}, "quality is.*: attempts needs judges"),
        ("tone", {"judges": ["signal", "signal"]}, "quality.judges is.*: must name each judge once"),
        ("tone", {"judges": ["signl"]}, r'quality.judges: "signl" is not registered: did you mean "signal"\?'),
        ("tone", {"judges": ["signal"], "options": {"duration": {}}}, "options.duration is for no judge of the job"),
        ("tone", {"judges": ["signal"], "attemps": 2}, 'did you mean "quality.attempts"'),
        ("tone", {"judges": ["signal"], "attempts": 0}, "quality.attempts is 0"),
        ("tone", {"judges": ["signal"], "share": 0}, "quality.share is 0"),
        (
            "tone",
            {"judges": ["signal"], "calibration": "nowhere.json"},
            "quality.calibration: nowhere.json is not there",
        ),
        ("hibari", {"judges": ["signal"], "attempts": 3}, "another attempt of hibari has the same words"),
        ("hibari", {"judges": [f"{__name__}:German"]}, "knows de, and hibari speaks en here"),
    ],
)
def test_what_is_wrong_with_a_gate_is_said_before_anything_is_loaded(
    model: str, quality: dict[str, Any], message: str
) -> None:
    with pytest.raises((SpecError, ModelError), match=message):
        resolved(spec_of(model, **quality))


def test_a_job_that_makes_text_has_nothing_to_hear() -> None:
    job = {"task": "refine", "input": {"uri": "a"}, "output": {"uri": "b"}, "quality": {"judges": ["signal"]}}
    with pytest.raises(JobError, match="judges hear audio"):
        JobSpec.parse(job)


def test_attempts_are_three_where_another_seed_helps() -> None:
    tone, hibari = resolved(spec_of(judges=["signal"])), resolved(spec_of("hibari", judges=["signal"]))
    assert tone is not None and hibari is not None
    assert (tone.config.attempts, hibari.config.attempts) == (3, 1)


def test_what_decides_which_clips_are_stored_is_identity_and_the_rest_is_not(tmp_path: Path) -> None:
    plain, base = keys(spec_of()), keys(spec_of(judges=["signal"]))
    assert not any("quality" in key for key in plain), "outputs begun without judges stay what they are"
    for same in ({"max_mean_attempts": 9.0}, {"place": {"where": "actors", "timeout_s": 5}}, {"attempts": 3}):
        assert keys(spec_of(judges=["signal"], **same)) == base
    file = tmp_path / "quality.json"
    file.write_text(json.dumps({"judges": {"signal": {"thresholds": {"gap_s": 0.9}}}}))
    for other in (
        {"attempts": 2},
        {"on_reject": "keep"},
        {"on_unheard": "fail"},
        {"share": 0.5},
        {"options": {"signal": {"gap_s": 1.0}}},
        {"calibration": str(file)},
    ):
        assert keys(spec_of(judges=["signal"], **other)) != base
    assert keys(spec_of(judges=["signal", "duration"])) != base
    calibrated = resolved(spec_of(judges=["signal"], calibration=str(file)))
    assert calibrated is not None
    assert calibrated.config.infos[0].thresholds["gap_s"] == 0.9
    file.write_text(json.dumps({"signal": {}}))
    with pytest.raises(SpecError, match='needs "judges"'):
        keys(spec_of(judges=["signal"], calibration=str(file)))


def test_judges_leave_the_rest_of_a_gpu_as_exactly_as_ray_counts() -> None:
    """Three times 0.2 is a little more than 0.6 for a computer."""
    place = {"where": "actors", "gpus": 0.2, "actors": 3}
    spec = spec_of(judges=["german"], place=place)
    for per_replica, fits in ((0.4, True), ("auto", True), (0.41, False)):
        cluster = spec.cluster.model_copy(update={"gpus_per_replica": per_replica})
        job = spec.model_copy(update={"cluster": cluster})
        if fits:
            assert beside_judges(job, Resources(1.0, 8.0, is_local=True))[1] == 0.4
        else:
            with pytest.raises(SpecError, match=r"gpus_per_replica: 0\.4"):
                beside_judges(job, Resources(1.0, 8.0, is_local=True))
