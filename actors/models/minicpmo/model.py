"""MiniCPM-o 2.6's ChatTTS as a model of speechmill: rows of any length and voice through one running batch.

Text becomes tokens (`prepare`), and these the region that audio looks at bit by bit; the engine draws codes behind it
(`GrowingModel`), and DVAE and vocoder make them sound. A long text is spoken in windows: each continues the last steps
of the one before. Guaranteed: what a row sounds like depends on its text, voice, seed and settings; other rows change
the rounding of sums and nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from ....errors import ModelError, RowError
from ...engine.growing_model import GrowingModel
from ...engine.growth import GrowingRows
from ...engine.step_settings import StepSettings, Task
from ...records.utterance import Prepared, Segment
from ..base import BatchLimit, ModelConfig, ModelInfo
from .checkpoint.layout import SAMPLE_RATE
from .checkpoint.weights import MinicpmoCheckpoint
from .options import MinicpmoOptions, read_options
from .rows import MinicpmoRows
from .text_tokens import LANGUAGES, TextTokenizer, TokenisedText
from .voices import MinicpmoVoices

if TYPE_CHECKING:
    from torch import Tensor

    from ...engine.network import Network
    from .networks import MinicpmoNetworks

MAX_TOKENS = 1_200
"""Of a segment: some ten windows. A longer text is cut into segments, which do not continue each other."""
SPLIT_CHARS = 2_400
_VERSION = 1
"""Of what our own code makes of a row: it changes whenever that sounds different."""
_UNCONFIRMED = "unconfirmed"
"""In the revision as long as nothing was compared with the published weights."""
_DTYPES = {"cpu": "float32", "cuda": "bfloat16"}
# Seconds per row and per character; a first guess, which the run corrects from what its shards take.
_COSTS = {"cpu": (0.2, 0.1), "cuda": (0.002, 0.0005)}
_AUDIO_CHAR_S = 0.07
_MAX_SLOTS = {"cpu": 64, "cuda": 512}


class Minicpmo(GrowingModel):
    """The speech part of MiniCPM-o 2.6 on one device."""

    @classmethod
    def describe(cls, config: ModelConfig) -> ModelInfo:
        """The model under this configuration; opens the weights' headers.

        Raises:
            ModelError: For a wrong device, option or voice, and for weights that are not those of MiniCPM-o 2.6
        """
        return _Configured.open(config).info(config)

    def __init__(self, config: ModelConfig) -> None:
        from .networks import MinicpmoNetworks

        configured = _Configured.open(config)
        self.info = configured.info(config)
        self._options, self._voices, checkpoint = configured.options, configured.voices, configured.checkpoint
        self._region = checkpoint.sizes.schedule
        self._tokenizer = TextTokenizer(checkpoint.tokenizer_file, self._options.language)
        self._tokenised = lru_cache(maxsize=4_096)(self._tokenise)
        dtype = _dtype(self._options, config.device)
        self._networks: MinicpmoNetworks = MinicpmoNetworks(checkpoint, config.device, dtype, self._options)

    def prepare(self, text: str, voice: str) -> Prepared:
        """Tokens of the text; empty when nothing in it can be spoken.

        Raises:
            RowRejected: For the voice
        """
        self._voices.check(voice or self.info.default_voice)
        tokenised = self._tokenised(text)
        return Prepared.of(tokenised.tokens if tokenised.is_spoken else ())

    def tokens_of(self, part: str, voice: str) -> Sequence[int]:
        """Tokens of a part of a text that arrives, marks included."""
        return self._tokenised(part).tokens

    def unspoken(self, text: str) -> Sequence[str]:
        """Words and characters of a text that carry meaning and have no token, each once."""
        return self._tokenised(text).unspoken

    @property
    def settings(self) -> StepSettings:
        """What the engine has to know of the networks."""
        return self._networks.settings

    def positions(self) -> Mapping[Task, int]:
        """Room for the region, the steps that a window continues, and the most steps that the options allow."""
        return {"speak": self._region.start + 1 + self._options.steps_carried + self._options.sampling.max_steps}

    def network(self, task: Task) -> Network:
        """Four codebooks of audio at each step."""
        return self._networks.network

    def grow(self, segment: Segment) -> GrowingRows:
        """The windows of a text."""
        vector = self._voices.vector(segment.voice or self.info.default_voice, segment.seed)
        return MinicpmoRows(self._networks, self._options, segment, self._networks.head(vector), self._tokenizer.ends)

    def decode(self, steps: Tensor, lengths: Tensor) -> Tensor:
        """Waveforms float32 [batch, samples] at 24 kHz of codes."""
        return self._networks.decode(steps, lengths)

    def _tokenise(self, text: str) -> TokenisedText:
        return self._tokenizer.tokenise(text)


@dataclass(frozen=True, slots=True)
class _Configured:
    """A configuration with all that it names, read and checked."""

    options: MinicpmoOptions
    checkpoint: MinicpmoCheckpoint
    voices: MinicpmoVoices

    @classmethod
    def open(cls, config: ModelConfig) -> _Configured:
        """Read and check all that a configuration names.

        Raises:
            ModelError: Something is wrong, the default voice included
        """
        if config.device not in _DTYPES:
            raise ModelError(f'model.device "{config.device}" is none that minicpmo runs on; use cpu or cuda')
        if config.backend not in ("auto", "torch"):
            raise ModelError(f'model.backend "{config.backend}" is not a backend of minicpmo; use auto or torch')
        options = read_options(config.options)
        if _dtype(options, config.device) == "float16" and config.device == "cpu":
            raise ModelError("model.options.dtype float16 is for GPUs; use float32 or bfloat16 on a CPU")
        checkpoint = MinicpmoCheckpoint.open(Path(config.path) if config.path else None)
        options = read_options(config.options, checkpoint.config)
        _check_fits(options, checkpoint)
        voices = MinicpmoVoices(options, checkpoint.sizes)
        try:
            voices.check(config.voice)
        except RowError as error:
            raise ModelError(f"model.voice: {error}") from error
        return cls(options, checkpoint, voices)

    def info(self, config: ModelConfig) -> ModelInfo:
        """What the model is under this configuration."""
        base_s, char_s = _COSTS[config.device]
        dtype = _dtype(self.options, config.device)
        digest = hashlib.sha256(self.checkpoint.digest.encode())
        digest.update(self.voices.digest.encode())
        return ModelInfo(
            name="minicpmo",
            revision=f"{digest.hexdigest()[:12]}/{dtype}-{_VERSION}-{_UNCONFIRMED}",
            backend="torch",
            sample_rate=SAMPLE_RATE,
            licence="Apache-2.0",
            voices=(),
            default_voice=config.voice,
            max_length=MAX_TOKENS,
            split_chars=SPLIT_CHARS,
            batch_limit=BatchLimit(_MAX_SLOTS[config.device], _MAX_SLOTS[config.device] * MAX_TOKENS),
            base_s=base_s,
            char_s=char_s,
            audio_char_s=_AUDIO_CHAR_S,
            speeds=(1.0, 1.0),
            languages=LANGUAGES[::-1] if self.options.language == "zh" else LANGUAGES,
            takes_words=True,
            text_language=self.options.language,
            takes_arriving_text=True,
        )


def _dtype(options: MinicpmoOptions, device: str) -> str:
    return _DTYPES[device] if options.dtype == "auto" else options.dtype


def _check_fits(options: MinicpmoOptions, checkpoint: MinicpmoCheckpoint) -> None:
    """Raise ModelError if a row may need positions that the network does not have, or windows do not close."""
    sizes = checkpoint.sizes
    needed = sizes.schedule.start + 1 + options.steps_carried + options.sampling.max_steps
    if needed > sizes.network.max_positions:
        most = options.sampling.max_steps - needed + sizes.network.max_positions
        raise ModelError(f"model.options.max_steps is {options.sampling.max_steps}; this model has room for {most}")
    windowing = options.windowing
    if windowing.text_carried >= windowing.close_after or windowing.close_after > sizes.schedule.reserved - 1:
        raise ModelError(
            f"model.options.windows: close_after {windowing.close_after} has to be above text_carried "
            f"{windowing.text_carried} and at most {sizes.schedule.reserved - 1}"
        )
