"""Names that have to be found: accounts, volumes, keys, ports, labels, queues, each where another object has it.

A Secret is made by a person, never by the repository: k8s/README.md has to show how, with the same names and keys.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Any

from ..pods import Pod, name_of, pods_of, requests
from ..project import service_token_variable
from ..render import K8S, Doc
from .quantities import amount

CLUSTER_SCOPED = {"Namespace", "ClusterQueue", "ResourceFlavor"}
NAMESPACE = "speechmill"
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
RELEASE = {"release": "prometheus"}


def reference_errors(docs: list[Doc]) -> Iterator[str]:
    """All names that lead nowhere."""
    pods = pods_of(docs)
    yield from _namespaces(docs)
    for pod in pods:
        yield from (f"{pod.where}: {problem}" for problem in _pod(pod, docs))
    for doc in docs:
        check = {"Service": _service, "PodDisruptionBudget": _budget, "PodMonitor": _monitor}.get(doc["kind"])
        if check is not None:
            yield from (f"{name_of(doc)}: {problem}" for problem in check(doc, pods))
    yield from _queues(docs, pods)


def selected(selector: dict[str, Any], pods: list[Pod]) -> list[Pod]:
    """Pods whose labels a selector's `matchLabels` match; an empty selector matches all."""
    wanted = (selector.get("matchLabels") or {}).items()
    return [pod for pod in pods if wanted <= pod.labels.items()]


def named(docs: list[Doc], kind: str) -> dict[str, Doc]:
    """Objects of a kind, by name."""
    return {doc["metadata"]["name"]: doc for doc in docs if doc["kind"] == kind}


@functools.cache
def documented_secrets() -> dict[str, set[str]]:
    """Secrets and their keys, as k8s/README.md has a person make them."""
    secrets: dict[str, set[str]] = {}
    text = (K8S / "README.md").read_text(encoding="utf-8").replace("\\\n", " ")
    for name, rest in re.findall(r"create secret generic (\S+)(.*)", text):
        secrets.setdefault(name, set()).update(re.findall(r"--from-literal=(\w+)=", rest))
    return secrets


def _namespaces(docs: list[Doc]) -> Iterator[str]:
    (namespace,) = named(docs, "Namespace").values() or [{"metadata": {"name": "", "labels": {}}}]
    if namespace["metadata"]["name"] != NAMESPACE:
        yield f"the namespace is {namespace['metadata']['name']!r}"
    wanted_labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}
    if namespace["metadata"].get("labels") != wanted_labels:
        yield f"the labels of the namespace are not {wanted_labels}"
    seen: set[str] = set()
    for doc in docs:
        wanted = None if doc["kind"] in CLUSTER_SCOPED else NAMESPACE
        if doc["metadata"].get("namespace") != wanted:
            yield f"{name_of(doc)}: namespace {doc['metadata'].get('namespace')}, has to be {wanted}"
        if name_of(doc) in seen:
            yield f"{name_of(doc)} is there twice"
        seen.add(name_of(doc))


def _pod(pod: Pod, docs: list[Doc]) -> Iterator[str]:
    account = pod.spec.get("serviceAccountName")
    if account is not None and account not in named(docs, "ServiceAccount"):
        yield f"no ServiceAccount {account}"
    if pod.role != "other" and account != f"ray-{pod.role}":
        yield f"serviceAccountName is {account}, has to be ray-{pod.role}"
    for volume in pod.volumes.values():
        for kind, key, name_key in (
            ("ConfigMap", "configMap", "name"),
            ("PersistentVolumeClaim", "persistentVolumeClaim", "claimName"),
        ):
            if key in volume and volume[key].get(name_key) not in named(docs, kind):
                yield f"volume {volume['name']}: no {kind} {volume[key].get(name_key)}"
    secrets = documented_secrets()
    for container in pod.containers:
        ports = [port.get("name") for port in container.get("ports") or []]
        if len(set(ports)) != len(ports):
            yield f"two ports have one name: {ports}"
        for probe in (container.get("readinessProbe") or {}, container.get("livenessProbe") or {}):
            port = (probe.get("httpGet") or probe.get("tcpSocket") or {}).get("port")
            if port is not None and port not in ports:
                yield f"a probe asks port {port}, there are {ports}"
        for entry in container.get("env") or []:
            yield from _variable(entry, secrets)


def _variable(entry: dict[str, Any], secrets: dict[str, set[str]]) -> Iterator[str]:
    name, source = entry["name"], (entry.get("valueFrom") or {}).get("secretKeyRef")
    is_secret = name.startswith("AWS_") or name == service_token_variable()
    if is_secret != (source is not None):
        yield f"{name} comes out of a Secret, or is none"
    elif source is not None and source.get("key") not in secrets.get(source.get("name"), set()):
        yield f"{name}: k8s/README.md makes no Secret {source.get('name')} with the key {source.get('key')}"
    elif source is not None and name.startswith("AWS_") and source.get("key") != name:
        yield f"{name} is taken from the key {source.get('key')}"


