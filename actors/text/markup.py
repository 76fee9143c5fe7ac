"""Marks of HTML, Markdown and SSML in texts that are to be spoken.

Guaranteed: with "none" a text is what it is; with "strip" tags, entities and marks go and their words stay; with
"ssml" the elements named here are followed and any other is refused by its name. Links keep their words.
Not known here: how long a sentence's own pause is.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Literal
from xml.etree import ElementTree

from ...errors import RowRejected

Markup = Literal["none", "strip", "ssml"]

_FENCE = re.compile(r"^[ \t]*(?:```|~~~).*$", re.MULTILINE)
_RULE = re.compile(r"^[ \t]*(?:[-*_=][ \t]*){3,}$", re.MULTILINE)
_LINE_MARK = re.compile(r"^[ \t]*(?:#{1,6}[ \t]+|>[ \t]?|[-*+][ \t]+(?:\[[ xX]\][ \t]+)?)", re.MULTILINE)
_HEADING_END = re.compile(r"[ \t]+#+[ \t]*$", re.MULTILINE)
_TABLE_RULE = re.compile(r"^[ \t]*\|?[ \t]*:?-{2,}:?[ \t]*(?:\|[ \t]*:?-{2,}:?[ \t]*)*\|?[ \t]*$", re.MULTILINE)
_IMAGE = re.compile(r"!\[([^\[\]]*)\]\([^()\s]*(?:\([^()\s]*\)[^()\s]*)*(?:[ \t]+\"[^\"]*\")?\)")
_LINK = re.compile(r"\[([^\[\]]+)\](?:\([^()\s]*(?:\([^()\s]*\)[^()\s]*)*(?:[ \t]+\"[^\"]*\")?\)|\[[^\[\]]*\])")
_AUTO_LINK = re.compile(r"<((?:https?://|mailto:)[^<>\s]+)>")
_FOOTNOTE = re.compile(r"\[\^[^\[\]]+\]:?")
_STRONG = re.compile(r"(\*{1,3}|~~|(?<!\w)_{1,3}|`{1,2})(?=\S)(.+?)(?<=\S)\1(?!\w|(?<=_)_)", re.DOTALL)
_ESCAPED = re.compile(r"\\([\\`*_{}\[\]()#+.!|<>~-])")
_BLOCKS = frozenset(
    re.split(
        " ",
        "address article aside blockquote br dd div dl dt figcaption figure footer form h1 h2 h3 h4 h5 h6 header hr li "
        "main nav ol p pre section table tr ul",
    )
)
_SILENT = frozenset(("script", "style", "head", "title", "template"))
_TAG = re.compile(r"</?[A-Za-z][^<>]*>|<!--.*?-->|<![A-Za-z][^<>]*>|<\?[^<>]*\?>", re.DOTALL)
_STRENGTHS = {"none": 0.0, "x-weak": 0.1, "weak": 0.2, "medium": 0.4, "strong": 0.8, "x-strong": 1.2}
_TIME = re.compile(r"\+?(\d+(?:\.\d+)?|\.\d+)(ms|s)\Z")
MAX_BREAK_S = 10.0
_SAY_AS = frozenset(
    (
        *("characters", "spell-out", "verbatim", "digits", "telephone", "cardinal", "ordinal", "number", "fraction"),
        *("date", "time", "currency", "unit", "address"),
    )
)
_PLAIN = frozenset(("speak", "s", "p", "emphasis", "w", "token", "lang"))
_KNOWN = "break, emphasis, lang, p, phoneme, s, say-as, speak, sub, token, w"


@dataclass(frozen=True, slots=True)
class Piece:
    """A text without marks, or a silence of `break_s` seconds.

    Attributes:
        say_as: How SSML wants it interpreted
        is_inline: Whether it goes on where the piece before it ended
        phonemes: Whether the text is a word with its phonemes, as in "[word](/phonemes/)"
    """

    text: str = ""
    break_s: float | None = None
    say_as: str | None = None
    is_inline: bool = False
    phonemes: bool = False


def pieces_of(text: str, markup: Markup) -> Iterator[Piece]:
    """The text without its marks, in pieces.

    Raises:
        RowRejected: For SSML that is not understood
    """
    if markup == "none":
        yield Piece(text)
    elif markup == "strip":
        yield Piece(stripped(text))
    else:
        yield from _spoken_elements(text)


def stripped(text: str) -> str:
    """The words of a text with HTML tags, entities and marks of Markdown."""
    text = _without_tags(_AUTO_LINK.sub(r"\1", text)) if _TAG.search(text) else html.unescape(text)
    text = _TABLE_RULE.sub("", _RULE.sub("", _FENCE.sub("", text)))
    text = _HEADING_END.sub("", _LINE_MARK.sub("", text)) if re.search(r"^[ \t]*[#>*+-]", text, re.MULTILINE) else text
    text = _FOOTNOTE.sub("", _LINK.sub(r"\1", _IMAGE.sub(r"\1", text)))
    for _ in range(3):
        text, count = _STRONG.subn(r"\2", text)
        if not count:
            break
    if re.search(r"^[ \t]*\|.*\|[ \t]*$", text, re.MULTILINE):
        text = re.sub(r"[ \t]*\|[ \t]*", ", ", text)
        text = re.sub(r"^, |, $", "", text, flags=re.MULTILINE)
    return _ESCAPED.sub(r"\1", text)


class _Words(HTMLParser):
    """The words between tags; blocks are paragraphs."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SILENT:
            self._silent += 1
        elif tag == "img":
            self.words.append(next((value for name, value in attrs if name == "alt" and value), ""))
        elif tag in _BLOCKS or tag == "break":
            self.words.append("\n" if tag in ("br", "break") else "\n\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in _SILENT:
            self._silent = max(0, self._silent - 1)
        elif tag in _BLOCKS:
            self.words.append("\n\n")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.words.append(data)


def _without_tags(text: str) -> str:
    # A "<" that begins no tag is a sign: the parser would take what follows for one.
    safe = re.sub(r"<(?![A-Za-z/!?])", "&lt;", text)
    parser = _Words()
    parser.feed(safe)
    parser.close()
    return "".join(parser.words)


def _spoken_elements(text: str) -> Iterator[Piece]:
    body = text.strip()
    body = re.sub(r"^<\?xml[^<>]*\?>\s*", "", body)
    if re.search(r"<!(?:DOCTYPE|ENTITY)", body, re.IGNORECASE):
        raise RowRejected("SSML with a DOCTYPE or entities of its own is not read; leave them out")
    if not body.startswith("<speak"):
        body = f"<speak>{body}</speak>"
    try:
        root = ElementTree.fromstring(re.sub(r"&(?!#?\w+;)", "&amp;", body))
    except ElementTree.ParseError as error:
        raise RowRejected(
            f"the text is no SSML: {error}; with text.markup: strip or none it is read without"
        ) from error
    yield from _element(root)


def _element(element: ElementTree.Element, say_as: str | None = None) -> Iterator[Piece]:
    name = element.tag.rpartition("}")[2]
    is_block = name == "p"
    if name == "break":
        yield Piece(break_s=_break_s(element))
    elif name == "sub":
        yield Piece(_attribute(element, "alias"), is_inline=True)
    elif name == "phoneme":
        yield Piece(
            f"[{''.join(element.itertext()).strip()}](/{_attribute(element, 'ph')}/)", is_inline=True, phonemes=True
        )
    elif name == "say-as":
        wanted = _attribute(element, "interpret-as")
        if wanted not in _SAY_AS:
            raise RowRejected(f'SSML say-as interpret-as="{wanted}" is not known; known: {", ".join(sorted(_SAY_AS))}')
        yield Piece("".join(element.itertext()), say_as=wanted, is_inline=True)
    elif name in _PLAIN:
        if element.text and element.text.strip():
            yield Piece(element.text, say_as=say_as, is_inline=not is_block)
        for child in element:
            yield from _element(child)
            if child.tail and child.tail.strip():
                yield Piece(child.tail, is_inline=child.tag.rpartition("}")[2] != "p")
    else:
        raise RowRejected(f"SSML <{name}> is not followed; known: {_KNOWN}. With text.markup: strip its words are read")


def _attribute(element: ElementTree.Element, name: str) -> str:
    value = element.get(name)
    if not value:
        raise RowRejected(f"SSML <{element.tag.rpartition('}')[2]}> needs the attribute {name}")
    return value


def _break_s(element: ElementTree.Element) -> float:
    time = element.get("time")
    if time is None:
        strength = element.get("strength", "medium")
        if strength not in _STRENGTHS:
            raise RowRejected(f'SSML break strength="{strength}" is not known; known: {", ".join(_STRENGTHS)}')
        return _STRENGTHS[strength]
    match = _TIME.match(time.strip())
    seconds = float(match[1]) / (1_000 if match[2] == "ms" else 1) if match is not None else -1.0
    if not 0 <= seconds <= MAX_BREAK_S:
        raise RowRejected(f'SSML break time="{time}" is no time from 0s to {MAX_BREAK_S:g}s, as in "500ms" or "1.5s"')
    return seconds
