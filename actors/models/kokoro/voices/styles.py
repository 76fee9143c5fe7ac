"""The style of a segment: of a voice by name, of a blend, or of a voice drawn from a seed.

Guarantees that the same voice and seed give the same numbers everywhere, whatever else is spoken: draws are hashes of
the seed, and blends are sums of whole tables, row by row: a blend is a voice of the same kind. Imports no torch.
"""

from __future__ import annotations

import hashlib
import math
import threading

import numpy as np
from numpy.typing import NDArray

from .....errors import ModelError
from ...voice_reference import BlendedVoice, NamedVoice, OwnSeedVoice, SeededVoice, parse_voice
from .names import OPENAI_VOICES, pool, tag_of
from .tables import Table, VoiceFiles

DRAWN = 3
"""Voices that one of a seed is blended of."""

Parts = tuple[tuple[str, float], ...]


class Styles:
    """The voices of a model on this machine; each table is read when it is first needed."""

    def __init__(
        self, files: VoiceFiles, style: int, default: str, drawn: tuple[str, ...], others: tuple[str, ...] = ()
    ) -> None:
        """Take voices with `style` numbers for voice and manner each.

        Args:
            drawn: The voices that seeds draw from
            others: Where those for rows of another language are found, which name it
        """
        self._files, self._style, self._default = files, style, default
        self._drawn, self._others = tuple(sorted(drawn)), others
        self._tables: dict[str, Table] = {}
        self._lock = threading.Lock()

    def style(self, voice: str, seed: int, num_phonemes: int, language: str = "") -> NDArray[np.float32]:
        """float32 [2 * style] of a segment.

        Args:
            voice: As a row has it, "" for the default
            seed: Of the row
            num_phonemes: Of the segment, pads not counted
            language: As the row names it

        Raises:
            ModelError: For a table that cannot be read
        """
        mixed = np.zeros(2 * self._style)
        for name, share in self.parts(voice, seed, language):
            mixed += share * self._table(name)[num_phonemes - 1]
        return mixed.astype(np.float32)

    def parts(self, voice: str, seed: int = 0, language: str = "") -> Parts:
        """Names and shares that a voice is made of; the shares sum to 1."""
        reference = parse_voice(voice or self._default)
        if isinstance(reference, SeededVoice):
            return drawn_parts(reference.seed, self._pool(language))
        if isinstance(reference, OwnSeedVoice):
            return drawn_parts(seed, self._pool(language))
        if isinstance(reference, BlendedVoice):
            return tuple((own_name(name), share) for name, share in reference.parts)
        assert isinstance(reference, NamedVoice)
        return ((own_name(reference.name), 1.0),)

    def _pool(self, language: str) -> tuple[str, ...]:
        """The voices that seeds draw from in a language; those of any where it has none, or none is named."""
        return (pool(self._others, tag_of(language)) if language else ()) or self._drawn

    def _table(self, name: str) -> Table:
        with self._lock:
            if name not in self._tables:
                self._tables[name] = self._files.table(name, self._style)
            return self._tables[name]


def drawn_parts(seed: int, pool: tuple[str, ...]) -> Parts:
    """Three different voices of a pool and their shares, all mixtures as likely; fewer where the pool has fewer."""
    if not pool:
        raise ModelError("kokoro: no voice to draw from; name some in model.options.pool")
    left, chosen = list(pool), []
    for draw in range(min(DRAWN, len(pool))):
        chosen.append(left.pop(_hash(seed, "voice", draw) % len(left)))
    weights = [-math.log((_hash(seed, "share", draw) + 0.5) / 2**64) for draw in range(len(chosen))]
    return tuple((name, weight / sum(weights)) for name, weight in zip(chosen, weights, strict=True))


def own_name(name: str) -> str:
    """The published name of a voice that may be called by OpenAI's."""
    return OPENAI_VOICES.get(name, name)


def _hash(seed: int, purpose: str, draw: int) -> int:
    digest = hashlib.blake2b(f"kokoro/{seed}/{purpose}/{draw}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")
