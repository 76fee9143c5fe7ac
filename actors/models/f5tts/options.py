"""The settings of F5-TTS in a job, checked before anything is loaded. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from ....errors import ModelError, did_you_mean
from ..option_values import number

DTYPES = ("float32", "bfloat16", "float16")
MAX_STEPS = 128


@dataclass(frozen=True, slots=True)
class Options:
    """What `model.options` may hold.

    Attributes:
        steps: Of Euler's method; 32 is the published default
        guidance: How far to go away from what is said without text and reference; 0 takes half of the time
        sway: -1 for steps that start small, 0 for even ones
        dtype: Of the network; frames and vocoder are float32 in any case
        deterministic: Each row by itself, so that no bit of it depends on its batch; "auto" for so on a CPU
        voices: Presets, as `voices.presets` reads them
    """

    steps: int = 32
    guidance: float = 2.0
    sway: float = -1.0
    dtype: str = "float32"
    deterministic: str | bool = "auto"
    voices: object = field(default_factory=dict[str, object])

    @property
    def branches(self) -> int:
        """Rows that the network sees of one row: guidance needs it twice."""
        return 2 if self.guidance > 0 else 1

    def is_deterministic(self, device: str) -> bool:
        """Whether each row is computed by itself. On a CPU that costs nothing: a batch is no faster there."""
        return device == "cpu" if self.deterministic == "auto" else bool(self.deterministic)


_CHOICES: Mapping[str, tuple[object, ...]] = {"dtype": DTYPES, "deterministic": ("auto", True, False)}
_NUMBERS: Mapping[str, tuple[float, float]] = {"steps": (1, MAX_STEPS), "guidance": (0, 10), "sway": (-1, 0.5)}


def read_options(options: Mapping[str, object]) -> Options:
    """The options of a job.

    Raises:
        ModelError: One is wrong; the message names its key
    """
    known = [field.name for field in fields(Options)]
    values = dict(options)
    for name, value in options.items():
        if name not in known:
            raise ModelError(f"model.options.{name} is not an option of f5tts: {did_you_mean(name, known)}")
        if name in _CHOICES and not any(value is choice or value == choice for choice in _CHOICES[name]):
            choices = ", ".join(str(choice).lower() for choice in _CHOICES[name])
            raise ModelError(f"model.options.{name} is {value!r:.40}; it has to be one of {choices}")
        if name in _NUMBERS:
            values[name] = _number(name, value)
    return Options(**values)  # pyright: ignore[reportArgumentType]


def _number(name: str, value: object) -> float:
    kind = int if name == "steps" else float
    return kind(number(value, kind, *_NUMBERS[name], f"model.options.{name}"))
