"""The end of a service: deletes its application, and shuts down Ray Serve if it has no other application.

Guaranteed: running streams end and slow clients get their remaining audio, within `drain_s`. Other applications on a
cluster stay, with the controller and the proxies that they need.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import psutil

_LOOK_EVERY_S = 0.2
_ANSWER_S = 10.0
_MORE_S = 60.0
"""Seconds on top of `drain_s` for Serve to end the application on a busy machine, after the last stream."""

logger = logging.getLogger(__name__)


def end_service(name: str, port: int, drain_s: float, *, is_local: bool) -> None:
    """Delete the application, and shut down Serve if it has no other one.

    Args:
        drain_s: Seconds that streams may take to end
        is_local: The Ray session ends with this process, and Serve with it
    """
    from ray import serve
    from ray.exceptions import RayError
    from ray.serve.exceptions import RayServeException

    end_s = time.monotonic() + drain_s
    try:
        _delete(name, end_s + _MORE_S)
        if is_local:
            _wait_for_readers(lambda: num_connected(port), end_s)
        elif not serve.status().applications:
            # Proxies end at once and drop data that slow clients have not taken yet.
            _wait_for_readers(lambda: _num_connected_there(port), end_s)
            if not serve.status().applications:  # still
                serve.shutdown()
    except (RayServeException, RayError) as error:  # another program has shut Serve down, or its controller has died
        logger.warning("Ray Serve does not answer, and nothing is taken away: %s", error)


def num_connected(port: int) -> int:
    """Number of client connections to this machine; the proxy closes idle ones after some seconds."""
    found = psutil.net_connections("tcp")
    return sum(c.status == psutil.CONN_ESTABLISHED and c.laddr[1] == port for c in found if len(c.laddr) == 2)


def _delete(name: str, end_s: float) -> None:
    from ray import serve

    while True:
        try:
            return serve.delete(name)
        except TimeoutError:  # Serve waits for a minute, streams may take longer
            if time.monotonic() >= end_s:
                logger.warning("Ray Serve has not ended the application %s yet; it goes on with that", name)
                return None


def _wait_for_readers(count: Callable[[], int], end_s: float) -> None:
    while time.monotonic() < end_s and count():
        time.sleep(_LOOK_EVERY_S)


def _num_connected_there(port: int) -> int:
    """Number of client connections to all nodes with a proxy; a node that does not answer has none."""
    import ray
    from ray import serve
    from ray.exceptions import RayError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    counted = ray.remote(num_cpus=0, max_retries=0)(num_connected)
    nodes = [NodeAffinitySchedulingStrategy(node, soft=False) for node in serve.status().proxies]
    try:
        asked = [counted.options(scheduling_strategy=node).remote(port) for node in nodes]
        return sum(ray.get(asked, timeout=_ANSWER_S))
    except RayError as error:
        logger.info("the readers of a node are not waited for: %s", error)
        return 0
