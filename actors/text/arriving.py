"""Text that arrives in parts is read as soon as no later character can change how it is read: for rows that grow.

A number may go on ("$5 000"), a full stop may belong to an abbreviation ("no." before "5"), a word may get an ending:
until it is certain, text is held back. It is certain up to a space with plain words on both sides, up to a mark between
Han characters, and at the end of a paragraph. No clock decides.
Guaranteed: what is released depends on the text alone, not on the parts that it came in, and adds up to what the front
end says of the whole, as long as each paragraph is in one language and plain words come often enough: not more than the
limit is ever held back, then the text is cut at its best place. The time grows with the length of the text.
Not known here: clauses, tokens, or how long anything takes. Markup and lexicon are for jobs; arriving text has neither.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from .clauses import Normaliser, small_parts
from .front_end import FrontEnd
from .reading.english.reader import is_plain
from .sentences import CJK
from .splitting import best_cut

MAX_HELD_CHARS = 240
"""So many characters may wait for what follows them."""

_PLAIN_BEFORE, _PLAIN_AFTER = 3, 1
"""Plain words around a place where text is parted: what a number or a unit looks at lies within them."""

_PARAGRAPH = "\n\n"
_LETTER = re.compile(r"[a-zà-öø-ÿ]")
_CHUNK = re.compile(r"\S+")
_PLACE = re.compile(rf" |(?<=[{CJK}]{{4}})[，。！？；](?=[{CJK}]|\Z)|\n\n")
_SETTLES = re.compile(rf"[\s{CJK}]")
_HAN_AFTER = re.compile(rf"[{CJK}]{{2}}")


class ArrivingText:
    """One text on its way: `feed` it as it comes, then `finish`.

    Args:
        front_end: Without markup and without a lexicon
        voice: Of the model; "" for its own
        max_held_chars: The most characters that are held back, 32 at least
    """

    def __init__(
        self, front_end: FrontEnd, voice: str = "", language: str = "", max_held_chars: int = MAX_HELD_CHARS
    ) -> None:
        if max_held_chars < 32:
            raise ValueError(f"max_held_chars is {max_held_chars}; it has to be at least 32")
        self._front_end = front_end
        self._voice, self._language = voice, language
        self._limit = max_held_chars
        self._normal = Normaliser()
        self._held = ""
        self._glue: str | None = None  # before what is said next; None: nothing is said yet
        self._num_plain = 0  # words right before what is held

    @property
    def num_held(self) -> int:
        """Characters that wait for what follows them, but for the last word."""
        return len(self._held)

    def feed(self, part: str) -> str:
        """What is certain now, as it is spoken, with the white space that joins it to what was released before.

        Returns:
            "" while nothing more is certain
        """
        return "".join(self._release(small) for small in small_parts(part))

    def finish(self) -> str:
        """The rest: nothing comes any more."""
        self._held += self._normal.finish()
        return self._certain() + self._said(self._held, "")

    def _release(self, part: str) -> str:
        new = self._normal.feed(part)
        self._held += new
        # Letters alone settle nothing: most parts are looked at no further.
        return self._certain() if len(self._held) >= self._limit or _SETTLES.search(new) else ""

    def _certain(self) -> str:
        released: list[str] = []
        while (place := self._next_place()) is not None:
            end, start, glue, self._num_plain = place
            released.append(self._said(self._held[:end], glue))
            self._held = self._held[start:]
        return "".join(released)

    def _said(self, text: str, glue: str) -> str:
        """A part of the text as it is spoken; `glue`: what stands between it and the next."""
        parts = self._front_end.read(text, self._voice, self._language).parts if text.strip() else ()
        said = _PARAGRAPH.join(part.text for part in parts)
        joint = self._glue or ""
        if not said:
            if glue == _PARAGRAPH and self._glue is not None:
                self._glue = glue
            return ""
        self._glue = glue
        return joint + said

    def _next_place(self) -> tuple[int, int, str, int] | None:
        """The first place where the text that waits is parted: end, start of the rest, what joins them, plain words.

        It depends on the characters up to the limit only, and never moves when more arrive.
        """
        window = self._held[: self._limit]
        for match in _PLACE.finditer(window):
            if match[0] == _PARAGRAPH:
                return match.start(), match.end(), _PARAGRAPH, 0
            is_space = match[0] == " "
            is_safe = (
                _is_safe_space(window, match.start(), self._num_plain)
                if is_space
                else _is_safe_mark(window, match.end())
            )
            if is_safe is None:
                break
            if is_safe:
                end = match.start() if is_space else match.end()
                return end, match.end(), " " * is_space, _PLAIN_BEFORE * is_space
        if len(self._held) < self._limit:
            return None
        cut = best_cut(window, 0, self._limit * 2 // 3, self._limit - 1) or self._limit
        rest = cut + (self._held[cut : cut + 1] == " ")
        return cut, rest, " " * (rest - cut), 0


def arriving_words(
    text: Iterable[str], front_end: FrontEnd, voice: str = "", max_held_chars: int = MAX_HELD_CHARS
) -> Iterator[str]:
    """What is spoken of a text that arrives in parts, each as soon as it is certain; none is empty."""
    arriving = ArrivingText(front_end, voice, max_held_chars=max_held_chars)
    for part in text:
        if released := arriving.feed(part):
            yield released
    if released := arriving.finish():
        yield released


def _is_safe_space(text: str, place: int, num_plain: int) -> bool | None:
    """Whether the words on both sides of a space are plain and complete; None if that depends on what follows."""
    after: list[str] = []
    position = place
    while len(after) < _PLAIN_AFTER:
        if text[position] == "\n":
            return False
        chunk = _CHUNK.match(text, position + 1)
        if chunk is None or chunk.end() == len(text):
            return None
        if not _is_word(chunk[0]):
            return False
        after.append(chunk[0])
        position = chunk.end()
    before = text[:place].split(" ")
    if len(before) + num_plain < _PLAIN_BEFORE or not all(map(_is_word, before[-_PLAIN_BEFORE:])):
        return False
    return text.count("[", 0, place) <= text.count("]", 0, place)


def _is_safe_mark(text: str, end: int) -> bool | None:
    """Whether Han characters follow a mark behind Han characters; None if they may still come."""
    if len(text) < end + 2:
        return None
    return _HAN_AFTER.match(text, end) is not None


def _is_word(chunk: str) -> bool:
    """Whether a chunk is a word that is said as it is written, whatever stands around it."""
    return is_plain(chunk) and "[" not in chunk and "]" not in chunk and _LETTER.search(chunk) is not None
