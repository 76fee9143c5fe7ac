"""From text to phoneme ids, with the pronunciation rules of hibari-tts.

Guarantees that any text gives ids, nothing, or RowRejected, in a time that grows with the text and not with its cube.
Knows nothing of sentences: splitting is done before.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from ....errors import RowRejected

if TYPE_CHECKING:
    from hibari.g2p import G2P

# The package's rules take time cubic in the pieces of one word: 400 characters of "a-a-a" take ten seconds.
_LONGEST_WORD = 50
_LONG_WORD = re.compile(rf"\S{{{_LONGEST_WORD}}}(?=\S)")
# "[word](/phonemes/)" is pronunciation; any other link would be read as one word, however long.
_LINK = re.compile(r"\]\((?!/[^)]*/\))")
_PAD = 0


class Phonemes:
    """Pronunciation of one accent."""

    def __init__(self, british: bool) -> None:
        import hibari
        from hibari.g2p import G2P

        vocabulary = Path(hibari.__file__).parent / "assets" / "vocab.json"
        self._ids: dict[str, int] = json.loads(vocabulary.read_text(encoding="utf-8"))
        self._g2p: G2P = G2P(british=british)

    def ids(self, text: str) -> tuple[int, ...]:
        """Phoneme ids of `text` between two pads; empty when nothing in it is pronounced.

        Raises:
            RowRejected: The row cannot be spoken, with the reason
        """
        readable = _LONG_WORD.sub(r"\g<0> ", _LINK.sub("] (", text))
        try:
            phonemes = str(self._g2p(readable))
        except Exception as error:  # whatever a rule of the package trips over, it is this row's text
            reason = f"{type(error).__name__}: {error}"
            raise RowRejected(f"hibari cannot read the text {text[:40]!r} ({reason}); spell it out") from error
        known = [phoneme for phoneme in phonemes if phoneme in self._ids]
        if not any(phoneme.isalpha() for phoneme in known):
            return ()
        return (_PAD, *(self._ids[phoneme] for phoneme in known), _PAD)
