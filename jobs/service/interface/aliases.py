"""Other names for the model and its voices, so that a client made for OpenAI's service needs no change.

Guaranteed: a voice of the model keeps its own name, unless the service file gives that name another meaning. OpenAI's
names that are no voice of the model mean its default voice. Pure: this module knows no request and no file.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from ....actors.models.base import ModelInfo
from ....errors import SpecError

OPENAI_MODELS = (
    "tts-1",
    "tts-1-1106",
    "tts-1-hd",
    "tts-1-hd-1106",
    "gpt-4o-mini-tts",
    "gpt-4o-mini-tts-2025-03-20",
    "gpt-4o-mini-tts-2025-12-15",
)
OPENAI_VOICES = (
    "alloy",
    "ash",
    "ballad",
    "coral",
    "echo",
    "fable",
    "nova",
    "onyx",
    "sage",
    "shimmer",
    "verse",
    "marin",
    "cedar",
)


@dataclass(frozen=True, slots=True)
class Aliases:
    """Names that a request may use in place of the model's own.

    Attributes:
        models: Names of the model
        voices: Names of voices, each with the voice that it means
    """

    models: frozenset[str] = frozenset()
    voices: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        info: ModelInfo,
        *,
        openai: bool = True,
        models: Collection[str] = (),
        voices: Mapping[str, str] | None = None,
        own: Collection[str] = (),
    ) -> Aliases:
        """The aliases of a service.

        Args:
            openai: Take OpenAI's names, too: of models, and of voices for the default voice
            models: More names of the model
            voices: More names of voices; they win over OpenAI's
            own: Names of voices that the model has from its options

        Raises:
            SpecError: A name of `voices` means no voice of the model
        """
        for name, voice in (voices or {}).items():
            if fault := info.voice_fault(voice):
                raise SpecError(f'aliases.voices.{name} is "{voice}", which {fault}')
        given = dict(voices or {})
        if not openai:
            return cls(frozenset(models), given)
        # The default voice is the one that is there for sure: others may have to be fetched first.
        others = {name: info.default_voice for name in OPENAI_VOICES if name not in info.voices and name not in own}
        return cls(frozenset((*OPENAI_MODELS, *models)), others | given)

    def voice(self, name: str) -> str:
        """The voice that a name means: the name itself, if it is no alias."""
        return self.voices.get(name, name)
