"""f5tts: F5-TTS v1 in torch, every row in the voice of a recording; batches of any voices, seeds and speeds.

English and Chinese. What a row sounds like depends on its text, reference, seed, index and speed alone. How many frames
it has is known before it is spoken, so that batches and costs are exact. `describe` imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ....errors import ModelError, RowRejected
from ...records.reference import Reference
from ...records.utterance import Prepared, Segment
from ..base import BatchLimit, Model, ModelConfig, ModelInfo
from ..presets import presets_digest
from .checkpoint.weights import Checkpoint
from .options import Options, read_options
from .text.durations import FRAMES_PER_S, MAX_FRAMES, SAMPLE_RATE, num_frames
from .text.tokens import Vocabulary
from .voices.presets import BUNDLED_VOICE, REFERENCE_S, presets_of
from .voices.prompt import prompt_samples, prompt_words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SPLIT_CHARS = 250
_REVISION = "torch-1"
"""Of our own code: it changes whenever that makes other samples of the same row."""
_LIMITS = {
    "cpu": BatchLimit(max_rows=1, max_cells=MAX_FRAMES),  # a batch is no faster than its rows one by one
    "cuda": BatchLimit(max_rows=256, max_cells=256 * MAX_FRAMES),
}
_MULTIPLICATIONS_PER_S = {
    ("cpu", "float32"): 2.5e10,
    ("cuda", "float32"): 1.2e13,
    ("cuda", "bfloat16"): 1.0e14,
    ("cuda", "float16"): 1.0e14,
}
"""For the CPU measured on one core (AMD EPYC with AVX-512); for CUDA a first guess, which the run corrects."""
_SLOWEST = 1.0e10


class F5tts(Model):
    """F5-TTS on one device."""

    @classmethod
    def describe(cls, config: ModelConfig) -> ModelInfo:
        """The model under this configuration.

        Raises:
            ModelError: For a wrong device, backend, voice, path or option, and for a preset that cannot be read
        """
        return _describe(config, read_options(config.options))[0]

    def __init__(self, config: ModelConfig) -> None:
        from .synthesis import Synthesis

        options = read_options(config.options)
        self.device = config.device
        self.info, checkpoint, self._presets = _describe(config, options)
        if config.device == "cpu":
            import torch

            # A replica is given one core. The setting is the process's, and the process is the replica's.
            torch.set_num_threads(1)
        self._vocabulary = Vocabulary.read(checkpoint.vocabulary)
        self.synthesis = Synthesis(checkpoint, options, config.device)

    def preset(self, voice: str) -> Reference | None:
        """The recording of a voice that the options name, or of the one that every job has."""
        return self._presets.get(voice)

    def prepare(self, text: str, voice: str) -> Prepared:
        """The tokens of a preset's words and of the text; none when nothing in it can be spoken.

        The length is in mel frames, those of the reference and those that will be generated.

        Raises:
            RowRejected: For a voice that does not exist, and for text that cannot be read
        """
        return self.prepare_like(self._preset(voice), "", text, voice)

    def prepare_like(self, reference: Reference, language: str, text: str, voice: str) -> Prepared:
        """The same, with the words and the length of a recording."""
        if not any(map(str.isalnum, text)):
            return Prepared((), 0)
        tokens = self._vocabulary.ids(prompt_words(reference) + text)
        return Prepared(tokens, self._num_frames(reference, text, len(tokens), 1.0))

    def speak(self, segments: Sequence[Segment]) -> list[NDArray[np.float32]]:
        """Speak a batch: float32 [num_samples] at 24 kHz per segment, in the order given.

        Raises:
            BatchOutOfMemory: The batch does not fit into memory
        """
        from .synthesis import Row

        rows: list[Row] = []
        for segment in segments:
            reference = segment.reference or self._preset(segment.voice)
            frames = self._num_frames(reference, segment.text, len(segment.tokens), segment.speed)
            drawn = (segment.seed, segment.index, segment.attempt)
            rows.append(Row.of(segment.tokens, reference, frames, drawn))
        return self.synthesis.speak(rows)

    def unspoken(self, text: str) -> Sequence[str]:
        """Letters and digits that are no token, each once."""
        return list(self._vocabulary.unknown(text))

    def _num_frames(self, reference: Reference, text: str, num_tokens: int, speed: float) -> int:
        return num_frames(prompt_samples(reference), prompt_words(reference), text, num_tokens, speed)

    def _preset(self, voice: str) -> Reference:
        voice = voice or self.info.default_voice
        if voice not in self._presets:
            raise RowRejected(f'voice "{voice}" {self.info.voice_fault(voice)}')
        return self._presets[voice]


def _describe(config: ModelConfig, options: Options) -> tuple[ModelInfo, Checkpoint, Mapping[str, Reference]]:
    if config.device not in _LIMITS:
        raise ModelError(f'model.device "{config.device}" is none that f5tts runs on; use cpu or cuda')
    if config.backend not in ("auto", "torch"):
        raise ModelError(f'model.backend "{config.backend}" is not a backend of f5tts; use auto or torch')
    presets = presets_of(options.voices)
    voice = config.voice or next((name for name in presets if name != BUNDLED_VOICE), BUNDLED_VOICE)
    if voice not in presets:
        known = ", ".join(presets)
        raise ModelError(f'model.voice "{voice}" is none of model.options.voices; there are {known}')
    checkpoint = Checkpoint.open(None if config.path is None else Path(config.path))
    words, samples = prompt_words(presets[voice]), prompt_samples(presets[voice])
    frame_s = _frame_s(checkpoint, options, config.device)
    char_frames = samples / SAMPLE_RATE * FRAMES_PER_S / len(words.encode())
    info = ModelInfo(
        name="f5tts",
        revision=f"{checkpoint.digest[:12]}/{_REVISION}/{options.dtype}/{presets_digest(presets)}",
        backend="torch",
        sample_rate=SAMPLE_RATE,
        licence="CC-BY-NC-4.0" if checkpoint.is_published else "",
        voices=tuple(presets),
        default_voice=voice,
        max_length=MAX_FRAMES,
        split_chars=SPLIT_CHARS,
        batch_limit=_LIMITS[config.device],
        base_s=frame_s * samples / SAMPLE_RATE * FRAMES_PER_S,
        char_s=frame_s * char_frames,
        audio_char_s=char_frames / FRAMES_PER_S,
        cost_unit="bytes",
        speeds=(0.5, 2.0),
        voice_forms=("reference",),
        reference_s=REFERENCE_S,
        languages=("en", "zh"),
        takes_words=True,
    )
    return info, checkpoint, presets


def _frame_s(checkpoint: Checkpoint, options: Options, device: str) -> float:
    """Seconds of a frame of the longest kind: all steps, both branches of guidance."""
    pace = _MULTIPLICATIONS_PER_S.get((device, options.dtype), _SLOWEST)
    return options.steps * options.branches * checkpoint.sizes.frame_multiplications / pace
