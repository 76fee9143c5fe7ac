"""How many mel frames a text takes, by the pace of its reference: what memory and time are known by in advance. Pure.

The rules are those of F5-TTS: bytes of UTF-8 stand for time.
"""

from __future__ import annotations

SAMPLE_RATE = 24_000
HOP = 256
FRAMES_PER_S = SAMPLE_RATE / HOP
MAX_FRAMES = 2_062
"""Reference and speech together, at speed 1: 22 s, as much as the published weights speak well."""
SHORT_BYTES, SHORT_SPEED = 10, 0.3
"""A text below so many bytes is spoken so much slower: else it would be cut off."""


def reference_text(text: str) -> str:
    """The words of a reference as the network reads them: with a full stop, and a space before what follows."""
    if not text.endswith((". ", "。")):
        text += " " if text.endswith(".") else ". "
    return text + " " if len(text[-1].encode("utf-8", "surrogatepass")) == 1 else text


def num_frames(num_samples: int, spoken: str, text: str, num_tokens: int, speed: float = 1.0) -> int:
    """Mel frames of the reference and the speech together.

    Args:
        num_samples: Of the reference, at `SAMPLE_RATE`.
        spoken: The words of the reference, as `reference_text` gives them.
        text: What is to be spoken.
        num_tokens: Of both.
        speed: 1.0 is the pace of the reference.
    """
    reference = num_samples // HOP
    num_bytes = len(text.encode("utf-8", "surrogatepass"))
    pace = speed * SHORT_SPEED if num_bytes < SHORT_BYTES else speed
    speech = int(reference / len(spoken.encode("utf-8", "surrogatepass")) * num_bytes / pace)
    return max(reference + speech, max(num_tokens, reference_frames(num_samples)) + 1)


def reference_frames(num_samples: int) -> int:
    """Mel frames that are given: those of the reference, the one around its end among them."""
    return num_samples // HOP + 1
