"""What a row's text is spoken as: one front end for jobs, streams and previews, before any model.

Markup, the user's lexicon and the analysis of the language (`reading`) come in this order. A model that takes words
only gets words; for any other the text passes as it is written, but for markup and lexicon.
Guaranteed: every letter, digit and symbol that carries meaning is spoken or named in `unspoken`; what a model lets pass
untouched, such as control tags, does; the same text gives the same parts.
Not known here: tokens, or what a model's letters sound like.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from ...errors import RowRejected
from .lexicon import Lexicon
from .markup import Markup, Piece, pieces_of
from .reading.analyser import Analysis, Reader, analyse, without_quote_marks
from .reading.folding import fold
from .reading.records import FOREIGN, HAN
from .splitting import normalise

if TYPE_CHECKING:
    from ..models.base import ModelInfo

LANGUAGES = ("en", "zh")
"""Those that numbers, symbols and abbreviations are written out in."""

_HAN = re.compile(f"[{HAN}]")
_KANA = re.compile("[\u3041-\u3096\u30a1-\u30fa\u30fc]")
_WORD = re.compile(r"[A-Za-z]+")
_CHINESE_CHUNK = re.compile(rf"((?<!\S)[^\s{HAN}]*+[{HAN}]\S*+)")
_PARAGRAPH = "\n\n"
_SPELLING = re.compile(r"\[([^\[\]]+)\]\(/[^()]+/\)")
_DRAWN = re.compile(r"(?=.*([*#~=_•·◦+-]).*\1)[\s*#~=_•·◦+-]+")
"""A paragraph that is a line between others."""


@dataclass(frozen=True, slots=True)
class TextRules:
    """What a job asks of the front end: see `text` in a job file.

    Attributes:
        paragraph_pause_s: Seconds of silence between paragraphs
        fails: Whether a row with unspoken text fails
    """

    markup: Markup = "none"
    paragraph_pause_s: float = 0.6
    fails: bool = False
    lexicon: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SpokenPart:
    """A paragraph, or what stands between two breaks: its text, and seconds of silence before it (None: a pause)."""

    text: str
    pause_s: float | None = None


@dataclass(frozen=True, slots=True)
class SpokenText:
    """A row's text as it is spoken, and what carries meaning and is not: characters or words, each once, in order."""

    parts: Sequence[SpokenPart]
    unspoken: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """All parts, blank lines between; a word with its phonemes as the word."""
        return _SPELLING.sub(r"\1", _PARAGRAPH.join(part.text for part in self.parts))


class FrontEnd:
    """The front end of a model, under the rules of a job."""

    def __init__(self, info: ModelInfo, rules: TextRules | None = None) -> None:
        """A front end for one model.

        Raises:
            SpecError: The model cannot follow the lexicon
        """
        self._info, self._rules = info, rules or TextRules()
        self._kept = re.compile(info.kept_text) if info.kept_text else None
        self._languages = _known(info.languages) if info.takes_words else []
        self._lexicon = Lexicon(self._rules.lexicon, info)

    @property
    def rules(self) -> TextRules:
        """What the job asks for."""
        return self._rules

    def read(self, text: str, voice: str = "", language: str = "") -> SpokenText:
        """The text as it is spoken by a voice, in a language: "" for the voice's or the text's own.

        Raises:
            RowRejected: For markup that is not understood
        """
        parts: list[SpokenPart] = []
        unspoken: dict[str, None] = {}
        is_first = True
        for piece in pieces_of(text, self._rules.markup):
            if piece.break_s is not None:
                parts.append(SpokenPart("", piece.break_s))
                continue
            if piece.phonemes and (self._kept is None or self._kept.fullmatch(piece.text) is None):
                raise RowRejected(f"SSML phoneme: {piece.text[:60]} holds what {self._info.name} takes for no phonemes")
            is_inline = piece.is_inline
            raw = without_quote_marks(piece.text) if self._languages else piece.text
            for paragraph in normalise(raw).split(_PARAGRAPH):
                if not paragraph:
                    continue
                said, missed = self._paragraph(paragraph, piece, voice, language)
                unspoken.update(dict.fromkeys(missed))
                if parts and parts[-1].text and not is_inline and not any(map(str.isalnum, said)):
                    # Marks alone are no part of their own: they stay with the paragraph before them.
                    parts[-1] = replace(parts[-1], text=f"{parts[-1].text}{_PARAGRAPH}{said}".rstrip())
                    continue
                pause_s = None if is_first or is_inline else self._rules.paragraph_pause_s
                parts.append(SpokenPart(said, pause_s))
                is_first = is_inline = False
        return SpokenText(_merged(parts), tuple(unspoken))

    def _paragraph(self, text: str, piece: Piece, voice: str, language: str) -> tuple[str, tuple[str, ...]]:
        if piece.say_as is not None:
            text = _said_as(text, piece.say_as)
        language = self._language(text, voice, language)
        if language and _DRAWN.fullmatch(text):
            return "", ()
        said: list[str] = []
        unspoken: dict[str, None] = {}
        for raw, kept in self._parted(text, language):
            if raw.strip() and language:
                is_start = not (before := "".join(said).rstrip(" \"'“‘([")) or before[-1] in ".!?。！？"
                words, missed = words_of(raw, language, self._languages, is_start=is_start)
                said.append(words)
                unspoken.update(dict.fromkeys(missed))
            else:
                said.append(raw)
            said.append(kept)
        return re.sub(" {2,}", " ", "".join(said)).strip(), tuple(unspoken)

    def _parted(self, text: str, language: str) -> Iterator[tuple[str, str]]:
        """The text in pieces to be read, each with what follows it and passes untouched."""
        start = 0
        for match in self._kept.finditer(text) if self._kept is not None else ():
            yield from self._lexicon.parted(text[start : match.start()], language, match[0])
            start = match.end()
        yield from self._lexicon.parted(text[start:], language, "")

    def _language(self, text: str, voice: str, named: str) -> str:
        """The language that a text is read in, as in "en-GB"; "" where it passes as it is written."""
        if not self._languages:
            return ""
        of_voice = dict(self._info.voice_languages).get(voice or self._info.default_voice, "")
        if said := named or of_voice or self._info.text_language:
            return said if _known((said,)) else ""
        if "ja" in self._info.languages and _KANA.search(text):
            return ""
        return text_language(text) if len(self._languages) > 1 else self._languages[0]


