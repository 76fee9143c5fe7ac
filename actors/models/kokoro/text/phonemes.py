"""From a text of any mixture of languages to tokens: cut by script, each piece read by its language's reader.

Guarantees that a Latin word in a Chinese line is read as English, and that letters which no reader knows are left out of
the phonemes (`unreadable` names them).
"""

from __future__ import annotations

from .readers import READ, read
from .scripts import Run, Script, runs
from .vocabulary import ids_of


def tokens_of(text: str, language: str) -> tuple[int, ...]:
    """Tokens between two pads, as many as the text takes; empty when nothing in it is pronounced.

    Args:
        text: With `[word](/phonemes/)` where a pronunciation is given.
        language: Of the voice. It decides the accent of Latin letters and whether Han without kana is Japanese.

    Raises:
        RowRejected: A piece that cannot be read, or whose reader is not installed.
    """
    return ids_of(phonemes_of(text, language))


def phonemes_of(text: str, language: str) -> str:
    """The phonemes of `tokens_of`, as text."""
    pieces = runs(text)
    if all(piece.script in ("latin", "any", "other", "phonemes") for piece in pieces) and language.startswith("en"):
        return read(text, language)  # in one go: a word's reading depends on its neighbours, given ones among them
    read_pieces = [_read(piece, language) for piece in pieces]
    return " ".join(filter(None, (piece.strip() for piece in read_pieces)))


def _read(piece: Run, language: str) -> str:
    if piece.script == "phonemes":
        return piece.text
    if piece.script == "other" or not piece.text.strip():
        return ""
    return read(piece.text.strip(), _language(piece.script, language))


def _language(script: Script, language: str) -> str:
    if script in ("han", "kana"):
        return "ja" if script == "kana" or language == "ja" else "zh"
    if script == "latin" and language in READ:
        return language if language.startswith("en") else "en-us"
    return language
