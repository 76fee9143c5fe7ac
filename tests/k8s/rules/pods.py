"""What every pod has to be: restricted, pinned, bounded, and on Ray's side fit to be drained.

Restricted is Kubernetes' Pod Security Standard of that name, and a root file system that cannot be written.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..pods import Pod, limits, name_of, pods_of, requests
from ..project import IMAGE, IMAGE_TAG, image_user
from ..render import Doc
from .quantities import amount

ENV = {
    "HOME",
    "NVIDIA_VISIBLE_DEVICES",
    "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "SPEECHMILL_API_TOKEN",
}
"""Environment variables that somebody reads; any other is taken for a misspelt one."""

PORTS = {
    "gcs-server": 6379,
    "dashboard": 8265,
    "metrics": 8080,
    "as-metrics": 44217,
    "dash-metrics": 44227,
    "serve": 8000,
    "s3": 8333,
}
NEEDED_PORTS = {"head": {"gcs-server", "dashboard", "metrics", "as-metrics", "dash-metrics"}, "worker": {"metrics"}}
CONTAINER = {"head": "ray-head", "worker": "ray-worker", "submitter": "ray-job-submitter"}
PATHS = {"/tmp", "/dev/shm", "/cache", "/etc/speechmill", "/data"}
SPOT = {
    "cloud.google.com/gke-spot": "true",
    "eks.amazonaws.com/capacityType": "SPOT",
    "karpenter.sh/capacity-type": "spot",
    "kubernetes.azure.com/scalesetpriority": "spot",
}
DRAIN = "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"


def pod_errors(docs: list[Doc]) -> Iterator[str]:
    """All rules on all pods, and on the autoscaler's container that KubeRay adds."""
    for pod in pods_of(docs):
        checks = (_restricted, _user, _labels, _ports, _account, _mounts, _drain, _gpu, _spot)
        yield from (f"{pod.where}: {problem}" for check in checks for problem in check(pod))
        for container in pod.containers:
            for problem in [*_contained(container), *_image(pod, container), *_resources(container), *_env(container)]:
                yield f"{pod.where}, container {container.get('name')}: {problem}"
    for doc in docs:
        if doc["kind"] == "ServiceAccount" and doc.get("automountServiceAccountToken") is not False:
            yield f"{name_of(doc)}: automountServiceAccountToken is not false"
        for options in _autoscalers(doc):
            for problem in [*_contained(options), *_resources(options), *_env(options)]:
                yield f"{name_of(doc)} autoscaler: {problem}"


def _autoscalers(doc: Doc) -> Iterator[dict[str, Any]]:
    for cluster in (doc.get("spec") or {}, (doc.get("spec") or {}).get("rayClusterSpec") or {}):
        if "autoscalerOptions" in cluster:
            yield cluster["autoscalerOptions"]


def _restricted(pod: Pod) -> Iterator[str]:
    context = pod.spec.get("securityContext") or {}
    if context.get("runAsNonRoot") is not True or not context.get("runAsUser"):
        yield "runAsNonRoot and a runAsUser are missing"
    if (context.get("seccompProfile") or {}).get("type") != "RuntimeDefault":
        yield "seccompProfile.type is not RuntimeDefault"
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.spec.get(key):
            yield f"{key} is not allowed"
    kinds = {"configMap", "emptyDir", "persistentVolumeClaim", "projected", "secret"}
    for volume in pod.volumes.values():
        if volume.keys() - {"name"} - kinds:
            yield f"volume {volume['name']} is of a kind that is not allowed"
        if "emptyDir" in volume and amount(volume["emptyDir"].get("sizeLimit", 0)) <= 0:
            yield f"volume {volume['name']} has no sizeLimit"


def _user(pod: Pod) -> Iterator[str]:
    context = pod.spec.get("securityContext") or {}
    given = (context.get("runAsUser"), context.get("runAsGroup"))
    if pod.role != "other" and given != image_user():
        yield f"runs as {given}, the image is made for {image_user()}"
    if context.get("fsGroup") != context.get("runAsGroup"):
        yield "fsGroup is not runAsGroup: it could not write to its volumes"


def _labels(pod: Pod) -> Iterator[str]:
    own = {key: value for key, value in pod.labels.items() if not key.startswith("ray.io/")}
    if own.pop("app.kubernetes.io/part-of", None) != "speechmill":
        yield "app.kubernetes.io/part-of is not speechmill"
    if pod.role != "other" and own.pop("app.kubernetes.io/component", None) != f"ray-{pod.role}":
        yield f"app.kubernetes.io/component is not ray-{pod.role}"
    if unknown := own.keys() - {"app.kubernetes.io/name", "app.kubernetes.io/instance"}:
        yield f"nobody looks for the labels {sorted(unknown)}"
    selector = ((pod.owner["spec"].get("selector") or {}).get("matchLabels")) or {}
    if pod.role == "other" and not (selector and selector.items() <= pod.labels.items()):
        yield f"its own Deployment looks for {selector}"


def _ports(pod: Pod) -> Iterator[str]:
    first = pod.containers[0]
    ports = {port.get("name"): port["containerPort"] for port in first.get("ports") or []}
    if missing := NEEDED_PORTS.get(pod.role, set()) - ports.keys():
        yield f"KubeRay and the PodMonitors look for the ports {sorted(missing)}"
    for name, port in ports.items():
        if PORTS.get(name) != port:
            yield f"port {name} is {port}, has to be {PORTS.get(name)}"
    if pod.role in CONTAINER and first["name"] != CONTAINER[pod.role]:
        yield f"the first container is called {first['name']}, has to be {CONTAINER[pod.role]}"


