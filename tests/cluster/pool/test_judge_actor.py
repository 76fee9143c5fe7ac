"""Actors of judges and who holds them. What they say is compared in tests/jobs/run/test_gated_run.py."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import ray
from support.waiting import HANG_S, eventually

from speechmill.actors.gate.config import GateConfig, GatePlace
from speechmill.actors.gate.local_judge import UNHEARD
from speechmill.actors.judges.base import Hearing
from speechmill.cluster.pool.judge_actor import JudgeActor, NodeJudges

pytestmark = pytest.mark.integration
CLIP = Hearing("id", "", "", "en", 1.0, np.zeros(1, np.float32), 1)


def is_there(name: str) -> bool:
    return name in ray.util.list_named_actors()


def test_an_actor_that_is_left_while_it_starts_ends(joined_ray: None) -> None:
    cpus = eventually(lambda: ray.available_resources().get("CPU"), "a core")
    busy: Any = ray.remote(JudgeActor).options(num_cpus=cpus).remote([], 1.0)
    ray.get(busy.ready.remote())
    node = ray.get_runtime_context().get_node_id()
    judges = NodeJudges("left", GateConfig((), (), place=GatePlace("actors", cpus=cpus)), node)
    with ThreadPoolExecutor(1) as threads:
        verdict = threads.submit(judges.ask, "no such judge", CLIP)
        eventually(lambda: is_there(f"judges/left/{node}/0"), "an actor that waits for cores")
        judges.close()
        ray.kill(busy)
        assert verdict.result(HANG_S) == UNHEARD
    eventually(lambda: not is_there(f"judges/left/{node}/0"), "its end")
