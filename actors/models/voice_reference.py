"""What a voice may be, for every model: a name, a blend, a seed, a clip with its transcript, or a vector. Pure.

A row, a job and a request spell a voice as text (`parse_voice`); `model.options.voices` describes one by keys
(`read_voice`). Clips are named in the job alone: a corpus may come from anywhere, and must not choose which files are
opened; its rows name a clip by the name that the job gave it. Not known here: which voices a model has.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ...errors import ModelError, RowRejected

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_SEED = 2**63 - 1
VOICE_KEYS = ("speaker", "seed", "sample", "transcript")
"""Keys that `read_voice` reads."""

VoiceForm = Literal["seed", "by_seed", "blend", "vector", "reference"]
"""What a row may name in place of a voice that the model has; "reference" in columns of its own."""

BY_SEED = "by_seed"
"""A voice drawn from the row's own seed, as text spells it."""
_PART = r"([^+:\s]+)(?::([0-9]*\.?[0-9]+))?"
_BLEND = re.compile(rf"{_PART}(?:\+{_PART})+")
_PARTS = re.compile(_PART)
_SEED = re.compile(r"seed:([0-9]{1,19})")
_VECTOR = "vector:"


@dataclass(frozen=True, slots=True)
class NamedVoice:
    """A voice that the model or the job has by this name; "" for the default."""

    name: str = ""


@dataclass(frozen=True, slots=True)
class SeededVoice:
    """A voice drawn from a number, 0 … 2**63 - 1: the same in every row."""

    seed: int


@dataclass(frozen=True, slots=True)
class OwnSeedVoice:
    """A voice drawn from the seed of the row that is spoken."""


@dataclass(frozen=True, slots=True)
class BlendedVoice:
    """Named voices mixed; `parts` are their names and shares, which sum to 1."""

    parts: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class ClonedVoice:
    """The voice of a recording.

    Attributes:
        clip: A file, or a string that the model knows how to read
        transcript: The words in it
    """

    clip: str
    transcript: str


@dataclass(frozen=True, slots=True)
class VectorVoice:
    """A voice as numbers, as its model spells them; "vector:" and base64 of float32 where it has no spelling."""

    vector: str


DEFAULT_VOICE = NamedVoice()

_FORMS: Mapping[type, VoiceForm] = {
    SeededVoice: "seed",
    OwnSeedVoice: "by_seed",
    BlendedVoice: "blend",
    VectorVoice: "vector",
}

VoiceReference = NamedVoice | BlendedVoice | SeededVoice | OwnSeedVoice | ClonedVoice | VectorVoice


def parse_voice(voice: str, is_vector: Callable[[str], bool] = lambda text: False) -> VoiceReference:
    """What a voice stands for, as text spells it: "", a name, "a:0.7+b:0.3", "seed:N", "by_seed", "vector:…".

    The shares of a blend are taken relative to their sum; a part without one has the share 1.

    Anything else is a name; whether there is a voice of this name is the model's knowledge.

    Args:
        voice: As a row, a job or a request has it.
        is_vector: Whether a text is a vector in the model's own spelling.
    """
    number = _SEED.fullmatch(voice)
    if number and int(number[1]) <= MAX_SEED:
        return SeededVoice(int(number[1]))
    if voice.startswith(_VECTOR) or is_vector(voice):
        return VectorVoice(voice)
    if voice == BY_SEED:
        return OwnSeedVoice()
    return _blend(voice) or NamedVoice(voice)


def form_of(voice: str) -> VoiceForm | None:
    """Which form a voice has that is no name; None for a name."""
    return _FORMS.get(type(parse_voice(voice)))


def unknown_name(voice: str, names: Collection[str], forms: Collection[VoiceForm]) -> str:
    """The name in a voice that is none of `names`: the voice itself, or a part of a blend; "" where all are known."""
    if voice in names:
        return ""
    reference = parse_voice(voice)
    if _FORMS.get(type(reference)) not in forms:
        return voice
    parts = reference.parts if isinstance(reference, BlendedVoice) else ()
    return next((name for name, _ in parts if name not in names), "")


def read_voice(keys: Mapping[str, object], where: str) -> VoiceReference:
    """The voice that keys of a job's options describe; `DEFAULT_VOICE` where they describe none.

    Args:
        keys: "speaker" (a vector), "seed", or "sample" and "transcript"; other keys are not looked at.
        where: The place in the job file, for messages.

    Raises:
        ModelError: A value of the wrong kind, more than one voice, or a clip without its transcript.
    """
    texts = {key: _text(keys[key], f"{where}.{key}") for key in ("speaker", "sample", "transcript") if key in keys}
    speaker, clip, transcript = (texts.get(key, "") for key in ("speaker", "sample", "transcript"))
    seed = _seed(keys["seed"], f"{where}.seed") if "seed" in keys else None
    if bool(speaker) + bool(clip) + (seed is not None) > 1:
        raise ModelError(f"{where} has more than one of speaker, seed and sample; a voice comes from one of them")
    if bool(clip) != bool(transcript.strip()):
        raise ModelError(f"{where}: sample and transcript belong together; give the words that the sample says")
    if clip:
        return ClonedVoice(clip, transcript)
    if speaker:
        return VectorVoice(speaker)
    return DEFAULT_VOICE if seed is None else SeededVoice(seed)


def encode_vector(values: NDArray[np.float32]) -> str:
    """A vector float32 [size] as a voice: "vector:" and base64 of its bytes, the lowest first."""
    return _VECTOR + base64.b64encode(values.astype("<f4").tobytes()).decode()


def decode_vector(vector: str, size: int) -> NDArray[np.float32]:
    """The numbers of a voice that `encode_vector` spelled: float32 [size], finite.

    Raises:
        RowRejected: For one of another size or one that is damaged; nothing is decoded that is too long
    """
    import numpy as np

    text = vector.removeprefix(_VECTOR)
    wanted = f"{size} numbers of float32, as base64 behind {_VECTOR!r}"
    if len(text) != -(-4 * size // 3) * 4:
        last = len(text) * 3 // 16
        raise RowRejected(f"the voice's vector holds about {last} numbers; this model takes {wanted}")
    try:
        values = np.frombuffer(base64.b64decode(text, validate=True), "<f4").astype(np.float32)
    except (binascii.Error, ValueError) as error:
        raise RowRejected(f"the voice's vector is damaged ({error}); this model takes {wanted}") from error
    if values.shape != (size,) or not np.isfinite(values).all():
        raise RowRejected(f"the voice's vector has another size, or a number that is not finite; needed: {wanted}")
    return values


def _blend(voice: str) -> BlendedVoice | None:
    if "+" not in voice or not _BLEND.fullmatch(voice):
        return None
    parts = [(name, float(share or 1)) for name, share in _PARTS.findall(voice)]
    total = sum(share for _, share in parts)
    return BlendedVoice(tuple((name, share / total) for name, share in parts)) if total > 0 else None


def _text(value: object, where: str) -> str:
    if type(value) is not str:
        raise ModelError(f"{where} is {value!r:.40}; it has to be text")
    return value


def _seed(value: object, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_SEED:
        raise ModelError(f"{where} is {value!r:.40}; it has to be a whole number from 0 to 2**63 - 1")
    return value
