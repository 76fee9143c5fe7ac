"""Every overlay, and every component in it: what kubectl would apply has nothing wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from .check import findings
from .conftest import Change
from .pods import pods_of, ray_cluster
from .render import K8S, OVERLAYS, Doc, render
from .rules.references import named

S3_SECRET = "../../components/s3-secret"
CACHE_OFF = "# - ../../components/model-cache"


@pytest.mark.integration
@pytest.mark.parametrize("name", OVERLAYS)
def test_an_overlay_renders_and_has_nothing_wrong_with_it(name: str, overlay: Callable[[str], list[Doc]]) -> None:
    assert findings(overlay(name)) == []


@pytest.mark.integration
@pytest.mark.parametrize("name", ["rayjob-batch", "raycluster-shared"])
def test_s3_by_a_role_needs_no_secret(name: str, copy: Path, change: Change) -> None:
    change(f"overlays/{name}/kustomization.yaml", S3_SECRET, "../../components/s3-irsa")
    docs = render(copy / "overlays" / name)
    assert findings(docs) == []
    assert "secretKeyRef" not in yaml.safe_dump_all(docs)
    roles = {
        account: doc["metadata"].get("annotations", {}).get("eks.amazonaws.com/role-arn")
        for account, doc in named(docs, "ServiceAccount").items()
    }
    assert roles["ray-head"] == roles["ray-worker"] is not None
    assert roles["ray-submitter"] is None


@pytest.mark.integration
@pytest.mark.parametrize("name", ["rayjob-batch", "raycluster-shared", "rayservice"])
def test_one_cache_of_models_for_all_pods(name: str, copy: Path, change: Change) -> None:
    change(f"overlays/{name}/kustomization.yaml", CACHE_OFF, CACHE_OFF.removeprefix("# "))
    docs = render(copy / "overlays" / name)
    assert findings(docs) == []
    nodes = [pod for pod in pods_of(docs) if pod.is_ray_node]
    assert [pod.volumes["cache"] for pod in nodes] == [
        {"name": "cache", "persistentVolumeClaim": {"claimName": "speechmill-cache"}}
    ] * len(nodes)


@pytest.mark.integration
def test_a_shared_cluster_on_spot_nodes(copy: Path, change: Change) -> None:
    change("overlays/raycluster-shared/kustomization.yaml", "# - ../../components/spot", "- ../../components/spot")
    assert findings(render(copy / "overlays" / "raycluster-shared")) == []


@pytest.mark.integration
def test_a_batch_cluster_begins_with_no_gpu_and_ends_with_the_job(overlay: Callable[[str], list[Doc]]) -> None:
    (job,) = named(overlay("rayjob-batch"), "RayJob").values()
    (group,) = ray_cluster(job)["workerGroupSpecs"]
    assert (group["replicas"], group["minReplicas"]) == (0, 0) < (group["maxReplicas"],) * 2
    assert job["spec"]["shutdownAfterJobFinishes"] is True
    assert job["spec"]["backoffLimit"] > 0


@pytest.mark.integration
def test_the_demo_needs_nothing_but_kuberay(overlay: Callable[[str], list[Doc]]) -> None:
    foreign = {doc["apiVersion"] for doc in overlay("cpu-demo") if "." in doc["apiVersion"].partition("/")[0]}
    assert foreign == {"networking.k8s.io/v1", "ray.io/v1"}


@pytest.mark.integration
def test_another_job_file_is_another_config_map_in_every_kind_of_ray_resource(
    overlay: Callable[[str], list[Doc]], copy: Path, change: Change
) -> None:
    """By itself, kustomize does not look into Ray resources, and the name in them would stay without its hash."""
    change("base/job.yaml", "seed: 7", "seed: 8")
    change("overlays/cpu-demo/job.yaml", "seed: 7", "seed: 8")
    for name in OVERLAYS:
        docs = render(copy / "overlays" / name)
        assert _job_volume(docs) in named(docs, "ConfigMap")
        assert _job_volume(docs) != _job_volume(overlay(name))


@pytest.mark.integration
def test_the_image_is_named_in_one_place(copy: Path, change: Change) -> None:
    change("base/kustomization.yaml", "newName: registry.example.com/speechmill", "newName: other.example/mill")
    for name in OVERLAYS:
        pods = [pod for pod in pods_of(render(copy / "overlays" / name)) if pod.role != "other"]
        images = {container["image"].partition(":")[0] for pod in pods for container in pod.containers}
        assert images == {"other.example/mill"}


def test_no_secret_is_in_the_files() -> None:
    for path in K8S.rglob("*.yaml"):
        for doc in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            assert doc["kind"] != "Secret" if "kind" in doc else True, path
            assert "secretGenerator" not in doc, path


def test_the_readme_names_every_overlay_and_component() -> None:
    text = (K8S / "README.md").read_text(encoding="utf-8")
    for path in [*(K8S / "overlays").iterdir(), *(K8S / "components").iterdir()]:
        assert f"`{path.name}`" in text or f"overlays/{path.name}" in text, path.name


def _job_volume(docs: list[Doc]) -> str:
    head = next(pod for pod in pods_of(docs) if pod.role == "head")
    return head.volumes["job"]["configMap"]["name"]
