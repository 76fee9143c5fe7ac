"""The costs of one model on one device: measured samples, and the curves of memory and time fitted to them. Pure.

Guaranteed: `Profile.from_json` inverts `to_json`. Only samples are stored, so that a better fit can use old ones.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, cast

from .batch_shape import BatchShape
from .fit import Curve, fit_bytes, fit_seconds

RULES = 1
"""The version of the measurement. After it is raised, cached profiles are measured anew."""


@dataclass(frozen=True, slots=True)
class ProfileKey:
    """The circumstances that a profile holds for. Another value of any field needs another profile.

    Attributes:
        model, revision, backend: As in ModelInfo; the backend implies the number format of the computation
        device: "cpu" or "cuda"
        hardware: The name of the device; of a CPU with its number of cores
        versions: Versions of the libraries that compute
        options: The model's own options as JSON
        rules: The version of the measurement
    """

    model: str
    revision: str
    backend: str
    device: str
    hardware: str
    versions: str
    options: str
    rules: int = RULES


@dataclass(frozen=True, slots=True)
class Sample:
    """A measured batch.

    Attributes:
        seconds: Seconds of `Model.speak`, the fastest of several tries
        peak_bytes: The most memory while it ran, above the memory that the model holds at rest
    """

    shape: BatchShape
    seconds: float
    peak_bytes: int


@dataclass(frozen=True)
class Profile:
    """The cost of a model's batches on one device.

    Attributes:
        resident_bytes: Memory held at rest: weights and workspace
        total_bytes: Memory of the device
        samples_per_cell: The most audio samples per token of a segment
        cells_per_char: Tokens per character of text
        measured_s: Seconds that the measurement took
        is_main_memory: Whether the device uses the main memory
        out_of_memory: Shapes that did not fit during the measurement
    """

    key: ProfileKey
    samples: tuple[Sample, ...]
    resident_bytes: int
    total_bytes: int
    samples_per_cell: float
    cells_per_char: float
    measured_s: float
    is_main_memory: bool = False
    out_of_memory: tuple[BatchShape, ...] = ()

    @cached_property
    def peak(self) -> Curve:
        """Bytes of a batch, above the memory held at rest."""
        return fit_bytes([s.shape for s in self.samples], [s.peak_bytes for s in self.samples])

    @cached_property
    def seconds(self) -> Curve:
        """Seconds of a batch."""
        return fit_seconds([s.shape for s in self.samples], [s.seconds for s in self.samples])

    @property
    def most_cells(self) -> int:
        """Cells of the largest measured batch."""
        return max((sample.shape.cells for sample in self.samples), default=0)

    def to_json(self) -> str:
        """The profile as JSON."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> Profile:
        """Read a profile.

        Raises:
            ValueError: The text was not written by `to_json`
        """
        try:
            body = cast("dict[str, Any]", json.loads(text))
            raw = {name: body.pop(name) for name in ("key", "samples", "out_of_memory")}
            profile = cls(
                key=ProfileKey(**raw["key"]),
                samples=tuple(_sample(sample) for sample in raw["samples"]),
                out_of_memory=tuple(_shape(shape) for shape in raw["out_of_memory"]),
                is_main_memory=bool(body.pop("is_main_memory")),
                **{name: _number(body[name]) for name in body},
            )
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"not a profile: {error!r}") from error
        if not profile.samples:
            raise ValueError("not a profile: it has no samples")
        return profile


def _shape(raw: Mapping[str, Any]) -> BatchShape:
    rows, longest = raw["rows"], raw["longest"]
    if type(rows) is not int or type(longest) is not int or rows < 1 or longest < 1:
        raise ValueError(f"not a shape: {raw!r}")
    return BatchShape(rows, longest)


def _sample(raw: Mapping[str, Any]) -> Sample:
    return Sample(_shape(raw["shape"]), _number(raw["seconds"]), int(_number(raw["peak_bytes"])))


def _number(value: object) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ValueError(f"not a number of 0 or more: {value!r}")
    return value
