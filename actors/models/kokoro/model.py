"""kokoro: Kokoro-82M in torch, 54 voices and their blends, batches of any voices, seeds and speeds.

English, Chinese and Japanese are read; other languages of its voices are spoken from phonemes. What a row sounds like
depends on its tokens, voice, seed, index and speed alone. The seed decides the noise, and the voice where that is
"by_seed"; words, length and melody follow from text and voice. `describe` imports no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING

from ....errors import ModelError, RowRejected
from ...records.utterance import Prepared, Segment
from ..base import BatchLimit, Model, ModelConfig, ModelInfo
from ..hibari.phonemes import phoneme_spelling
from ..voice_reference import OwnSeedVoice, SeededVoice, parse_voice
from .checkpoint.sources import Source, open_source
from .options import Options, default_voice, read_options
from .text.phonemes import prepared_in
from .text.scripts import unreadable
from .voices.names import OPENAI_VOICES, language_of, tag_of
from .voices.styles import Styles, own_name

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_PHONEMES = 250
"""In a segment. The network takes 510, and fades near the end of very long texts."""
SPLIT_CHARS = 200
"""Characters of English that stay below MAX_PHONEMES."""
_REVISION = "torch-1"
"""Of our own code: it changes whenever that makes other samples of the same row."""
_LIMITS = {
    "cpu": BatchLimit(max_rows=1, max_cells=MAX_PHONEMES + 2),  # a batch is slower than its rows one by one
    "cuda": BatchLimit(max_rows=1_024, max_cells=1_024 * (MAX_PHONEMES + 2)),
}
# Seconds per row and per character: measured on one core (AMD EPYC with AVX-512) for the CPU. For CUDA a first guess,
# which the run corrects from what its shards take.
_COSTS = {"cpu": (0.05, 0.075), "cuda": (0.002, 0.0002)}
_AUDIO_CHAR_S = 0.066
_TAGS = {"en-us": "en", "en-gb": "en-GB", "pt-br": "pt-BR"} | {tag: tag for tag in ("es", "fr", "hi", "it", "ja", "zh")}
"""Languages as the front end has them."""


class Kokoro(Model):
    """Kokoro-82M on one device."""

    @classmethod
    def describe(cls, config: ModelConfig) -> ModelInfo:
        """The model under this configuration.

        Raises:
            ModelError: For a wrong device, backend, voice, path or option
        """
        return _describe(config, read_options(config.options, config.device))[0]

    def __init__(self, config: ModelConfig) -> None:
        from .synthesis import Synthesis

        options = read_options(config.options, config.device)
        self.info, source = _describe(config, options)
        if config.device == "cpu":
            import torch

            # A replica is given one core. The setting is the process's, and the process is the replica's.
            torch.set_num_threads(1)
        names, default = source.voices.names, self.info.default_voice
        pool = options.drawn_from(names, own_name(default) if _is_named(default) else default_voice(names))
        self._language = options.language
        self.styles = Styles(source.voices, source.sizes.style, default, pool, pool if options.pool else names)
        self.synthesis = Synthesis(
            source, self.styles, config.device, options.dtype, options.is_deterministic(config.device)
        )

    def prepare(self, text: str, voice: str) -> Prepared:
        """Phoneme tokens between two pads, as many as the text takes; none when nothing in it is pronounced.

        Raises:
            RowRejected: For a voice that does not exist, and for text that cannot be read
        """
        voice = voice or self.info.default_voice
        if fault := self.info.voice_fault(voice):
            raise RowRejected(f'voice "{voice}" {fault}')
        return prepared_in(text, self._language_of(voice))

    def prepare_in(self, language: str, text: str, voice: str) -> Prepared:
        """The same in the language that the row names, whatever the voice's."""
        if fault := self.info.voice_fault(voice or self.info.default_voice):
            raise RowRejected(f'voice "{voice or self.info.default_voice}" {fault}')
        return prepared_in(text, tag_of(language))

    def speak(self, segments: Sequence[Segment]) -> list[NDArray[np.float32]]:
        """Speak a batch: float32 [num_samples] at 24 kHz per segment, in the order given.

        Raises:
            BatchOutOfMemory: The batch does not fit into memory
        """
        return self.synthesis.speak(segments)

    def unspoken(self, text: str) -> Sequence[str]:
        """Letters of other scripts than Latin, Han and kana, each once."""
        return unreadable(text)

    def _language_of(self, voice: str) -> str:
        """Of the voice that has the largest share. Voices of a seed are all of one language, unless a pool mixes."""
        if self._language != "auto":
            return self._language
        parts = self.styles.parts(voice)
        return language_of(max(parts, key=lambda part: part[1])[0])


def _describe(config: ModelConfig, options: Options) -> tuple[ModelInfo, Source]:
    if config.device not in _COSTS:
        raise ModelError(f'model.device "{config.device}" is none that kokoro runs on; use cpu or cuda')
    if config.backend not in ("auto", "torch"):
        raise ModelError(f'model.backend "{config.backend}" is not a backend of kokoro; use auto or torch')
    source = open_source(config.path, options.weights, options.voices)
    names = source.voices.names
    aliases = tuple(name for name, voice in OPENAI_VOICES.items() if voice in names)
    base_s, char_s = _COSTS[config.device]
    info = ModelInfo(
        name="kokoro",
        revision=f"{source.digest[:12]}/hibari-tts {version('hibari-tts')}/{_REVISION}/{options.dtype}",
        backend="torch",
        sample_rate=24_000,
        voices=(*names, *aliases),
        default_voice=config.voice or default_voice(names),
        max_length=MAX_PHONEMES + 2,
        split_chars=SPLIT_CHARS,
        batch_limit=_LIMITS[config.device],
        base_s=base_s,
        char_s=char_s,
        audio_char_s=_AUDIO_CHAR_S,
        speeds=(0.5, 2.0),
        voice_forms=("seed", "by_seed", "blend"),
        languages=("en", "zh", "ja"),
        varies=False,
        takes_words=True,
        voice_languages=_voice_languages(names) if options.language == "auto" else (),
        text_language="" if options.language == "auto" else _TAGS[options.language],
        kept_text=phoneme_spelling(),
    )
    if fault := info.voice_fault(info.default_voice):
        raise ModelError(f'model.voice "{info.default_voice}" {fault}')
    default = own_name(info.default_voice) if _is_named(info.default_voice) else default_voice(names)
    options.drawn_from(names, default)
    return info, source


def _voice_languages(names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The language in which the texts of a voice are put into words, where that is not decided by the text."""
    return tuple((name, _TAGS[language_of(name)]) for name in names if language_of(name) not in ("en-us", "zh"))


def _is_named(voice: str) -> bool:
    """Whether a voice has a language of its own, which names of voices have and seeds have not."""
    return not isinstance(parse_voice(voice), SeededVoice | OwnSeedVoice) and "+" not in voice and ":" not in voice