def _known(languages: Sequence[str]) -> list[str]:
    """Those that there are tables of."""
    return [language for language in languages if language.partition("-")[0] in LANGUAGES]


def text_language(text: str) -> str:
    """The language that has more of a text: "zh" for Han characters, "en" for words of Latin letters."""
    text = fold(text)
    return "zh" if len(_HAN.findall(text)) > len(_WORD.findall(text)) else "en"


def words_of(text: str, language: str, languages: Sequence[str], *, is_start: bool = True) -> tuple[str, Sequence[str]]:
    """A text in words, and what of it has none.

    Args:
        text: without control tags.
        language: what it is read in, as in "en-GB".
        languages: what else the model speaks: English with Chinese in it is read in both.
        is_start: whether a sentence begins with it.
    """
    said: list[str] = []
    unspoken: list[str] = []
    for piece, tongue in _tongues(text, language, languages):
        if piece.strip():
            is_chinese = tongue.startswith("zh")
            analysis = analyse(piece, reader_of(tongue), is_chinese=is_chinese, is_start=is_start and not said)
            said.append(_padded(piece, _without_foreign(analysis)))
            unspoken += analysis.unspoken
        else:
            said.append(piece)
    return "".join(said), unspoken


def refuse_unspoken(spoken: SpokenText) -> None:
    """Raise RowRejected that names what is not spoken, if anything is not."""
    if spoken.unspoken:
        raise RowRejected(
            f"{named(spoken.unspoken)} cannot be spoken; write it otherwise, or set text.unspoken: report"
        )


def named(unspoken: Sequence[str]) -> str:
    """What is not spoken, for a message: the first few."""
    shown = ", ".join(repr(piece if len(piece) <= 24 else piece[:23] + "…") for piece in unspoken[:5])
    return f"{shown} and {len(unspoken) - 5} more" if len(unspoken) > 5 else shown


@lru_cache(maxsize=8)
def reader_of(language: str) -> Reader:
    """The reader of a language, as in "en", "en-GB" or "zh". Its rules are imported, and compiled, at its first use."""
    if language.startswith("zh"):
        from .reading.chinese.reader import ChineseReader

        return ChineseReader()
    from .reading.english.reader import EnglishReader

    return EnglishReader(is_british=language == "en-GB")


def _tongues(text: str, language: str, languages: Sequence[str]) -> Iterator[tuple[str, str]]:
    """English text in pieces, those with Han characters in Chinese where the model speaks it."""
    if (
        not language.startswith("en")
        or not any(name.startswith("zh") for name in languages)
        or _HAN.search(text) is None
    ):
        yield text, language
        return
    for number, part in enumerate(_CHINESE_CHUNK.split(text)):
        if part:
            yield part, "zh" if number % 2 else language


def _without_foreign(analysis: Analysis) -> str:
    """What is said, without the words that are not."""
    if not any(span.kind == FOREIGN for span in analysis.spans):
        return analysis.spoken
    said = analysis.spoken
    for span in analysis.spans:
        if span.kind == FOREIGN:
            said = said.replace(span.words, " ", 1)
    return re.sub(r" +(?=[,.;:!?](?:\s|\Z))", "", re.sub(" {2,}", " ", said)).strip()


def _padded(raw: str, said: str) -> str:
    """With the white space that stood around it."""
    lead, trail = " " * raw[:1].isspace(), " " * raw[-1:].isspace()
    return f"{lead}{said}{trail}"


def _merged(parts: Sequence[SpokenPart]) -> tuple[SpokenPart, ...]:
    """Parts with a text, the silences of breaks before them added up; an inline part joins the one before it."""
    merged: list[SpokenPart] = []
    silence_s: float | None = None
    for part in parts:
        if not part.text:
            silence_s = (silence_s or 0.0) + (part.pause_s or 0.0)
        elif merged and part.pause_s is None and silence_s is None:
            joint = "" if part.text[0] in ",.;:!?)]" else " "
            merged[-1] = SpokenPart(f"{merged[-1].text}{joint}{part.text}", merged[-1].pause_s)
        else:
            merged.append(SpokenPart(part.text, part.pause_s if silence_s is None else silence_s))
            silence_s = None
    return tuple(merged)


def _said_as(text: str, say_as: str) -> str:
    """A text as `say-as` wants it: its characters one by one, or its digits."""
    if say_as in ("characters", "spell-out", "verbatim"):
        return " ".join(text.replace(" ", ""))
    if say_as in ("digits", "telephone"):
        return re.sub(r"(?<=\d)(?=\d)", " ", text)
    return text
