"""Starting Ray here: waited for while it moves, tried twice, ended at once by an interrupt, on loopback alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from ray._private import services
from support.waiting import HANG_S, eventually

from speechmill.cluster import ray_start
from speechmill.errors import RayNotStarted

Children = list[subprocess.Popen[bytes]]


@pytest.fixture
def children() -> Iterator[Children]:
    started: Children = []
    yield started
    for child in started:
        child.kill()
        child.wait()


SLEEP_S = 10 * HANG_S
"""Longer than its end is waited for: only who kills it ends it in time."""


def sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({SLEEP_S})"])


def test_a_ray_that_does_not_come_up_is_tried_once_more_in_a_folder_of_its_own(
    monkeypatch: pytest.MonkeyPatch, children: Children
) -> None:
    """Story: beside busy processes Ray gave itself up after 30 s, and the run with it."""
    comes_up, folders, told = [False, True], list[object](), list[str]()

    def init(**how: object) -> None:
        children.append(sleeper())
        folders.append(how["_temp_dir"])
        if not comes_up.pop(0):
            raise Exception("The current node timed out during startup.")

    monkeypatch.setattr("ray.init", init)
    ray_start.start_ray(waiting=told.append)()
    children[0].wait(HANG_S)
    assert psutil.pid_exists(children[1].pid)
    assert folders[0] is None and folders[1]
    assert any("once more" in line and "timed out during startup" in line for line in told)
    comes_up[:] = [False, False]
    with pytest.raises(RayNotStarted, match=r"did not start on this machine in \d+ s: The current node timed out"):
        ray_start.start_ray()
    for child in children[2:]:
        child.wait(HANG_S)


def test_a_start_in_which_nothing_moves_is_given_up(monkeypatch: pytest.MonkeyPatch, children: Children) -> None:
    given_up = threading.Event()

    def init(**_: object) -> None:
        children.append(sleeper())
        monkeypatch.setattr(ray_start, "QUIET_S", 0.5)  # not before: on a busy machine it takes longer to begin one
        children[-1].wait()  # until it is killed
        monkeypatch.setattr(ray_start, "QUIET_S", 1e9)
        given_up.set()
        raise ConnectionError("nothing answers")

    monkeypatch.setattr("ray.init", init)
    monkeypatch.setattr(ray_start, "QUIET_S", 1e9)
    with pytest.raises(RayNotStarted, match="nothing answers"):
        ray_start.start_ray()
    assert given_up.is_set() and len(children) == 2


def test_a_start_that_has_lost_its_scheduler_is_given_up_though_the_server_computes_on(
    monkeypatch: pytest.MonkeyPatch, children: Children, tmp_path: Path
) -> None:
    """Story: on a busy machine the raylet ended, the server computed on, and the start waited for 15 minutes."""
    raylet = Path(shutil.copy(shutil.which("sleep") or "", tmp_path / "raylet"))
    look, saw = ray_start._Start._has_lost_its_scheduler, set[object]()

    def look_and_tell(self: Any, family: Any) -> bool:
        is_lost = look(self, family)
        saw.update([self] if self._had_scheduler else [])
        return is_lost

    def init(**_: object) -> None:
        children.append(sleeper())
        children.append(subprocess.Popen([str(raylet), str(SLEEP_S)]))
        eventually(lambda: len(saw) == len(children) // 2, "a look at the raylet")
        children[-1].kill()
        children[-2].wait()  # the server, until it is killed
        raise ConnectionError("nothing answers")

    monkeypatch.setattr(ray_start._Start, "_has_lost_its_scheduler", look_and_tell)
    monkeypatch.setattr(ray_start, "_LOOK_S", 0.05)
    monkeypatch.setattr("ray.init", init)
    monkeypatch.setattr(ray_start, "QUIET_S", 1e9)
    with pytest.raises(RayNotStarted, match="nothing answers"):
        ray_start.start_ray()
    assert len(children) == 4


def test_an_interrupt_ends_the_start_and_its_processes(monkeypatch: pytest.MonkeyPatch, children: Children) -> None:
    """And its thread, which waits for a node that will not come up; Ray has its own functions again."""
    threads = list[threading.Thread]()

    def get_node(*_: object) -> None:
        raise RuntimeError("no node yet")

    def init(**_: object) -> None:
        threads.append(threading.current_thread())
        children.append(sleeper())
        services.get_node("address")  # type: ignore[call-arg]

    def interrupt(_: str) -> None:
        if children:
            raise KeyboardInterrupt

    monkeypatch.setattr("ray.init", init)
    monkeypatch.setattr(services, "get_node", get_node)
    monkeypatch.setattr(ray_start, "TELL_AFTER_S", 0.0)
    with pytest.raises(KeyboardInterrupt):
        ray_start.start_ray(waiting=interrupt)
    children[0].wait(HANG_S)
    threads[0].join(HANG_S)
    assert services.get_node is get_node


@pytest.mark.integration
def test_ray_of_this_machine_listens_on_loopback_alone_and_has_no_monitors(local_ray: dict[str, Any]) -> None:
    found = local_ray
    assert found["cpus"] >= 1 and found["heard"]
    assert {address.removeprefix("::ffff:") for address in found["heard"]} == {"127.0.0.1"}
    assert "raylet" in found["names"]
    others = [command for command in found["commands"] if "raylet/raylet" not in command]
    assert not [command for command in others if "monitor" in command or "dashboard" in command]
    assert found["nice"] == os.nice(0), "a replica would starve beside other processes"