def _contained(container: dict[str, Any]) -> Iterator[str]:
    context = container.get("securityContext") or {}
    if context.get("allowPrivilegeEscalation") is not False or context.get("privileged"):
        yield "allowPrivilegeEscalation is not false"
    capabilities = context.get("capabilities") or {}
    if capabilities.get("drop") != ["ALL"] or capabilities.get("add"):
        yield "capabilities are not all dropped"
    if context.get("readOnlyRootFilesystem") is not True:
        yield "readOnlyRootFilesystem is not true"
    if "/tmp" not in {mount["mountPath"] for mount in container.get("volumeMounts") or []}:
        yield "nothing is mounted at /tmp, and the root file system cannot be written"
    for mount in container.get("volumeMounts") or []:
        if mount["mountPath"] not in PATHS:
            yield f"nobody looks for {mount['mountPath']}"


def _account(pod: Pod) -> Iterator[str]:
    if "automountServiceAccountToken" not in pod.spec:
        yield "automountServiceAccountToken is not said"
    if pod.role != "head" and pod.spec.get("automountServiceAccountToken") is not False:
        yield "has a token of the Kubernetes API, and no use for it"
    if pod.spec.get("enableServiceLinks") is not False:
        yield "enableServiceLinks is not false: every Service would be in the environment"


def _mounts(pod: Pod) -> Iterator[str]:
    used = {mount["name"] for container in pod.containers for mount in container.get("volumeMounts") or []}
    for name in sorted(used ^ pod.volumes.keys()):
        yield f"volume {name} is mounted and not there, or there and not mounted"
    if pod.is_ray_node and pod.containers:
        paths = {mount["mountPath"] for mount in pod.containers[0]["volumeMounts"]}
        for path in sorted({"/tmp", "/dev/shm", "/cache"} - paths):
            yield f"nothing is mounted at {path}"


def _drain(pod: Pod) -> Iterator[str]:
    if not pod.is_ray_node:
        return
    drain_s = _variables(pod.containers[0]).get(DRAIN) or ""
    if not drain_s.isdigit() or not 0 < int(drain_s) < pod.spec.get("terminationGracePeriodSeconds", 30):
        yield f"{DRAIN} ({drain_s}) is not below terminationGracePeriodSeconds"


def _gpu(pod: Pod) -> Iterator[str]:
    tolerated = {(t.get("key"), t.get("operator"), t.get("effect")) for t in pod.spec.get("tolerations") or []}
    if pod.gpus and ("nvidia.com/gpu", "Exists", "NoSchedule") not in tolerated:
        yield "has a GPU, and does not tolerate the taint of GPU nodes"
    for container in pod.containers:
        hides = _variables(container).get("NVIDIA_VISIBLE_DEVICES") == "void"
        if pod.role != "other" and hides == bool(pod.gpus):
            yield "NVIDIA_VISIBLE_DEVICES: void belongs to the pods that have no GPU"


def _spot(pod: Pod) -> Iterator[str]:
    affinity = (pod.spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    shunned = [e for term in required.get("nodeSelectorTerms") or [] for e in term["matchExpressions"]]
    if pod.role == "head" and _spoken(shunned) != {("NotIn", key, value) for key, value in SPOT.items()}:
        yield "the head may be put on a spot node"
    preferred = affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or []
    sought = [expression for entry in preferred for expression in entry["preference"]["matchExpressions"]]
    if sought and _spoken(sought) != {("In", key, value) for key, value in SPOT.items()}:
        yield "the spot nodes that it prefers are not those that the head avoids"
    for toleration in pod.spec.get("tolerations") or []:
        key, value = toleration.get("key"), toleration.get("value")
        if key != "nvidia.com/gpu" and (SPOT.get(key) != value or toleration.get("operator") != "Equal"):
            yield f"tolerates {key}: {value}, which no cloud's nodes carry"


def _spoken(expressions: list[dict[str, Any]]) -> set[tuple[str, str, str]]:
    return {(e["operator"], e["key"], value) for e in expressions for value in e["values"]}


def _image(pod: Pod, container: dict[str, Any]) -> Iterator[str]:
    image = container.get("image") or ""
    name, _, tag = image.rpartition(":")
    if "@sha256:" not in image and ("/" in tag or not name or not tag[:1].isdigit()):
        yield f"image {image!r} is not pinned"
    if pod.role != "other" and (name, tag) != (IMAGE, IMAGE_TAG):
        yield f"image {image!r} is not {IMAGE}:{IMAGE_TAG}, of this version and the locked Ray"


def _resources(container: dict[str, Any]) -> Iterator[str]:
    wanted, most = requests(container), limits(container)
    for key in ("cpu", "memory"):
        if not amount(most.get(key, 0)):
            yield f"no limit of {key}"
    for key in sorted(wanted.keys() | most.keys()):
        if key not in ("cpu", "memory", "nvidia.com/gpu"):
            yield f"{key} is not a resource"
        elif key != "cpu" and amount(wanted[key]) != amount(most.get(key, 0)):
            yield f"{key}: the request is not the limit"
        elif amount(wanted[key]) > amount(most.get(key, 0)):
            yield f"{key}: the request is above the limit"


def _variables(container: dict[str, Any]) -> dict[str, str | None]:
    return {entry["name"]: entry.get("value") for entry in container.get("env") or []}


def _env(container: dict[str, Any]) -> Iterator[str]:
    names = [entry["name"] for entry in container.get("env") or []]
    for name in sorted(set(names) - ENV):
        yield f"nobody reads the variable {name}"
    if len(set(names)) != len(names):
        yield f"a variable is there twice: {names}"
    home = _variables(container).get("HOME")
    if container.get("name") != "s3" and home != "/tmp":
        yield "HOME is not /tmp, the only place that can be written"
