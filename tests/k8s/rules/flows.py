"""The ways that have to be open, and those that have to be closed, said as connections."""

from __future__ import annotations

from collections.abc import Iterator

from ..pods import RAY_KINDS, name_of, pods_of
from ..render import Doc
from .network import Peer, may_connect, peers_of

DASHBOARD, GCS, CLIENT, METRICS, AUTOSCALER_METRICS, DASHBOARD_METRICS, SERVE, S3 = (
    8265, 6379, 10001, 8080, 44217, 44227, 8000, 8333,
)  # fmt: skip
OPERATOR = Peer({"app.kubernetes.io/name": "kuberay-operator"}, "kuberay-system")
PROMETHEUS = Peer({"app.kubernetes.io/name": "prometheus"}, "monitoring")
DNS = Peer({"k8s-app": "kube-dns"}, "kube-system")
NODE_DNS, INTERNET, METADATA = (
    Peer(address="169.254.20.10"),
    Peer(address="203.0.113.7"),
    Peer(address="169.254.169.254"),
)
NEIGHBOUR = Peer({"app": "neighbour"})
STRANGER = Peer({"app.kubernetes.io/name": "kuberay-operator", "ray.io/is-ray-node": "yes"}, "default")
CLIENT_OF_SERVICE = Peer({"app": "web"}, "web", {"speechmill-client": "true"})


def flow_errors(docs: list[Doc]) -> Iterator[str]:
    """Connections that are closed and should be open, or the other way round; policies that select nothing."""
    for name, source, target, port, protocol in _open(docs):
        if not may_connect(docs, source, target, port, protocol):
            yield f"closed and should be open: {name}, port {port} {protocol}"
    for name, source, target, port in _closed(docs):
        if may_connect(docs, source, target, port):
            yield f"open and should be closed: {name}, port {port}"
    for doc in docs:
        if doc["kind"] == "NetworkPolicy" and not _selects(doc["spec"]["podSelector"], docs):
            yield f"{name_of(doc)} selects no pod"


def _submitters(docs: list[Doc]) -> list[Peer]:
    # base opens the submitter's way also where nothing is submitted by KubeRay: it has to be right there too.
    return peers_of(docs, "submitter") or [Peer({"app.kubernetes.io/component": "ray-submitter"})]


def _selects(selector: Doc, docs: list[Doc]) -> bool:
    labels = [pod.labels for pod in pods_of(docs)] + [peer.labels for peer in _submitters(docs)]
    wanted = (selector.get("matchLabels") or {}).items()
    return any(wanted <= each.items() for each in labels)


def _open(docs: list[Doc]) -> Iterator[tuple[str, Peer, Peer, int, str]]:
    heads, workers, others = (peers_of(docs, role) for role in ("head", "worker", "other"))
    for head in heads:
        yield "KubeRay to the dashboard", OPERATOR, head, DASHBOARD, "TCP"
        yield "the autoscaler to the API server", head, INTERNET, 6443, "TCP"
        for port in (METRICS, AUTOSCALER_METRICS, DASHBOARD_METRICS):
            yield "Prometheus to the head", PROMETHEUS, head, port, "TCP"
        for submitter in _submitters(docs):
            yield "submitter to the dashboard", submitter, head, DASHBOARD, "TCP"
        for worker in workers:
            yield "worker to the head", worker, head, GCS, "TCP"
            yield "head to a worker", head, worker, 20_000, "TCP"
    for worker in workers:
        yield "worker to worker", worker, worker, 20_000, "TCP"
        yield "Prometheus to a worker", PROMETHEUS, worker, METRICS, "TCP"
    for node in [*heads, *workers]:
        yield "S3", node, INTERNET, 443, "TCP"
        for protocol in ("TCP", "UDP"):
            yield "DNS", node, DNS, 53, protocol
            yield "DNS on the node", node, NODE_DNS, 53, protocol
        for s3 in others:
            yield "S3 in the cluster", node, s3, S3, "TCP"
    if any(doc["kind"] == "RayService" for doc in docs):
        yield from (("client of the service", CLIENT_OF_SERVICE, worker, SERVE, "TCP") for worker in workers)
        yield from (("KubeRay to the head's proxy", OPERATOR, head, SERVE, "TCP") for head in heads)


def _closed(docs: list[Doc]) -> Iterator[tuple[str, Peer, Peer, int]]:
    if not any(doc["kind"] in RAY_KINDS for doc in docs):
        return
    heads, workers, others = (peers_of(docs, role) for role in ("head", "worker", "other"))
    for node in [*heads, *workers]:
        for port in (DASHBOARD, GCS, CLIENT, SERVE):
            yield "a pod beside it", NEIGHBOUR, node, port
            yield "a pod of another namespace that carries Ray's labels", STRANGER, node, port
            yield "Prometheus", PROMETHEUS, node, port
        for port in (GCS, CLIENT):
            yield "KubeRay", OPERATOR, node, port
            yield "a client of the service", CLIENT_OF_SERVICE, node, port
        yield "metrics for a neighbour", NEIGHBOUR, node, METRICS
        yield "a client of the service to the dashboard", CLIENT_OF_SERVICE, node, DASHBOARD
        yield "metadata of the cloud", node, METADATA, 80
        yield "plain HTTP", node, INTERNET, 80
    yield "a pod that nobody thought of, from outside", STRANGER, NEIGHBOUR, 80
    yield "a pod that nobody thought of, to the internet", NEIGHBOUR, INTERNET, 443
    for submitter in _submitters(docs):
        yield "a neighbour to the submitter", NEIGHBOUR, submitter, 80
        yield "submitter to the internet", submitter, INTERNET, 443
        yield from (("submitter to a worker", submitter, worker, GCS) for worker in workers)
        yield from (("submitter to the GCS", submitter, head, GCS) for head in heads)
    for s3 in others:
        yield "a neighbour to S3", NEIGHBOUR, s3, S3
        yield "S3 to the internet", s3, INTERNET, 443
