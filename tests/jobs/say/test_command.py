"""`speechmill say`, and `speechmill.say`: files, pipes, players, text that arrives slowly.

What has to do with pipes, signals and limits is a child process; the others run in this one, without its imports.
"""

from __future__ import annotations

import io
import os
import select
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from support.waiting import HANG_S
from typer.testing import CliRunner

import speechmill
from speechmill.actors.audio.encoding import decode, encode, pcm16
from speechmill.errors import ModelError, RowRejected, SpecError
from speechmill.jobs.cli.main import app
from speechmill.jobs.say.player import PLAYERS

TEXT = "When the rain had stopped, we went out.\n\nIt was cold."
COMMAND = (sys.executable, "-c", "from speechmill.jobs.cli.main import main; main()", "say")
RATE = 8_000


def expected(text: str = TEXT, **how: object) -> bytes:
    """The samples that the tone gives, 16 bit."""
    return pcm16(np.concatenate(list(speechmill.say(text, model="tone", **how)))).astype("<i2").tobytes()  # type: ignore[arg-type]


def run(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = [*COMMAND, *arguments, "--model", "tone"]
    return subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL)


def run_here(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    """The same in this process."""
    done = CliRunner().invoke(app, ["say", *arguments, "--model", "tone"])
    return subprocess.CompletedProcess(["say", *arguments], done.exit_code, done.stdout_bytes, done.stderr_bytes)


def complaint(done: subprocess.CompletedProcess[bytes]) -> str:
    """The one line that a failed command ends with."""
    assert (done.returncode, done.stdout) == (2, b"")
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    return lines[0]


def samples_of(stream: bytes) -> bytes:
    """What follows the header of a WAV stream of unknown length; any player reads it as that."""
    assert stream[:4] + stream[8:16] == b"RIFFWAVEfmt "
    assert stream[4:8] == stream[40:44] == b"\xff\xff\xff\xff"
    whole = stream[:4] + (len(stream) - 8).to_bytes(4, "little") + stream[8:40]
    with wave.open(io.BytesIO(whole + (len(stream) - 44).to_bytes(4, "little") + stream[44:])) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, RATE)
        assert file.getnframes() * 2 == len(stream) - 44
    return stream[44:]


