"""ChatTTS as a model of speechmill: rows with voices, seeds and settings of their own, through one running batch.

Text becomes tokens (`prepare`), and these a prompt; the engine continues it with codes (`StepwiseModel`), and the
acoustic decoder and vocoder make them sound. What a row sounds like depends on its text, voice, seed and settings.
Other rows change the rounding of sums and nothing else; with `deterministic: true` not even that.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from ....errors import ModelError, RowError, RowRejected
from ...engine.request import Sampling
from ...engine.step_settings import StepSettings, Task
from ...engine.stepwise_model import StepwiseModel
from ...records.reference import Reference
from ...records.utterance import Prepared, Segment
from ..base import BatchLimit, ModelConfig, ModelInfo
from ..embeddings import EmbeddingCache
from .checkpoint.layout import SAMPLE_RATE
from .checkpoint.weights import Checkpoint
from .options import Options, Preset, read_options
from .text.normalise import LANGUAGES, TAG, Normalised, normalise
from .text.tokens import FRAME_TOKENS, Tokenizer
from .voices.voices import Voices, is_file, read_homophones, read_statistics

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from ...engine.network import Network
    from .networks import ChatttsNetworks

MAX_TOKENS = 192
"""Of a prompt: some twenty-five seconds of speech. Beyond thirty the model is reported to lose its text."""
SPLIT_CHARS = 300
"""Of English some twenty seconds; Chinese, at a token a character, is cut by MAX_TOKENS before it."""
REFINE = "[oral_2][laugh_0][break_6]"
"""The tags that texts are refined with where the job names none."""
_VERSION = 2
"""Of what our own code makes of a row: it changes whenever that sounds different."""
_DTYPES = {"cpu": "float32", "cuda": "bfloat16"}
# Seconds per row and per character; a first guess, which the run corrects from what its shards take.
_COSTS = {"cpu": (0.2, 0.1), "cuda": (0.002, 0.0005)}
_AUDIO_CHAR_S = 0.07
_MAX_SLOTS = {"cpu": 64, "cuda": 512}


class Chattts(StepwiseModel):
    """ChatTTS on one device."""

    @classmethod
    def describe(cls, config: ModelConfig) -> ModelInfo:
        """The model under this configuration; opens the weights, and fetches them where `path` is null.

        Raises:
            ModelError: For a wrong device, option or voice, and for weights that are not ChatTTS's
        """
        return _Configured.open(config).info(config)

    def __init__(self, config: ModelConfig) -> None:
        from .networks import ChatttsNetworks

        configured = _Configured.open(config)
        self.info = configured.info(config)
        self._config, self._options, self._voices = config, configured.options, configured.voices
        self._homophones, checkpoint = configured.homophones, configured.checkpoint
        self._tokenizer = Tokenizer(checkpoint.tokenizer_file, checkpoint.sizes)
        self._normalised = lru_cache(maxsize=4_096)(self._normalise)
        dtype = _dtype(self._options, config.device)
        self._networks: ChatttsNetworks = ChatttsNetworks(checkpoint, config.device, dtype, self._options)
        self._samples = {
            sample: self._networks.read_sample(sample) if codes is None else codes
            for sample, codes in self._voices.samples.items()
        }
        self._transcripts = {
            preset.clip.transcript: self._said(preset.clip.transcript)
            for preset in self._options.presets
            if preset.clip
        }
        self._sample_positions = max((codes.shape[1] for codes in self._samples.values()), default=0)
        self._sample_positions += max(map(len, self._transcripts.values()), default=0)
        if self._options.reference_s:
            steps = math.ceil(self._options.reference_s * SAMPLE_RATE / checkpoint.sizes.step_samples) + 1
            self._sample_positions = max(self._sample_positions, steps + MAX_TOKENS)
        key = f"{checkpoint.digest}/{config.device}"
        self._codes = EmbeddingCache("chattts", key, lambda clip: self._networks.codes_of(clip).astype("float32"))
        self._is_refining = config.task == "refine" or bool(self._options.refine)
        self._longest_prompt = MAX_TOKENS + (self._options.refining.max_steps if self._options.refine else 0)

    def prepare(self, text: str, voice: str) -> Prepared:
        """Tokens of the prompt; empty when nothing in the text can be spoken.

        Raises:
            RowRejected: For the voice
        """
        preset = self._voices.preset(voice or self.info.default_voice)
        return self._prepared(text, preset, has_speaker=preset.clip is None)

    def prepare_like(self, reference: Reference, language: str, text: str, voice: str) -> Prepared:
        """As `prepare`, of a row that brings its recording.

        Raises:
            RowRejected: For the voice, and for a transcript that is too long
        """
        if not self._options.reference_s:
            raise RowRejected("chattts takes no recordings here: model.options.reference_s says how long they may be")
        if (num_tokens := len(self._said(reference.text))) > MAX_TOKENS:
            raise RowRejected(f"the reference's transcript has {num_tokens} tokens; at most {MAX_TOKENS} are taken")
        return self._prepared(text, self._voices.preset(voice or self.info.default_voice), has_speaker=False)

    def _prepared(self, text: str, preset: Preset, *, has_speaker: bool) -> Prepared:
        said = self._normalised(text).text
        if not any(map(str.isalnum, TAG.sub("", said))):
            return Prepared.of(())
        # What a sample says is put in when the row is spoken: it is not text that could be cut shorter.
        return Prepared.of(self._tokenizer.speak_prompt(said, preset.prompt, has_speaker=has_speaker))

    def _said(self, transcript: str) -> tuple[int, ...]:
        """The tokens of what a recording says."""
        return tuple(self._tokenizer.ids(self._normalised(transcript).text))

    def unspoken(self, text: str) -> Sequence[str]:
        """Characters of a text that carry meaning and are not spoken, each once."""
        return self._normalised(text).dropped

    @property
    def settings(self) -> StepSettings:
        """What the engine has to know of the networks."""
        return self._networks.settings

    def positions(self) -> Mapping[Task, int]:
        """Room for the longest prompt and the most steps that the options allow."""
        found: dict[Task, int] = {}
        if self._config.task != "refine":
            found["speak"] = self._longest_prompt + self._sample_positions + self._options.max_steps
        if self._is_refining:
            tags = len(self._tokenizer.refine_prompt("", self._tags))
            found["refine"] = MAX_TOKENS + tags + self._options.refining.max_steps
        return found

    def network(self, task: Task) -> Network:
        """Four codebooks of audio at each step, or one of text."""
        return self._networks.network(task)

    def prompt(self, segment: Segment, task: Task) -> Tensor:
        """Embeddings float [length, hidden] of the tokens, the speaker among them, and of the sample behind them."""
        if task == "refine":
            said = self._normalised(segment.text).text
            return self._networks.prompt(self._tokenizer.refine_prompt(said, self._tags))
        if segment.reference is not None:
            codes = self._codes.of(segment.reference).astype("uint16")
            return self._networks.prompt(self._tokens(segment), None, codes)
        preset = self._preset(segment)
        speaker = self._voices.speaker(preset, segment.seed)
        sample = self._samples[preset.clip.clip] if preset.clip else None
        return self._networks.prompt(self._tokens(segment), speaker, sample)

    def sampling(self, segment: Segment, task: Task) -> Sampling:
        """That of the voice, or of refining."""
        return self._preset(segment).sampling if task == "speak" else self._options.refining

    def decode(self, steps: Tensor, lengths: Tensor) -> Tensor:
        """Waveforms float32 [batch, samples] at 24 kHz of hidden states or codes."""
        return self._networks.decode(steps, lengths)

    def text(self, tokens: Sequence[int]) -> str:
        """The text that refining has written, with pauses and laughter as tags."""
        return self._tokenizer.refined_text(tokens)

    def speak_rows(self, segments: Sequence[Segment]) -> Iterator[tuple[Segment, NDArray[np.float32] | RowError]]:
        """Speak segments, each given back once as it is done: float32 [num_samples] at 24 kHz, or why it failed."""
        if self._options.refine:
            refined: list[Segment] = []
            for segment, text in self.refine_rows(segments):
                ready = text if isinstance(text, RowError) else self._refined(segment, text)
                if isinstance(ready, RowError):
                    yield segment, ready
                else:
                    refined.append(ready)
            # In the order of their lengths, not of the moments at which they were refined.
            segments = sorted(refined, key=lambda s: (-s.length, s.row, s.index))
        yield from super().speak_rows(segments)

    def _refined(self, segment: Segment, text: str) -> Segment | RowError:
        """The segment with the tokens of its refined text."""
        clip = segment.reference
        prepared = (
            self.prepare(text, segment.voice) if clip is None else self.prepare_like(clip, "", text, segment.voice)
        )
        if not prepared.tokens:
            return RowRejected("refining left no words")
        if prepared.length > self._longest_prompt:
            return RowRejected(
                f"its refined text has {prepared.length} tokens; at most {self._longest_prompt} are spoken"
            )
        return replace(segment, prepared=prepared)

    def _preset(self, segment: Segment) -> Preset:
        return self._voices.preset(segment.voice or self.info.default_voice)

    def _tokens(self, segment: Segment) -> tuple[int, ...]:
        """Of the prompt, what a sample says included."""
        clip, reference = self._preset(segment).clip, segment.reference
        frame, rest = segment.tokens[:FRAME_TOKENS], segment.tokens[FRAME_TOKENS:]
        if reference is not None:
            return (*frame, *self._said(reference.text), *rest)
        return (*frame, *self._transcripts[clip.transcript], *rest) if clip else segment.tokens

    @property
    def _tags(self) -> str:
        """What texts are refined with."""
        return self._options.refine or REFINE

    def _normalise(self, text: str) -> Normalised:
        return normalise(text, self._options.language, self._homophones)


@dataclass(frozen=True, slots=True)
class _Configured:
    """A configuration with all that it names, read and checked."""

    options: Options
    checkpoint: Checkpoint
    voices: Voices
    homophones: Mapping[str, str]

    @classmethod
    def open(cls, config: ModelConfig) -> _Configured:
        """Read and check all that a configuration names.

        Raises:
            ModelError: Something is wrong, the default voice included
        """
        options = _checked(config)
        checkpoint = Checkpoint.open(Path(config.path) if config.path else None)
        voices = _voices(options, checkpoint)
        try:
            voices.preset(config.voice)
        except RowError as error:
            raise ModelError(f"model.voice: {error}") from error
        return cls(options, checkpoint, voices, read_homophones(options.homophones))

    def info(self, config: ModelConfig) -> ModelInfo:
        """What the model is under this configuration."""
        base_s, char_s = _COSTS[config.device]
        dtype = _dtype(self.options, config.device)
        return ModelInfo(
            name="chattts",
            revision=f"{_digest(self.options, self.checkpoint)[:12]}/{dtype}-{_VERSION}",
            backend="torch",
            sample_rate=SAMPLE_RATE,
            licence="CC-BY-NC-4.0",
            voices=(),
            voice_forms=("reference",) if self.options.reference_s else (),
            reference_s=(min(0.5, self.options.reference_s), self.options.reference_s or 30.0),
            default_voice=config.voice,
            max_length=MAX_TOKENS,
            split_chars=SPLIT_CHARS,
            batch_limit=BatchLimit(_MAX_SLOTS[config.device], _MAX_SLOTS[config.device] * MAX_TOKENS),
            base_s=base_s,
            char_s=char_s,
            audio_char_s=_AUDIO_CHAR_S,
            speeds=(1.0, 1.0) if config.task == "speak" else (0.25, 4.0),
            tasks=("speak", "refine"),
            languages=LANGUAGES[::-1] if self.options.language == "zh" else LANGUAGES,
            takes_words=True,
            text_language=self.options.language or "",
            kept_text=TAG.pattern,
        )


def _checked(config: ModelConfig) -> Options:
    """The options.

    Raises:
        ModelError: Also for a device or backend that is none
    """
    if config.device not in _DTYPES:
        raise ModelError(f'model.device "{config.device}" is none that chattts runs on; use cpu or cuda')
    if config.backend not in ("auto", "torch"):
        raise ModelError(f'model.backend "{config.backend}" is not a backend of chattts; use auto or torch')
    options = read_options(config.options)
    if _dtype(options, config.device) == "float16" and config.device == "cpu":
        raise ModelError("model.options.dtype float16 is for GPUs; use float32 or bfloat16 on a CPU")
    return options


def _dtype(options: Options, device: str) -> str:
    return _DTYPES[device] if options.dtype == "auto" else options.dtype


def _voices(options: Options, checkpoint: Checkpoint) -> Voices:
    sizes = checkpoint.sizes
    statistics = read_statistics(options.statistics, checkpoint.statistics_file, sizes.hidden)
    return Voices(options, sizes.hidden, sizes.num_vq, statistics)


def _digest(options: Options, checkpoint: Checkpoint) -> str:
    """Of all that a row's sound depends on and that lies in files: another one may sound different."""
    digest = hashlib.sha256(checkpoint.digest.encode())
    samples = [preset.clip.clip for preset in options.presets if preset.clip and is_file(preset.clip.clip)]
    named = [name for name in (options.statistics, options.homophones, *samples) if 0 < len(name) < 1_000]
    for file in (checkpoint.statistics_file, *(Path(name) for name in named)):
        if file is not None:
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()
