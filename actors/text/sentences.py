"""Where sentences end: rules, not a model, since a wrong cut only costs a pause.

A full stop ends a sentence unless it belongs to an abbreviation, an initial, a number of a list, or is followed by
a small letter. Where it may do both ("Inc.", "U.S.", "p.m."), it ends one before a word that usually starts one.
Whether a mark ends a sentence depends on the word before it, the word after it, and where the sentence began.
Abbreviations are those that the front end reads, by the same decision. In a text that it has read, every full stop
that is left ends a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .reading.english.abbreviations import STARTERS, abbreviations, read_abbreviation

CJK = "\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
"""Han and kana, as in a regular expression's set: scripts without spaces between words."""

_CLOSERS = r"\"'’”)\]»」』）】》"
# The quantifiers are possessive and a mark may not follow a mark, so that no run of them is read twice.
_MARK = re.compile(
    rf"(?<![.!?…])(?P<mark>[.!?…؟۔।॥]++)(?P<close>[{_CLOSERS}]*+)(?:(?=\s)|(?<=[!?])(?=[{CJK}]))"
    rf"|[。！？｡]++[{_CLOSERS}]*+"
)
_NEXT = re.compile(r"\s*[\"'“‘(\[«¿¡「『（【《]*(?P<word>\w{0,16})(?P<dot>\.?)")
_BEFORE = re.compile(r"[^\s\"'“‘(\[«—–-]+\Z")
_DOTTED = re.compile(r"[^\W\d_]{1,3}(?:\.[^\W\d_]{1,3})+")
_LOOK_BACK = 24
_LOOK_AHEAD = 48


def sentence_spans(text: str, start: int, end: int, *, is_read: bool = False) -> list[tuple[int, int]]:
    """The sentences of `text[start:end]` without the white space around them, in order; none is empty.

    Args:
        is_read: The front end has read the text: no full stop is left that belongs to an abbreviation
    """
    spans: list[tuple[int, int]] = []
    start = skip_space(text, start, end)
    end = skip_space_back(text, start, end)
    first = start
    for sentence_end in sentence_ends(text, start, end, is_read=is_read):
        assert sentence_end is not None, "nothing is open in a text that ends"
        spans.append((first, sentence_end))
        first = skip_space(text, sentence_end, end)
    return [*spans, (first, end)] if first < end else spans


def sentence_ends(
    text: str, start: int, end: int, *, is_open: bool = False, is_read: bool = False
) -> Iterator[int | None]:
    """Where sentences of `text[start:end]` end, in order, but for the end of the text itself; `start` begins one.

    Args:
        is_open: The text goes on behind `end`: ends that hold however it goes on, then None if the next one hangs on
            that
        is_read: See `sentence_spans`
    """
    first = start
    for match in _MARK.finditer(text, start, end):
        is_end = _is_end(text, first, match, end, is_open=is_open, is_read=is_read)
        if is_end is None or (is_open and match.end() == end):  # a mark may follow the mark
            yield None
            return
        if is_end:
            yield match.end()
            first = skip_space(text, match.end(), end)


def skip_space(text: str, start: int, end: int) -> int:
    """The first position from `start` on that holds no white space, at most `end`."""
    while start < end and text[start].isspace():
        start += 1
    return start


def skip_space_back(text: str, start: int, end: int) -> int:
    """The last position up to `end` that white space does not stand before, at least `start`."""
    while start < end and text[end - 1].isspace():
        end -= 1
    return end


def _is_end(text: str, first: int, match: re.Match[str], end: int, *, is_open: bool, is_read: bool) -> bool | None:
    """Whether the mark ends the sentence that began at `first`; None if that hangs on what comes behind `end`."""
    mark, closing = match["mark"], match["close"]
    if mark is None:
        return True
    following = _NEXT.match(text, match.end(), end)
    word = following["word"] if following else ""
    is_cut_off = is_open and (following is None or following.end() == end)
    may_be_small = closing or mark[0] not in "!?"
    if may_be_small and (word[:1].islower() or (is_cut_off and not word)):
        return False if word else None
    before = _BEFORE.search(text, max(first, match.start() - _LOOK_BACK), match.start())
    if mark != "." or before is None or is_read:
        return True
    return _ends_with(text, first, match, before, following, end, is_cut_off=is_cut_off)


def _ends_with(
    text: str,
    first: int,
    match: re.Match[str],
    before: re.Match[str],
    following: re.Match[str] | None,
    end: int,
    *,
    is_cut_off: bool,
) -> bool | None:
    """Whether a full stop behind a word ends the sentence that began at `first`."""
    word = following["word"] if following else ""
    token = before[0]
    if before.start() == first and (len(token) == 1 or (len(token) <= 3 and token.isdigit())):
        return False  # of a list
    if token in abbreviations():
        # What decides lies in the words around it: no more is looked at, so that a text may arrive in parts.
        head = max(first, match.start() - _LOOK_BACK - 24)
        reading = read_abbreviation(
            text[head : min(end, match.end() + _LOOK_AHEAD)], match.start() - len(token) - head, match.start() - head
        )
        if is_cut_off:
            return None
        if reading is not None:
            return reading.is_stop
    if (len(token) == 1 and token.isalpha() and token != "I") or _DOTTED.fullmatch(token):
        is_starter = word.lower() in STARTERS and not (following and following["dot"])
        return None if is_cut_off else is_starter
    return True
