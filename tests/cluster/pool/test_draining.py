"""Which nodes go away, asked of a real Ray; and of none."""

from __future__ import annotations

from typing import Any

import pytest

from speechmill.cluster.pool.draining import draining_nodes


def test_without_ray_no_node_goes_away() -> None:
    assert draining_nodes() == {}


@pytest.mark.integration
def test_a_preemption_notice_is_seen(local_ray: dict[str, Any]) -> None:
    """A notice of ten minutes for a node on which an actor is busy; an idle one would be gone at once."""
    assert local_ray["draining_before"] == {}
    ((named, left_s),) = local_ray["draining"].items()
    assert named == local_ray["node"]
    assert 0 < left_s < 600
