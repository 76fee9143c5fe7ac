"""What a part of the batching benchmark has to say: lines of its table, and figures. Nothing is measured here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from speechmill.actors.batcher.packing import num_cells
from speechmill.actors.records.utterance import Segment

from .batching_contenders import Contender, Outcome

COLUMNS = ["part", "batches", "speed", "again", "padding", "num", "OOM / 10k", "lost", "peak / pred."]


@dataclass(slots=True)
class Part:
    """What a part has to say: lines of the table, and figures."""

    lines: list[list[str]] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    def add(self, name: str, contender: object, outcome: Outcome, speed: float | None = None, again: str = "") -> None:
        """One line; `speed` is relative to auto_max."""
        batches = outcome.batches
        stopped = f", to {outcome.share:.0%}" if outcome.share < 1 else ""
        self.lines.append(
            [
                name,
                f"{contender}{stopped}",
                "" if speed is None else f"{speed:.3f}",
                again,
                f"{outcome.padding:.1%}",
                f"{batches.num_batches:,}",
                f"{oom_rate([outcome]):.1f}",
                f"{outcome.num_lost}",
                f"{outcome.peak_over_prediction:.3f}" if outcome.peak_over_prediction else "",
            ]
        )

    def add_padding(self, key: str, name: str, contender: Contender, batches: Sequence[Sequence[Segment]]) -> None:
        """One line and one figure of batches that were packed and not spoken."""
        filled, total = map(sum, zip(*map(num_cells, batches), strict=True))
        self.figures[f"padding_{key}"] = round(1 - filled / total, 4)
        self.lines.append([f"padding, {name}", str(contender), "", "", f"{1 - filled / total:.1%}"])
        self.lines[-1] += [f"{len(batches):,}", "", "", ""]


def oom_rate(outcomes: Sequence[Outcome]) -> float:
    """Batches that were out of memory, per 10,000 that were spoken."""
    spoken = sum(outcome.batches.num_batches for outcome in outcomes)
    return 10_000 * sum(outcome.batches.num_out_of_memory for outcome in outcomes) / max(1, spoken)


def worst_of(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """What automatic batches are to keep within, over several runs."""
    return {
        "oom_per_10k_batches": round(oom_rate(outcomes), 2),
        "peak_over_prediction": round(max(outcome.peak_over_prediction for outcome in outcomes), 4),
        "rows_lost": sum(outcome.num_lost for outcome in outcomes),
    }
