"""What KubeRay refuses after the API server has let it through, and what a speechmill cluster has to be beyond that.

Sources: KubeRay 1.7's validation, and the ways in which Ray on Kubernetes is known to go wrong. Messages name the
resource; nothing is said of keys that the schemas know.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from ..pods import RAY_KINDS, Pod, name_of, pods_of, ray_cluster
from ..project import RAY_VERSION, service_builder
from ..render import Doc
from .quantities import amount

NAME_MAX = {"RayCluster": 53, "RayJob": 47, "RayService": 47}
DNS_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
RESOURCE_PARAMS = {"num-gpus", "memory", "resources", "labels"}
"""rayStartParams that KubeRay works out from the containers."""


def ray_errors(docs: list[Doc]) -> Iterator[str]:
    """All rules on all Ray resources."""
    pods = pods_of(docs)
    for doc in docs:
        if doc["kind"] in RAY_KINDS:
            own = [pod for pod in pods if pod.owner is doc]
            for problem in [*_name(doc), *_cluster(ray_cluster(doc)), *_groups(doc, own), *_autoscaling(doc, own)]:
                yield f"{name_of(doc)}: {problem}"
            if doc["kind"] == "RayJob":
                yield from (f"{name_of(doc)}: {problem}" for problem in _job(doc["spec"]))
            if doc["kind"] == "RayService":
                yield from (f"{name_of(doc)}: {problem}" for problem in _service(doc["spec"], own))


def _name(doc: Doc) -> Iterator[str]:
    name = doc["metadata"]["name"]
    if len(name) > NAME_MAX[doc["kind"]] or not DNS_1035.fullmatch(name):
        yield f"the name has to be a DNS-1035 label of at most {NAME_MAX[doc['kind']]} characters"


def _cluster(cluster: dict[str, Any]) -> Iterator[str]:
    if cluster.get("rayVersion") != RAY_VERSION:
        yield f"rayVersion is {cluster.get('rayVersion')}, the lock has Ray {RAY_VERSION}"
    if (cluster.get("authOptions") or {}).get("mode") != "token":
        yield "authOptions.mode is not token: whoever reaches the dashboard may run code (CVE-2023-48022)"
    if cluster["headGroupSpec"].get("serviceType") != "ClusterIP":
        yield "headGroupSpec.serviceType is not ClusterIP: the dashboard would be seen from outside"


def _groups(doc: Doc, pods: list[Pod]) -> Iterator[str]:
    cluster = ray_cluster(doc)
    groups = cluster["workerGroupSpecs"]
    names = [group["groupName"] for group in groups]
    if len(set(names)) != len(names):
        yield f"two worker groups have one name: {names}"
    if cluster["headGroupSpec"]["rayStartParams"].get("num-cpus") != "0":
        yield 'the head has no num-cpus: "0", so that replicas would be put there'
    for group, pod in zip([cluster["headGroupSpec"], *groups], [p for p in pods if p.is_ray_node], strict=True):
        params = group["rayStartParams"]
        for key in sorted(params.keys() & RESOURCE_PARAMS):
            yield f"{pod.where}: rayStartParams.{key}: KubeRay takes it from the container"
        unknown = params.keys() - RESOURCE_PARAMS - {"num-cpus", "object-store-memory"}
        if unknown:
            yield f"{pod.where}: rayStartParams that nothing here needs: {sorted(unknown)}"
        yield from _shared_memory(pod, params)
    for group in groups:
        low, count, high = group["minReplicas"], group["replicas"], group["maxReplicas"]
        if not low <= count <= high or high < 1:
            yield f"group {group['groupName']}: minReplicas {low}, replicas {count}, maxReplicas {high}"
    for pod in pods:
        kind = "gpu" if pod.gpus else "cpu"
        if pod.role == "worker" and not pod.where.endswith(f" {kind}"):
            yield f"the group {pod.where} is not called {kind}"


def _shared_memory(pod: Pod, params: dict[str, str]) -> Iterator[str]:
    store = params.get("object-store-memory") or ""
    mounted = [mount["name"] for mount in pod.spec["containers"][0]["volumeMounts"] if mount["mountPath"] == "/dev/shm"]
    shm = (pod.volumes.get(mounted[0], {}) if mounted else {}).get("emptyDir") or {}
    if shm.get("medium") != "Memory":
        yield f"{pod.where}: /dev/shm is not an emptyDir in memory"
    elif not store.isdigit() or not 0 < int(store) < amount(shm.get("sizeLimit", 0)):
        yield f"{pod.where}: object-store-memory {store} does not fit into /dev/shm of {shm.get('sizeLimit')}"


def _autoscaling(doc: Doc, pods: list[Pod]) -> Iterator[str]:
    cluster = ray_cluster(doc)
    options = cluster.get("autoscalerOptions") or {}
    is_on = bool(cluster.get("enableInTreeAutoscaling"))
    head = next(pod for pod in pods if pod.role == "head")
    if is_on != bool(options):
        yield "autoscalerOptions and enableInTreeAutoscaling belong together"
    if is_on != head.spec.get("automountServiceAccountToken"):
        yield f"enableInTreeAutoscaling is {is_on}, automountServiceAccountToken of the head is not"
    if is_on and head.spec.get("serviceAccountName", "default") == "default":
        yield "with autoscaling the head needs a service account of its own"
    if is_on and not {mount["name"] for mount in options.get("volumeMounts") or []} <= head.volumes.keys():
        yield "autoscalerOptions.volumeMounts name a volume that the head does not have"
    for group in cluster["workerGroupSpecs"]:
        if not is_on and not group["replicas"]:
            yield f"group {group['groupName']} has no replicas, and nothing would give it any"
        if not is_on and "idleTimeoutSeconds" in group:
            yield f"group {group['groupName']}: idleTimeoutSeconds needs the autoscaler, version v2"
    for pod in pods:
        if pod.is_ray_node and pod.spec.get("restartPolicy", "Never") != "Never":
            yield f"{pod.where}: restartPolicy has to be Never or unset with autoscaler v2"


def _job(spec: dict[str, Any]) -> Iterator[str]:
    mode, does_shut_down = spec.get("submissionMode", "K8sJobMode"), spec.get("shutdownAfterJobFinishes", False)
    if mode == "K8sJobMode" and "submitterPodTemplate" not in spec:
        yield "no submitterPodTemplate: KubeRay's own has no security context, and is refused in the namespace"
    if mode == "SidecarMode":
        yield "SidecarMode adds a container without a security context, which is refused in the namespace"
    if mode == "InteractiveMode" and spec.get("backoffLimit"):
        yield "backoffLimit does not go with InteractiveMode"
    if spec.get("clusterSelector"):
        yield "clusterSelector: a job on a cluster that stays is submitted, it needs no RayJob"
    if not does_shut_down:
        yield "shutdownAfterJobFinishes is not true: the GPUs would be kept"
    if not spec.get("ttlSecondsAfterFinished"):
        yield "ttlSecondsAfterFinished is missing: nobody could look at the dashboard of a failed job"
    if not spec.get("backoffLimit"):
        yield "backoffLimit is missing: the end of the head would be the end of the job"
    for key in ("activeDeadlineSeconds", "preRunningDeadlineSeconds"):
        if not spec.get(key):
            yield f"{key} is missing: a job that hangs would be paid for without end"


def _service(spec: dict[str, Any], pods: list[Pod]) -> Iterator[str]:
    config = yaml.safe_load(spec["serveConfigV2"])
    unknown = config.keys() - {"proxy_location", "http_options", "applications"}
    if unknown:
        yield f"serveConfigV2: unknown keys {sorted(unknown)}"
    options = config.get("http_options") or {}
    ports = {port["containerPort"] for pod in pods for port in pod.containers[0]["ports"] if port["name"] == "serve"}
    if options.keys() != {"host", "port"} or options["host"] != "0.0.0.0" or ports != {options["port"]}:
        yield f"http_options {options}: has to be host 0.0.0.0, and the port that the pods name `serve` ({ports})"
    for application in config.get("applications") or [{}]:
        unknown = application.keys() ^ {"name", "import_path", "route_prefix", "args"}
        if unknown:
            yield f"serveConfigV2: keys of an application that are missing or unknown: {sorted(unknown)}"
        elif application["import_path"] != service_builder():
            yield f"import_path is {application['import_path']}, the builder is {service_builder()}"
    if not spec.get("excludeHeadPodFromServeSvc"):
        yield "excludeHeadPodFromServeSvc is not true, and the head runs no replica"
    for pod in pods:
        probe = ((pod.containers[0].get("readinessProbe") or {}).get("httpGet")) or {}
        if pod.role == "worker" and (probe.get("path"), probe.get("port")) != ("/ready", "serve"):
            yield f"{pod.where}: no readiness probe of /ready on the port `serve`"
