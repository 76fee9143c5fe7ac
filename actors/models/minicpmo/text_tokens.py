"""Texts as token ids: words of the front end, the tokenizer of ChatTTS, and what no token stands for.

Guaranteed: what a user writes cannot end a text early or name a speaker: names of special tokens are taken out. Unlike
ChatTTS, this model reads punctuation, quotes and apostrophes, so texts keep them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import tokenizers

from ....errors import ModelError
from ...text.front_end import text_language, words_of
from ..chattts.checkpoint.layout import SPECIAL_TOKENS, UNKNOWN_ID

LANGUAGES = ("en", "zh")
_MARKS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_SPECIAL = re.compile("|".join(re.escape(name) for name in (*SPECIAL_TOKENS, *_MARKS)))
_ENDS = (".", "!", "?", "。", "！", "？")


@dataclass(frozen=True, slots=True)
class TokenisedText:
    """The tokens of a text.

    Attributes:
        is_spoken: Whether there is more than marks in it
        unspoken: Words and characters that carry meaning and have no token, each once
    """

    tokens: tuple[int, ...]
    is_spoken: bool
    unspoken: tuple[str, ...]


class TextTokenizer:
    """A tokenizer.json in the format of the tokenizers library.

    Attributes:
        ends: Tokens that end a sentence
    """

    def __init__(self, file: Path, language: str) -> None:
        """Read the tokenizer's file.

        Args:
            language: Of all texts; "" goes by the characters of each

        Raises:
            ModelError: It cannot be read
        """
        try:
            self._tokenizer = tokenizers.Tokenizer.from_file(str(file))
        except Exception as error:  # the library raises nothing narrower
            raise ModelError(f"minicpmo: {file} is no tokenizer: {error}") from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._language = language
        found = (self._tokenizer.token_to_id(mark) for mark in _ENDS)
        self.ends = frozenset(token for token in found if token is not None)

    def tokenise(self, text: str) -> TokenisedText:
        """The tokens of a text, or of a part of one that begins and ends between words."""
        words, unspoken = words_of(_plain(text), self._language or text_language(text), LANGUAGES)
        words = _plain(words).replace("*", "")
        encoding = self._tokenizer.encode(words, add_special_tokens=False)
        tokens: list[int] = []
        missing: dict[str, None] = dict.fromkeys(unspoken)
        is_spoken = False
        for token, (start, end) in zip(encoding.ids, encoding.offsets, strict=True):
            piece = words[start:end]
            if token == UNKNOWN_ID:
                missing |= {piece: None} if any(map(str.isalnum, piece)) else {}
            else:
                tokens.append(token)
                is_spoken = is_spoken or any(map(str.isalnum, piece))
        return TokenisedText(tuple(tokens), is_spoken, tuple(missing))


def _plain(text: str) -> str:
    return _SPECIAL.sub(" ", text)  # a space, or what is around could come together as another
