"""Jobs over several hosts with a network between them: links that fail, a bad line, a folder that is not shared.

Whatever happens, in the end every row stands in one manifest, once, and `verify` finds nothing wrong. The hosts are
made on this machine (`support/hosts.py`); where that is not allowed, the tests are skipped and the reason is said.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.hostcluster import SPEECHMILL, HostCluster, Running, host_cluster
from support.hosts import Host, NoHosts
from support.measured import measured
from support.waiting import eventually

from speechmill.actors.device.disk_cache import cache_folder

pytestmark = pytest.mark.integration

SHORT_S = 5.0
"""Ray and the run sit that out."""
LONG_S = 120.0
"""Longer than a lease lasts, and than Ray holds out without its head."""
SLOW_LINK = Path(__file__).parent.parent / "support/slowlink.py"


@pytest.fixture(scope="module")
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostCluster]:
    submits = any(item.get_closest_marker("soak") for item in request.session.items if item.path == request.path)
    try:
        with host_cluster(tmp_path_factory.mktemp("hosts"), has_dashboard=submits) as made:
            yield made
    except NoHosts as reason:
        pytest.skip(f"no hosts can be made here: {reason}")


@pytest.fixture
def room(cluster: HostCluster) -> HostCluster:
    """The cluster with all its nodes, whatever the test before did to it."""
    cluster.start()
    return cluster


class Unsound(AssertionError):
    """What is wrong with an output."""


class Speech:
    """A job over a corpus of its own in the store, and what has to come out of it."""

    def __init__(self, cluster: HostCluster, num_rows: int, *, row_s: float = 0.0, **keys: Any) -> None:
        self._cluster = cluster
        self.ids = [f"id-{row}" for row in range(num_rows)]
        rows = [{"id": name, "text": f"{name} " + "la " * (row * 7 % 40)} for row, name in enumerate(self.ids)]
        bucket = cluster.put("corpus.jsonl", "".join(json.dumps(row) + "\n" for row in rows).encode())
        self.uri = f"s3://{bucket}/out"
        s3 = {"endpoint_url": cluster.server.endpoint}
        self.spec: dict[str, Any] = {
            "name": "hosts",
            "input": {"uri": f"s3://{bucket}/corpus.jsonl", "s3": s3},
            "model": {"name": "tone", "batch_size": 1, "options": measured(audio_char_s=0.002, batch_s=row_s)},
            "output": {"uri": self.uri, "container": "webdataset", "s3": s3},
            "cluster": {"replicas": 2},
            "sharding": {"shard_rows": 4},
        }
        cache = cache_folder()
        for worker in cluster.workers:
            shutil.copytree(cache, worker.inside(str(cache)), dirs_exist_ok=True)
        for path, value in keys.items():
            section, key = path.split("__")
            self.spec[section] = {**self.spec[section], key: value}

    def submit(self, *arguments: str) -> Running:
        """Send it to the head from the desk, and wait for its end."""
        where = ("--address", self._cluster.dashboard, "--wait", "--json")
        return self._cluster.speechmill(
            self._cluster.desk, "submit", self._file(self._cluster.desk), *where, *arguments
        )

    def run(self, host: Host, address: str, *arguments: str) -> Running:
        """Drive it from a host."""
        where = ("--json", "--set", f"cluster.address={address}")
        return self._cluster.speechmill(host, "run", self._file(host), *where, *arguments)

    def _file(self, host: Host) -> str:
        return host.write("job.yaml", json.dumps(self.spec))  # every JSON text is a YAML text

    def has_begun(self) -> None:
        """Wait for the first part."""
        eventually(lambda: self._cluster.records(self.uri), "a part in the store", every_s=0.5)

    def is_whole(self) -> None:
        """Every row once, and nothing wrong with any. Raises Unsound."""
        spoken = sorted(record.id for record in self._cluster.records(self.uri))
        report = self._cluster.verified(self.uri)
        is_sound = report.is_ok and report.is_complete and report.num_ok == len(self.ids)
        if spoken != sorted(self.ids) or not is_sound:
            raise Unsound(f"{len(spoken)} rows in manifests, {len(self.ids)} in the corpus; {report}")


def ended_well(running: Running, speech: Speech) -> None:
    status, error = running.end()
    assert status == 0, error
    assert (running.last["event"], running.last["num_ok"]) == ("result", len(speech.ids))
    speech.is_whole()


def followed(room: HostCluster, job: str) -> int:
    """How a job ended that was submitted before; waits for it."""
    where = ("--follow", "--address", room.dashboard)
    return room.desk.call(*SPEECHMILL, "logs", job, *where, RAY_AUTH_MODE="disabled").returncode


def hosts_of(event: dict[str, Any]) -> set[str]:
    """Where the replicas of a moment stand."""
    return {replica["host"] for replica in event["replicas"] if replica["host"]}


def is_told_of_its_folder(room: HostCluster, status: int, error: str) -> None:
    assert status == 2, error
    assert "output.uri /tmp/home/out is not what the driver sees on node worker-" in error
    assert "write to s3:// or to a folder that all nodes share" in error
    assert not list(room.head.inside("/tmp/home/out").glob("manifest/*"))


def test_a_folder_that_hosts_do_not_share_is_said_before_anything_is_spoken(room: HostCluster) -> None:
    speech = Speech(room, 8, output__uri="/tmp/home/out", cluster__replicas=1)
    is_told_of_its_folder(room, *speech.run(room.head, room.address).end())


@pytest.mark.soak
def test_a_folder_that_hosts_do_not_share_is_said_to_who_submits(room: HostCluster) -> None:
    status, error = Speech(room, 8, output__uri="/tmp/home/out").submit().end()
    is_told_of_its_folder(room, status, error)
    assert "output.uri /tmp/home/out: has to be the same folder on all nodes" in error


def test_replicas_on_two_hosts_speak_a_job_that_a_third_drives(room: HostCluster) -> None:
    """By Ray Client, from the desk, which is no node of the cluster."""
    speech = Speech(room, 80, row_s=0.2)  # enough for one worker to be there when the other one comes
    running = speech.run(room.desk, room.client)
    running.until(lambda event: hosts_of(event) == {worker.name for worker in room.workers})
    ended_well(running, speech)


@pytest.mark.soak
def test_a_host_that_is_no_node_is_told_how_to_reach_the_cluster(room: HostCluster) -> None:
    """Story: Ray looked for a node on that machine for a minute, and its words told nothing of it."""
    status, error = Speech(room, 8).run(room.desk, room.address).end()
    assert status == 2, error
    assert "this machine is no node of it" in error
    assert "ray://host:10001" in error
    assert "speechmill submit" in error


@pytest.mark.parametrize(
    ("name", "networks"),
    [
        pytest.param("head", ["cluster", "store"], marks=pytest.mark.soak),
        pytest.param("head", ["store"], marks=pytest.mark.soak),
        pytest.param("worker-1", ["cluster"], marks=pytest.mark.soak),
        pytest.param("worker-1", ["store"], marks=pytest.mark.soak),
    ],
)
def test_a_link_that_is_away_for_seconds_costs_time_alone(room: HostCluster, name: str, networks: list[str]) -> None:
    """The desk submits, and follows from afar; the driver stands on the head."""
    host = next(host for host in (room.head, *room.workers) if host.name == name)
    speech = Speech(room, 48, row_s=0.2)
    running = speech.submit()
    speech.has_begun()
    with host.cut_off(*networks):
        time.sleep(SHORT_S)
    ended_well(running, speech)


@pytest.mark.soak
def test_a_driver_without_its_store_for_two_minutes_stops_and_is_continued(room: HostCluster) -> None:
    """What ends it first, its patience with a request or that of its lease, is a matter of chance."""
    speech = Speech(room, 240, row_s=0.25)
    running = speech.submit()
    speech.has_begun()
    with room.head.cut_off("store"):
        time.sleep(LONG_S)
    status, error = running.end()
    assert status == 3, error
    assert "no answer" in error or "driver.json could not be renewed in time" in error
    assert "run the same command to continue" in error
    ended_well(speech.submit(), speech)


@pytest.mark.soak
def test_a_desk_that_loses_sight_of_its_job_says_so_and_the_job_goes_on(room: HostCluster) -> None:
    """The link is back only when the command has ended: nothing may wait for an answer without end."""
    speech = Speech(room, 240, row_s=0.1)
    running = speech.submit("--id", "out-of-sight")
    speech.has_begun()
    with room.desk.cut_off("cluster"):
        status, error = running.end()
    assert status == 3, error
    assert "How job out-of-sight goes on is not known from here" in error
    assert followed(room, "out-of-sight") == 0
    speech.is_whole()


@pytest.mark.soak
def test_a_worker_without_its_head_is_done_without_and_may_come_back(room: HostCluster) -> None:
    """Ray takes it for dead, and its own Ray ends; it goes on storing what it spoke, and none of that counts."""
    speech = Speech(room, 400, row_s=0.25)
    worker, other = room.workers
    running = speech.run(room.desk, room.client)
    running.until(lambda event: hosts_of(event) == {worker.name, other.name} and event["rows_committed"] > 0)
    with worker.cut_off("cluster"):
        running.until(lambda event: event["num_deaths"] > 0 and hosts_of(event) == {other.name})
    eventually(lambda: not room.is_up(worker), "the end of a Ray that was given up", every_s=0.5)
    room.start()
    running.until(lambda event: hosts_of(event) == {worker.name, other.name})
    ended_well(running, speech)


@pytest.mark.soak
def test_a_head_that_nobody_reaches_for_two_minutes_loses_the_cluster_and_no_row(room: HostCluster) -> None:
    """The desk gives up, the workers' Rays end, and the driver on the head has neither replicas nor a store."""
    speech = Speech(room, 240, row_s=0.25)
    running = speech.submit("--id", "headless")
    speech.has_begun()
    with room.head.cut_off("cluster", "store"):
        time.sleep(LONG_S)
    status, error = running.end()
    assert status == 3, error
    assert "Traceback" not in error
    for worker in room.workers:
        eventually(lambda worker=worker: not room.is_up(worker), "the end of a Ray without a head", every_s=0.5)
    room.start()
    assert followed(room, "headless") in (0, 3), "it went on with new replicas, or stopped"
    ended_well(speech.submit(), speech)


