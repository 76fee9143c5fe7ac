"""English contractions in full, for a model that reads no apostrophes."""

from __future__ import annotations

import re

_WHO = r"(?<![A-Za-z])(s?he|it|that|there|what|who|where|here|how)"
_WOULD = r"(?<![A-Za-z])(i|you|s?he|it|we|they|who|there|that)"
_RULES = [
    (re.compile(pattern, re.ASCII), said)
    for pattern, said in (
        (r"(?i)(?<![a-z])(ca)n't(?![a-z])", r"\1nnot"),
        (r"(?i)(?<![a-z])(w)on't(?![a-z])", r"\1ill not"),
        (r"(?i)(?<![a-z])(sha)n't(?![a-z])", r"\1ll not"),
        (r"(?i)(?<=[a-z])(?<!ai)n't(?![a-z])", " not"),
        (r"(?i)(?<=[a-z])'re(?![a-z])", " are"),
        (r"(?i)(?<=[a-z])'ve(?![a-z])", " have"),
        (r"(?i)(?<=[a-z])'ll(?![a-z])", " will"),
        (r"(?i)(?<![a-z])i'm(?![a-z])", "I am"),
        (r"(?i)(?<![a-z])(let)'s(?![a-z])", r"\1 us"),
        (rf"(?i){_WHO}'s(?= (?:been|got)\b)", r"\1 has"),
        (rf"(?i){_WHO}'s(?![a-z])", r"\1 is"),
        (rf"(?i){_WOULD}'d(?= (?:been|better|had)\b)", r"\1 had"),
        (rf"(?i){_WOULD}'d(?![a-z])", r"\1 would"),
        (r"(?i)(?<![a-z])o'clock(?![a-z])", "o clock"),
    )
]


def in_full(text: str) -> str:
    """The text with its contractions in full: "can't" is "cannot"."""
    if "'" in text:
        for pattern, said in _RULES:
            text = pattern.sub(said, text)
    return text
