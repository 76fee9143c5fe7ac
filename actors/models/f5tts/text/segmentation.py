"""Text cut into words as jieba-rs 0.8 cuts it, which F5-TTS was published with: a space may come before each word.

Texts without Han characters are cut by rules, which agree with the package on them; others need it. Pure but for the
package, which is imported when a row first needs it. Not known here: tokens.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import cast

from .....errors import RowRejected

_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f]")
_BLOCK = re.compile(r"[A-Za-z0-9+#&._%\-]+|\r\n|.", re.DOTALL)
"""Runs of letters and joining marks; everything else is a word by itself."""
_TERMS = re.compile(r"(AT&T|[cC]\+\+|[cC]#)")
"""The words of the dictionary that are written in ASCII."""
_RUN = re.compile(r"([A-Za-z0-9]+(?:[-._][A-Za-z0-9]+)*%?)")


def words_of(text: str) -> list[str]:
    """The words of a text, marks and spaces among them; joined they are the text.

    Raises:
        RowRejected: The text is Chinese, and the package for it is missing
    """
    return cut_han()(text) if _HAN.search(text) else list(_latin(text))


def _latin(text: str) -> Iterator[str]:
    for block in _BLOCK.findall(text):
        for at, part in enumerate(_TERMS.split(block)):
            if at % 2:
                yield part
            else:
                yield from filter(None, _RUN.split(part))


@cache
def cut_han() -> Callable[[str], list[str]]:
    """The segmentation of jieba-rs.

    Raises:
        RowRejected: It is not installed
    """
    try:
        import rjieba  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise missing_extra(error) from error
    return cast("Callable[[str], list[str]]", rjieba.cut)


def missing_extra(error: ImportError) -> RowRejected:
    """What to do where Chinese text comes, and a package of it is not installed."""
    return RowRejected(f'f5tts reads Chinese with packages of an extra: pip install "speechmill[f5tts]" ({error})')
