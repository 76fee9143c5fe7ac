"""A process is called gone when it has ended, and only where that can be seen."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from speechmill.cluster.lease.process import Process, is_gone, this_process

TELL = "from speechmill.cluster.lease.process import this_process; print(repr(this_process()), flush=True); input()"


@pytest.fixture
def other() -> Iterator[tuple[subprocess.Popen[str], Process]]:
    """Another process, and what it says that it is."""
    with subprocess.Popen([sys.executable, "-c", TELL], stdin=-1, stdout=-1, text=True) as child:
        assert child.stdout is not None
        yield child, eval(child.stdout.readline())
        child.kill()


def test_a_process_that_lives_is_not_gone(other: tuple[subprocess.Popen[str], Process]) -> None:
    """Oneself, another one, a stopped one, and one of somebody else."""
    child, process = other
    assert process.pid == child.pid
    assert process.machine == this_process().machine
    assert not is_gone(this_process())
    assert not is_gone(process)
    child.send_signal(signal.SIGSTOP)
    assert not is_gone(process)


def test_a_killed_process_is_gone_before_its_parent_knows(other: tuple[subprocess.Popen[str], Process]) -> None:
    """As a zombie, and after that."""
    child, process = other
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert is_gone(process)
    child.wait()
    assert is_gone(process)


def test_a_number_that_went_to_another_process_is_of_no_help() -> None:
    """The start tells them apart."""
    assert is_gone(replace(this_process(), started=this_process().started - 1))


@pytest.mark.parametrize("machine", ["", "another boot"])
def test_nothing_is_known_of_other_machines(machine: str) -> None:
    """Nor where a machine cannot be told from others."""
    here = this_process()
    assert not is_gone(replace(here, machine=machine, started=here.started - 1))
    assert here.machine
