"""A Ray of this machine's own, as a run starts it, looked at once for all tests."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from support.made_once import made_once
from support.waiting import HANG_S

_SCRIPT = """
import json, os, sys, time, psutil, ray
from speechmill.cluster.pool.draining import draining_nodes
from speechmill.cluster.session import session

class Busy:
    def nice(self):
        return os.nice(0)

with session("local") as found:
    busy = ray.remote(num_cpus=1)(Busy).remote()
    told = {"cpus": found.cpus, "nice": ray.get(busy.nice.remote())}
    family = psutil.Process().children(recursive=True)
    told["heard"] = [c.laddr.ip for p in family for c in p.net_connections() if c.status == "LISTEN"]
    told["names"] = [p.name() for p in family]
    told["commands"] = [" ".join(p.cmdline()) for p in family]

    from ray._raylet import GcsClient
    from ray.core.generated.autoscaler_pb2 import DrainNodeReason
    told["draining_before"] = draining_nodes()
    context = ray.get_runtime_context()
    told["node"] = context.get_node_id()
    reason = DrainNodeReason.DRAIN_NODE_REASON_PREEMPTION
    deadline_ms = int((time.time() + 600) * 1000)
    is_accepted, why = GcsClient(address=context.gcs_address).drain_node(told["node"], reason, "spot", deadline_ms)
    assert is_accepted, why
    until_s = time.monotonic() + float(sys.argv[1])
    while not (draining := draining_nodes()) and time.monotonic() < until_s:
        time.sleep(0.05)  # the notice goes through the node itself
    print(json.dumps(told | {"draining": draining}))
"""


@pytest.fixture(scope="session")
def local_ray(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a process has seen of the Ray that it started for itself, and of a preemption notice for its node."""

    def seen() -> dict[str, Any]:
        command = [sys.executable, "-c", _SCRIPT, str(HANG_S)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3_000:]
        return json.loads(done.stdout.splitlines()[-1])

    return made_once(tmp_path_factory, "local_ray", seen)
