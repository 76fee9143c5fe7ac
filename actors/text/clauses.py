"""Text that arrives in parts, as a language model writes it, becomes pieces to speak, each as soon as it is whole.

Guaranteed: the pieces hold every character of the normalised text but white space, in order, each at most `max_chars`;
and they are the same however the text was cut when it arrived, for nothing is decided before it is certain.
The first piece ends with its first clause, so that sound starts soon. Later ones end with the clause or sentence that
makes them long enough for a chunk; or, without a chunk's size, are sentences, as `text` cuts them but for what cannot
wait: a short last sentence of a paragraph stands alone, a long one is cut before its end is known.
Not known here: pronunciation, or how long anything takes. Tokens are estimated by characters, not asked of a model's
tokenizer: pieces should not hang on the model; tokens of text that still arrives are not certain, and those of a
model may be phonemes; and a count of characters costs nothing each time more arrives.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Literal

from ...errors import SpecError
from .sentences import CJK, sentence_ends
from .splitting import CLAUSE_END, SHORT_CHARS, best_cut, normalise, too_long

FIRST_CHARS = 12
"""What is spoken first has at least as many characters: less is over before the next piece can be spoken."""

CHUNK_TOKENS = 10
"""What is spoken next has at least as many text tokens, where text arrives in parts."""

MAX_CHUNK_TOKENS = 10_000

ChunkSize = int | Literal["auto"] | None
"""Text tokens of a chunk; None: whole sentences; "auto": by how the text comes."""

_CJK_CHARS = 4
"""So many Latin characters take as long to say as one of Chinese or Japanese; in text tokens, so many make one."""

_LOOK_AHEAD_CHARS = 64
"""What decides on a cut lies within so many characters behind it; more is never waited for."""

_SLICE_CHARS = 512
_CJK = re.compile(f"[{CJK}]")
_CJK_OR_HANGUL = re.compile(f"[{CJK}\uac00-\ud7af]")
_NUMBER_BEFORE = re.compile(r"\d\D{1,2}\Z")
_OPENERS = "\"'“‘([«¿¡「『（【《"


@dataclass(frozen=True, slots=True)
class _Enough:
    """What a piece needs before it may end.

    Attributes:
        chars: So many Latin characters, or as much of others
        wide: Characters that are as much as four Latin ones
        at_clauses: It may end with a clause, not with a sentence only
    """

    chars: int
    wide: re.Pattern[str]
    at_clauses: bool

    def is_in(self, text: str) -> bool:
        missing, extra = self.chars - len(text), _CJK_CHARS - 1
        # Wide characters are counted only where they decide.
        return missing <= 0 or (missing <= extra * len(text) and missing <= extra * len(self.wide.findall(text)))


_FIRST = _Enough(FIRST_CHARS, _CJK, at_clauses=True)
_SENTENCE = _Enough(SHORT_CHARS, _CJK, at_clauses=False)


def chunk_tokens_of(text: str | Iterable[str], size: ChunkSize) -> int | None:
    """The size of a text's chunks in text tokens, None for whole sentences.

    "auto" is 10 for a text that arrives in parts, and whole sentences for one that is there.

    Raises:
        SpecError: For what is no size
    """
    if size == "auto":
        return None if isinstance(text, str) else CHUNK_TOKENS
    is_number = isinstance(size, int) and not isinstance(size, bool)
    if size is None or (is_number and 1 <= size <= MAX_CHUNK_TOKENS):
        return size
    raise SpecError(
        f"streaming_text_chunk_size is {size!r:.40}; it is a number of text tokens from 1 to {MAX_CHUNK_TOKENS:,}, "
        'none for whole sentences, or "auto"'
    )


def spoken_pieces(text: str | Iterable[str], max_chars: int, chunk_tokens: int | None = None) -> Iterator[str]:
    """The pieces of a text, or of one that arrives in parts, to be spoken one after the other.

    Args:
        chunk_tokens: A piece after the first ends with the clause or sentence by which it has so many text tokens (four
            characters are one, and so is a character of Chinese, Japanese or Korean); None: whole sentences

    Raises:
        TextTooLong: For a word longer than `max_chars`, when it is reached
    """
    if max_chars < 1:
        raise ValueError(f"max_chars is {max_chars}; it has to be at least 1")
    later = _SENTENCE if chunk_tokens is None else _Enough(_CJK_CHARS * chunk_tokens, _CJK_OR_HANGUL, at_clauses=True)
    normal = Normaliser()
    waiting, is_first = "", True
    for part in chain(small_parts(text), [None]):
        waiting += normal.feed(part) if part is not None else normal.finish()
        while True:
            waiting = waiting.lstrip()
            end = _piece_end(waiting, max_chars, _FIRST if is_first else later, is_whole=part is None)
            if not end:
                break
            yield waiting[:end]
            is_first = is_first and not any(map(str.isalnum, waiting[:end]))
            waiting = waiting[end:]


class Normaliser:
    """`text.normalise` of a text that arrives in parts: what is given back adds up to the normalised whole.

    A part is held back from its last letter on (or other character that starts anew in Unicode), since what follows
    may still join it.
    """

    def __init__(self) -> None:
        self._held: list[str] = []

    def feed(self, part: str) -> str:
        """What is certain now; an end of a word comes with the white space behind it."""
        for position in range(len(part) - 1, -1, -1):
            if _starts_anew(part[position]):
                certain = "".join(self._held) + part[:position]
                self._held = [part[position:]]
                # A letter behind it keeps the white space at the end, as the one that stands there will.
                return normalise(certain + "x")[:-1]
        self._held.append(part)
        return ""

    def finish(self) -> str:
        """The rest: nothing comes any more."""
        rest, self._held = "".join(self._held), []
        return normalise(rest)


def _starts_anew(char: str) -> bool:
    """Whether no character before it can change what becomes of it, nor it what becomes of them."""
    if char.isspace() or not char.isprintable():
        return False
    # Marks compose with what is before them, and so do the vowels and finals of Hangul.
    return unicodedata.category(char)[0] != "M" and not "\u1160" <= char <= "\u11ff"


def small_parts(text: str | Iterable[str]) -> Iterator[str]:
    """The text in small parts, so that the work grows with its length."""
    for part in [text] if isinstance(text, str) else text:
        for start in range(0, len(part), _SLICE_CHARS):
            yield part[start : start + _SLICE_CHARS]


def _piece_end(text: str, max_chars: int, enough: _Enough, *, is_whole: bool) -> int | None:
    """Where the first piece of a text ends; None if that depends on what has not arrived, 0 if nothing is left.

    Args:
        is_whole: Nothing arrives any more
    """
    limit = max_chars + _LOOK_AHEAD_CHARS
    blank = text.find("\n\n", 0, limit)
    end = blank if blank >= 0 else min(len(text), limit)
    is_open = blank < 0 and not is_whole and len(text) < limit
    clause = _clause_end(text, end, enough, is_open=is_open) if enough.at_clauses else None
    fitting = 0
    for sentence_end in sentence_ends(text, 0, end, is_open=is_open):
        if clause is not None and (sentence_end is None or sentence_end >= clause):
            break
        if sentence_end is None:
            return None
        if sentence_end > max_chars:
            break
        fitting = sentence_end
        if enough.is_in(text[:fitting]):
            return fitting
    if clause is not None and clause <= max_chars:
        return clause
    if is_open:
        return None
    return end if end <= max_chars else fitting or _forced_cut(text, max_chars)


def _clause_end(text: str, end: int, enough: _Enough, *, is_open: bool) -> int | None:
    """The first end of a clause that leaves enough before it, if it holds however the text goes on."""
    for match in CLAUSE_END.finditer(text, 0, end):
        cut = match.end()
        if match[0][0] in ".!?…" or (is_open and cut >= end):
            continue  # sentences have rules of their own; what comes next may belong to the mark
        if _NUMBER_BEFORE.search(text, max(0, cut - 3), cut) and (
            (is_open and cut + 2 > end) or text[cut : cut + 2].lstrip()[:1].isdigit()
        ):
            continue  # one date, one number: "May 5, 2020"
        following = text[cut : cut + 1]
        if (following.isspace() or following.isalnum() or following in _OPENERS) and enough.is_in(text[:cut]):
            return cut
    return None


def _forced_cut(text: str, max_chars: int) -> int:
    """A cut of a sentence that does not fit, about two thirds of the limit from its start."""
    cut = best_cut(text, 0, max(1, max_chars * 2 // 3), max_chars)
    if cut is None:
        raise too_long(text[: max_chars + 1], f"more than {max_chars:,} characters", max_chars)
    return cut
