"""Text that others wrote, as one line that any terminal and log takes.

Guaranteed: what comes out is printable, can be encoded, and is no longer than asked for; text that is so already comes
out as it is. Lone surrogates, control characters, line ends and characters that turn the direction are escaped.
"""

from __future__ import annotations

MAX_CHARS = 1_000


def printable(text: str, max_chars: int = MAX_CHARS) -> str:
    """The text on one line, its end left out beyond `max_chars`."""
    if text.isprintable():
        return text if len(text) <= max_chars else text[: max_chars - 1] + "…"
    # Cut first: an escape is longer than what it stands for, and the text may be megabytes.
    shown = "".join(character if character.isprintable() else _escaped(character) for character in text[:max_chars])
    return shown if len(text) <= max_chars and len(shown) <= max_chars else shown[: max_chars - 1] + "…"


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")
