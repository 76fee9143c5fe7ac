"""Emoticons, faces and hearts made of marks, that are named as emoji are.

Guaranteed: a mark that closes a bracket, or "<3" where something is compared, is none.
"""

from __future__ import annotations

import re
from functools import cache

from .tables import read_table

_FORMS = tuple(row[0] for row in read_table("en/emoticons"))
EMOTICON_STARTS = frozenset(form[0] for form in _FORMS)
_ANY = "|".join(re.escape(form) for form in sorted(_FORMS, key=len, reverse=True))
_EMOTICON = re.compile(rf"(?P<form>{_ANY})(?P<more>\)*|\(*)(?![\w/>=:;(-]|<(?!3))")
_AT_END = re.compile(rf"(?:{_ANY})(?:\)*|\(*)[.,!?…\"']*\Z")
_HEART_AHEAD = re.compile(
    r"\s*(?:\Z|[!.,?;)\"'”…~*]|[^\x00-\x7f]|(?:you|u|it|my|this|that|y'?all|him|her|them|me|your|these|u guys|NY)\b|<3)"
)
_COMPARED = re.compile(
    r"(?:(?:^|[^\w'])(?!I\b|[uU]\b)[A-Za-z]|\d|[)\]%²³αβγδεθλμσ]|\b(?:is|are|was|were|be|of|than|if|with|at|for|when|where|while|values?|counts?|scores?|levels?|"
    r"ratios?|rates?|sizes?|ages?|aged|grade|only|pH|or|keep|stays?|index|risk|delta))[ ]?\Z"
)


@cache
def _names(language: str) -> dict[str, str]:
    return {row[0]: row[1] for row in read_table(f"{language}/emoticons")}


def may_be_emoticon(chunk: str) -> bool:
    """Whether a chunk between spaces ends with the form of one."""
    return _AT_END.search(chunk) is not None


def find_emoticon(text: str, start: int, language: str) -> tuple[str, int] | None:
    """The emoticon at `start`: its name and its end; None for none."""
    match = _EMOTICON.match(text, start)
    if match is None:
        return None
    form, before = match["form"], text[start - 1 : start]
    if form[0].isalnum() or form[0] in "-^=":
        if before == "(" and text.startswith(")", match.end("form")) and not set(form) & set("()"):
            return _names(language)[form], match.end("form")
        if before.strip() and before.isascii():
            return None
    elif form == "<3":
        if (
            (before.isdigit() and text[max(0, start - 2) : start] != "<3")
            or (before.isalpha() and before.isascii())
            or (not before.isdigit() and _COMPARED.search(text, max(0, start - 16), start))
        ):
            return None
        if not re.search(
            r"(?:\A|<3|\b(?:I|i|we|We|you|u|YOU) )\Z", text[max(0, start - 5) : start]
        ) and not _HEART_AHEAD.match(text, match.end("form")):
            return None
        if text.startswith(" ", match.end("form")) and re.match(
            r" (?:days?|hours?|mg|g|kg|km|cm|years?|months?|weeks?|mins?|minutes?|of|or|and)\b",
            text[match.end("form") :][:10],
        ):
            return None
        return _names(language)[form], match.end("form")
    elif before.isdigit():
        return None
    head = text[max(0, start - 120) : start]
    if ")" in match[0] and head.count("(") > head.count(")"):
        return None
    return _names(language)[form], match.end()
