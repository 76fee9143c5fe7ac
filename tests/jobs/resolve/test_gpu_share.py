"""`gpus_per_replica: auto`: by what was measured, by cores and GPUs; the job's number stands as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import speechmill
from speechmill.actors.batcher.calibration import options_text
from speechmill.actors.batcher.card_cache import CardCache
from speechmill.actors.batcher.profile import ProfileKey
from speechmill.actors.batcher.sharing import CardUse
from speechmill.actors.device.card import CardPoint
from speechmill.actors.models.base import ModelConfig, ModelInfo
from speechmill.actors.models.registry import describe
from speechmill.cluster.session import Resources, plan_replicas
from speechmill.jobs.resolve.gpu_share import GpuShare, gpu_share
from speechmill.jobs.spec.job import ClusterSpec

CONFIG = ModelConfig("tone", "cuda")


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelInfo:
    """A model that keeps a GPU busy for a quarter of the time."""
    monkeypatch.setenv("SPEECHMILL_CACHE", str(tmp_path / "cache"))
    info = describe(CONFIG)
    key = ProfileKey("tone", info.revision, info.backend, "cuda", "a card", "", options_text(CONFIG))
    CardCache().put(CardUse(key, 80 * 2**30, 2**30, (CardPoint(64, 64, 2**30, 4e-3, 1e-3),)))
    return info


def share(info: ModelInfo, resources: Resources | None, **cluster: Any) -> GpuShare:
    return gpu_share(ClusterSpec(**{"gpus_per_replica": "auto", **cluster}), lambda: (CONFIG, info), 0.9, resources)


@pytest.mark.parametrize(
    ("gpus", "cpus", "cluster", "expected"),
    [
        (1, 64, {}, 4),
        (2, 64, {}, 8),
        (2, 4, {}, 4),  # two cores for each GPU
        (2, 64, {"cpus_per_replica": 16}, 4),
        (2, 64, {"replicas": 3}, 3),  # two on a GPU, so that the other one has work, too
        (2, 64, {"replicas": 2}, 2),
        (2, 64, {"gpus_per_replica": 1}, 2),
    ],
)
def test_replicas_by_measurement_cores_and_gpus(
    known: ModelInfo, gpus: int, cpus: int, cluster: dict[str, Any], expected: int
) -> None:
    resources = Resources(gpus, cpus, is_local=True)
    found = share(known, resources, **cluster)
    spec = ClusterSpec(**cluster)
    assert spec.replicas != "service"
    plan = plan_replicas(resources, spec.replicas, "auto", found.gpus, spec.cpus_per_replica)
    assert (plan.device, plan.num_replicas) == ("cuda", expected)
    assert bool(found.reason) == ("gpus_per_replica" not in cluster)


def test_without_a_gpu_nothing_is_shared_or_described(known: ModelInfo) -> None:
    def never() -> tuple[ModelConfig, ModelInfo]:
        raise AssertionError("the model may not know CUDA")

    found = gpu_share(ClusterSpec(gpus_per_replica="auto"), never, 0.9, Resources(0, 8, is_local=True))
    assert found == GpuShare(1.0)
    assert plan_replicas(Resources(0, 8, is_local=True), "auto", "auto", found.gpus, 1.0).device == "cpu"


def test_a_plan_says_how_many_and_why(tmp_path: Path, known: ModelInfo) -> None:
    corpus = tmp_path / "corpus.csv"
    corpus.write_text("text\nhello\n")
    job = speechmill.Job(
        input={"uri": str(corpus)},
        model={"name": "tone", "device": "cuda"},
        output={"uri": str(tmp_path / "out")},
        cluster={"address": "host.example:6379", "gpus_per_replica": "auto"},
    )
    assert "4 replicas on a GPU: one keeps it busy for 25 % of the time" in job.plan().sharing
