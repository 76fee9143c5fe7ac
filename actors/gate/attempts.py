"""What becomes of a row after a verdict: stored, spoken again, or failed. Pure.

Guaranteed: the first attempt that passes is the one that is stored, in the order of attempts. Of attempts that were
all rejected, the best is the one that most judges let pass, and of equal ones the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from .cascade import ClipVerdict
from .config import GateConfig

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Ending = Literal["store", "again", "fail"]


@dataclass(frozen=True, slots=True)
class Trial:
    """A judged attempt at a row.

    Attributes:
        pcm: int16 [num_samples]; None where it is not kept
    """

    attempt: int
    verdict: ClipVerdict
    duration_s: float
    pcm: NDArray[np.int16] | None = None

    @property
    def told(self) -> dict[str, Any]:
        """A rejected attempt, as a manifest says it."""
        told: dict[str, Any] = {
            "attempt": self.attempt,
            "judge": self.verdict.rejected_by,
            "reasons": list(self.verdict.reasons),
            "duration_s": round(self.duration_s, 3),
        }
        return told | ({"heard": self.verdict.heard} if self.verdict.heard else {})


def ending_of(config: GateConfig, trial: Trial) -> Ending:
    """What becomes of a row after its last attempt so far."""
    match trial.verdict.name:
        case "passed":
            return "store"
        case "unheard":
            return "store" if config.keeps_unheard else "fail"
        case "rejected":
            if trial.attempt + 1 < config.attempts:
                return "again"
            return "store" if config.keeps_rejected else "fail"


def best_of(trials: Sequence[Trial]) -> Trial:
    """The best of rejected attempts."""
    return max(trials, key=lambda trial: (trial.verdict.depth, -trial.attempt))


def are_alike(trials: Sequence[Trial]) -> bool:
    """Whether several attempts were all understood as the same words, so that speaking once more would not help."""
    heard = {" ".join(trial.verdict.heard.casefold().split()) for trial in trials}
    return len(trials) > 1 and len(heard) == 1 and heard != {""}


def error_of(trials: Sequence[Trial]) -> str:
    """The reason of a row that fails at the gate, after these attempts."""
    last = trials[-1].verdict
    if last.name == "unheard":
        return f"unheard: {', '.join(last.unheard_by)} could not judge the clip (quality.on_unheard: fail)"
    if len(trials) == 1:
        return f"rejected: {last.told}"
    told = "; ".join(dict.fromkeys(trial.verdict.told for trial in trials))
    alike = f"; heard alike {len(trials)} times ({last.heard!r:.80}): text or ear, not speech"
    return f"rejected {len(trials)} times: {told}" + (alike if are_alike(trials) else "")
