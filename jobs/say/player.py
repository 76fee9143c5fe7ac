"""Samples to the ears: the first audio player of this machine, fed through its standard input.

Synthesis goes on while the player plays: a thread feeds it, from at most ten minutes of audio that wait.
"""

from __future__ import annotations

import queue
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ...actors.audio.encoding import format_of
from ...actors.audio.stream_encoder import wav_header
from ...errors import SpecError
from .writers import Write, open_file

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Raw 16-bit mono on standard input; {rate} is in Hz. ffplay's names for raw formats change, a WAV header's do not.
PLAYERS: dict[str, tuple[str, ...]] = {
    "paplay": ("--raw", "--format=s16le", "--rate={rate}", "--channels=1"),
    "pw-play": ("--format=s16", "--rate={rate}", "--channels=1", "-"),
    "aplay": ("-q", "-t", "raw", "-f", "S16_LE", "-r", "{rate}", "-c", "1", "-"),
    "ffplay": ("-nodisp", "-autoexit", "-loglevel", "error", "-f", "wav", "-i", "-"),
    "afplay": (),
}
_MAX_WAITING_S = 600


def find_player() -> str:
    """The first player that is installed, by name.

    Raises:
        SpecError: If there is none
    """
    for name in PLAYERS:
        if shutil.which(name):
            return name
    raise SpecError(f"no audio player found ({', '.join(PLAYERS)}): write to a file with -o FILE, or pipe with -o -")


@contextmanager
def open_player(name: str, sample_rate: int, may_start: Callable[[], bool]) -> Generator[Write]:
    """Play samples as they come, from when `may_start` says so; leaving the block waits for the last one.

    Raises:
        SpecError: If the player fails
    """
    if name == "afplay":  # it reads nothing but files
        with tempfile.TemporaryDirectory() as folder:
            whole = Path(folder) / "speech.wav"
            with open_file(whole, format_of("wav"), sample_rate) as write:
                yield write
            _finished(name, subprocess.run([name, str(whole)], stderr=subprocess.PIPE, check=False))
        return
    player = _Player(name, sample_rate, may_start)
    try:
        yield player.write
        player.finish()
    finally:
        player.stop()


class _Player:
    def __init__(self, name: str, sample_rate: int, may_start: Callable[[], bool]) -> None:
        self._name, self._rate, self._may_start = name, sample_rate, may_start
        self._before: list[bytes] = [wav_header(sample_rate)] if name == "ffplay" else []
        self._waiting: queue.Queue[bytes | None] = queue.Queue(_MAX_WAITING_S)
        self._process: subprocess.Popen[bytes] | None = None
        self._feeder: threading.Thread | None = None
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # `stop` closes it

    def write(self, pcm: NDArray[np.int16]) -> None:
        """Hand over samples; waits while much of what came before is still to be played."""
        data = pcm.astype("<i2", copy=False).tobytes()
        if self._process is None:
            self._before.append(data)
            if self._may_start():
                self._start()
            return
        self._put(data)

    def finish(self) -> None:
        """Play to the end.

        Raises:
            SpecError: If the player failed
        """
        process = self._process or self._start()
        self._waiting.put(None)
        assert self._feeder is not None, "the feeder starts with the process"
        self._feeder.join()
        process.wait()
        self._check(process.returncode)

    def stop(self) -> None:
        """End the player if it still runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait()
        if self._feeder is not None and self._feeder.is_alive():
            self._waiting.put(None)
            self._feeder.join()
        self._errors.close()

    def _start(self) -> subprocess.Popen[bytes]:
        command = [self._name, *(argument.format(rate=self._rate) for argument in PLAYERS[self._name])]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=self._errors, bufsize=0
        )
        self._feeder = threading.Thread(target=self._feed, args=(self._process,), daemon=True)
        self._feeder.start()
        self._put(b"".join(self._before))
        self._before.clear()
        return self._process

    def _put(self, data: bytes) -> None:
        second = 2 * self._rate
        for start in range(0, len(data), second):
            if self._process is not None and self._process.poll() is not None:
                self._check(self._process.returncode or 1)
            self._waiting.put(data[start : start + second])

    def _feed(self, process: subprocess.Popen[bytes]) -> None:
        """Takes all there is to the last, so that nobody waits for a player that is gone."""
        assert process.stdin is not None, "its standard input is a pipe"
        is_open = True
        while (data := self._waiting.get()) is not None:
            view = memoryview(data)
            while is_open and view:
                try:
                    view = view[process.stdin.write(view) :]
                except OSError:
                    is_open = False
        process.stdin.close()

    def _check(self, status: int) -> None:
        if status:
            self._errors.seek(0)
            raise _failed(self._name, status, self._errors.read())


def _finished(name: str, done: subprocess.CompletedProcess[bytes]) -> None:
    if done.returncode:
        raise _failed(name, done.returncode, done.stderr)


def _failed(name: str, status: int, errors: bytes) -> SpecError:
    lines: Sequence[str] = errors.decode(errors="replace").strip().splitlines() or ["it said nothing"]
    return SpecError(f"{name} ended with status {status}: {lines[-1].strip():.200}; use -o FILE, or -o -")
