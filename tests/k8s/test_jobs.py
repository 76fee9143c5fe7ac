"""Job files for clusters: those in configs/clusters, and the demo's corpus, which a ConfigMap holds."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

import speechmill
from speechmill.jobs.spec.job import ClusterSpec, JobSpec

from .render import K8S, ROOT

CLUSTERS = ROOT / "configs" / "clusters"
NAMES = sorted(path.stem for path in CLUSTERS.iterdir())
CONFIG_MAP_BYTES = 2**20


def values(name: str) -> dict[str, object]:
    return yaml.safe_load((CLUSTERS / f"{name}.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", NAMES)
def test_a_job_file_loads_and_says_all_of_its_cluster(name: str) -> None:
    spec = JobSpec.load(CLUSTERS / f"{name}.yaml")
    assert spec.name == name
    assert spec.cluster.model_fields_set == {"address", "replicas", "gpus_per_replica", "cpus_per_replica"}
    assert spec.cluster.model_fields_set < ClusterSpec.model_fields.keys()


def test_there_is_one_for_each_kind_of_cluster_and_they_say_the_same_of_all_else() -> None:
    assert NAMES == ["gpu-pool", "local", "shared"]
    differing = {"name", "input", "output", "cluster", "failure", "model"}
    first, *others = ({key: value for key, value in values(name).items() if key not in differing} for name in NAMES)
    assert all(other == first for other in others)


@pytest.mark.parametrize("name", ["gpu-pool", "shared"])
def test_what_runs_inside_a_cluster_reads_and_writes_where_all_nodes_see_it(name: str) -> None:
    spec = JobSpec.load(CLUSTERS / f"{name}.yaml")
    assert str(spec.input.uri).startswith("s3://")
    assert spec.output.uri.startswith("s3://")
    assert spec.model.device == "cuda"
    assert isinstance(spec.cluster.replicas, int)


def test_all_rows_of_the_demo_can_be_spoken(tmp_path: Path) -> None:
    folder = K8S / "overlays" / "cpu-demo"
    job = speechmill.Job.load(
        folder / "job.yaml",
        [f"input.uri={folder / 'corpus.csv'}", f"output.uri={tmp_path}", "cluster.address=local"],
    )
    plan = job.plan()
    assert plan.num_rows == len((folder / "corpus.csv").read_text(encoding="utf-8").splitlines()) - 1 > 20
    assert plan.num_rejected == 0


def test_what_is_put_into_a_config_map_fits_into_one() -> None:
    size = sum(path.stat().st_size for path in (K8S / "overlays" / "cpu-demo").iterdir())
    assert size < CONFIG_MAP_BYTES / 10
