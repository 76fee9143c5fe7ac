"""How many replicas of a model a GPU holds and gains from, by what one of them was measured to take of it. Pure.

A replica that is bound by its host leaves the GPU idle between its kernels; another one fills the gaps. It is assumed
that the host parts of replicas run at once (each has cores of its own), and that their kernels take turns. So `n`
replicas speak `n` times as much, until the GPU is always busy. With NVIDIA's MPS, kernels that leave parts of a GPU
idle overlap: that gain is not counted. What is lost is counted: with less memory, a replica speaks fewer rows at once.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from ..device.card import CONTEXT_BYTES, CardPoint
from .budget import size
from .profile import ProfileKey

MOST = 8
"""The most replicas on a GPU."""
LEAST_GAIN = 0.05
"""More replicas are not started for less than this share of speed."""
_GRAIN = 10_000
"""Ray counts shares of a GPU in so many parts, and rounds to the nearest."""


@dataclass(frozen=True, slots=True)
class CardUse:
    """What one replica of a model takes of a GPU that it has for itself.

    Attributes:
        key: What it holds for
        card_bytes: Memory of the GPU
        fixed_bytes: Memory that the model holds at rest, without CUDA's own
        points: Work of several sizes, at least one
    """

    key: ProfileKey
    card_bytes: int
    fixed_bytes: int
    points: tuple[CardPoint, ...]

    def to_json(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> CardUse:
        """Read what `to_json` wrote.

        Raises:
            ValueError: It is something else
        """
        try:
            raw: dict[str, Any] = json.loads(text)
            points = tuple(CardPoint(**point) for point in raw["points"])
            use = cls(ProfileKey(**raw["key"]), int(raw["card_bytes"]), int(raw["fixed_bytes"]), points)
            is_sound = use.card_bytes > 0 <= use.fixed_bytes and points != ()
            if not is_sound or not all(0 < p.device_s <= p.seconds and p.units > 0 <= p.num_bytes for p in points):
                raise ValueError(f"not what a replica takes of a GPU: {text[:80]!r}")
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"not what a replica takes of a GPU: {error!r}") from error
        return use


@dataclass(frozen=True, slots=True)
class CardSharing:
    """How a GPU is shared.

    Attributes:
        replicas: Replicas on it, at least 1
        reason: Why so many, in words
        gain: Expected speed of all of them, relative to one; 1 for one
    """

    replicas: int
    reason: str
    gain: float = 1.0

    def share(self, room: float = 1.0) -> float:
        """The `num_gpus` of each, so that Ray puts so many on a GPU of which `room` is free for them."""
        return room if self.replicas == 1 else int(room * _GRAIN / self.replicas + 1e-9) / _GRAIN


def num_sharing(share: float) -> int:
    """How many replicas with such a `num_gpus` Ray puts on one GPU; 1 for whole GPUs."""
    return max(1, _GRAIN // max(1, round(share * _GRAIN)))


def share_card(use: CardUse | None, utilization: float, most: int = MOST) -> CardSharing:
    """Decide how many replicas share a GPU: the fewest that speak about as fast as the best number of them.

    Args:
        use: What one takes; None if it was never measured
        utilization: Share of the GPU's memory that all of them may use, above 0 and up to 1
        most: The most of them, at least 1: by cores, or by the replicas that there are
    """
    if use is None:
        return CardSharing(
            1,
            "1 replica on a GPU: what this model takes of a GPU is not known here; the first replica measures it while "
            "it loads, and the next run uses it",
        )
    best_points = {number: _best(use, utilization, number) for number in range(1, min(most, MOST) + 1)}
    rates = {number: _rate(point, number) for number, point in best_points.items() if point is not None}
    alone = best_points[1]
    if alone is None:
        return CardSharing(1, f"1 replica on a GPU: {size(use.card_bytes)} hold no more than one")
    best = max(rates.values())
    number = next(number for number, rate in sorted(rates.items()) if rate * (1 + LEAST_GAIN) >= best)
    busy = f"one keeps it busy for {100 * alone.device_s / alone.seconds:.0f} % of the time ({alone.rows} rows at once)"
    gain = rates[number] / rates[1]
    expected = f", {number} are expected to speak {gain:.2f} times as much" if number > 1 else ""
    return CardSharing(number, f"{_counted(number)} on a GPU: {busy}{expected}; {_limit(rates, number, most)}", gain)


def _best(use: CardUse, utilization: float, number: int) -> CardPoint | None:
    """The fastest of the measured sizes that fit into the share of each of so many replicas; None if none fits."""
    room = int(utilization * use.card_bytes / number) - CONTEXT_BYTES - use.fixed_bytes
    fitting = [point for point in use.points if point.num_bytes <= room]
    return max(fitting, key=lambda point: _rate(point, number), default=None)


def _rate(point: CardPoint, number: int) -> float:
    """Units per second of so many replicas together."""
    return min(number * point.units / point.seconds, point.units / point.device_s)


def _limit(rates: dict[int, float], number: int, most: int) -> str:
    """What speaks against one more."""
    more = number + 1
    if more in rates:
        return "more would gain too little"
    if more > MOST:
        return "more are not tried"
    return "more have no cores, or are not asked for" if more > most else "more have no memory"


def _counted(number: int) -> str:
    return f"{number} replica{'s' if number > 1 else ''}"
