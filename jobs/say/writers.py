"""Where spoken samples go as they come: a file of any audio format, or standard output.

Guaranteed: a file stands under its name only when it is whole; until then it lies beside it under another name.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import soundfile

from ...actors.audio.encoding import FORMATS, AudioFormat
from ...actors.audio.ogg import with_serial
from ...actors.audio.stream_encoder import wav_header
from ...errors import SpecError
from ..run.exit_status import OutputClosed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Write = Callable[["NDArray[np.int16]"], None]
"""Takes int16 [num_samples]."""


class OutputReaderGone(Exception):
    """Whoever read standard output has closed it: an end, not an error."""


def check_file(output: str) -> tuple[Path, AudioFormat]:
    """The file that -o names, links followed, and the format that its name says.

    Raises:
        SpecError: For an unknown ending, a folder that is not there, and what is no file
    """
    path = Path(output)
    by_extension = {chosen.extension: chosen for chosen in FORMATS.values()}
    chosen = by_extension.get(path.suffix.lower().removeprefix("."))
    if chosen is None:
        endings = ", ".join(f".{extension}" for extension in by_extension)
        raise SpecError(f"-o {output}: the name says no audio format; let it end in one of {endings}, or use -o -")
    try:
        path = path.resolve()
        is_free = not path.exists() or path.is_file()
        has_folder = path.parent.is_dir()
    except (OSError, RuntimeError, ValueError) as error:
        raise SpecError(f"-o {output}: cannot be written: {error}") from error
    if not is_free:
        raise SpecError(f"-o {output}: is there and is no file; choose another name")
    if not has_folder:
        raise SpecError(f"-o {output}: there is no folder {path.parent}; make it first")
    return path, chosen


@contextmanager
def open_file(path: Path, chosen: AudioFormat, sample_rate: int) -> Generator[Write]:
    """Encode into a file as samples come; it gets its name when the block ends without an error.

    Raises:
        SpecError: If it cannot be written, or cannot hold the rate
    """
    chosen.check(sample_rate)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with _told(path):
            file = soundfile.SoundFile(
                beside, "w", sample_rate, 1, chosen.subtype, format=chosen.container, compression_level=chosen.level
            )
        with file:

            def write(pcm: NDArray[np.int16]) -> None:
                with _told(path):
                    file.write(pcm)

            yield write
            with _told(path):
                file.close()
        with _told(path):
            if chosen.container == "OGG":
                beside.write_bytes(with_serial(beside.read_bytes(), 0))
            beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def _told(path: Path) -> Generator[None]:
    try:
        yield
    except (OSError, soundfile.SoundFileError, AssertionError) as error:  # soundfile asserts that all was written
        raise SpecError(f"-o {path}: cannot be written: {error or 'is the disk full?'}") from error


@contextmanager
def open_stream(out: BinaryIO, sample_rate: int) -> Generator[Write]:
    """A WAV of unknown length, each piece flushed; nothing is written before the first.

    Raises:
        ReaderGone: The reader of the pipe has left
    """
    begun = False

    def write(pcm: NDArray[np.int16]) -> None:
        nonlocal begun
        data = pcm.astype("<i2", copy=False).tobytes()
        try:
            out.write(data if begun else wav_header(sample_rate) + data)
            out.flush()
        except (BrokenPipeError, OutputClosed) as error:
            # The interpreter flushes once more at its end, and would complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno() if sys.__stdout__ else 1)
            raise OutputReaderGone from error
        except OSError as error:
            raise SpecError(f"-o -: standard output cannot be written: {error}") from error
        begun = True

    yield write
