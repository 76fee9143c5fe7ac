"""English readings of links, mail, files, hashtags and handles."""

from __future__ import annotations

import re

from ..symbols import symbol_name
from .numerals import cardinal, spelled, year

_MARKS = {
    ".": "dot", "/": "slash", "@": "at", "-": "dash", "_": "underscore", ":": "colon", "?": "question mark", "=": "equals",
    "&": "and", "#": "hash", "%": "percent", "+": "plus", "~": "tilde", "*": "star", "!": "exclamation mark", "\\": "backslash",
    ",": "comma", ";": "semicolon", "(": "open parenthesis", ")": "close parenthesis", "$": "dollar", "'": "apostrophe",
    "[": "open bracket", "]": "close bracket", "{": "open brace", "}": "close brace", "|": "bar", "^": "caret", "`": "backtick",
}  # fmt: skip
_PIECES = re.compile(r"\d+|[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[^\W\d_]+|.", re.DOTALL)
_WORDS = frozenset(
    "com net gov info biz app dev site online shop store tech blog cloud news wiki live club page link name local test "
    "example doc log bat bin bash jar java class zip tar rar iso img gif opus mobi tiff swift page tmp ogg mov conf ini".split()
)
_SPELLED = frozenset("mil int io ai tv uk us eu www http https ftp ssh html htm php asp pdf csv txt xml json".split())
_SAID = {
    "json": "jason",
    "jpeg": "J peg",
    "jpg": "J P G",
    "yaml": "yaml",
    "toml": "toml",
    "wav": "wave",
    "flac": "flack",
    "jsonl": "jason L",
    "docx": "doc X",
    "com": "com",
    "org": "org",
    "edu": "edu",
    "net": "net",
    "info": "info",
    "gov": "gov",
    "parquet": "parquet",
    "webp": "web P",
    "epub": "E pub",
}
_CAMEL = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+|[^\W\d_]+")


def address_words(kind: str, text: str) -> str:
    """A link, mail address, host, file, path or number of the net, mark by mark."""
    if kind in ("mac", "ipv6"):
        return ", ".join(_hex(group) for group in text.split(":")) if kind == "mac" else _ipv6(text)
    if kind == "ip":
        return _numbers(text)
    text = text.removeprefix("mailto:")
    words: list[str] = []
    scheme, separator, rest = text.partition("://")
    if separator:
        words += [" ".join(scheme.upper()), "colon slash slash"]
        text = rest
    pieces = _PIECES.findall(text)
    for place, piece in enumerate(pieces):
        following = pieces[place + 1] if place + 1 < len(pieces) else "/"
        is_label = place > 0 and pieces[place - 1] == "." and (kind != "mail" or "@" in pieces[:place])
        is_last = is_label and (following in "/:?#" or (following == "." and len(piece) == 2))
        words.append(_piece(piece, is_last=is_last))
    return " ".join(filter(None, words))


def _piece(piece: str, *, is_last: bool) -> str:
    if piece in _MARKS:
        return _MARKS[piece]
    if not piece.isascii() and not piece.isalpha():
        return symbol_name("en", piece) or piece
    if piece.isdigit():
        return cardinal(piece) if len(piece) < 3 and piece[0] != "0" else spelled(piece)
    low = piece.lower()
    if low in _SAID and is_last:
        return _SAID[low]
    if low in _SPELLED or (is_last and len(low) <= 3 and low not in _WORDS):
        return " ".join(low.upper())
    if len(piece) > 1 and piece.isupper():
        return " ".join(piece) if len(piece) < 5 else piece.lower()
    return piece


def _numbers(text: str) -> str:
    names = {".": "point", ":": "port", "/": "slash"}
    return " ".join(names.get(piece) or cardinal(piece) for piece in re.findall(r"\d+|.", text))


def _hex(group: str) -> str:
    return " ".join(cardinal(char) if char.isdigit() else char.upper() for char in group)


def _ipv6(text: str) -> str:
    return " ".join("colon" if piece == ":" else _hex(piece) for piece in re.findall(r"[0-9A-Fa-f]+|:", text))


def tag_words(text: str) -> str:
    """A hashtag or handle without its sign: its words, parted at capitals, underscores by name."""
    words: list[str] = []
    for piece in re.findall(r"_|\.|-|[^_.\-]+", text):
        if piece in "_.-":
            words.append(_MARKS[piece])
            continue
        for part in _CAMEL.findall(piece) or [piece]:
            if part.isdigit() and len(part) == 4 and part[:2] in ("19", "20"):
                words.append(year(part))
            elif part.isdigit() and part.isascii():
                words.append(cardinal(part) if (len(part) < 3 and part[0] != "0") or len(part) == 4 else spelled(part))
            else:
                words.append(part)
    return " ".join(words)
