"""Starting Ray here: waited for while it moves, tried twice, ended at once by an interrupt, on loopback alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from support.waiting import HANG_S

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


def sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])


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
    assert [psutil.pid_exists(child.pid) for child in children] == [False, True]
    assert folders[0] is None and folders[1]
    assert any("once more" in line and "timed out during startup" in line for line in told)
    comes_up[:] = [False, False]
    with pytest.raises(RayNotStarted, match=r"did not start on this machine in \d+ s: The current node timed out"):
        ray_start.start_ray()
    assert not any(psutil.pid_exists(child.pid) for child in children[2:])


def test_a_start_in_which_nothing_moves_is_given_up(monkeypatch: pytest.MonkeyPatch, children: Children) -> None:
    given_up = threading.Event()

    def init(**_: object) -> None:
        children.append(sleeper())
        children[-1].wait()  # until it is killed
        given_up.set()
        raise ConnectionError("nothing answers")

    monkeypatch.setattr("ray.init", init)
    monkeypatch.setattr(ray_start, "QUIET_S", 0.5)
    with pytest.raises(RayNotStarted, match="nothing answers"):
        ray_start.start_ray()
    assert given_up.is_set() and len(children) == 2


def test_a_start_that_has_lost_its_scheduler_is_given_up_though_the_server_computes_on(
    monkeypatch: pytest.MonkeyPatch, children: Children, tmp_path: Path
) -> None:
    """Story: on a busy machine the raylet ended, the server computed on, and the start waited for 15 minutes."""
    raylet = Path(shutil.copy(shutil.which("sleep") or "", tmp_path / "raylet"))
    has_seen, look = threading.Event(), ray_start._Start._has_lost_its_scheduler

    def looked(start: ray_start._Start, family: list[psutil.Process]) -> bool:
        is_lost = look(start, family)
        if start._had_scheduler:
            has_seen.set()
        return is_lost

    def init(**_: object) -> None:
        children.append(sleeper())
        children.append(subprocess.Popen([str(raylet), "600"]))
        has_seen.clear()
        assert has_seen.wait(HANG_S)
        children[-1].kill()
        children[-2].wait()  # the server, until it is killed
        raise ConnectionError("nothing answers")

    monkeypatch.setattr("ray.init", init)
    monkeypatch.setattr(ray_start, "QUIET_S", 1e9)
    monkeypatch.setattr(ray_start._Start, "_has_lost_its_scheduler", looked)
    with pytest.raises(RayNotStarted, match="nothing answers"):
        ray_start.start_ray()
    assert len(children) == 4


def test_an_interrupt_ends_the_start_and_its_processes(monkeypatch: pytest.MonkeyPatch, children: Children) -> None:
    def init(**_: object) -> None:
        children.append(sleeper())
        threading.Event().wait()

    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ray.init", init)
    monkeypatch.setattr(ray_start, "TELL_AFTER_S", 0.0)
    with pytest.raises(KeyboardInterrupt):
        ray_start.start_ray(waiting=interrupt)
    assert not psutil.pid_exists(children[0].pid)


_SCRIPT = """
import json, os, psutil, ray
from speechmill.cluster.session import session
with session("local") as found:
    family = psutil.Process().children(recursive=True)
    heard = [c.laddr.ip for p in family for c in p.net_connections() if c.status == "LISTEN"]
    names = [p.name() for p in family]
    commands = [" ".join(p.cmdline()) for p in family]
    nice = ray.get(ray.remote(lambda: os.nice(0)).remote())
    print(json.dumps({"cpus": found.cpus, "heard": heard, "names": names, "commands": commands, "nice": nice}))
"""


@pytest.mark.integration
def test_ray_of_this_machine_listens_on_loopback_alone_and_has_no_monitors() -> None:
    done = subprocess.run([sys.executable, "-c", _SCRIPT], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["cpus"] >= 1 and found["heard"]
    assert {address.removeprefix("::ffff:") for address in found["heard"]} == {"127.0.0.1"}
    assert "raylet" in found["names"]
    others = [command for command in found["commands"] if "raylet/raylet" not in command]
    assert not [command for command in others if "monitor" in command or "dashboard" in command]
    assert found["nice"] == os.nice(0), "a replica would starve beside other processes"
