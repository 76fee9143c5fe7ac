"""Text that arrives in parts, as from a language model, spoken while it arrives.

python examples/answer_aloud.py [FILE.wav]
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

import speechmill

ANSWER = "It depends on the wind. If it turns before noon, the ferry leaves at two; otherwise wait for the evening one."
WORD_S = 0.05


def arriving() -> Iterator[str]:
    """The answer, a word at a time."""
    for word in ANSWER.split():
        time.sleep(WORD_S)
        yield f"{word} "


def main(file: str) -> None:
    """Speak the answer into a file, and say when its first audio was there."""
    began_s = time.perf_counter()
    speech = speechmill.say(arriving(), seed=7)
    pieces: list[np.ndarray] = []
    for piece in speech:
        if not pieces:
            print(f"first audio after {time.perf_counter() - began_s:.2f} s")
        pieces.append(piece)
    samples = np.concatenate(pieces)
    soundfile.write(file, samples, speech.sample_rate)
    print(f"{len(samples) / speech.sample_rate:.1f} s of speech in {file}")


if __name__ == "__main__":
    main(*(sys.argv[1:] or [str(Path(tempfile.mkdtemp()) / "answer.wav")]))
