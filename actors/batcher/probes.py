"""Segments to measure a model with: ordinary text, cut to the lengths that are asked for."""

from __future__ import annotations

from ...errors import RowError
from ..models.base import Model
from ..records.utterance import Segment

PROSE = """
every morning the old ferry carries bread letters and two or three sleepy travellers across the bay while gulls argue
over the harbour wall and somebody on the quay counts the boxes once more before the bell rings twice then the engine
coughs the ropes come loose and the town grows small behind a line of white water
"""
WORDS = tuple(PROSE.split())

DISTINCT = 16
"""Rows of one length that differ; more rows of that length are these again, with other seeds."""


class Probes:
    """Segments of a model's default voice, by length in tokens. Raises RowError where it cannot read plain English."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._made: dict[tuple[int, int], tuple[str, tuple[int, ...]]] = {}

    def batch(self, rows: int, length: int) -> list[Segment]:
        """Rows of at most `length` tokens each, and nearly as many; of one word where that is longer."""
        voice = self._model.info.default_voice
        made = [self._text(length, row % DISTINCT) for row in range(rows)]
        return [
            Segment(row, 0, text, tokens, seed=row, voice=voice, speed=1.0) for row, (text, tokens) in enumerate(made)
        ]

    def _text(self, length: int, start: int) -> tuple[str, tuple[int, ...]]:
        if (length, start) not in self._made:
            words = [WORDS[(3 * start + at) % len(WORDS)] for at in range(length)]
            least, most = 1, length
            while least < most:  # the most words that fit
                middle = (least + most + 1) // 2
                if len(self._tokens(words[:middle])) <= length:
                    least = middle
                else:
                    most = middle - 1
            tokens = self._tokens(words[:least])
            if not tokens:
                raise RowError(f"{self._model.info.name} finds nothing to speak in {words[0]!r}")
            self._made[length, start] = " ".join(words[:least]), tokens
        return self._made[length, start]

    def _tokens(self, words: list[str]) -> tuple[int, ...]:
        return tuple(self._model.prepare(" ".join(words), self._model.info.default_voice))
