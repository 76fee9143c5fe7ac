"""Of drivers that come at once, one gets the output: threads and processes, on a folder and on a real S3 server."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from speechmill.cluster.lease.lease import Lease
from speechmill.cluster.lease.process import this_process
from speechmill.cluster.storage import Storage
from speechmill.cluster.storage.s3.store import S3Storage
from speechmill.errors import OutputBusy

from .elsewhere import Elsewhere
from .places import opened

races = pytest.mark.parametrize("num_rounds", [8, pytest.param(40, marks=pytest.mark.soak)])


def rounds_in(uri: str, endpoint: str, num_rounds: int) -> list[Storage]:
    """Outputs of their own in a place, on one connection: to make one takes half a second of computing."""
    storages = [opened(f"{uri}/{number}", endpoint) for number in range(num_rounds)]
    for storage in storages:
        if isinstance(storage, S3Storage):
            storage._clients = cast(S3Storage, storages[0])._clients
    return storages


@races
@pytest.mark.parametrize("is_there", [False, True], ids=["new", "dead"])
def test_of_many_threads_one_gets_it(place: tuple[str, str], is_there: bool, num_rounds: int) -> None:
    """Law: the others are told at once, by whom; in a new output, and in one whose driver died on this machine."""

    def race(storage: Storage, barrier: threading.Barrier) -> Lease | str:
        barrier.wait()
        try:
            return Lease.take(storage)
        except OutputBusy as error:
            return str(error)

    with ThreadPoolExecutor(3 * num_rounds) as threads:
        rounds = [(storage, threading.Barrier(3)) for storage in rounds_in(*place, num_rounds)]
        for storage, _ in rounds if is_there else ():
            Elsewhere(storage).beat(process=replace(this_process(), started=1))
        racing = [[threads.submit(race, *each) for _ in range(3)] for each in rounds]
        for (storage, _), racers in zip(rounds, racing, strict=True):
            ends = [racer.result() for racer in racers]
            [lease] = [end for end in ends if isinstance(end, Lease)]
            with lease:
                lease.check()
                found = Lease.read(storage)
                assert found is not None
                assert found.id == lease.holder.id
            assert all(str(this_process()) in end for end in ends if isinstance(end, str))


RACE = """
    import sys, time
    from concurrent.futures import ThreadPoolExecutor
    from pathlib import Path
    from speechmill.cluster.lease.lease import Lease
    from speechmill.cluster.storage import S3Options, open_storage
    from speechmill.errors import OutputBusy

    uri, endpoint, folder, me, other, num_rounds = sys.argv[1:]
    options = S3Options(endpoint) if endpoint else None
    storages = [open_storage(f"{uri}/{number}", options) for number in range(int(num_rounds))]

    def meet(name, every_s=0.002):
        Path(folder, f"{name}-{me}").touch()
        while not Path(folder, f"{name}-{other}").exists():
            time.sleep(every_s)

    def race(storage):
        if endpoint:
            storage._clients = storages[0]._clients
        name = storage.uri.rpartition("/")[2]
        meet(f"{name}-take")
        try:
            with Lease.take(storage) as lease:
                lease.check()
                meet(f"{name}-end")
                return "won"
        except OutputBusy:
            meet(f"{name}-end")
            return "busy"

    meet("begin", 0.05)  # one may take a second longer to start
    with ThreadPoolExecutor(len(storages)) as threads:
        print(*threads.map(race, storages))
"""


@races
def test_of_two_processes_one_gets_it(place: tuple[str, str], num_rounds: int, tmp_path: Path) -> None:
    """Law: as among threads, without anything shared but the store."""
    command = [sys.executable, "-c", textwrap.dedent(RACE), *place, str(tmp_path)]
    children = [
        subprocess.Popen([*command, *names, str(num_rounds)], stdout=subprocess.PIPE, text=True)
        for names in (("a", "b"), ("b", "a"))
    ]
    said = [child.communicate()[0].split() for child in children]
    assert [child.returncode for child in children] == [0, 0]
    assert [sorted(ends) for ends in zip(*said, strict=True)] == [["busy", "won"]] * num_rounds
