"""Who keeps an output, and who is told that it is gone.

On a local folder and on a real S3 server. Where time has to pass, the clock is ours.
"""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest

from speechmill.actors.records.keys import DRIVER_KEY
from speechmill.cluster.lease import rules
from speechmill.cluster.lease.lease import Lease
from speechmill.cluster.lease.process import this_process
from speechmill.cluster.storage import Storage
from speechmill.cluster.storage.local.store import LocalStorage
from speechmill.errors import LeaseLost, OutputBusy

from .elsewhere import Elsewhere
from .times import DAY_S, Time, until


def test_renewals_keep_it(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread sees to that; each one is another object. A long lease: on a busy machine a short one runs out."""
    monkeypatch.setattr(rules, "RENEW", 0.4 / 60)
    with Lease.take(storage, lease_s=60.0) as lease:
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
