"""Who gets an output: at once, after a wait, or in the place of a driver that is dead.

On a local folder and on a real S3 server. Where time has to pass, the clock is ours; where a process is paused or
killed, it is a real one.
"""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator

import pytest

from speechmill.actors.records.keys import DRIVER_KEY
from speechmill.cluster.lease.lease import Lease
from speechmill.cluster.lease.process import this_process
from speechmill.cluster.storage import Storage
from speechmill.cluster.storage.local.store import LocalStorage
from speechmill.errors import JobError, LeaseLost, OutputBusy

from .elsewhere import Elsewhere
from .times import DAY_S, Time, no_wait


def test_a_lease_that_was_given_back_is_free_at_once(storage: Storage, hand: Time) -> None:
    """Also after an error; and no run holds it, though the object stays."""
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
