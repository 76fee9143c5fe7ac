"""Text as the tokens of F5-TTS: characters, and pinyin with its tone for each Chinese one.

A space comes before each Chinese character, and before each Latin word that follows something else than a space or a
quotation mark. What the vocabulary does not have is a space, too. The rules are those that the published weights were
trained with (https://github.com/SWivid/F5-TTS, facts only).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path

from .....errors import ModelError
from .segmentation import missing_extra, words_of

_REPLACED = str.maketrans({";": ",", "“": '"', "”": '"', "‘": "'", "’": "'"})
_JOINED = frozenset(" :'\"")
"""After one of these, a word gets no space of its own."""
_MOST_BYTES = 2**20
"""Of a vocabulary; the published one has 13,800."""


def tokens_of(text: str) -> list[str]:
    """The tokens of a text.

    Raises:
        RowRejected: The text is Chinese, and the packages for it are missing
    """
    tokens: list[str] = []
    for word in words_of(text.translate(_REPLACED)):
        num_bytes = len(word.encode("utf-8", "surrogatepass"))
        if num_bytes == len(word):
            if tokens and len(word) > 1 and tokens[-1] not in _JOINED:
                tokens.append(" ")
            tokens.extend(word)
        elif num_bytes == 3 * len(word) and len(readings := _readings(word)) == len(word):
            for character, reading in zip(word, readings, strict=True):
                tokens += [" ", reading] if _is_chinese(character) else [reading]
        else:
            for character in word:
                tokens += [" ", *_readings(character)] if _is_chinese(character) else [character]
    return tokens


class Vocabulary:
    """The ids of tokens. The first is the space, which unknown tokens are read as."""

    def __init__(self, ids: Mapping[str, int]) -> None:
        self._ids = ids

    def __len__(self) -> int:
        return len(self._ids)

    @classmethod
    def read(cls, file: Path) -> Vocabulary:
        """The vocabulary of a file, a token on each line.

        Raises:
            ModelError: It cannot be read, or is no vocabulary
        """
        try:
            if file.stat().st_size > _MOST_BYTES:
                raise ValueError(f"it holds more than {_MOST_BYTES:,} bytes")
            lines = file.read_bytes().decode().replace("\r\n", "\n").removesuffix("\n").split("\n")
        except (OSError, ValueError) as error:
            raise ModelError(f"f5tts: {file} cannot be read as a vocabulary: {error}") from error
        if lines[0] != " ":
            raise ModelError(
                f"f5tts: {file} is no vocabulary of F5-TTS: its first line is {lines[0]!r:.20}, not a space"
            )
        return cls({token: at for at, token in enumerate(lines)})

    def ids(self, text: str) -> tuple[int, ...]:
        """The ids of a text's tokens. Raises as `tokens_of` does."""
        return tuple(self._ids.get(token, 0) for token in tokens_of(text))

    def unknown(self, text: str) -> Iterable[str]:
        """Letters and digits of a text that are no token, each once."""
        letters = dict.fromkeys(filter(str.isalnum, text))
        return [letter for letter in letters if letter not in self._ids and not _is_chinese(letter)]


def _is_chinese(character: str) -> bool:
    return "\u3100" <= character <= "\u9fff"


def _readings(word: str) -> list[str]:
    """Pinyin with the tone as a digit, by the tones that are heard; what has none as it is."""
    if not any(map(_is_chinese, word)):
        return [word]
    return _pinyin()(word)


@cache
def _pinyin() -> Callable[[str], list[str]]:
    try:
        from pypinyin import Style, lazy_pinyin  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise missing_extra(error) from error
    return lambda word: lazy_pinyin(word, style=Style.TONE3, tone_sandhi=True)
