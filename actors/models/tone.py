"""A model that costs what it is told to: the whole cluster is tested with it on a laptop.

Each row is a sine whose pitch comes from the row's seed and attempt, and whose length comes from its text and speed.
With the voice of a recording it is a sum of harmonics: the recording's energy in as many bands says how loud each is.
Time, memory and faults follow the options, so that batching, balance and recovery can be tried without a GPU.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import BatchOutOfMemory, ModelError, RowRejected, did_you_mean
from ..device.memory import Memory
from ..records.reference import Reference
from ..records.utterance import Prepared, Segment
from .base import BatchLimit, Model, ModelConfig, ModelInfo
from .embeddings import EmbeddingCache
from .presets import presets_digest, read_presets

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


MAX_ROWS = 1_024
HARMONICS = 8
REFERENCE_S = (0.1, 30.0)


@dataclass(frozen=True, slots=True)
class ToneOptions:
    """What `model.options` may hold.

    row_bytes, cell_bytes, square_bytes
                     a batch needs rows * (row_bytes + longest * cell_bytes + longest² * square_bytes)

    Attributes:
        sample_rate: Hz
        audio_char_s: Seconds of audio per character of text at speed 1
        batch_s, cell_s: Seconds that a batch takes: batch_s + cell_s * rows * longest
        slow, slow_file: And that many times as long in one process: the first that finds this file, and removes it
        memory_bytes: Of the device that is made believe; a batch that needs more is out of memory
        weights_bytes: Held at rest
        memory_noise: And up to this share more, by chance
        max_length: Characters that one segment may have
        reject: A segment holding this text is refused: its row fails
        crash: A segment holding this text ends the process, as a faulty kernel would
        mixes_voices: Whether a batch may have several voices
        bad_share: Of all attempts at a row, those that come out faulty: see `fault_of`
        voices: Voices by their recordings, see `presets.read_presets`; others than these and "sine" are then refused
    """

    sample_rate: int = 8_000
    audio_char_s: float = 0.06
    batch_s: float = 0.0
    cell_s: float = 0.0
    slow: float = 1.0
    slow_file: str = ""
    memory_bytes: int = 2**40
    weights_bytes: int = 0
    row_bytes: int = 0
    cell_bytes: int = 1_000
    square_bytes: int = 0
    memory_noise: float = 0.0
    max_length: int = 400
    reject: str = ""
    crash: str = ""
    mixes_voices: bool = True
    bad_share: float = 0.0
    voices: Mapping[str, Any] = field(default_factory=dict[str, Any])


FAULTS = ("silent", "cut", "noisy")
"""How an attempt may come out: without sound, half as long, as noise."""


def fault_of(seed: int, attempt: int, share: float) -> str:
    """The fault of an attempt at a row with this seed, "" for none: a function of both, for this share of all pairs."""
    digest = hashlib.blake2b(f"{seed}/{attempt}".encode(), digest_size=8).digest()
    place = int.from_bytes(digest, "little") / 2**64
    return FAULTS[int(place / share * len(FAULTS))] if place < share else ""


class ToneMemory(Memory):
    """The memory of a device that does not exist: it fills as the options say, and it has an end."""

    def __init__(self, options: ToneOptions) -> None:
        self._options = options
        self._chance = random.Random(0)
        self._bound = options.memory_bytes
        self._peak = options.weights_bytes

    def total(self) -> int:
        return self._options.memory_bytes

    def others(self) -> int:
        return 0

    def held(self) -> int:
        return self._options.weights_bytes

    def watch(self) -> None:
        self._peak = self.held()

    def peak(self) -> int:
        return self._peak

    def cap(self, bound: int) -> None:
        self._bound = bound

    def release(self) -> None:
        """Do nothing: nothing of it is cached, and to collect the garbage of a process may take a tenth of a second."""

    def take(self, rows: int, longest: int) -> None:
        """Hold what a batch needs for a moment.

        Raises:
            BatchOutOfMemory: The batch does not fit into memory
        """
        o = self._options
        needed = rows * (o.row_bytes + longest * o.cell_bytes + longest**2 * o.square_bytes)
        needed = round(needed * (1 + o.memory_noise * self._chance.random()))
        if self.held() + needed > self._bound:
            raise BatchOutOfMemory(
                f"{rows} rows of {longest} need {needed} bytes beside {self.held()} at rest; {self._bound} are allowed"
            )
        self._peak = max(self._peak, self.held() + needed)


class Tone(Model):
    """Sines in place of speech, with a cost, a memory limit and faults to order."""

    @classmethod
    def describe(cls, config: ModelConfig) -> ModelInfo:
        """The model under these options.

        Raises:
            ModelError: For an unknown or mistyped option
        """
        options = _options(config)
        if config.backend not in ("auto", "numpy"):
            raise ModelError(f'model.backend "{config.backend}" does not exist for tone; leave it at "auto"')
        presets = read_presets(options.voices, REFERENCE_S)
        return ModelInfo(
            name="tone",
            revision="-".join(filter(None, ("1", presets_digest(presets)))),
            backend="numpy",
            sample_rate=options.sample_rate,
            voices=("sine", *presets) if presets else (),
            voice_forms=("reference",),
            reference_s=REFERENCE_S,
            default_voice=config.voice or "sine",
            max_length=options.max_length,
            split_chars=options.max_length,
            batch_limit=BatchLimit(max_rows=MAX_ROWS, max_cells=MAX_ROWS * options.max_length),
            base_s=max(options.batch_s / MAX_ROWS, 1e-6),
            char_s=max(options.cell_s, 1e-7),
            audio_char_s=options.audio_char_s,
            mixes_voices=options.mixes_voices,
        )

    def __init__(self, config: ModelConfig) -> None:
        self.info = self.describe(config)
        self._options = _options(config)
        self._memory = ToneMemory(self._options)
        self._slow = 1.0
        self._presets = read_presets(self._options.voices, REFERENCE_S)
        # The timbre of a clip is no matter of the presets: their digest is left out.
        self._timbres = EmbeddingCache("tone", "1", timbre)

    def preset(self, voice: str) -> Reference | None:
        """The recording of a voice that the options name."""
        return self._presets.get(voice)

    def memory(self) -> ToneMemory:
        """The device that is made believe."""
        return self._memory

    def prepare(self, text: str, voice: str) -> Prepared:
        """One token per character: its code point."""
        return Prepared.of(map(ord, text))

    def speak(self, segments: Sequence[Segment]) -> list[NDArray[np.float32]]:
        """Sines: float32 [num_samples] per segment, after the seconds and the faults that the options order."""
        options = self._options
        longest = max(segment.length for segment in segments)
        for segment in segments:
            if options.crash and options.crash in segment.text:
                os._exit(1)
            if options.reject and options.reject in segment.text:
                raise RowRejected(f"the text holds {options.reject!r}, which this model refuses")
        if options.slow_file and self._slow == 1.0:
            with contextlib.suppress(FileNotFoundError):
                Path(options.slow_file).unlink()
                self._slow = options.slow
        self._memory.take(len(segments), longest)
        seconds = self._slow * (options.batch_s + options.cell_s * len(segments) * longest)
        if seconds > 0:
            time.sleep(seconds)
        return [self._sine(segment) for segment in segments]

    def _sine(self, segment: Segment) -> NDArray[np.float32]:
        import numpy as np

        options = self._options
        fault = fault_of(segment.seed, segment.attempt, options.bad_share)
        num_samples = max(1, round(len(segment.text) * options.audio_char_s / segment.speed * options.sample_rate))
        if fault == "cut":
            num_samples = max(1, num_samples // 2)
        if fault == "noisy":
            rng = np.random.default_rng([segment.seed, segment.attempt])
            return rng.uniform(-0.3, 0.3, num_samples).astype(np.float32)
        if fault == "silent":
            return np.zeros(num_samples, np.float32)
        pitch_hz = 110.0 + (segment.seed + segment.index + 7 * segment.attempt) % 331
        phase = np.arange(num_samples, dtype=np.float64) * (2 * np.pi * pitch_hz / options.sample_rate)
        if segment.reference is None:
            return (0.3 * np.sin(phase)).astype(np.float32)
        loudness = self._timbres.of(segment.reference)
        wave = np.zeros(num_samples, np.float64)
        for at, level in enumerate(loudness):
            wave += 0.3 * level * np.sin((at + 1) * phase)
        return wave.astype(np.float32)


def timbre(reference: Reference) -> NDArray[np.float32]:
    """How loud each harmonic is, float32 [HARMONICS] with the sum 1: the clip's amplitude in as many bands to 4 kHz."""
    import numpy as np

    spectrum = np.abs(np.fft.rfft(reference.samples.astype(np.float64)))
    hz = np.fft.rfftfreq(len(reference.samples), 1 / reference.sample_rate)
    bands = np.minimum(hz / (4_000 / HARMONICS), HARMONICS).astype(np.int64)
    levels = np.sqrt(np.bincount(bands, spectrum**2, HARMONICS + 1)[:HARMONICS])
    total = float(levels.sum())
    return (levels / total if total > 0 else np.full(HARMONICS, 1 / HARMONICS)).astype(np.float32)


def _options(config: ModelConfig) -> ToneOptions:
    types = {each.name: Mapping if each.name == "voices" else type(each.default) for each in fields(ToneOptions)}
    for name, value in config.options.items():
        if name not in types:
            raise ModelError(f"model.options.{name} is not an option of tone: {did_you_mean(name, types)}")
        allowed = (int, float) if types[name] is float else types[name]
        if not isinstance(value, allowed) or isinstance(value, bool) != (types[name] is bool):
            raise ModelError(f"model.options.{name} is {value!r}; it must be of type {types[name].__name__}")
        if isinstance(value, int | float) and not 0 <= value < float("inf"):
            raise ModelError(f"model.options.{name} is {value!r}; it must be 0 or more, and finite")
    if config.options.get("max_length", 1) == 0 or config.options.get("sample_rate", 1) == 0:
        raise ModelError("model.options.max_length and model.options.sample_rate must be above 0")
    return ToneOptions(**config.options)  # pyright: ignore[reportArgumentType]  # checked above
