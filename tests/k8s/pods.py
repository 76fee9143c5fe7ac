"""The pods of a bundle, wherever they are written, with the labels that KubeRay will give them.

Not known here: what a pod should look like.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .render import Doc

RAY_KINDS = ("RayCluster", "RayJob", "RayService")


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod template. `role` is head, worker, submitter or other; `where` names it for a person."""

    where: str
    role: str
    owner: Doc
    labels: dict[str, str]
    spec: dict[str, Any]

    @property
    def is_ray_node(self) -> bool:
        """Whether `ray start` runs in it."""
        return self.role in ("head", "worker")

    @property
    def containers(self) -> list[dict[str, Any]]:
        """All containers, those that only begin first."""
        return [*(self.spec.get("initContainers") or []), *(self.spec.get("containers") or [])]

    @property
    def volumes(self) -> dict[str, dict[str, Any]]:
        """Volumes by name."""
        return {volume["name"]: volume for volume in self.spec.get("volumes") or []}

    @property
    def gpus(self) -> int:
        """GPUs that its containers are limited to."""
        return sum(int(limits(container).get("nvidia.com/gpu", 0)) for container in self.containers)


def limits(container: dict[str, Any]) -> dict[str, Any]:
    """A container's resource limits."""
    return (container.get("resources") or {}).get("limits") or {}


def requests(container: dict[str, Any]) -> dict[str, Any]:
    """What a container asks for; where it does not say, its limits."""
    return {**limits(container), **((container.get("resources") or {}).get("requests") or {})}


def name_of(doc: Doc) -> str:
    """Kind and name, as people write it."""
    return f"{doc['kind']}/{doc['metadata']['name']}"


def ray_cluster(doc: Doc) -> dict[str, Any]:
    """The RayCluster's spec inside a Ray resource."""
    spec = doc["spec"]
    return {"RayJob": spec.get("rayClusterSpec"), "RayService": spec.get("rayClusterConfig")}.get(doc["kind"]) or spec


def pods_of(docs: list[Doc]) -> list[Pod]:
    """Every pod template."""
    return [pod for doc in docs for pod in _pods(doc)]


def _pods(doc: Doc) -> Iterator[Pod]:
    where = name_of(doc)
    if doc["kind"] == "Deployment":
        yield _pod(where, "other", doc, doc["spec"]["template"])
    elif doc["kind"] in RAY_KINDS:
        cluster = ray_cluster(doc)
        yield _ray_pod(f"{where} head", "head", doc, "headgroup", cluster["headGroupSpec"]["template"])
        for group in cluster["workerGroupSpecs"]:
            yield _ray_pod(f"{where} {group['groupName']}", "worker", doc, group["groupName"], group["template"])
        if submitter := doc["spec"].get("submitterPodTemplate"):
            yield _pod(f"{where} submitter", "submitter", doc, submitter)


def _pod(where: str, role: str, owner: Doc, template: dict[str, Any]) -> Pod:
    return Pod(where, role, owner, dict((template.get("metadata") or {}).get("labels") or {}), template["spec"])


def _ray_pod(where: str, role: str, owner: Doc, group: str, template: dict[str, Any]) -> Pod:
    pod = _pod(where, role, owner, template)
    pod.labels.setdefault("app.kubernetes.io/name", "kuberay")
    pod.labels.update(
        {
            "ray.io/is-ray-node": "yes",
            "ray.io/node-type": role,
            "ray.io/group": group,
            "ray.io/cluster": owner["metadata"]["name"],  # a RayJob's has a random end, which nothing may rely on
        }
    )
    return pod
