"""MPS: started once for all replicas, stopped with the last, left alone where it is another's or does not work.

The daemon is a script of the same name that answers as NVIDIA's does and starts a process; no GPU is needed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from speechmill.actors.device.card_place import CardPlace
from speechmill.actors.device.mps import PIPES, SWITCH, join_mps
from tests.support.waiting import eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="MPS exists on Linux")

DAEMON = """#!/bin/sh
pid="$CUDA_MPS_PIPE_DIRECTORY/daemon.pid"
if [ "$1" = "-d" ]; then
    sleep 600 &
    echo $! > "$pid"
    echo "started ${CUDA_VISIBLE_DEVICES-all}" >> "$CUDA_MPS_LOG_DIRECTORY/log"
    exit 0
fi
read command
if [ ! -f "$pid" ] || ! kill -0 "$(cat "$pid")" 2> /dev/null; then
    echo "Cannot find MPS control daemon process"
    exit 1
fi
echo "$command" >> "$CUDA_MPS_LOG_DIRECTORY/log"
[ "$command" != quit ] || { kill "$(cat "$pid")"; rm "$pid"; }
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for the daemon, whose program is found first."""
    program = tmp_path / "bin" / "nvidia-cuda-mps-control"
    program.parent.mkdir()
    program.write_text(DAEMON)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    monkeypatch.setattr("speechmill.actors.device.mps._SYSTEM_PIPES", tmp_path / "nowhere")
    for name in (PIPES, SWITCH):
        monkeypatch.setenv(name, "")  # so that it is as before after the test
        monkeypatch.delenv(name)
    yield tmp_path / "mps"
    eventually(lambda: not is_running(tmp_path / "mps"), "the daemon has ended")


def is_running(folder: Path) -> bool:
    return (folder / "pipes" / "daemon.pid").exists()


def log(folder: Path) -> list[str]:
    return (folder / "log").read_text().splitlines()


def test_one_daemon_for_all_which_ends_with_the_last(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = join_mps(folder, lambda _: True)
    assert first is not None
    assert os.environ[PIPES] == str(folder / "pipes")
    monkeypatch.delenv(PIPES)  # another process has not inherited it
    second = join_mps(folder, lambda _: pytest.fail("it was tried when it was started"))
    assert second is not None
    first.close()
    assert is_running(folder)
    assert log(folder) == ["started all", "get_server_list"], "all GPUs, whichever this replica has"
    second.close()
    eventually(lambda: not is_running(folder), "the last one has left")
    assert log(folder)[-1] == "quit"
    monkeypatch.delenv(PIPES)
    again = join_mps(folder, lambda _: True)
    assert again is not None and is_running(folder), "replicas that come later start it anew"
    again.close()


def test_a_daemon_with_which_cuda_fails_is_stopped(folder: Path) -> None:
    tried = list[str]()
    assert join_mps(folder, lambda environment: bool(tried.append(environment[PIPES]))) is None
    assert tried == [str(folder / "pipes")]
    assert PIPES not in os.environ
    assert not is_running(folder)


@pytest.mark.parametrize("how", [{PIPES: "/elsewhere"}, {SWITCH: "off"}, {"PATH": "/nowhere"}])
def test_another_daemon_is_respected_and_none_is_forced(
    folder: Path, how: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in how.items():
        monkeypatch.setenv(name, value)
    assert join_mps(folder, lambda _: True) is None
    assert os.environ.get(PIPES) == how.get(PIPES)
    assert not folder.exists()


def test_a_daemon_of_the_machine_is_used_as_it_is(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipes = folder.parent / "system"
    pipes.mkdir()
    for name in ("control", "daemon.pid"):
        (pipes / name).write_text(f"{os.getpid()}\n")
    monkeypatch.setattr("speechmill.actors.device.mps._SYSTEM_PIPES", pipes)
    # CUDA's own default is named here, as the script has none.
    monkeypatch.setattr(
        "speechmill.actors.device.mps.ask_mps",
        lambda command, environment: command == "get_server_list" and PIPES not in environment,
    )
    assert join_mps(folder, lambda _: pytest.fail("nothing is started")) is None
    assert not folder.exists()


def test_what_is_left_behind_holds_nothing_of_this_process_open(folder: Path) -> None:
    """Neither the daemon nor its keeper: a program that reads this one's output would wait for them."""
    users = join_mps(folder, lambda _: True)
    assert users is not None
    others = [int((folder / "pipes" / "daemon.pid").read_text())]
    others += [int(found.name) for found in Path("/proc").glob("[0-9]*") if is_keeper(found, folder)]
    assert len(others) == 2
    for process in others:
        held = {str(Path(f"/proc/{process}/fd/{number}").readlink()) for number in (0, 1, 2)}
        assert held == {"/dev/null", str(folder / "start.log")}
    users.close()


def is_keeper(process: Path, folder: Path) -> bool:
    try:
        command = (process / "cmdline").read_bytes().split(b"\0")
    except OSError:  # it has ended meanwhile
        return False
    return command[-2:-1] == [str(folder).encode()]


def test_a_daemon_that_does_not_start_stops_no_replica(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    program = Path(os.environ["PATH"].split(os.pathsep)[0], "nvidia-cuda-mps-control")
    program.write_text('#!/bin/sh\n[ "$1" != -d ] || echo no daemon for you\nexit 7\n')
    assert join_mps(folder, lambda _: pytest.fail("there is none to be tried")) is None
    assert PIPES not in os.environ
    assert "take turns" in caplog.text
    assert "no daemon for you" in (folder / "start.log").read_text()


def test_a_folder_that_others_can_write_is_not_used(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Else another user of the machine could be its MPS daemon."""
    folder.mkdir()
    folder.chmod(0o777)
    assert CardPlace.take(2, folder) is None
    assert "another user can write it" in caplog.text
    (folder.parent / "file").write_text("")
    assert CardPlace.take(2, folder.parent / "file" / "below") is None
    assert PIPES not in os.environ


def test_a_gpu_that_is_not_shared_needs_no_place(folder: Path) -> None:
    assert CardPlace.take(1, folder) is None
    assert not folder.exists()
