"""What `speechmill say` does: a text, or standard input as it arrives, into a file, a pipe or the player.

Whatever can be wrong with where the speech goes is said before the model is loaded.
"""

from __future__ import annotations

import codecs
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, redirect_stdout
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from ...actors.audio.encoding import pcm16
from ...actors.models.base import Model
from ...actors.records.utterance import Segment
from ...actors.text.splitting import normalise
from ...errors import SpecError
from .api import Speech, say
from .playback_start import MAX_ARRIVALS, PlaybackStart
from .player import find_player, open_player
from .writers import OutputReaderGone, Write, check_file, open_file, open_stream

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_READ_BYTES = 65_536

Open = Callable[[int, Callable[[], bool]], AbstractContextManager[Write]]
"""Opens a place for samples, by their rate in Hz and the rule for when a player may start."""


def say_aloud(text: str, output: str | None, **how: Any) -> str | None:
    """Speak a text ("-": what standard input brings) to the player, a file or, with "-", standard output.

    The line of figures for the end, None if the reader of standard output has closed it.

    Args:
        how: As `speechmill.say` takes it

    Raises:
        JobError: The job cannot be done as asked; the message says what to do
        RowError: The row cannot be spoken, with the reason
    """
    open_output = _output(output)
    meter = _Meter()
    started = time.perf_counter()
    # Whatever a library prints must not get among the samples.
    with redirect_stdout(sys.stderr):
        speech = say(meter.read(_standard_input() if text == "-" else [text]), begun=meter.begun, **how)
        load_s = time.perf_counter() - started
        chars = None if text == "-" else len(normalise(text))
        may_start = partial(meter.may_start, _rule(speech.model, how.get("speed", 1.0)), chars)
        try:
            with open_output(speech.sample_rate, may_start) as write:
                for piece in meter.pieces(speech):
                    write(pcm16(piece))
        except OutputReaderGone:
            return None
    return meter.line(load_s)


def _output(output: str | None) -> Open:
    """Where the speech goes, checked.

    Raises:
        SpecError: The job is wrong; the message names the key
    """
    if output is None:
        return partial(open_player, find_player())
    if output != "-":
        path, chosen = check_file(output)
        return lambda sample_rate, _: open_file(path, chosen, sample_rate)
    if sys.stdout.isatty():
        raise SpecError("-o -: standard output is a terminal; pipe it, or write to a file with -o FILE")
    out = sys.stdout.buffer
    return lambda sample_rate, _: open_stream(out, sample_rate)


def _standard_input() -> Iterator[str]:
    """What standard input brings, as soon as it does.

    Raises:
        SpecError: For bytes that are not UTF-8
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    number = sys.stdin.fileno()
    try:
        while data := os.read(number, _READ_BYTES):
            yield decoder.decode(data)
        yield decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise SpecError(f"standard input is not UTF-8 (byte 0x{error.object[error.start]:02X})") from error
    except OSError as error:
        raise SpecError(f"standard input cannot be read: {error.strerror}") from error


def _rule(model: Model, speed: float) -> PlaybackStart:
    is_streaming = type(model).stream is not Model.stream
    return PlaybackStart(model.info.audio_char_s / speed, 0 if is_streaming else model.info.split_chars)


@dataclass(slots=True)
class _Meter:
    """What is known while a text is spoken, for the rule that starts the player and for the line at the end."""

    spent_s: float = 0.0
    waited_s: float = 0.0
    made_s: float = 0.0
    first_s: float = 0.0
    chars_begun: int = 0
    arrivals: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=MAX_ARRIVALS))

    def begun(self, segment: Segment) -> None:
        self.chars_begun += len(segment.text)

    def may_start(self, rule: PlaybackStart, num_chars: int | None) -> bool:
        """Whether playback may start, by the rule, in a text of so many characters (None: not known)."""
        left = None if num_chars is None else max(0, num_chars - self.chars_begun)
        return rule.may_start(self.made_s, self.spent_s, self.chars_begun, left, rule.jitter_s(self.arrivals))

    def read(self, text: Iterable[str]) -> Iterator[str]:
        """The parts of a text; waiting for them is no work."""
        parts = iter(text)
        while True:
            started = time.perf_counter()
            part = next(parts, None)
            self.waited_s += time.perf_counter() - started
            if part is None:
                return
            yield part

    def pieces(self, speech: Speech) -> Iterator[NDArray[np.float32]]:
        """The pieces of a speech, each counted."""
        while True:
            started, waited = time.perf_counter(), self.waited_s
            piece = next(speech, None)
            self.spent_s += time.perf_counter() - started - (self.waited_s - waited)
            if piece is None:
                return
            self.first_s = self.first_s or self.spent_s
            self.made_s += len(piece) / speech.sample_rate
            self.arrivals.append((self.spent_s, self.made_s))
            yield piece

    def line(self, load_s: float) -> str:
        """The figures as they are told at the end."""
        return (
            f"first audio after {load_s + self.first_s:.2f} s (loading {load_s:.2f} s, speaking {self.first_s:.2f} s), "
            f"{self.made_s:.2f} s of audio, RTF {self.spent_s / self.made_s:.3f}"
        )