def _service(service: Doc, pods: list[Pod]) -> Iterator[str]:
    found = selected({"matchLabels": service["spec"].get("selector")}, pods)
    if not service["spec"].get("selector") or not found:
        yield "selects no pod"
    for port in service["spec"]["ports"]:
        for pod in found:
            if port.get("targetPort") not in [p.get("name") for c in pod.containers for p in c.get("ports") or []]:
                yield f"targetPort {port.get('targetPort')} is no port of {pod.where}"


def _budget(budget: Doc, pods: list[Pod]) -> Iterator[str]:
    # KubeRay's pods have no controller with a scale: a share, or maxUnavailable, would block every eviction.
    if not isinstance(budget["spec"].get("minAvailable"), int) or "maxUnavailable" in budget["spec"]:
        yield "minAvailable has to be an integer, alone"
    found = selected(budget["spec"]["selector"], pods)
    if budget["spec"].get("minAvailable") != 1:
        yield "minAvailable is not 1: there is one head, and of the workers one has to stay"
    if len({pod.where for pod in found}) != 1 or not found[0].is_ray_node:
        yield f"has to select the pods of one group, selects {[pod.where for pod in found]}"


def _monitor(monitor: Doc, pods: list[Pod]) -> Iterator[str]:
    if monitor["metadata"].get("labels") != RELEASE:
        yield f"kube-prometheus-stack looks for the labels {RELEASE}"
    found = selected(monitor["spec"]["selector"], pods)
    if not found:
        yield "selects no pod"
    for pod in found:
        have = {port.get("name") for container in pod.containers for port in container.get("ports") or []}
        for endpoint in monitor["spec"]["podMetricsEndpoints"]:
            if endpoint["port"] not in have:
                yield f"{pod.where} has no port {endpoint['port']}"
            for rule in endpoint.get("relabelings") or []:
                if rule != {
                    "action": "replace",
                    "sourceLabels": ["__meta_kubernetes_pod_label_ray_io_cluster"],
                    "targetLabel": "ray_io_cluster",
                }:
                    yield f"{endpoint['port']}: the label of the cluster is not copied: {rule}"


def _queues(docs: list[Doc], pods: list[Pod]) -> Iterator[str]:
    """Kueue: queue label → LocalQueue → ClusterQueue → ResourceFlavor, and a quota that the whole job fits into."""
    locals_, queues, flavors = (named(docs, kind) for kind in ("LocalQueue", "ClusterQueue", "ResourceFlavor"))
    queued = [doc for doc in docs if (doc["metadata"].get("labels") or {}).keys() & {QUEUE_LABEL}]
    if locals_ and not queued:
        yield f"there are queues, and no job has the label {QUEUE_LABEL}"
    for job in queued:
        local = locals_.get(job["metadata"]["labels"][QUEUE_LABEL])
        queue = queues.get(local["spec"]["clusterQueue"]) if local else None
        if queue is None:
            yield f"{name_of(job)}: its queue leads to no ClusterQueue"
            continue
        if (queue["spec"]["namespaceSelector"].get("matchLabels")) != {"kubernetes.io/metadata.name": NAMESPACE}:
            yield f"{name_of(queue)} does not take jobs of the namespace"
        if job["spec"]["rayClusterSpec"].get("enableInTreeAutoscaling"):
            yield f"{name_of(job)}: Kueue does not follow Ray's autoscaler"
        for group in queue["spec"]["resourceGroups"]:
            names = [flavor["name"] for flavor in group["flavors"]]
            if not set(names) <= flavors.keys():
                yield f"{name_of(queue)}: no ResourceFlavor among {names}"
            quota = {entry["name"]: amount(entry["nominalQuota"]) for entry in group["flavors"][0]["resources"]}
            needed = _needed(job, [pod for pod in pods if pod.owner is job])
            if sorted(group["coveredResources"]) != sorted(quota) or needed.keys() - quota.keys():
                yield f"{name_of(queue)} covers {sorted(quota)}, the job needs {sorted(needed)}"
            for resource, least in needed.items():
                if quota.get(resource, least) < least:
                    yield f"{name_of(queue)}: a quota of {quota[resource]:g} {resource}, the job needs {least:g}"


def _needed(job: Doc, pods: list[Pod]) -> dict[str, float]:
    counts = {group["groupName"]: group["replicas"] for group in job["spec"]["rayClusterSpec"]["workerGroupSpecs"]}
    needed: dict[str, float] = {}
    for pod in pods:
        for container in pod.containers:
            for resource, quantity in requests(container).items():
                count = counts.get(pod.labels.get("ray.io/group", ""), 1)
                needed[resource] = needed.get(resource, 0) + count * amount(quantity)
    return needed
