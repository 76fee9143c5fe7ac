"""What `model.options` of ChatTTS may hold, read and checked before anything is loaded.

Guarantees that what comes out is whole and within bounds. Raises ModelError that names the key and what is allowed.
Voices named here are presets: a voice and the settings that it is spoken with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

from ....errors import ModelError
from ...engine.chunks import ChunkPolicy, read_chunk_policy
from ...engine.request import Sampling
from ..option_values import VOICE_NAME, check_keys, choice, mapping, number, typed
from ..voice_reference import DEFAULT_VOICE, VOICE_KEYS, ClonedVoice, VoiceReference, read_voice
from .checkpoint.layout import FULL
from .text.normalise import Language, is_tags

SPOKEN = Sampling(temperature=(0.3,), top_p=0.7, top_k=20, penalty=1.05, min_steps=1, max_steps=2_048)
"""What ChatTTS speaks with. An end at the first step would be an empty clip, so it is not drawn."""
REFINED = Sampling(temperature=(0.7,), top_p=0.7, top_k=20, penalty=1.0, min_steps=1, max_steps=384)
"""What ChatTTS refines text with."""

LONGEST_S = 30.0
"""Of a recording that is cloned. Some seconds are enough; each takes 47 positions of every row."""

DType = Literal["auto", "float32", "bfloat16", "float16"]


@dataclass(frozen=True, slots=True)
class Preset:
    """A voice with its settings.

    Attributes:
        voice: A speaker string, a number that a speaker is drawn from, or a clip (a file or an audio prompt string)
            with its transcript; `DEFAULT_VOICE` for a speaker drawn from the row's seed
        prompt: Control tags that come before each text
        sampling: How codes are drawn
    """

    voice: VoiceReference = DEFAULT_VOICE
    prompt: str = "[speed_5]"
    sampling: Sampling = SPOKEN

    @property
    def clip(self) -> ClonedVoice | None:
        """The recording that the voice is cloned from; None for other voices."""
        return self.voice if isinstance(self.voice, ClonedVoice) else None


@dataclass(frozen=True, slots=True)
class Options:
    """All of `model.options`.

    Attributes:
        dtype: Of weights and cache; "auto" is float32 on a CPU and bfloat16 on a GPU
        decoder: What becomes sound: "hidden" states of the language model, or its "codes"
        language: Of all texts; by the characters of each where None
        homophones: File of characters to be written as others: JSON, {"char": "char"}
        statistics: Of speakers: a base16384 string, a file that holds one; "" for what the weights' folder has
        incomplete: What becomes of a row that is cut off at max_steps: "fail", or "keep" what there is of it
        deterministic: Every step is computed in one shape, so that not one bit of a row depends on its neighbours
        compile: The network is compiled, once for each replica
        streaming: How a row is cut into chunks where it is heard while it is spoken
        refine: Texts are refined first, with these tags; "" for not
        refining: How refined texts are drawn
        reference_s: Seconds of the longest recording that a row or request may bring; every slot holds room for it. 0:
            they bring none
        default: The preset of rows that name no voice, and what the others build on
        voices: Presets by name
    """

    dtype: DType = "auto"
    decoder: Literal["hidden", "codes"] = "hidden"
    language: Language | None = None
    homophones: str = ""
    statistics: str = ""
    incomplete: Literal["fail", "keep"] = "fail"
    deterministic: bool = False
    compile: bool = False
    streaming: ChunkPolicy = field(default_factory=ChunkPolicy)
    refine: str = ""
    refining: Sampling = REFINED
    reference_s: float = 0.0
    default: Preset = field(default_factory=Preset)
    voices: Mapping[str, Preset] = field(default_factory=dict)

    @property
    def max_steps(self) -> int:
        """Of any preset: what a slot has to hold."""
        return max(preset.sampling.max_steps for preset in self.presets)

    @property
    def presets(self) -> tuple[Preset, ...]:
        """The default, then the others."""
        return (self.default, *self.voices.values())


_CHOICES: Mapping[str, tuple[str, ...]] = {
    "dtype": ("auto", "float32", "bfloat16", "float16"),
    "decoder": ("hidden", "codes"),
    "language": ("auto", "en", "zh"),
    "incomplete": ("fail", "keep"),
}
_FLAGS = ("deterministic", "compile")
_TEXTS = ("homophones", "statistics")
_SAMPLING = ("temperature", "top_p", "top_k", "repetition_penalty", "min_steps", "max_steps")
_PRESET = ("prompt", *_SAMPLING)
_VOICE = (*VOICE_KEYS, *_PRESET)
_KEYS = (*_CHOICES, *_FLAGS, *_TEXTS, *_PRESET, "refine", "refining", "reference_s", "streaming", "voices")
_NUMBERS: Mapping[str, tuple[float, float]] = {
    "temperature": (1e-5, 10),
    "top_p": (0, 1),
    "top_k": (1, FULL.text_vocab),
    "repetition_penalty": (0.1, 10),
    "min_steps": (1, 4_000),
    "max_steps": (1, 4_000),
    "reference_s": (0, LONGEST_S),
}


def read_options(raw: Mapping[str, object]) -> Options:
    """The options.

    Raises:
        ModelError: For the first that is wrong
    """
    raw = mapping(raw, "model.options")
    check_keys(raw, _KEYS, "model.options", "chattts")
    chosen: dict[str, Any] = {}
    for key, allowed in _CHOICES.items():
        if key in raw:
            chosen[key] = choice(raw[key], allowed, f"model.options.{key}")
    if chosen.get("language") == "auto":
        chosen["language"] = None
    for key in _FLAGS:
        if key in raw:
            chosen[key] = typed(raw[key], bool, f"model.options.{key}", "true or false")
    for key in _TEXTS:
        if key in raw:
            chosen[key] = typed(raw[key], str, f"model.options.{key}", "text")
    if "refine" in raw:
        chosen["refine"] = _tags(raw["refine"], "model.options.refine")
    if "reference_s" in raw:
        chosen["reference_s"] = float(_number(raw["reference_s"], "reference_s", "model.options"))
    refining = mapping(raw.get("refining", {}), "model.options.refining")
    check_keys(refining, _SAMPLING, "model.options.refining", "chattts")
    if "streaming" in raw:
        chosen["streaming"] = read_chunk_policy(raw["streaming"], "chattts")
    default = _preset(raw, Preset(), "model.options")
    voices = mapping(raw.get("voices", {}), "model.options.voices")
    return Options(
        **chosen,
        default=default,
        voices={name: _voice(name, voice, default) for name, voice in voices.items()},
        refining=_sampling(refining, REFINED, "model.options.refining"),
    )


def _voice(name: str, raw: object, default: Preset) -> Preset:
    if not VOICE_NAME.fullmatch(name):
        raise ModelError(
            f'model.options.voices: "{name:.80}" is no name; use at most 64 letters, digits, "_", "-" and "."'
        )
    where = f"model.options.voices.{name}"
    keys = mapping(raw, where)
    check_keys(keys, _VOICE, where, "chattts")
    return _preset(keys, default, where)


def _preset(raw: Mapping[str, object], base: Preset, where: str) -> Preset:
    """A preset that builds on another. Keys of no preset are not looked at."""
    prompt = _tags(raw["prompt"], f"{where}.prompt") if "prompt" in raw else base.prompt
    return Preset(read_voice(raw, where), prompt, _sampling(raw, base.sampling, where))


def _sampling(raw: Mapping[str, object], base: Sampling, where: str) -> Sampling:
    changed: dict[str, Any] = {}
    for key in _SAMPLING:
        if key not in raw:
            continue
        value = raw[key]
        if key == "temperature" and isinstance(value, list):
            several = cast("list[object]", value)
            if len(several) not in (1, FULL.num_vq):
                raise ModelError(f"{where}.temperature has {len(several)} numbers; give one, or {FULL.num_vq}")
            changed[key] = tuple(_number(one, key, where) for one in several)
        elif key == "temperature":
            changed[key] = (_number(value, key, where),)
        elif key == "repetition_penalty":
            changed["penalty"] = _number(value, key, where)
        else:
            changed[key] = _number(value, key, where)
    sampling = replace(base, **changed)
    if sampling.min_steps > sampling.max_steps:
        raise ModelError(f"{where}: min_steps {sampling.min_steps} is above max_steps {sampling.max_steps}")
    return sampling


def _number(value: object, key: str, where: str) -> Any:
    kind = int if key in ("top_k", "min_steps", "max_steps") else float
    return number(value, kind, *_NUMBERS[key], f"{where}.{key}")


def _tags(value: object, where: str) -> str:
    text = typed(value, str, where, "text")
    if not is_tags(text):
        raise ModelError(f'{where} is "{text:.80}"; it has to be control tags such as [oral_2][laugh_0][break_6]')
    return text