@pytest.mark.soak
def test_a_store_behind_a_narrow_far_and_bad_line_costs_time_alone(room: HostCluster, tmp_path: Path) -> None:
    """2 MB/s for all together, 0.2 s there and back, every second connection broken off."""
    log = tmp_path / "line.log"
    address, port = room.store.address("store"), "9000"
    target = (room.server.address, str(room.server.port))
    room.store.start("python", str(SLOW_LINK), address, port, *target, "2e6", "0.1", "2", log=log)
    eventually(lambda: "up" in log.read_text(), "the line")
    speech = Speech(room, 96)
    speech.spec["model"]["options"]["audio_char_s"] = 0.06
    speech.spec["output"] |= {"audio": "wav", "s3": {"endpoint_url": f"http://{address}:{port}"}}
    ended_well(speech.submit(), speech)
    assert log.read_text().count("broken") > 0


@pytest.mark.soak
def test_a_driver_that_was_cut_off_writes_nothing_into_the_output_of_its_successor(room: HostCluster) -> None:
    """Its requests hang while its lease runs out; a driver on another host makes the output anew; the link is back."""
    speech = Speech(room, 240, row_s=0.1, cluster__cpus_per_replica=0.5)
    speech.spec["output"]["s3"] = {**speech.spec["output"]["s3"], "max_attempts": 100}
    first = speech.run(room.desk, room.client)
    first.until(lambda event: event["rows_committed"] > 0)
    with room.desk.cut_off("store"):
        second = speech.run(room.workers[0], room.address, "--overwrite")
        status, error = second.end()
        assert (status, second.last["num_ok"]) == (0, len(speech.ids)), error
        assert first.process.poll() is None, "it waits for its store"
    status, error = first.end()
    assert status == 3, error
    assert "was taken over by process" in error or "could not be renewed in time" in error
    speech.is_whole()
