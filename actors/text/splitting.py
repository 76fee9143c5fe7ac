"""From an utterance's text to segments that a model can speak: normalise, split, fit.

Guaranteed: no character other than white space is lost in splitting, every piece keeps the limit, the same text
always splits alike, and the time grows with the length of the text, whatever it holds.
Sentences are recognised by rules for English, and by the full stops of Chinese, Japanese, Hindi and Arabic.
Not known here: pronunciation, numbers, or what a token is; models do that in `prepare`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from ...errors import RowRejected, TextTooLong
from ..records.utterance import Prepared, Segment, Utterance
from .sentences import CJK, sentence_spans, skip_space

TextSpan = tuple[int, int]

RULES = 3
"""The version of how texts are cut: raise it with any change, for another cut is another sound."""

SHORT_CHARS = 40
"""A sentence shorter than this is spoken together with a neighbour: alone it has no melody."""

_LINE_ENDS = re.compile(r"\r\n?|[\x85\u2028]")
_PARAGRAPH = re.compile(r"\n[^\S\n]*+\n\s*+")
_SPACE = re.compile(r"\s+")
_WORD = re.compile(r"\S+")
CLAUSE_END = re.compile(
    r"(?:[,;:)\]»”]|(?<=[^\W\d_]{4})[.!?…])[\"'’”)\]»]{0,4}(?=\s)|[—–](?!\d)|[、，；：」』）]|"
    rf"(?<=[{CJK}])[,;:]"
)
"""Where a sentence may be cut, a mark that ends no sentence among them."""
_WORD_END = re.compile(rf"(?<=\S)(?=\s)|(?<=[{CJK}])(?=[{CJK}])")
_JOINERS = "\u200c\u200d"  # they shape letters and emoji; other format characters are nothing to speak


def normalise(text: str) -> str:
    """The text in Unicode NFC, without control characters, with single spaces, and blank lines between paragraphs.

    A line end inside a paragraph is a space: most texts with line ends are wrapped, not written line by line.
    """
    text = _LINE_ENDS.sub("\n", text.replace("\u2029", "\n\n"))
    if not text.isprintable():
        text = "".join([char for char in text if char.isprintable() or char.isspace() or char in _JOINERS])
    paragraphs = _PARAGRAPH.split(unicodedata.normalize("NFC", text))
    return "\n\n".join(filter(None, (_SPACE.sub(" ", paragraph).strip() for paragraph in paragraphs)))


def split_text(text: str, max_chars: int, *, is_read: bool = False) -> list[str]:
    """Cut a text into pieces of at most `max_chars` characters: its sentences, where they fit.

    Sentences under 40 characters join a neighbour; longer ones than `max_chars` are cut at clause ends, else between
    words, into pieces of similar length. Pieces without a letter or digit join a neighbour where there is room.

    Args:
        is_read: The front end has read the text: every full stop in it ends a sentence

    Raises:
        TextTooLong: For a word longer than `max_chars`
    """
    if max_chars < 1:
        raise ValueError(f"max_chars is {max_chars}; it has to be at least 1")
    spans: list[TextSpan] = []
    for start, end in _paragraph_spans(text):
        sentences = _join_unspeakable(text, sentence_spans(text, start, end, is_read=is_read), max_chars)
        for first, last in _join_short(sentences, max_chars):
            spans.extend(_cut(text, first, last, max_chars))
    return [text[start:end] for start, end in _join_unspeakable(text, spans, max_chars)]


def fit_segments(
    utterance: Utterance,
    max_chars: int,
    max_length: int,
    prepare: Callable[[str, str], Prepared],
) -> list[Segment]:
    """The utterance as segments of at most `max_length`, by the length that `prepare(piece, voice)` says.

    Raises:
        TextTooLong: For a piece that cannot be cut any more
        RowRejected: If nothing can be spoken; what `prepare` raises passes
    """
    pieces = split_text(normalise(utterance.text), max_chars)
    fitting = list(fit_pieces(pieces, utterance.voice, max_length, prepare))
    if not fitting:
        raise RowRejected("nothing in the text can be spoken")
    return [
        Segment(utterance.row, index, piece, prepared, utterance.seed, utterance.voice, utterance.speed)
        for index, (piece, prepared) in enumerate(fitting)
    ]


def fit_pieces(
    pieces: Sequence[str],
    voice: str,
    max_length: int,
    prepare: Callable[[str, str], Prepared],
) -> Iterator[tuple[str, Prepared]]:
    """The pieces as the model reads them, cut further where they are longer than `max_length`; none without a token.

    Raises:
        TextTooLong: For a piece that cannot be cut any more; what `prepare` raises passes
    """
    waiting = list(reversed(pieces))
    while waiting:
        piece = waiting.pop()
        prepared = prepare(piece, voice)
        if prepared.length > max_length:
            waiting.extend(reversed(_halves(piece, prepared.length, max_length)))
        elif prepared.tokens:
            yield piece, prepared


def _halves(piece: str, length: int, max_length: int) -> list[str]:
    """The piece cut further, to half its length or to its longest word."""
    cuts = [0, *(match.end() for match in _WORD_END.finditer(piece)), len(piece)]
    longest = max(len(piece[start:end].strip()) for start, end in pairwise(cuts))
    if longest >= len(piece):
        raise TextTooLong(
            f"the word {_short(piece)} ({len(piece)} characters) has the length {length} where the model takes at most "
            f"{max_length}: shorten it, or put spaces into it"
        )
    return split_text(piece, max(len(piece) // 2, longest))


def _paragraph_spans(text: str) -> list[TextSpan]:
    spans: list[TextSpan] = []
    start = 0
    for blank in _PARAGRAPH.finditer(text):
        spans.append((start, blank.start()))
        start = blank.end()
    return [*spans, (start, len(text))]


def _join_short(spans: Sequence[TextSpan], max_chars: int) -> list[TextSpan]:
    """Join a short sentence with the next, and a short last one with the one before it."""
    joined: list[TextSpan] = []
    for position, (start, end) in enumerate(spans):
        is_last_and_short = position == len(spans) - 1 and end - start < SHORT_CHARS
        if joined:
            first, last = joined[-1]
            if (last - first < SHORT_CHARS or is_last_and_short) and end - first <= max_chars:
                joined[-1] = (first, end)
                continue
        joined.append((start, end))
    return joined


def _join_unspeakable(text: str, spans: Sequence[TextSpan], max_chars: int) -> list[TextSpan]:
    """Join what has neither letter nor digit with what is before it, or else after it, where that leaves room."""
    joined: list[TextSpan] = []
    is_previous_spoken = True
    for start, end in spans:
        is_spoken = any(map(str.isalnum, text[start:end]))
        if joined and not (is_spoken and is_previous_spoken) and end - joined[-1][0] <= max_chars:
            joined[-1] = (joined[-1][0], end)
            is_previous_spoken = is_previous_spoken or is_spoken
        else:
            joined.append((start, end))
            is_previous_spoken = is_spoken
    return joined


def _cut(text: str, start: int, end: int, max_chars: int) -> list[TextSpan]:
    """Cut one sentence into pieces of similar length, at clause ends where there are any."""
    spans: list[TextSpan] = []
    while end - start > max_chars:
        num_left = -(-(end - start) // max_chars)
        target = start + -(-(end - start) // num_left)
        cut = best_cut(text, start, target, start + max_chars)
        if cut is None:
            word = _WORD.match(text, start, end)
            longest = word[0] if word else ""
            raise too_long(longest, f"{len(longest):,} characters", max_chars)
        spans.append((start, cut))
        start = skip_space(text, cut, end)
    return [*spans, (start, end)]


def best_cut(text: str, start: int, target: int, limit: int) -> int | None:
    """The clause end nearest to `target` if it is not far before it, else the nearest word end; at most `limit`."""
    near = start + (target - start) // 2
    for pattern, earliest in ((CLAUSE_END, near), (_WORD_END, start + 1)):
        ends = (match.end() for match in pattern.finditer(text, start, limit + 1))
        fitting = [end for end in ends if earliest <= end <= limit]
        if fitting:
            return min(fitting, key=lambda end: abs(end - target))
    return None


def too_long(word: str, chars: str, max_chars: int) -> TextTooLong:
    """The error for a word that no cut makes fit; `chars` says how long it is."""
    return TextTooLong(
        f"the word {_short(word)} has {chars} where a piece of text may have {max_chars:,}: shorten it, or put spaces "
        "into it"
    )


def _short(word: str) -> str:
    return repr(word if len(word) <= 40 else word[:39] + "…")
