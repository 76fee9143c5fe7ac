"""The user's own readings of words, by language, put in before anything else reads the text.

Guaranteed: a word is found at its own boundaries only, the longest first; an entry in small letters also stands for
the word with a capital or in capitals. A reading between slashes is phonemes, for models that take them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import SpecError

if TYPE_CHECKING:
    from ..models.base import ModelInfo

ANY = "*"
"""The language of an entry that names none."""
MAX_ENTRIES = 100_000
_PHONEMES = re.compile(r"/(.+)/\Z", re.DOTALL)


def read_lexicon(path: str) -> dict[str, dict[str, str]]:
    """The entries of a file, by language and word: lines of word, tab, reading, and a language or nothing.

    Lines that begin with "#" are comments.

    Raises:
        SpecError: Naming the line, for what is no entry
    """
    try:
        lines = Path(path).expanduser().read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise SpecError(f"text.lexicon {path} cannot be read as UTF-8 text: {error}") from error
    found: dict[str, dict[str, str]] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        word, *rest = (part.strip() for part in line.split("\t"))
        if not word or not rest or not rest[0] or len(rest) > 2:
            raise SpecError(
                f"text.lexicon {path}, line {number}: {line[:60]!r} is no entry; write word, tab, reading, and if it "
                "is for one language only, tab, language"
            )
        language = rest[1] if len(rest) > 1 and rest[1] else ANY
        entries = found.setdefault(language, {})
        if word in entries:
            raise SpecError(f"text.lexicon {path}, line {number}: {word!r} stands there twice for {language}")
        entries[word] = rest[0]
    if sum(map(len, found.values())) > MAX_ENTRIES:
        raise SpecError(f"text.lexicon {path} has more than {MAX_ENTRIES:,} entries")
    return found


def lexicon_digest(path: str) -> str:
    """Of the entries in a file, whatever their order: 16 hexadecimal digits.

    Raises:
        SpecError: The job is wrong; the message names the key
    """
    entries = json.dumps(read_lexicon(path), sort_keys=True, ensure_ascii=False)
    return hashlib.blake2b(entries.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


class Lexicon:
    """Entries as a model can follow them."""

    def __init__(self, entries: Mapping[str, Mapping[str, str]], info: ModelInfo) -> None:
        """Check the entries against a model.

        Raises:
            SpecError: The model does not take the phonemes
        """
        kept = re.compile(info.kept_text) if info.kept_text else None
        self._entries: dict[str, dict[str, str]] = {}
        for language, words in entries.items():
            self._entries[language] = {word: _reading(word, reading, info, kept) for word, reading in words.items()}
        self._patterns: dict[str, tuple[re.Pattern[str], dict[str, str]] | None] = {}

    def parted(self, text: str, language: str, last: str) -> Iterator[tuple[str, str]]:
        """The text in pieces to be read, each with the reading of the word behind it; `last` behind the last."""
        found = self._pattern(language) if self._entries else None
        start = 0
        if found is not None:
            pattern, readings = found
            for match in pattern.finditer(text):
                word = match[0]
                yield text[start : match.start()], readings.get(word) or readings[word.lower()]
                start = match.end()
        yield text[start:], last

    def _pattern(self, language: str) -> tuple[re.Pattern[str], dict[str, str]] | None:
        """What finds the words of a language, and their readings."""
        if language not in self._patterns:
            readings: dict[str, str] = {}
            for name in (ANY, language.partition("-")[0], language):
                readings |= self._entries.get(name, {})
            forms = dict(readings)
            for word, reading in readings.items():
                if word.islower():
                    forms.setdefault(word.capitalize(), reading)
                    forms.setdefault(word.upper(), reading)
            words = "|".join(re.escape(word) for word in sorted(forms, key=lambda w: (-len(w), w)))
            self._patterns[language] = (re.compile(rf"(?<!\w)(?:{words})(?!\w)"), forms) if forms else None
        return self._patterns[language]


def _reading(word: str, reading: str, info: ModelInfo, kept: re.Pattern[str] | None) -> str:
    phonemes = _PHONEMES.match(reading)
    if phonemes is None:
        return reading
    spelling = f"[{word}](/{phonemes[1]}/)"
    if kept is None or kept.fullmatch(spelling) is None:
        raise SpecError(
            f"text.lexicon: the reading {reading!r} of {word!r} is phonemes that {info.name} does not take; write a "
            "respelling, without slashes"
        )
    return spelling