@pytest.mark.parametrize("extension", ["wav", "flac", "opus", "mp3"])
def test_a_file_holds_what_python_gets_and_nothing_lies_beside_it(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"said.{extension}"
    path.write_bytes(b"what was there before")
    done = run_here(TEXT, "-o", str(path), "--seed", "5", "--speed", "2")
    assert (done.returncode, done.stdout) == (0, b"")
    assert list(tmp_path.iterdir()) == [path]
    wanted = np.frombuffer(expected(seed=5, speed=2.0), "<i2")
    assert path.read_bytes() == encode(wanted, RATE, extension)
    samples, sample_rate = decode(path.read_bytes())
    assert (len(samples), sample_rate) == (len(wanted), RATE)


@pytest.mark.integration
def test_the_last_line_tells_the_figures(tmp_path: Path) -> None:
    (line,) = run("Hello there.", "-o", str(tmp_path / "x.wav")).stderr.decode().splitlines()
    seconds = len("Hello there.") * 0.06
    assert line.startswith("first audio after ")
    assert f"{seconds:.2f} s of audio, RTF " in line


@pytest.mark.integration
def test_standard_output_is_a_stream_with_nothing_else_in_it() -> None:
    done = run(TEXT, "-o", "-")
    assert done.returncode == 0
    assert samples_of(done.stdout) == expected()
    assert done.stderr.count(b"\n") == 1


def read_some(stream: int) -> bytes:
    """What can be read from a pipe, waiting for the first of it."""
    ready, _, _ = select.select([stream], [], [], HANG_S)
    assert ready, "nothing came"
    return os.read(stream, 1 << 20)


@pytest.mark.integration
def test_text_that_arrives_slowly_is_spoken_before_its_end_is_there() -> None:
    """Standard input stays open until the first clause was heard: a command that waits for its end would hang."""
    child = subprocess.Popen(
        [*COMMAND, "-", "-o", "-", "--model", "tone"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
    )
    with child:
        assert child.stdin is not None
        assert child.stdout is not None
        first, rest = "Où était la pluie, il".encode(), " n'était pas. Fin.".encode()
        child.stdin.write(first[:2])  # half of a letter
        child.stdin.write(first[2:])
        heard = read_some(child.stdout.fileno())
        assert heard
        child.stdin.write(rest)
        child.stdin.close()
        heard += child.stdout.read()
        assert child.wait() == 0
    assert samples_of(heard) == expected((first + rest).decode())


@pytest.mark.integration
def test_a_closed_pipe_ends_quietly() -> None:
    child = subprocess.Popen(
        [*COMMAND, "A word. " * 10_000, "-o", "-", "--model", "tone"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with child:
        assert child.stdout is not None
        assert child.stderr is not None
        assert child.stdout.read(10)
        child.stdout.close()
        assert child.stderr.read() == b""
        assert child.wait() == 0


@pytest.mark.integration
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["", "-o", "x.wav"], "nothing in the text can be spoken"),
        (["Hello.", "-o", "x.txt"], "-o x.txt: the name says no audio format"),
        (["Hello.", "-o", "none/x.wav"], "there is no folder"),
        (["Hello.", "-o", "folder.wav"], "is there and is no file"),
        (["Hello.", "-o", "x.wav", "--seed", "-1"], "seed -1 is not an integer from 0"),
        (["Hello.", "-o", "x.wav", "--speed", "9"], "speed is 9; tone speaks at 0.25 to 4"),
        (["Hello.", "-o", "x.wav", "--speed", "nan"], "speed is nan"),
        (["-", "-o", "x.wav", "--streaming-text-chunk-size", "0"], "streaming_text_chunk_size is 0; it is a number"),
        (["-", "-o", "x.wav", "--streaming-text-chunk-size", "ten"], "streaming_text_chunk_size is 'ten'"),
        (["-", "-o", "x.wav", "--streaming-text-chunk-size=-5"], "streaming_text_chunk_size is '-5'"),
        (["-", "-o", "x.wav", "--streaming-text-chunk-size", "9" * 5000], "from 1 to 10,000"),
        (["a" * 500, "-o", "x.wav"], "more than 400 characters"),
        (["Hello."], "no audio player found"),
    ],
)
def test_what_is_wrong_is_one_line_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    (tmp_path / "folder.wav").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    done = CliRunner().invoke(app, ["say", *arguments, "--model", "tone"])
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["folder.wav"]


def test_a_file_that_fails_halfway_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(b"old")
    complaint(run_here("This goes well.\n\n" + "a" * 500, "-o", str(path)))
    assert [(found.name, found.read_bytes()) for found in tmp_path.iterdir()] == [("x.wav", b"old")]


@pytest.mark.integration
def test_a_full_disk_is_said(tmp_path: Path) -> None:
    """A limit on the size of files stands in for it."""
    limited = f"ulimit -f 8; exec {sys.executable} -c 'from speechmill.jobs.cli.main import main; main()' say \"$@\""
    command = ["bash", "-c", limited, "say", "A word. " * 500, "-o", str(tmp_path / "x.wav"), "--model", "tone"]
    done = subprocess.run(command, capture_output=True, check=False)
    assert "cannot be written" in complaint(done)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.integration
def test_bytes_that_are_not_utf8_are_said() -> None:
    done = subprocess.run(
        [*COMMAND, "-", "-o", "-", "--model", "tone"], input=b"caf\xe9 au lait", capture_output=True, check=False
    )
    assert "not UTF-8 (byte 0xE9)" in complaint(done)


@pytest.fixture
def only_player(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A player on the path that keeps what it was given, and how it was called."""
    folder = tmp_path / "bin"
    folder.mkdir()
    name, script = request.param
    keep = f'import sys, pathlib; p = pathlib.Path("{tmp_path}"); (p / "called").write_text(" ".join(sys.argv[1:]))'
    read = "(p / 'heard').write_bytes(pathlib.Path(sys.argv[1]).read_bytes() if len(sys.argv) == 2 else "
    player = folder / name
    player.write_text(f"#!{sys.executable}\n{keep}\n{script or read + 'sys.stdin.buffer.read())'}\n")
    player.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    return tmp_path


@pytest.mark.integration
@pytest.mark.parametrize("only_player", [(name, "") for name in PLAYERS], indirect=True, ids=list(PLAYERS))
def test_a_player_hears_every_sample_once(only_player: Path) -> None:
    done = run_here(TEXT)
    assert (done.returncode, done.stdout) == (0, b"")
    heard, called = (only_player / "heard").read_bytes(), (only_player / "called").read_text()
    if heard.startswith(b"RIFF"):
        heard = heard[44:]
    else:
        assert str(RATE) in called
    assert heard == expected()


@pytest.mark.integration
@pytest.mark.usefixtures("only_player")
@pytest.mark.parametrize(
    "only_player", [("aplay", "sys.exit('audio open error: no such device')")], indirect=True, ids=["aplay"]
)
def test_a_player_that_fails_is_named_with_what_it_said() -> None:
    said = complaint(run_here("A word. " * 2_000))
    assert "aplay ended with status 1: audio open error: no such device; use -o FILE" in said


@pytest.mark.integration
def test_the_embedded_voice_speaks_as_in_a_job(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    done = subprocess.run(
        [*COMMAND, "The boat was late this morning.", "-o", str(path), "--voice", "heart"],
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, b"")
    samples, sample_rate = decode(path.read_bytes())
    assert sample_rate == 24_000
    assert 1 < len(samples) / sample_rate < 4
    assert np.abs(samples).max() > 0.05


def test_a_wrong_voice_is_said_before_anything_is_loaded() -> None:
    with pytest.raises(ModelError, match='did you mean "heart"'):
        speechmill.say("Hello.", voice="hart")


def test_a_speech_is_read_once_and_its_model_speaks_again() -> None:
    speech = speechmill.say("Hello there.", model="tone", options={"sample_rate": 11_025})
    assert speech.sample_rate == 11_025
    first = list(speech)
    assert list(speech) == []
    again = list(speechmill.say(iter(["Hello", " there."]), model=speech.model))
    assert np.array_equal(np.concatenate(first), np.concatenate(again))
    with pytest.raises(SpecError, match="loaded already"):
        speechmill.say("Hello.", model=speech.model, options={"sample_rate": 8_000})


def test_an_empty_text_is_said_when_it_is_read() -> None:
    speech = speechmill.say("", model="tone")
    with pytest.raises(RowRejected, match="nothing in the text"):
        next(speech)
