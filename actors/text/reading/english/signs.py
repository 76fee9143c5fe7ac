"""The signs "#", "@", "№" and "★" in English, with what belongs to them: codes, tags, handles, ratings."""

from __future__ import annotations

import re

from .addresses import tag_words
from .numerals import cardinal, pairs, spelled

Found = tuple[str, str, int]

_TAG = re.compile(r"#(?=[^\W\d]|\d+[A-Za-z_])[\w-]*\w|@\w[\w.-]*\w|@\w")
_NUMBERED_CODE = re.compile(r"#(?P<code>(?=[A-Z\d-]*\d)[A-Z\d]+(?P<dash>(?:-[A-Z\d]+)+)?)(?![\w])(?<!#)(?<!#[A-Z])")
_DIALLED = re.compile(r"#(\d{2,4})#")
_CODE_PIECES = re.compile(r"[A-Z]|\d+")
_ORDERED = re.compile(
    r"\b(?:order|part|item|model|ticket|case|invoice|serial|code|ref|reference|tracking|batch|lot|unit|room|seat|gate|flight|confirmation|"
    r"booking|claim|policy|account|sku|number|locker|bay|bin|slot|receipt|po|apt|apartment|suite|ste)s?[:.]? \Z",
    re.IGNORECASE,
)
STARS = re.compile(r"(?P<full>★{2,5}|★(?=[½☆])|⭐{2,5})(?P<half>½?)(?P<empty>☆{0,4})(?![★☆⭐])")
"""A rating: full stars, half a star, empty ones."""


def read_numbered(text: str, start: int, before: str) -> Found | None:
    """A sign of a number, a tag or a handle at `start`: its kind, its words and its end."""
    char = text[start]
    if char not in "#@№":
        return None
    code = _NUMBERED_CODE.match(text, start)
    if code is not None and not before.isalnum() and (code["dash"] or _ORDERED.search(text, max(0, start - 24), start)):
        return "code", f"number {_code_words(code['code'])}", code.end()
    dialled = _DIALLED.match(text, start)
    if dialled is not None:
        return "phone", f"hash {spelled(dialled[1])} hash", dialled.end()
    tag = _TAG.match(text, start)
    if tag is not None and not before.isalnum():
        return "tag", f"{'hashtag' if char == '#' else 'at'} {tag_words(tag[0][1:])}", tag.end()
    if char == "№":
        return "symbol", "number", start + 1 + (text[start + 1 : start + 2] == " ")
    if char == "#" and text[start + 1 : start + 2].isdigit():
        return "symbol", "number", start + 1
    if char == "#" and re.search(r"(?<!\w)[A-GJ]\Z", text[max(0, start - 2) : start]):
        return "symbol", "sharp", start + 1
    return None


def _code_words(code: str) -> str:
    """A code behind a number sign: letters and digits one by one, a comma for its dashes; short numbers by their value."""
    if code.isdigit() and len(code) < 5 and code[0] != "0":
        return pairs(code) if len(code) > 2 else cardinal(code)
    groups = [
        " ".join(spelled(piece) if piece.isdigit() else piece for piece in _CODE_PIECES.findall(group))
        for group in code.split("-")
    ]
    return ", ".join(groups)


def read_stars(text: str, start: int) -> tuple[str, int] | None:
    """A rating in stars: "★★★☆☆"."""
    match = STARS.match(text, start)
    if match is None:
        return None
    full, empty = len(match["full"]), len(match["empty"])
    head = cardinal(str(full)) + (" and a half" if match["half"] else "")
    if empty:
        return f"{head} out of {cardinal(str(full + empty + bool(match['half'])))} stars", match.end()
    return f"{head} {'star' if full == 1 and not match['half'] else 'stars'}", match.end()
