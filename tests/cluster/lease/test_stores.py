"""Leases on stores that are away, hang, forget answers, keep no conditions or refuse."""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from speechmill.actors.records.keys import DRIVER_KEY
from speechmill.cluster.lease.lease import Lease
from speechmill.cluster.storage import Storage
from speechmill.cluster.storage.local.store import LocalStorage
from speechmill.errors import LeaseLost, OutputBusy, StorageDenied, StorageUnavailable

from .elsewhere import Elsewhere
from .times import Time, until


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
