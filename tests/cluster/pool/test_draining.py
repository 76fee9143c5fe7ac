"""Which nodes go away, asked of a real Ray; and of none."""

from __future__ import annotations

import sys
import time

import pytest
import ray
from ray import cloudpickle
from support.waiting import eventually

from speechmill.cluster.pool.draining import draining_nodes
from speechmill.cluster.session import session

cloudpickle.register_pickle_by_value(sys.modules[__name__])


class Busy:
    """Somebody on the node."""

    def answer(self) -> None:
        """It is there."""


@pytest.mark.integration
def test_a_preemption_notice_is_seen_and_without_ray_nothing_is() -> None:
    assert not ray.is_initialized()
    assert draining_nodes() == {}
    from ray._raylet import GcsClient
    from ray.core.generated.autoscaler_pb2 import DrainNodeReason

    with session("local"):
        busy = ray.remote(num_cpus=1)(Busy).remote()  # an idle node would be gone at once
        ray.get(busy.answer.remote())
        assert draining_nodes() == {}
        context = ray.get_runtime_context()
        node, client = context.get_node_id(), GcsClient(address=context.gcs_address)
        deadline_ms = int((time.time() + 600) * 1000)
        reason = DrainNodeReason.DRAIN_NODE_REASON_PREEMPTION
        is_accepted, why = client.drain_node(node, reason, "spot", deadline_ms)
        assert is_accepted, why
        eventually(draining_nodes, "a notice that has gone through the node itself")
        ((named, left_s),) = draining_nodes().items()
        assert named == node
        assert 0 < left_s < 600
