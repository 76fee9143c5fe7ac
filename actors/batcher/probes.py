"""Segments to measure a model with: ordinary text of its own language, cut to the wanted lengths."""

from __future__ import annotations

from ...errors import RowError
from ..models.base import Model
from ..models.probe_texts import probe_texts
from ..records.utterance import Prepared, Segment

DISTINCT = 16
"""Different rows of one length; further rows repeat their texts with other seeds."""


class Probes:
    """Segments of a model's default voice, by length.

    Raises:
        RowError: The model cannot read plain text
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._texts = probe_texts(model.info.languages)
        self._made: dict[tuple[int, int], tuple[str, Prepared]] = {}

    def batch(self, rows: int, length: int) -> list[Segment]:
        """Rows of nearly `length` and at most that; a row of one word may be longer."""
        voice = self._model.info.default_voice
        made = [self._text(length, row % DISTINCT) for row in range(rows)]
        heard = self._model.preset(voice)
        return [
            Segment(row, 0, text, read, seed=row, voice=voice, speed=1.0, reference=heard)
            for row, (text, read) in enumerate(made)
        ]

    def _text(self, length: int, start: int) -> tuple[str, Prepared]:
        if (length, start) not in self._made:
            known = self._texts.words
            words = [known[(3 * start + at) % len(known)] for at in range(length)]
            least, most = 1, length
            while least < most:  # the most words that fit
                middle = (least + most + 1) // 2
                if self._prepared(words[:middle]).length <= length:
                    least = middle
                else:
                    most = middle - 1
            prepared = self._prepared(words[:least])
            if not prepared.tokens:
                raise RowError(f"{self._model.info.name} finds nothing to speak in {words[0]!r}")
            self._made[length, start] = self._texts.space.join(words[:least]), prepared
        return self._made[length, start]

    def _prepared(self, words: list[str]) -> Prepared:
        text, voice = self._texts.space.join(words), self._model.info.default_voice
        heard = self._model.preset(voice)
        return self._model.prepare(text, voice) if heard is None else self._model.prepare_like(heard, "", text, voice)
