"""Who may reach whom under the bundle's NetworkPolicies, worked out as a network plugin would.

Covers what is used here: podSelector and namespaceSelector with matchLabels, ipBlock as an exact address, ports by
number. A pod that no policy selects in a direction is open in it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..pods import pods_of
from ..render import Doc


@dataclass(frozen=True, slots=True)
class Peer:
    """An end of a connection: a pod by labels and namespace, or an address outside of the cluster."""

    labels: dict[str, str] = field(default_factory=dict[str, str])
    namespace: str = "speechmill"
    namespace_labels: dict[str, str] = field(default_factory=dict[str, str])
    address: str | None = None

    @property
    def labels_of_namespace(self) -> dict[str, str]:
        """With the label that Kubernetes itself gives."""
        return {"kubernetes.io/metadata.name": self.namespace, **self.namespace_labels}


def may_connect(docs: list[Doc], source: Peer, target: Peer, port: int, protocol: str = "TCP") -> bool:
    """Whether both the source's egress and the target's ingress let the connection pass."""
    return _passes(docs, source, target, "Egress", port, protocol) and _passes(
        docs, target, source, "Ingress", port, protocol
    )


def peers_of(docs: list[Doc], role: str) -> list[Peer]:
    """The pods of a role: head, worker, submitter or other."""
    return [Peer(pod.labels) for pod in pods_of(docs) if pod.role == role]


def _passes(docs: list[Doc], own: Peer, other: Peer, direction: str, port: int, protocol: str) -> bool:
    if own.address is not None:
        return True
    policies = [
        doc["spec"]
        for doc in docs
        if doc["kind"] == "NetworkPolicy"
        and doc["metadata"].get("namespace") == own.namespace
        and direction in doc["spec"].get("policyTypes", [])
        and _labels_match(doc["spec"].get("podSelector"), own.labels)
    ]
    rules = [rule for policy in policies for rule in policy.get(direction.lower()) or []]
    peers_key = "to" if direction == "Egress" else "from"
    return not policies or any(
        _port_matches(rule.get("ports"), port, protocol)
        and (peers_key not in rule or any(_peer_matches(each, own, other) for each in rule[peers_key]))
        for rule in rules
    )


def _port_matches(ports: list[dict[str, Any]] | None, port: int, protocol: str) -> bool:
    return ports is None or any(entry.get("port") == port and entry.get("protocol") == protocol for entry in ports)


def _peer_matches(rule: dict[str, Any], own: Peer, other: Peer) -> bool:
    if "ipBlock" in rule:
        return other.address is not None and rule["ipBlock"]["cidr"] == f"{other.address}/32"
    if other.address is not None:
        return False
    if "namespaceSelector" not in rule and other.namespace != own.namespace:
        return False
    return _labels_match(rule.get("namespaceSelector"), other.labels_of_namespace) and _labels_match(
        rule.get("podSelector"), other.labels
    )


def _labels_match(selector: dict[str, Any] | None, labels: dict[str, str]) -> bool:
    return ((selector or {}).get("matchLabels") or {}).items() <= labels.items()
