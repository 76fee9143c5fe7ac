"""What the service has: its model, its voices and its formats, in the forms that clients ask for.

OpenAI has a path for models alone. Open WebUI and other clients read voices and models below `/v1/audio`, as lists of
entries with `id` and `name`.
"""

from __future__ import annotations

from typing import Any

from .request import Offer


class Catalog:
    """The answers to requests for models and voices.

    Args:
        offer: The choice of a request
        chunk_chars: Characters that the model speaks at once; 0 if it has sound before a segment is done
        created_s: Start of the service, in seconds since 1970
    """

    def __init__(self, offer: Offer, chunk_chars: int, created_s: int) -> None:
        self._offer = offer
        self._chunk_chars = chunk_chars
        self.model = {
            "id": offer.info.name,
            "object": "model",
            "created": created_s,
            "owned_by": "speechmill",
            "name": offer.info.name,
        }

    def models(self) -> dict[str, Any]:
        """OpenAI's list of models: the one that is served."""
        return {"object": "list", "data": [self.model]}

    def audio_models(self) -> dict[str, Any]:
        """The same list for clients that look for `models`; `aliases` are other names of the model."""
        return {**self.models(), "models": [self.model], "aliases": sorted(self._offer.aliases.models)}

    def audio_voices(self) -> dict[str, Any]:
        """A list of voices with their languages; `aliases` are other names, each with its voice."""
        info = self._offer.info
        languages = dict(info.voice_languages)
        names = info.voices or ((info.default_voice,) if info.default_voice else ())
        voices = [{"id": name, "name": name, "language": languages.get(name, info.languages[0])} for name in names]
        return {
            "object": "list",
            "model": info.name,
            "default": info.default_voice,
            "voices": voices,
            "aliases": dict(self._offer.aliases.voices),
        }

    def voices(self) -> dict[str, Any]:
        """What a player of streams has to know of the model, its voices included."""
        info = self._offer.info
        languages = dict(info.voice_languages)
        return {
            "model": info.name,
            "default": info.default_voice,
            "voices": list(info.voices),
            "languages": {name: languages.get(name, info.languages[0]) for name in info.voices},
            "sample_rate": info.sample_rate,
            "formats": list(self._offer.formats),
            "speeds": list(info.speeds),
            "max_chars": self._offer.max_chars,
            "is_any_voice": not info.voices,
            "audio_char_s": info.audio_char_s,
            "chunk_chars": self._chunk_chars,
        }
