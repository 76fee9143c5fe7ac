"""The voice that a row names, as what the model is given: a speaker vector or a sample, and settings.

Guarantees that a voice depends on its name, on the row's seed where it is drawn from that, and on the statistics of
speakers; never on another row. What a name may be: "" for the default, a preset of `model.options.voices`, "seed:N",
or a speaker string as users of ChatTTS pass them around. Knows no network.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from .....errors import ModelError, RowError, RowRejected, did_you_mean
from ...untrusted import load_pickled
from ...voice_reference import (
    BlendedVoice,
    ClonedVoice,
    NamedVoice,
    OwnSeedVoice,
    SeededVoice,
    VectorVoice,
    parse_voice,
)
from ..options import Options, Preset
from .speaker import decode_audio_prompt, decode_speaker, decode_statistics, sampled

Number = TypeVar("Number", np.float16, np.uint16)

_IS_STRING = re.compile(r"[\u3d01-\u8dff]{24,}")
"""Longer than any name, and shorter than the speaker of the smallest model, even cut off."""
_CONTAINER_BYTES = 2**16
"""What a file of `torch.save` holds beside its numbers, at most."""
_WAVES = (".wav", ".flac", ".ogg", ".mp3")


class Voices:
    """All voices of one configuration.

    Args:
        statistics: Of speakers, float16 [2, hidden]; None for a standard normal distribution
    """

    def __init__(self, options: Options, hidden: int, num_vq: int, statistics: NDArray[np.float16] | None) -> None:
        """Read the presets.

        Raises:
            ModelError: The strings of a preset are damaged, or its sample is no file
        """
        self._options, self._hidden, self._statistics = options, hidden, statistics
        self._prompts: dict[str, NDArray[np.uint16]] = {}
        for name, preset in (("", options.default), *options.voices.items()):
            where = f"model.options.voices.{name}" if name else "model.options"
            match preset.voice:
                case VectorVoice(speaker):
                    _checked(decode_speaker, speaker, hidden, f"{where}.speaker")
                case ClonedVoice(clip) if is_file(clip):
                    _check_is_there(clip, f"{where}.sample")
                case ClonedVoice(clip):
                    what = f"{where}.sample is neither an audio prompt string nor a file {', '.join(_WAVES)}"
                    self._prompts[clip] = _checked(decode_audio_prompt, clip, num_vq, what)
                case _:
                    pass

    def preset(self, voice: str) -> Preset:
        """What a row's voice stands for.

        Raises:
            RowRejected: For a name that is none
        """
        if not voice:
            return self._options.default
        if voice in self._options.voices:
            return self._options.voices[voice]
        reference = parse_voice(voice, is_vector=lambda text: bool(_IS_STRING.fullmatch(text)))
        if isinstance(reference, VectorVoice):
            decode_speaker(voice, self._hidden)
        if not isinstance(reference, NamedVoice | BlendedVoice):
            return replace(self._options.default, voice=reference)
        hint = did_you_mean(voice, self._options.voices) if self._options.voices else "the job names no voices."
        raise RowRejected(f'voice "{voice:.80}" is not a voice of this job, nor "seed:" and a number: {hint}')

    def speaker(self, preset: Preset, row_seed: int) -> NDArray[np.float16] | None:
        """float16 [hidden], or None where the voice is that of a sample."""
        match preset.voice:
            case ClonedVoice():
                return None
            case VectorVoice(speaker):
                return decode_speaker(speaker, self._hidden)
            case SeededVoice(seed):
                return sampled(seed, self._hidden, self._statistics)
            case NamedVoice() | OwnSeedVoice() | BlendedVoice():  # no preset blends
                return sampled(row_seed, self._hidden, self._statistics)

    @property
    def samples(self) -> Mapping[str, NDArray[np.uint16] | None]:
        """Samples of all presets: codes uint16 [num_vq, steps] of those given as strings, None of those in files."""
        clips = (preset.clip.clip for preset in self._options.presets if preset.clip)
        return {clip: self._prompts.get(clip) for clip in clips}


def is_file(sample: str) -> bool:
    """Whether a sample is named by a path, and not an audio prompt string."""
    return Path(sample[-250:]).suffix.lower() in _WAVES


def _checked(decode: Callable[[str, int], NDArray[Number]], text: str, size: int, what: str) -> NDArray[Number]:
    try:
        return decode(text, size)
    except RowError as error:
        raise ModelError(f"{what}: {error}") from error


def _check_is_there(file: str, where: str) -> None:
    try:
        is_there = Path(file).is_file()
    except OSError:  # a name that is too long to be one
        is_there = False
    if not is_there:
        raise ModelError(f"{where}: {file:.200} is not there")


def read_statistics(given: str, beside: Path | None, hidden: int) -> NDArray[np.float16] | None:
    """Statistics of speakers, float16 [2, hidden]; None where there are none.

    Args:
        given: A base16384 string, or a file that holds one; "" for what lies beside the weights
        beside: The published spk_stat.pt, where the folder has it

    Raises:
        ModelError: If they cannot be read
    """
    if given:
        try:
            text = Path(given).read_text(encoding="utf-8") if len(given) < 1_000 else given
            return decode_statistics(text, hidden)
        except (OSError, ValueError, RowError) as error:
            raise ModelError(f"model.options.statistics: {error}") from error
    return _tensor_statistics(beside, hidden) if beside else None


def _tensor_statistics(file: Path, hidden: int) -> NDArray[np.float16]:
    import torch

    try:
        found = load_pickled(file, 16 * hidden + _CONTAINER_BYTES)
        if not isinstance(found, torch.Tensor) or found.numel() != 2 * hidden:
            raise ModelError(f"it is not one tensor of 2×{hidden} numbers")
        stat = found.detach().to(torch.float16).reshape(2, hidden).numpy()
    except ModelError as error:
        raise ModelError(f"chattts: {file} holds no statistics of speakers: {error}") from error
    if not np.isfinite(stat).all() or (stat[0] < 0).any():
        raise ModelError(f"chattts: {file} holds no statistics of speakers: a number is negative or not finite")
    return stat


def read_homophones(path: str) -> Mapping[str, str]:
    """The map of a file.

    Raises:
        ModelError: If it cannot be read or is no map of characters
    """
    if not path:
        return {}
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"model.options.homophones: {path} cannot be read: {error}") from error
    pairs = cast("dict[str, object]", found) if isinstance(found, dict) else {"": None}
    for char, other in pairs.items():
        if len(char) != 1 or not isinstance(other, str) or len(other) != 1:
            raise ModelError(f'model.options.homophones: {path} has "{char:.20}"; it has to map characters to such')
    return cast("dict[str, str]", pairs)
