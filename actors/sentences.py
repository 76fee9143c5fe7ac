"""Where sentences end: rules, not a model, since a wrong cut only costs a pause.

A full stop ends a sentence unless it belongs to an abbreviation, an initial, a number of a list, or is followed by
a small letter. Where it may do both ("Inc.", "U.S.", "p.m."), it ends one before a word that usually starts one.
Whether a mark ends a sentence depends on the word before it, the word after it, and where the sentence began.
"""

from __future__ import annotations

import re

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


def _words(words: str) -> frozenset[str]:
    return frozenset(words.split())


_NEVER = _words(
    "dr mr mrs ms mx prof rev hon gen col capt lt sgt maj cmdr gov sen rep pres messrs vs cf viz approx e.g i.e"
)
_BEFORE_NUMBER = _words(
    "no nos p pp vol vols fig figs ch sec art eq op c ca jan feb mar apr jun jul aug sep sept oct nov dec"
)
_MAYBE = _words("jr sr inc ltd co corp bros etc al st mt ft ave blvd rd dept est")
_STARTERS = _words(
    "a after an and as at before but for he her here his how however i if in it its my no not on or our she so that "
    "the their then there these they this those we what when where while who why yes you your"
)


def sentence_spans(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """The sentences of `text[start:end]` without the white space around them, in order; none is empty."""
    spans: list[tuple[int, int]] = []
    start = skip_space(text, start, end)
    end = skip_space_back(text, start, end)
    first = start
    for match in _MARK.finditer(text, start, end):
        if match["mark"] is None or _is_end(text, first, match, end):
            spans.append((first, match.end()))
            first = skip_space(text, match.end(), end)
    return [*spans, (first, end)] if first < end else spans


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


def _is_end(text: str, first: int, match: re.Match[str], end: int) -> bool:
    """Whether the mark ends the sentence that began at `first`."""
    mark, closing = match["mark"], match["close"]
    following = _NEXT.match(text, match.end(), end)
    word = following["word"] if following else ""
    if word[:1].islower() and (closing or mark[0] not in "!?"):
        return False
    before = _BEFORE.search(text, max(first, match.start() - _LOOK_BACK), match.start())
    if mark != "." or before is None:
        return True
    token = before[0].lower()
    is_of_list = before.start() == first and (len(token) == 1 or (len(token) <= 3 and token.isdigit()))
    if is_of_list or token in _NEVER or (token in _BEFORE_NUMBER and word[:1].isdigit()):
        return False
    is_initial = len(token) == 1 and token.isalpha() and before[0] != "I"
    if is_initial or token in _MAYBE or _DOTTED.fullmatch(token):
        return word.lower() in _STARTERS and not (following and following["dot"])
    return True
