"""How many replicas fit: never more than the machine has, one per share of a GPU, clear words otherwise."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmill.actors.device.machine import num_cores
from speechmill.cluster.session import ReplicaPlan, Resources, _knock, plan_replicas
from speechmill.errors import SpecError

shares = st.sampled_from([0.1, 0.25, 0.4, 0.5, 1.0, 2.0])


@given(st.integers(0, 16), st.integers(1, 64), shares, st.sampled_from([0.5, 1.0, 2.0]))
def test_auto_never_oversubscribes(gpus: int, cpus: int, gpu_share: float, cpu_share: float) -> None:
    resources = Resources(gpus=gpus, cpus=cpus, is_local=False)
    plan = plan_replicas(resources, "auto", "auto", gpu_share, cpu_share)
    if plan.num_replicas > 1:
        assert plan.num_replicas * plan.cpus <= cpus
        assert plan.num_replicas * plan.gpus <= gpus
    assert plan.device == ("cuda" if gpus >= gpu_share else "cpu")


@pytest.mark.parametrize(
    ("resources", "gpus_per_replica", "expected"),
    [
        (Resources(0, 8, True), 1.0, ReplicaPlan(8, "cpu", 0.0, 1.0)),
        (Resources(4, 64, True), 1.0, ReplicaPlan(4, "cuda", 1.0, 1.0)),
        (Resources(4, 64, True), 0.5, ReplicaPlan(8, "cuda", 0.5, 1.0)),
        (Resources(2, 64, True), 0.4, ReplicaPlan(4, "cuda", 0.4, 1.0)),
        (Resources(2, 64, True), 0.1666, ReplicaPlan(12, "cuda", 0.1666, 1.0)),
        (Resources(8, 64, True), 2.0, ReplicaPlan(4, "cuda", 2.0, 1.0)),
        (Resources(8, 3, True), 1.0, ReplicaPlan(3, "cuda", 1.0, 1.0)),
    ],
)
def test_auto_is_one_per_gpu_share_or_core(
    resources: Resources, gpus_per_replica: float, expected: ReplicaPlan
) -> None:
    assert plan_replicas(resources, "auto", "auto", gpus_per_replica, 1.0) == expected


def test_a_number_that_does_not_fit_this_machine_is_refused() -> None:
    with pytest.raises(SpecError, match=r"cluster\.replicas: 3 on cpu need 1 CPU each; this machine has 2 CPU cores"):
        plan_replicas(Resources(0, 2, True), 3, "cpu", 1.0, 1.0)
    with pytest.raises(SpecError, match=r"need 1 GPU and 1 CPU each; this machine has 2 CPU cores and 0 GPUs"):
        plan_replicas(Resources(0, 2, True), "auto", "cuda", 1.0, 1.0)


def test_a_cluster_may_grow_so_there_a_number_stands() -> None:
    assert plan_replicas(Resources(0, 2, False), 64, "cuda", 1.0, 1.0).num_replicas == 64


def test_host_and_port_are_for_nodes_of_the_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether a node runs here is made up, as other tests run some; `tests/scenarios` has a host without one."""
    nodes = iter([False, True])
    monkeypatch.setattr("speechmill.cluster.session._has_node", lambda: next(nodes, False))
    with socket.create_server(("127.0.0.1", 0)) as head:
        address = f"127.0.0.1:{head.getsockname()[1]}"
        _knock(address)  # it was still starting
        _knock(f"ray://{address}")
        monkeypatch.setattr("speechmill.cluster.session.NODE_S", 0.0)
        with pytest.raises(ConnectionError, match="no node of it; from outside, name its client port"):
            _knock(address)


def test_this_process_has_a_core() -> None:
    assert num_cores() >= 1
