"""One driver per output: who gets it, who keeps it, who is told that it is gone.

On a local folder and on a real S3 server. Where time has to pass, the clock is ours; where a process is paused or
killed, it is a real one.
"""

from __future__ import annotations

import json
import logging
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest

from speechmill.actors.records.keys import DRIVER_KEY
from speechmill.cluster.lease import lease as leases
from speechmill.cluster.lease.clocks import Clocks
from speechmill.cluster.lease.file import LeaseFile
from speechmill.cluster.lease.lease import Lease
from speechmill.cluster.lease.process import Process, this_process
from speechmill.cluster.lease.record import LeaseRecord
from speechmill.cluster.storage import S3Options, Storage, open_storage
from speechmill.cluster.storage.local.store import LocalStorage
from speechmill.cluster.storage.s3.store import S3Storage
from speechmill.errors import JobError, LeaseLost, OutputBusy, StorageDenied, StorageUnavailable

DAY_S = 86_400.0
races = pytest.mark.parametrize("num_rounds", [8, pytest.param(40, marks=pytest.mark.soak)])


@dataclass
class Time:
    """A clock that is set by hand. `sleep` moves it, after `meanwhile` has done what others do in that time."""

    now_s: float = field(default_factory=time.monotonic)
    boot_ahead_s: float = 0.0
    wall_ahead_s: float = 1.7e9
    meanwhile: Callable[[], None] = lambda: None

    @property
    def clocks(self) -> Clocks:
        return Clocks(
            awake_s=lambda: self.now_s,
            boot_s=lambda: self.now_s + self.boot_ahead_s,
            wall_s=lambda: self.now_s + self.wall_ahead_s,
            sleep=self.sleep,
        )

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds
        self.meanwhile()


class Elsewhere:
    """A driver on another machine: its lease, written when we say so."""

    def __init__(self, storage: Storage, lease_s: float = 60.0) -> None:
        self.file = LeaseFile(storage)
        process = Process("elsewhere", 7, "another boot", 9)
        self.holder = LeaseRecord(uuid.uuid4().hex, process, "0.1", 0.0, 0.0, lease_s, 0, 0.0)
        self.tag: str | None = None

    def beat(self, **changes: Any) -> None:
        self.holder = replace(self.holder, beat=self.holder.beat + 1, **changes)
        self.tag = self.file.write(self.holder, self.tag)


@pytest.fixture(scope="session")
def bucket(s3_server: Any) -> str:
    """One bucket for all; each test has its own prefix."""
    return s3_server.new_bucket()


