"""The door that every model stands behind: `describe` without loading, `prepare` text, `speak` a batch.

A model never sees Ray, storage or the job file. It gets its configuration and a device, turns text into tokens,
and turns a batch of segments into waveforms, one per segment, in order. What a segment sounds like depends on
the segment alone (text, voice, seed, speed), never on its batch mates.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from ...errors import ModelError, RowError, did_you_mean
from ..records.reference import Reference
from ..records.stream_handle import StreamHandle
from ..records.text_channel import TextSource
from ..records.utterance import Prepared, Segment
from .voice_reference import VoiceForm, unknown_name

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..device.card import CardPoint
    from ..device.memory import Memory

CostUnit = Literal["characters", "bytes"]
"""What the length of a text is counted in where rows are estimated: its characters, or its bytes of UTF-8."""


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """What the job says about the model.

    Attributes:
        name: A registered name, or "module:Class"
        device: "cpu" or "cuda"
        backend: "auto", or one that the model names
        voice: The voice of rows that name none; "" for the model's own default
        path: Folder of weights, where the model needs one
        task: "speak", or "refine" for text in place of audio
        options: The model's own settings, checked by the model
    """

    name: str
    device: str = "cpu"
    backend: str = "auto"
    voice: str = ""
    path: str | None = None
    task: str = "speak"
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BatchLimit:
    """The most that a batch may hold, whatever the memory: rows, and cells (rows times the longest row's length)."""

    max_rows: int
    max_cells: int


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What is known of a model before it is loaded.

    Attributes:
        revision: Of weights and code; another revision may sound different
        backend: The backend that "auto" became
        sample_rate: Hz
        voices: The voices that it has; empty when any name is allowed
        default_voice: Used for rows that name none
        max_length: The model's own limit of a segment's length, as `prepare` says it
        split_chars: Characters in a segment: where splitting starts
        batch_limit: What `auto_max` keeps within; how much of it fits and is fastest is measured
        base_s, char_s: Estimated seconds of one replica: base_s + char_s * characters, per row
        audio_char_s: Estimated seconds of audio per character
        cost_unit: What counts as a character in these: "bytes" for a model whose speech grows with the bytes of UTF-8
        speeds: Slowest and fastest allowed speed
        voice_forms: What else a row may name where `voices` are given: "seed" for "seed:N", "by_seed" for the row's
            own seed, "blend" for "a:0.7+b:0.3", "vector" for "vector:…"; and, whether or not `voices` are given,
            "reference" for a recording with its words, as `Segment.reference`
        reference_s: Shortest and longest recording that it takes, in seconds
        languages: That it speaks, as in "en" or "pt-BR": the first one that there are probe texts of is measured and
            checked with
        varies: Whether another seed changes more than noise: False where words, length and melody stay
        mixes_voices: Whether `speak` takes batches of several voices; False where the voice is the weights
        tasks: What a job may ask of it: "speak", and "refine" where it writes text as it is spoken
        takes_words: Whether it is given words only: numbers, symbols and abbreviations are written out before
            `prepare`, in those of its languages that there are tables of
        voice_languages: Voices, each with the language that its texts are read in, where that is not the first
        text_language: The language of texts whose voice has none; "" for the one that a text has more of
        takes_arriving_text: Whether text may arrive while it is spoken (`AutoregressiveModel.stream_arriving`); else a
            text that arrives is spoken clause by clause
        kept_text: A regular expression of what passes to `prepare` untouched: control tags, phoneme spellings
        neutral_options: Of `model.options`, those that change no audio, such as addresses and limits: an output is
            continued with others
        licence: Of the weights, as SPDX names it ("Apache-2.0", "CC-BY-NC-4.0"); "" where it is not known
    """

    name: str
    revision: str
    backend: str
    sample_rate: int
    voices: tuple[str, ...]
    default_voice: str
    max_length: int
    split_chars: int
    batch_limit: BatchLimit
    base_s: float
    char_s: float
    audio_char_s: float = 0.065
    cost_unit: CostUnit = "characters"
    speeds: tuple[float, float] = (0.25, 4.0)
    voice_forms: tuple[VoiceForm, ...] = ()
    reference_s: tuple[float, float] = (0.5, 30.0)
    languages: tuple[str, ...] = ("en",)
    varies: bool = True
    mixes_voices: bool = True
    tasks: tuple[str, ...] = ("speak",)
    takes_words: bool = False
    voice_languages: tuple[tuple[str, str], ...] = ()
    text_language: str = ""
    kept_text: str = ""
    takes_arriving_text: bool = False
    neutral_options: tuple[str, ...] = ()
    licence: str = ""

    @property
    def is_noncommercial(self) -> bool:
        """Whether the licence of the weights is known to forbid commercial use."""
        return "-NC" in self.licence.upper()

    def voice_fault(self, voice: str) -> str:
        """What is wrong with a voice, to follow its name in a message; "" for one that the model has."""
        named = voice or self.default_voice
        if not self.voices or not (unknown := unknown_name(named, self.voices, self.voice_forms)):
            return ""
        if unknown != named:
            return f"blends {unknown}, which is none: {did_you_mean(unknown, self.voices)}"
        return f"is not a voice of {self.name}: {did_you_mean(named, self.voices)}"

    def speed_fault(self, speed: float) -> str:
        """What is wrong with a speed, to follow it in a message; "" for one that the model has."""
        slowest, fastest = self.speeds
        return "" if slowest <= speed <= fastest else f"{self.name} speaks at {slowest:g} to {fastest:g}"


class Model(ABC):
    """A model on one device: a padded batch in, waveforms out.

    Subclass it, register it or name it as "module:Class", and it runs in every job.
    """

    info: ModelInfo

    @classmethod
    @abstractmethod
    def describe(cls, config: ModelConfig) -> ModelInfo:
        """Check the configuration and say what the model is; touches no device and loads no weights.

        Raises:
            ModelError: For an unknown backend, voice, option or missing weights
        """

    @abstractmethod
    def __init__(self, config: ModelConfig) -> None:
        """Load the weights onto `config.device`."""

    @abstractmethod
    def prepare(self, text: str, voice: str) -> Prepared:
        """One piece of text as tokens, none when nothing in it can be spoken, and the length that they count for.

        Raises:
            RowError: The row cannot be spoken, with the reason
        """

    def prepare_in(self, language: str, text: str, voice: str) -> Prepared:
        """`prepare` for a row that names its language, one of `info.languages` or a region of it, as in "en-GB".

        A model of one language has no choice. One of several overrides it; `Segment.language` says it again to `speak`.
        """
        return self.prepare(text, voice)

    def prepare_like(self, reference: Reference, language: str, text: str, voice: str) -> Prepared:
        """`prepare` for a row that is spoken with the voice of a recording; `language` is "" where none is named.

        A model overrides it if the clip or its words count in the length, or are among the tokens.
        """
        return self.prepare_in(language, text, voice) if language else self.prepare(text, voice)

    def preset(self, voice: str) -> Reference | None:
        """The recording that a voice of `info.voices` stands for, which `Segment.reference` then is; None for others.

        Presets that the job's options name are read and checked by `describe`, see `presets.read_presets`.
        """
        return None

    @abstractmethod
    def speak(self, segments: Sequence[Segment]) -> list[NDArray[np.float32]]:
        """Speak a batch: float32 [num_samples] in -1 … 1 per segment, in the order given.

        Voices, seeds and speeds are mixed; one voice to a batch if `info.mixes_voices` is False. A model that knows
        when each word is heard may give `AlignedWave`s, whose words become the row's alignment.

        Raises:
            RowError: If a segment cannot be spoken (the replica then halves the batch until it is alone)
            BatchOutOfMemory: Or PyTorch's own error, when the batch does not fit
        """

    def stream(self, segment: Segment, listener: StreamHandle) -> Generator[NDArray[np.float32]]:
        """Speak one segment: pieces of its waveform float32 [num_samples] in order, each as soon as it is there.

        A model that speaks at once gives one. Raises as `speak` does.

        Args:
            listener: The stream ends when it is cancelled; it records what the time until the first piece is spent on
        """
        with listener.spending("speech"):
            waves = self.speak([segment])
        import numpy as np

        yield from map(np.asarray, waves)

    def unspoken(self, text: str) -> Sequence[str]:
        """Characters or words of a piece of text that mean something and that the model leaves out, each once."""
        return ()

    def memory(self) -> Memory | None:
        """The memory that batches are measured in; None for the device's, which is right for all but special cases."""
        return None


@dataclass(frozen=True, slots=True)
class SlotUsage:
    """How an autoregressive model used its slots: rows in them, and slots computed, summed over all steps."""

    row_steps: int = 0
    slot_steps: int = 0


class AutoregressiveModel(Model):
    """A model that speaks step by step, or by requests: rows join and leave, so it takes all segments there are.

    Before anything is spoken, `reserve` says how much memory there is. From then on `prepare`, `speak_rows`,
    `refine_rows` and `usage` are called from several threads at once: while a shard ends, the next has begun.
    `engine.stepwise_model.StepwiseModel` implements all of it on a few hooks.
    """

    @abstractmethod
    def reserve(self, usable_bytes: int, slots: int | None) -> int:
        """Take as many slots as fit, or the given number; how many. 0 if not one fits, or the number does not."""

    def card_points(self) -> Sequence[CardPoint]:
        """Measure steps of several numbers of rows, after `reserve` and before anything is spoken.

        None if the model computes elsewhere, or does not know.
        """
        return ()

    @abstractmethod
    def speak_rows(self, segments: Sequence[Segment]) -> Iterator[tuple[Segment, NDArray[np.float32] | RowError]]:
        """Speak segments of any voices, each given back once, in any order: float32 [num_samples], or why it failed."""

    @abstractmethod
    def usage(self) -> SlotUsage:
        """How the slots were used so far."""

    def stream_arriving(
        self, segment: Segment, text: TextSource, listener: StreamHandle
    ) -> Generator[NDArray[np.float32]]:
        """Speak a text while it arrives; as `stream`. Only for models whose `info` says `takes_arriving_text`.

        Args:
            segment: Voice, seed and speed; it has no text
            text: Read by the calling thread, whenever some has come

        Raises:
            RowError: A part of the text cannot be spoken; raised after the pieces before it
        """
        raise ModelError(f"model {self.info.name} takes no text that arrives")

    def speak(self, segments: Sequence[Segment]) -> list[NDArray[np.float32]]:
        """The same segments, in the order given. Raises the first RowError."""
        spoken: dict[tuple[int, int], NDArray[np.float32]] = {}
        for segment, outcome in self.speak_rows(segments):
            if isinstance(outcome, RowError):
                raise outcome
            spoken[segment.row, segment.index] = outcome
        return [spoken[segment.row, segment.index] for segment in segments]

    def refine_rows(self, segments: Sequence[Segment]) -> Iterator[tuple[Segment, str | RowError]]:
        """Texts as they would be spoken, each segment given back once, in any order. For models whose `tasks` say so.

        Raises:
            ModelError: Where the model refines no text
        """
        raise ModelError(f"model {self.info.name} refines no text; tasks: {', '.join(self.info.tasks)}")
