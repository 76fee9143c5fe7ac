"""The options of a job for MiniCPM-o's speech, read and checked. Pure: no torch, no file is opened.

Guaranteed: an option that is unknown or has a wrong value is refused with its place in the job file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

from ....errors import ModelError
from ...engine.chunks import ChunkPolicy, read_chunk_policy
from ...engine.request import Sampling
from ..option_values import VOICE_NAME, check_keys, choice, mapping, number, typed
from ..voice_reference import DEFAULT_VOICE, ClonedVoice, VoiceReference, read_voice
from .text_schedule import Windowing

SPOKEN = Sampling(
    temperature=(0.1, 0.3, 0.1, 0.3),
    top_p=0.7,
    top_k=20,
    penalty=1.0,
    max_steps=2_048,
    end_period=25,
    end_from=10,
    free_steps=1,
)
"""What upstream speaks with: calls of 25 steps, in whose first 10 no row ends; the first step draws from all codes."""
STEPS_CARRIED = 50

DType = Literal["auto", "float32", "bfloat16", "float16"]


@dataclass(frozen=True, slots=True)
class MinicpmoOptions:
    """All of `model.options`.

    Attributes:
        dtype: Of weights and cache; "auto" is float32 on a CPU and bfloat16 on a GPU
        language: Of all texts; "" goes by the characters of each
        incomplete: What becomes of a row that is cut off at max_steps: "fail", or "keep" what there is of it
        deterministic: Every step is computed in one shape, so that not one bit of a row depends on its neighbours
        compile: The network is compiled, once for each replica
        streaming: How a row is cut into chunks if it is heard while it is spoken
        sampling: How codes are drawn
        steps_carried: Steps of a window that the next window of a long text continues
        windowing: How a long text is cut into windows
        voice_file: A safetensors file of voices, each a tensor under its name; "" for none
        voices: Voices by name
    """

    dtype: DType = "auto"
    language: str = ""
    incomplete: Literal["fail", "keep"] = "fail"
    deterministic: bool = False
    compile: bool = False
    streaming: ChunkPolicy = field(default_factory=ChunkPolicy)
    sampling: Sampling = SPOKEN
    steps_carried: int = STEPS_CARRIED
    windowing: Windowing = field(default_factory=Windowing)
    voice_file: str = ""
    voices: Mapping[str, VoiceReference] = field(default_factory=dict)


_CHOICES: Mapping[str, tuple[str, ...]] = {
    "dtype": ("auto", "float32", "bfloat16", "float16"),
    "language": ("auto", "en", "zh"),
    "incomplete": ("fail", "keep"),
}
_FLAGS = ("deterministic", "compile")
_NUMBERS: Mapping[str, tuple[str, type, float, float]] = {
    "top_p": ("top_p", float, 0, 1),
    "top_k": ("top_k", int, 1, 626),
    "repetition_penalty": ("penalty", float, 0.1, 10),
    "min_steps": ("min_steps", int, 0, 3_700),
    "max_steps": ("max_steps", int, 1, 3_700),
    "end_period": ("end_period", int, 1, 3_700),
    "end_from": ("end_from", int, 0, 3_700),
}
"""Settings of `Sampling`: the field, whole or not, the least and the most."""
_WINDOWS: Mapping[str, tuple[int, int]] = {"close_after": (10, 298), "text_carried": (0, 50), "steps_carried": (0, 300)}
_KEYS = (*_CHOICES, *_FLAGS, "temperature", *_NUMBERS, "windows", "streaming", "voice_file", "voices")
_FROM_CONFIG = ("top_p", "top_k", "repetition_penalty")


def read_options(raw: Mapping[str, object], published: Mapping[str, object] | None = None) -> MinicpmoOptions:
    """The options.

    Args:
        published: The `tts_config` of the checkpoint, whose limits of sampling hold where the job names none

    Raises:
        ModelError: For the first that is wrong
    """
    where = "model.options"
    raw = mapping(raw, where)
    check_keys(raw, _KEYS, where, "minicpmo")
    chosen: dict[str, Any] = {}
    for key, allowed in _CHOICES.items():
        if key in raw:
            chosen[key] = choice(raw[key], allowed, f"{where}.{key}")
    if chosen.get("language") == "auto":
        chosen["language"] = ""
    for key in _FLAGS:
        if key in raw:
            chosen[key] = typed(raw[key], bool, f"{where}.{key}", "true or false")
    if "voice_file" in raw:
        chosen["voice_file"] = typed(raw["voice_file"], str, f"{where}.voice_file", "the name of a file")
    windows = mapping(raw.get("windows", {}), f"{where}.windows")
    check_keys(windows, tuple(_WINDOWS), f"{where}.windows", "minicpmo")
    counts = {key: number(windows[key], int, *_WINDOWS[key], f"{where}.windows.{key}") for key in windows}
    chosen |= {"steps_carried": counts.pop("steps_carried")} if "steps_carried" in counts else {}
    if "streaming" in raw:
        chosen["streaming"] = read_chunk_policy(raw["streaming"], "minicpmo")
    sampling = {**_of_config(published or {}), **{key: raw[key] for key in raw if key in _NUMBERS}}
    voices = mapping(raw.get("voices", {}), f"{where}.voices")
    return MinicpmoOptions(
        **chosen,
        windowing=Windowing(**counts),
        sampling=_sampling(sampling, raw.get("temperature"), where),
        voices={name: _voice(name, voice) for name, voice in voices.items()},
    )


def _of_config(published: Mapping[str, object]) -> Mapping[str, object]:
    return {key: published[key] for key in _FROM_CONFIG if published.get(key) is not None}


def _sampling(raw: Mapping[str, object], temperature: object, where: str) -> Sampling:
    changed: dict[str, Any] = {}
    for key, value in raw.items():
        name, kind, least, most = _NUMBERS[key]
        changed[name] = number(value, kind, least, most, f"{where}.{key}")
    if temperature is not None:
        several = cast("list[object]", temperature) if isinstance(temperature, list) else [temperature]
        if len(several) not in (1, len(SPOKEN.temperature)):
            raise ModelError(f"{where}.temperature has {len(several)} numbers; give one, or {len(SPOKEN.temperature)}")
        changed["temperature"] = tuple(number(one, float, 1e-5, 10, f"{where}.temperature") for one in several)
    sampling = replace(SPOKEN, **changed)
    if sampling.min_steps > sampling.max_steps:
        raise ModelError(f"{where}: min_steps {sampling.min_steps} is above max_steps {sampling.max_steps}")
    if sampling.end_from >= sampling.end_period:
        raise ModelError(
            f"{where}: end_from {sampling.end_from} is not below end_period {sampling.end_period}: no row could end"
        )
    return sampling


def _voice(name: str, raw: object) -> VoiceReference:
    where = f"model.options.voices.{name:.80}"
    if not VOICE_NAME.fullmatch(name):
        raise ModelError(f'{where} is no name; use at most 64 letters, digits, "_", "-" and "."')
    keys = mapping(raw, where)
    check_keys(keys, ("speaker", "seed"), where, "minicpmo")
    voice = read_voice(keys, where)
    if voice == DEFAULT_VOICE or isinstance(voice, ClonedVoice):
        raise ModelError(f"{where} has neither speaker nor seed; a voice comes from one of them")
    return voice