@pytest.fixture(params=["local", pytest.param("s3", marks=pytest.mark.integration)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """The uri of an empty output, and the endpoint that it is reached at, of each kind."""
    if request.param == "local":
        return str(tmp_path / "out"), ""
    server = request.getfixturevalue("s3_env")
    return f"s3://{request.getfixturevalue('bucket')}/{uuid.uuid4().hex}", server.endpoint


@pytest.fixture
def storage(place: tuple[str, str]) -> Storage:
    """An empty output of each kind."""
    return opened(*place)


@pytest.fixture
def local(tmp_path: Path) -> LocalStorage:
    """An empty output in a folder."""
    return LocalStorage(tmp_path / "out")


@pytest.fixture
def remote(s3_proxy: Any, bucket: str) -> Storage:
    """An empty output behind the proxy; one try per request."""
    return open_storage(f"s3://{bucket}/{uuid.uuid4().hex}", S3Options(s3_proxy.endpoint, max_attempts=1))


@pytest.fixture
def hand() -> Time:
    """A clock for one test."""
    return Time()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check waits ten leases for a renewal: on a busy machine one takes longer than the sixth of a short lease."""
    monkeypatch.setattr(leases, "TRUST", -9.0)


def opened(uri: str, endpoint: str) -> Storage:
    """The store of a place."""
    return open_storage(uri, S3Options(endpoint, max_attempts=3) if endpoint else None)


def rounds_in(uri: str, endpoint: str, num_rounds: int) -> list[Storage]:
    """Outputs of their own in a place, on one connection: to make one takes half a second of computing."""
    storages = [opened(f"{uri}/{number}", endpoint) for number in range(num_rounds)]
    for storage in storages:
        if isinstance(storage, S3Storage):
            storage._clients = cast(S3Storage, storages[0])._clients
    return storages


def no_wait() -> None:
    """For drivers that must not have to wait."""
    pytest.fail("it waited")


def until(condition: Callable[[], bool]) -> None:
    """Wait for other threads; the test's own time limit is the limit."""
    while not condition():
        time.sleep(0.01)


# Who gets it.


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


def test_a_lease_that_was_given_back_is_free_at_once(storage: Storage, hand: Time) -> None:
    """Also after an error; and it is nobody's, though the object stays."""
    hand.meanwhile = no_wait
    for number in range(3):
        with pytest.raises(KeyError), Lease.take(storage, clocks=hand.clocks) as lease:
            lease.check()
            assert Lease.read(storage, hand.clocks) == lease.holder
            raise KeyError(number)
        assert Lease.read(storage, hand.clocks) is None
        assert [entry.key for entry in storage.list()] == [DRIVER_KEY]
        with pytest.raises(LeaseLost, match="given back"):
            lease.check()
        lease.release()


def test_a_second_driver_on_this_machine_is_told_at_once(local: LocalStorage, hand: Time) -> None:
    """Who, where, since when, and what to do."""
    hand.meanwhile = no_wait
    hand.wall_ahead_s = 1e9 - hand.now_s
    with Lease.take(local, clocks=hand.clocks), pytest.raises(OutputBusy) as caught:
        Lease.take(local, clocks=hand.clocks)
    said = f"another run writes to {local.uri}: {this_process()}, since 2001-09-09 01:46:40 UTC"
    assert str(caught.value).startswith(said)
    assert "wait for it to end, or stop it there" in str(caught.value)


def test_a_driver_elsewhere_is_busy_when_it_renews(storage: Storage, hand: Time) -> None:
    """It takes a renewal to tell, and not a whole lease."""
    other = Elsewhere(storage)
    other.beat()
    begun_s = hand.now_s
    hand.meanwhile = lambda: other.beat() if hand.now_s >= begun_s + 20 * other.holder.beat else None
    with pytest.raises(OutputBusy, match="process 7 on elsewhere"):
        Lease.take(storage, clocks=hand.clocks)
    assert 20 <= hand.now_s - begun_s <= 24
    assert Lease.read(storage, hand.clocks) == other.holder


def test_a_driver_that_waits_gets_it_when_the_other_is_done(storage: Storage, hand: Time) -> None:
    """However long that takes, within what it was told to wait."""
    other = Elsewhere(storage)
    other.beat()
    begun_s = hand.now_s
    hand.meanwhile = lambda: other.beat(is_released=other.holder.beat == 40) if not other.holder.is_released else None
    with Lease.take(storage, wait_s=600, clocks=hand.clocks) as lease:
        assert 80 <= hand.now_s - begun_s < 90
        lease.check()


# Takeover.


def test_a_dead_driver_elsewhere_is_replaced_when_its_lease_has_run_out(
    storage: Storage, hand: Time, caplog: pytest.LogCaptureFixture
) -> None:
    """By our clock, and by the length that its lease says; the log names it."""
    Elsewhere(storage, lease_s=300.0).beat()
    begun_s = hand.now_s
    with caplog.at_level(logging.WARNING), Lease.take(storage, clocks=hand.clocks) as lease:
        assert 300 <= hand.now_s - begun_s < 310
        assert Lease.read(storage, hand.clocks) == lease.holder
    assert [("waiting to see" in line, "taken over" in line) for line in caplog.messages] == [
        (True, False),
        (False, True),
    ]
    assert all("process 7 on elsewhere" in line for line in caplog.messages)


@pytest.mark.parametrize("raw", [b"", b"{", b"null", b'{"id": 3}', b"\xff"])
def test_an_object_that_is_none_of_ours_is_watched_like_a_driver(local: LocalStorage, hand: Time, raw: bytes) -> None:
    """Another version may have written it, and be alive. Looking at it is an error that names it."""
    local.put(DRIVER_KEY, raw)
    with pytest.raises(JobError, match=r"driver\.json cannot be read"):
        Lease.read(local)
    begun_s = hand.now_s
    with Lease.take(local, clocks=hand.clocks) as lease:
        assert 60 <= hand.now_s - begun_s < 65
        lease.check()


def test_an_object_that_is_none_of_ours_and_changes_is_busy(local: LocalStorage, hand: Time) -> None:
    """Somebody renews it."""
    local.put(DRIVER_KEY, b"?")
    hand.meanwhile = lambda: local.put(DRIVER_KEY, str(hand.now_s).encode())
    with pytest.raises(OutputBusy, match="another version of speechmill"):
        Lease.take(local, clocks=hand.clocks)


HOLD = """
    import sys, time
    from speechmill.cluster.lease import lease as leases
    from speechmill.cluster.lease.lease import Lease
    from speechmill.cluster.storage import S3Options, open_storage
    from speechmill.errors import LeaseLost

    leases.TRUST = -9.0  # as the fixture `patient`
    uri, endpoint, lease_s = sys.argv[1:]
    with Lease.take(open_storage(uri, S3Options(endpoint) if endpoint else None), lease_s=float(lease_s)) as lease:
        print("held", flush=True)
        try:
            while True:
                lease.check()
                time.sleep(0.01)
        except LeaseLost as error:
            print(error, flush=True)
"""


@pytest.fixture
def hold(place: tuple[str, str]) -> Iterator[Callable[[float], subprocess.Popen[str]]]:
    """Starts a process that holds the lease of the place, and says so; it is killed at the end."""
    children: list[subprocess.Popen[str]] = []

    def start(lease_s: float) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", textwrap.dedent(HOLD), *place, str(lease_s)]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        children.append(child)
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        return child

    yield start
    for child in children:
        with child:
            child.kill()


def test_a_driver_that_was_killed_here_is_replaced_at_once(
    storage: Storage, hold: Callable[[float], subprocess.Popen[str]], hand: Time
) -> None:
    """Kill -9, with an hour to go."""
    hand.meanwhile = no_wait
    child = hold(3600)
    hand.now_s = time.monotonic()  # as the child counts
    with pytest.raises(OutputBusy, match=f"process {child.pid} on"):
        Lease.take(storage, clocks=hand.clocks)
    child.kill()
    child.wait()
    assert Lease.read(storage) is None
    with Lease.take(storage, clocks=hand.clocks) as lease:
        lease.check()


def test_a_driver_that_was_paused_loses_it(storage: Storage, hold: Callable[[float], subprocess.Popen[str]]) -> None:
    """Story: a process sleeps longer than its lease, wakes, and goes on as if nothing had been."""
    child = hold(1.0)
    child.send_signal(signal.SIGSTOP)
    with Lease.take(storage, wait_s=DAY_S) as lease:
        child.send_signal(signal.SIGCONT)
        assert child.stdout is not None
        said = child.stdout.read()
        assert child.wait() == 0
        assert f"was taken over by {this_process()}" in said
        assert "commits nothing more" in said
        lease.check()


# Who keeps it.


@pytest.mark.usefixtures("patient")
def test_renewals_keep_it(storage: Storage) -> None:
    """A thread sees to that; each one is another object."""
    with Lease.take(storage, lease_s=1.2) as lease:
        until(lambda: lease.holder.beat >= 2)
        lease.check()
        found = Lease.read(storage)
        assert found is not None
        assert (found.id, found.since_s) == (lease.holder.id, lease.holder.since_s)
        with pytest.raises(OutputBusy):
            Lease.take(storage)


@pytest.mark.parametrize("jump_s", [DAY_S, -DAY_S])
def test_the_time_of_day_decides_nothing(local: LocalStorage, hand: Time, jump_s: float) -> None:
    """A day forth or back: the holder keeps it, and others are kept out, or get it after as long as ever."""
    with Lease.take(local, clocks=hand.clocks) as lease:
        hand.wall_ahead_s += jump_s
        lease.check()
        with pytest.raises(OutputBusy):
            Lease.take(local, clocks=hand.clocks)
        beat = lease.holder.beat
        hand.now_s += 55
        lease.check()
        assert lease.holder.beat == beat + 1
    Elsewhere(local).file.write(Elsewhere(local).holder, local.get_tagged(DRIVER_KEY).tag)
    begun_s = hand.now_s
    hand.meanwhile = lambda: setattr(hand, "wall_ahead_s", hand.wall_ahead_s + jump_s)
    with Lease.take(local, clocks=hand.clocks):
        assert 60 <= hand.now_s - begun_s < 65


@pytest.mark.parametrize("jump_s", [DAY_S, -DAY_S])
def test_a_machine_that_slept_keeps_what_nobody_took(storage: Storage, hand: Time, jump_s: float) -> None:
    """Also when its clock goes back, which none does: the store is asked."""
    with Lease.take(storage, clocks=hand.clocks) as lease:
        hand.boot_ahead_s += jump_s
        seen = lease._term
        for _ in range(2):
            lease.check()
            assert lease.holder.beat == 1
        lease._renew(seen)  # by a thread that was late, and need not
        assert lease.holder.beat == 1


def test_a_renewal_counts_from_before_it_was_sent(tmp_path: Path, hand: Time) -> None:
    """When it took too long, another driver may already have waited long enough: the store is asked again."""

    class Slow(LocalStorage):
        def put_if(self, key: str, data: bytes, tag: str | None) -> str:
            hand.now_s += 51
            return super().put_if(key, data, tag)

    with Lease.take(Slow(tmp_path / "out"), clocks=hand.clocks) as lease:
        for _ in range(3):
            assert not lease._term.holds(hand.now_s)
            lease.check()


def test_a_machine_that_slept_loses_what_another_took(storage: Storage, hand: Time) -> None:
    """And whoever took it keeps it, whatever the first one does in the end."""
    with Lease.take(storage, clocks=hand.clocks) as lease:
        other = Elsewhere(storage)
        other.file.write(other.holder, storage.get_tagged(DRIVER_KEY).tag)
        lease.check()  # nothing tells yet
        hand.boot_ahead_s += DAY_S
        for _ in range(2):
            with pytest.raises(LeaseLost, match="was taken over by process 7 on elsewhere"):
                lease.check()
    assert Lease.read(storage, hand.clocks) == other.holder


@pytest.mark.usefixtures("patient")
def test_an_output_that_was_deleted_is_not_written_again(local: LocalStorage) -> None:
    """In mid-run, by hand: the renewing thread finds out, and nothing comes back."""
    with Lease.take(local, lease_s=0.6) as lease:
        shutil.rmtree(local.uri)
        with pytest.raises(LeaseLost, match="was deleted while this run wrote"):
            while True:
                lease.check()
                time.sleep(0.01)
    assert not Path(local.uri).exists()


def test_a_lease_that_was_overwritten_is_lost(local: LocalStorage, hand: Time) -> None:
    """By whatever it was."""
    with Lease.take(local, clocks=hand.clocks) as lease:
        local.put(DRIVER_KEY, b"{")
        hand.boot_ahead_s += DAY_S
        with pytest.raises(LeaseLost, match="overwritten by something else"):
            lease.check()
    assert local.get(DRIVER_KEY) == b"{"


# The store is away.


def test_a_store_that_is_briefly_away_costs_nothing(remote: Storage, s3_proxy: Any) -> None:
    """Renewals fail, and then go on."""
    with Lease.take(remote, lease_s=7.5) as lease:
        s3_proxy.down()
        until(lambda: lease._term.failed_s is not None)
        lease.check()
        s3_proxy.up()
        until(lambda: lease._term.failed_s is None)
        lease.check()
        assert Lease.read(remote) == lease.holder


def test_a_store_that_stays_away_is_the_end(remote: Storage, s3_proxy: Any, hand: Time) -> None:
    """Nobody can tell by then whether another one took it. For good, also when the store is back."""
    with Lease.take(remote, clocks=hand.clocks) as lease:
        s3_proxy.down()
        lease.check()
        hand.now_s += 51
        for _ in range(2):
            with pytest.raises(LeaseLost, match=r"could not be renewed in time: .* no answer"):
                lease.check()
        s3_proxy.up()
        with pytest.raises(LeaseLost):
            lease.check()
    assert Lease.read(remote, replace(hand.clocks, awake_s=lambda: hand.now_s - 40)) is not None


def test_a_store_that_never_answers_holds_nobody_up(tmp_path: Path) -> None:
    """A renewal hangs; the check does not wait for it."""
    is_asked, answers = threading.Event(), threading.Event()

    class Hanging(LocalStorage):
        def put_if(self, key: str, data: bytes, tag: str | None) -> str:
            if tag is not None:
                is_asked.set()
                answers.wait()
            return super().put_if(key, data, tag)

    lease = Lease.take(Hanging(tmp_path / "out"), lease_s=0.3)
    is_asked.wait()  # by the thread that renews; a check that comes before it would hang itself
    with pytest.raises(LeaseLost, match="gives no answer"):
        while True:
            lease.check()
            time.sleep(0.01)
    answers.set()
    lease.release()
    with pytest.raises(LeaseLost):
        lease.check()


def test_a_renewal_whose_answer_got_lost_is_ours(tmp_path: Path, hand: Time) -> None:
    """Written, but we were told otherwise: our own state under a tag that we do not know."""

    class Deaf(LocalStorage):
        num_lost = 0

        def put_if(self, key: str, data: bytes, tag: str | None) -> str:
            new = super().put_if(key, data, tag)
            if tag is not None and self.num_lost < 1:
                self.num_lost += 1
                raise StorageUnavailable("the answer got lost")
            return new

    store = Deaf(tmp_path / "out")
    with Lease.take(store, clocks=hand.clocks) as lease:
        lease._renew(lease._term)
        assert lease._term.failed_s is not None
        hand.now_s += 51
        lease.check()
        assert (store.num_lost, lease.holder.beat) == (1, 2)
        assert Lease.read(store, hand.clocks) == lease.holder


# The store refuses.


def test_a_store_without_conditions_is_told_and_leases_work_by_looking(
    tmp_path: Path, hand: Time, caplog: pytest.LogCaptureFixture
) -> None:
    """Not trusted in silence: what two drivers do one after the other is still noticed."""

    class Careless(LocalStorage):
        def can_put_if(self) -> bool:
            return False

        def put_if(self, key: str, data: bytes, tag: str | None) -> str:
            raise AssertionError("not to be relied on")

    store = Careless(tmp_path / "out")
    with Lease.take(store, clocks=hand.clocks) as first:
        assert "keeps no conditions" in caplog.text
        hand.now_s += 51
        first.check()
        assert first.holder.beat == 1
        with pytest.raises(OutputBusy):
            Lease.take(store, clocks=hand.clocks)
        hand.now_s += 60
        with Lease.take(store, clocks=hand.clocks) as second:
            with pytest.raises(LeaseLost, match="was taken over"):
                first.check()
            second.check()
        assert Lease.read(store, hand.clocks) is None


def test_two_that_write_at_once_without_conditions_are_not_both_told_that_they_won(local: LocalStorage) -> None:
    """The later write is the one that counts, if it is there when the first one looks again."""
    other = Elsewhere(local)

    class Overtaken(LocalStorage):
        def put(self, key: str, data: bytes | Path) -> None:
            super().put(key, data)
            super().put(key, other.holder.encode())

        def can_put_if(self) -> bool:
            return False

    clock = Time(meanwhile=lambda: local.put(DRIVER_KEY, replace(other.holder, beat=1).encode()))
    with pytest.raises(OutputBusy, match="process 7 on elsewhere"):
        Lease.take(Overtaken(local.uri), clocks=clock.clocks)


def test_a_folder_of_somebody_else_is_denied(tmp_path: Path) -> None:
    """As a user who may not write there: an error before anything runs."""
    folder = Path(subprocess.check_output(["mktemp", "-d"], text=True).strip())
    folder.chmod(0o555)
    code = """
        import os, sys
        from speechmill.cluster.lease.lease import Lease
        from speechmill.cluster.storage import open_storage
        from speechmill.errors import StorageDenied
        if os.getuid() == 0:  # whom no permission stops
            os.setuid(65534)
        try:
            Lease.take(open_storage(sys.argv[1]))
        except StorageDenied as error:
            print(error)
    """
    try:
        said = subprocess.check_output([sys.executable, "-c", textwrap.dedent(code), str(folder)], text=True)
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)
    assert "Permission denied; give this user access" in said


def test_wrong_keys_are_denied(remote: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    """To take it, and to look at it."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "quite-the-wrong-secret")
    for use in (Lease.take, Lease.read):
        with pytest.raises(StorageDenied, match="AWS_SECRET_ACCESS_KEY"):
            use(remote)


@pytest.mark.parametrize("lease_s", [0.0, -1.0, 3601.0, float("nan")])
def test_a_lease_of_no_length_is_refused(local: LocalStorage, lease_s: float) -> None:
    """Nor one that a dead driver would hold for a day."""
    with pytest.raises(ValueError, match="lease_s"):
        Lease.take(local, lease_s=lease_s)


def test_the_object_is_plain_to_read(local: LocalStorage) -> None:
    """By people and by other programs."""
    assert Lease.read(local) is None
    with Lease.take(local) as lease:
        body = json.loads(local.get(DRIVER_KEY))
        assert (body["state"], body["pid"], body["id"]) == ("held", this_process().pid, lease.holder.id)
    assert json.loads(local.get(DRIVER_KEY))["state"] == "released"
