"""The symbols of the network: 114 characters of IPA and punctuation, one token each."""

from __future__ import annotations

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path

PAD = 0
"""At both ends of a row. A symbol that the network learned, and no mask."""


@cache
def vocabulary() -> dict[str, int]:
    """Symbol to token. It is that of hibari-tts, which was trained on Kokoro's speech, symbol by symbol."""
    spec = find_spec("hibari")
    assert spec is not None and spec.submodule_search_locations, "hibari-tts is a dependency"
    path = Path(spec.submodule_search_locations[0]) / "assets" / "vocab.json"
    return json.loads(path.read_text(encoding="utf-8"))


def ids_of(phonemes: str) -> tuple[int, ...]:
    """Tokens between two pads, without the characters that are no symbols; empty where nothing is pronounced."""
    symbols = vocabulary()
    known = [phoneme for phoneme in phonemes if phoneme in symbols]
    if not any(phoneme.isalpha() for phoneme in known):
        return ()
    return (PAD, *(symbols[phoneme] for phoneme in known), PAD)
