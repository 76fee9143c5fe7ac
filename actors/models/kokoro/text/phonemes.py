"""From a text of any mixture of languages to tokens: cut by script, each piece read by its language's reader.

Guarantees that a Latin word in a Chinese line is read as English, and that letters which no reader knows are left out
of the phonemes (`unreadable` names them).
"""

from __future__ import annotations

import re

from ....records.utterance import Prepared
from ...hibari.phonemes import Pronunciation, prepared
from .readers import MARKS, READ, read, read_english
from .scripts import Run, Script, runs


def tokens_of(text: str, language: str) -> tuple[int, ...]:
    """Tokens between two pads, as many as the text takes; empty when nothing in it is pronounced.

    Args:
        text: With `[word](/phonemes/)` where a pronunciation is given.
        language: Of the voice. It decides the accent of Latin letters and whether Han without kana is Japanese.

    Raises:
        RowRejected: A piece that cannot be read, or whose reader is not installed.
    """
    return prepared_in(text, language).tokens


def prepared_in(text: str, language: str) -> Prepared:
    """The tokens, and of a text that is read as English alone, its words with their tokens. Raises as `tokens_of`."""
    return prepared(_pronounced(text, language))


def ids_of(phonemes: str) -> tuple[int, ...]:
    """Tokens between two pads, without the characters that are no symbols; empty where nothing is pronounced.

    The symbols are those of hibari-tts, which was trained on Kokoro's speech: 114 characters, one token each.
    """
    return prepared(Pronunciation(phonemes)).tokens


def phonemes_of(text: str, language: str) -> str:
    """The phonemes of `tokens_of`, as text."""
    return _pronounced(text, language).phonemes


def _pronounced(text: str, language: str) -> Pronunciation:
    pieces = runs(text)
    if all(piece.script in ("latin", "any", "other", "phonemes") for piece in pieces) and language.startswith("en"):
        # In one go: a word's reading depends on its neighbours, given ones among them.
        return read_english(text, language)
    read_pieces = [_read(piece, language) for piece in pieces]
    joined = " ".join(filter(None, (piece.strip() for piece in read_pieces)))
    return Pronunciation(re.sub(r" (?=[,.!?;:…])", "", joined))


def _read(piece: Run, language: str) -> str:
    if piece.script == "phonemes":
        return piece.text
    text = piece.text.strip()
    if piece.script == "other" or not text:
        return ""
    if piece.script == "any" and not any(char.isdigit() for char in text):
        return text.translate(MARKS)
    # A letter by itself in a line of another language is its name, and not the article.
    return "ˈA" if text == "A" else read(text, _language(piece.script, language))


def _language(script: Script, language: str) -> str:
    if script in ("han", "kana"):
        return "ja" if script == "kana" or language == "ja" else "zh"
    if script == "latin" and language in READ:
        return language if language.startswith("en") else "en-us"
    return language
