"""From words to phoneme ids, with the pronunciation rules of hibari-tts.

Guarantees that any text gives ids, nothing, or RowRejected, in a time that grows with the text and not with its cube.
Letters that the package would drop are given as those that they come from; `unspoken` names the ones that come from
none. Knows nothing of sentences or numbers: the front end has written those out.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ....errors import RowRejected
from ...records.utterance import Prepared, WordSpan
from ...text.reading.folding import plain_latin
from .package import hibari_package

if TYPE_CHECKING:
    from hibari.g2p import G2P
    from hibari.g2p.token import Tok

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
_EDGES = re.compile(r"^\W+|\W+\Z")
_WRITTEN = re.compile(r"\[([^\[\]]+)\]\(/[^()]*/\)")
_NO_SOUND = ' ;:,.!?—…"“”()'
"""Marks among the phonemes: they last as pauses, and belong to no word."""


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


@dataclass(frozen=True, slots=True)
class Pronunciation:
    """A text as phonemes, with the marks that make pauses.

    Attributes:
        words: The words that have phonemes, in order, each with its place among the characters of `phonemes`
    """

    phonemes: str
    words: tuple[WordSpan, ...] = ()


def prepared(pronunciation: Pronunciation) -> Prepared:
    """Phoneme ids between two pads, and the tokens of each word; empty when nothing is pronounced.

    The space before a word belongs to it, because a sound is heard before its token begins: by 50 ms, which is what
    the space lasts (medians at the speeds 0.6, 1 and 1.6: 90, 55 and 45 ms; spaces: 83, 51 and 27 ms).
    """
    ids = vocabulary()
    places = [place for place, phoneme in enumerate(pronunciation.phonemes) if phoneme in ids]
    known = [pronunciation.phonemes[place] for place in places]
    if not any(phoneme.isalpha() for phoneme in known):
        return Prepared.of(())
    text = pronunciation.phonemes
    words = ((word, a - (text[a - 1 : a] == " "), b) for word, a, b in pronunciation.words)
    spans = ((word, 1 + bisect_left(places, a), 1 + bisect_left(places, b)) for word, a, b in words)
    tokens = (_PAD, *(ids[phoneme] for phoneme in known), _PAD)
    return Prepared.of(tokens, tuple((word, first, end) for word, first, end in spans if first < end))


@cache
def _g2p(british: bool) -> G2P:
    """The rules of an accent. Their dictionaries take a second to read: once for all models of a process."""
    hibari_package()
    from hibari.g2p import G2P

    return G2P(british=british)


class Phonemes:
    """Pronunciation of one accent."""

    def __init__(self, british: bool) -> None:
        self._spelling = re.compile(f"({phoneme_spelling()})")
        self._g2p = _g2p(british)

    def phonemes(self, text: str) -> str:
        """How `text` is pronounced, its marks among the phonemes.

        Raises:
            RowRejected: The text cannot be read, with the reason
        """
        return self.pronounced(text).phonemes

    def pronounced(self, text: str) -> Pronunciation:
        """The same, with the words that the phonemes are of.

        Raises:
            RowRejected: The text cannot be read, with the reason
        """
        pieces = self._spelling.split(text)
        readable = "".join(piece if place % 2 else _readable(piece) for place, piece in enumerate(pieces))
        try:
            # Without the package's own rules for written forms: they would read "no." as "number" once more.
            return _joined(self._g2p.phonemize_tokens(self._g2p.tokenize(_marked(readable))), text)
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


def _joined(tokens: Sequence[Tok], text: str) -> Pronunciation:
    """The phonemes of the package's tokens as one text, and of each word of `text` that they are of its place in it."""
    phonemes = ""
    found: list[WordSpan] = []
    word, begin = "", 0
    for token in tokens:
        phonemes += token.phonemes or ""
        word += token.text
        if token.whitespace or token is tokens[-1]:
            if shown := _EDGES.sub("", word):
                found.append((shown, begin, len(phonemes)))
            phonemes += " "
            word, begin = "", len(phonemes)
    shift = len(phonemes) - len(phonemes.lstrip())
    phonemes = phonemes.strip()
    gone = [match.start() for match in _END.finditer(phonemes)]
    written = [shown for some in _WRITTEN.sub(r"\1", text).split() if (shown := _EDGES.sub("", some))]
    names = written if len(written) == len(found) else [shown for shown, _, _ in found]
    words: list[WordSpan] = []
    for name, (_, *edges) in zip(names, found, strict=True):
        spoken = phonemes[slice(*(max(0, edge - shift) for edge in edges))]
        first = max(0, edges[0] - shift) + len(spoken) - len(spoken.lstrip(_NO_SOUND))
        end = first + len(spoken.strip(_NO_SOUND))
        if first < end:
            words.append((name, first - bisect_left(gone, first), end - bisect_left(gone, end)))
    return Pronunciation(_END.sub(".", phonemes), tuple(words))


def _letter(char: str) -> str:
    if not char.isalnum():
        return char
    return _plain(char) or " "
