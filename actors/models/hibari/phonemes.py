"""From words to phoneme ids, with the pronunciation rules of hibari-tts.

Guarantees that any text gives ids, nothing, or RowRejected, in a time that grows with the text and not with its cube.
Letters that the package would drop are given as those that they come from; `unspoken` names the ones that come from
none. Knows nothing of sentences or numbers: the front end has written those out.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ....errors import RowRejected
from ...text.reading.folding import plain_latin
from .package import hibari_package

if TYPE_CHECKING:
    from hibari.g2p import G2P

# The package's rules take time cubic in the pieces of one word: 400 characters of "a-a-a" take ten seconds.
_LONGEST_WORD = 50
_LONG_WORD = re.compile(rf"\S{{{_LONGEST_WORD}}}(?=\S)")
# Any other link would be read as one word, however long, or its target taken for phonemes.
_LINK = re.compile(r"\]\(")
# The article is said otherwise than the letter, which stands beside another one.
_LETTER_A = re.compile(r"(?<![\w'])A(?= (?:[A-Z](?![\w'.])|[A-Z]'s))|(?<=\b[A-Z] )A(?![\w.])|(?<=\b[A-Z] )A(?=\.\s*\Z)")
_KNOWN_LETTERS = frozenset("áàâäåæãçéèêëíìîïñóòôöøúùûüýÿœßþ")
"""Letters beside A to Z that the package reads as they are."""
_SPACES = re.compile(r"\s+")
_MARKS = str.maketrans({"’": "'", "‒": "-", "―": "—"})
_STOP = re.compile(r"(?<=\w)\.(?=\s|\Z)")
_END = re.compile(r" \.")
_OTHER = re.compile(r"[^\x00-\x7f]")
_PAD = 0


@cache
def vocabulary() -> dict[str, int]:
    """Every phoneme and mark of the package with its id."""
    file = Path(hibari_package().__file__ or "").parent / "assets" / "vocab.json"
    return json.loads(file.read_text(encoding="utf-8"))


@cache
def phoneme_spelling() -> str:
    """A regular expression of a word with its phonemes, "[word](/phonemes/)", every one of which is a phoneme."""
    phonemes = "".join(re.escape(phoneme) for phoneme in vocabulary() if len(phoneme) == 1 and phoneme not in "()/")
    return rf"\[[^\[\]]+\]\(/[{phonemes}]+/\)"


def unspoken_letters(text: str) -> tuple[str, ...]:
    """Letters of a text that have no sound here, each once."""
    found = (char for char in _OTHER.findall(re.sub(phoneme_spelling(), " ", text)) if char.isalnum())
    return tuple(dict.fromkeys(char for char in found if _plain(char) is None))


def _plain(char: str) -> str | None:
    return char if char.lower() in _KNOWN_LETTERS else plain_latin(char)


class Phonemes:
    """Pronunciation of one accent."""

    def __init__(self, british: bool) -> None:
        hibari_package()
        from hibari.g2p import G2P

        self._ids = vocabulary()
        self._spelling = re.compile(f"({phoneme_spelling()})")
        self._g2p: G2P = G2P(british=british)

    def ids(self, text: str) -> tuple[int, ...]:
        """Phoneme ids of `text` between two pads; empty when nothing in it is pronounced.

        Raises:
            RowRejected: The row cannot be spoken, with the reason
        """
        known = [phoneme for phoneme in self.phonemes(text) if phoneme in self._ids]
        if not any(phoneme.isalpha() for phoneme in known):
            return ()
        return (_PAD, *(self._ids[phoneme] for phoneme in known), _PAD)

    def phonemes(self, text: str) -> str:
        """How `text` is pronounced, its marks among the phonemes.

        Raises:
            RowRejected: The text cannot be read, with the reason
        """
        pieces = self._spelling.split(text)
        readable = "".join(piece if place % 2 else _readable(piece) for place, piece in enumerate(pieces))
        try:
            # Without the package's own rules for written forms: they would read "no." as "number" once more.
            return _END.sub(".", str(self._g2p(_marked(readable), normalize_text=False)))
        except Exception as error:  # whatever a rule of the package trips over, it is this row's text
            reason = f"{type(error).__name__}: {error}"
            raise RowRejected(f"hibari cannot read the text {text[:40]!r} ({reason}); spell it out") from error


def _readable(text: str) -> str:
    """The text in letters that the package reads."""
    text = _LONG_WORD.sub(r"\g<0> ", _LINK.sub("] (", text))
    text = _LETTER_A.sub("[A](/ˈA/)", text)
    if text.isascii():
        return text
    return _OTHER.sub(lambda match: _letter(match[0]), text)


def _marked(text: str) -> str:
    """The text with the marks that the package's tokens know, a full stop apart from its word: "Jan." is a token."""
    text = _SPACES.sub(" ", text.translate(_MARKS)).strip()
    return _STOP.sub(" .", text)


def _letter(char: str) -> str:
    if not char.isalnum():
        return char
    return _plain(char) or " "
