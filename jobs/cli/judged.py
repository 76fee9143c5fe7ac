"""What judges said of a run or an output, in words."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from ...actors.gate.stats import GateStats
from ...actors.records.verdicts import VerdictCounts


def judged_line(gate: GateStats) -> str:
    """The judges of a run in one line; "" where nothing was judged."""
    if not gate.num_judged:
        return ""
    at_once, later = sum(gate.passed[:1]), sum(gate.passed[1:])
    parts = [f"judged {gate.num_judged:,} clips", f"passed {at_once:,} at once"]
    parts += [f"{later:,} later"] if later else []
    parts += [f"{gate.num_rejected:,} rejected"] if gate.num_rejected else []
    parts += [f"{gate.num_unheard:,} unheard"] if gate.num_unheard else []
    return ", ".join(parts)


def judged_dict(gate: GateStats) -> dict[str, Any]:
    """The same for a program."""
    return {
        "num_judged": gate.num_judged,
        "passed": list(gate.passed),
        "num_rejected": gate.num_rejected,
        "num_alike": gate.num_alike,
        "num_unheard": gate.num_unheard,
        "rejections": gate.rejections,
        "unheard": gate.unheard,
        "vain_s": round(gate.vain_s, 3),
        "cost_s_per_audio_s": {name: round(cost, 6) for name, cost in gate.costs.items()},
    }


def add_judged(table: Table, gate: GateStats, audio_s: float) -> None:
    """Rows about the judges of a run; `audio_s`: seconds of audio that it stored."""
    if not gate.num_judged:
        return
    passed = ", ".join(f"{count:,} at attempt {number}" for number, count in enumerate(gate.passed, 1) if count)
    table.add_row("judged", f"{gate.num_judged:,} clips; rows passed: {passed or 'none'}")
    if gate.num_rejected:
        alike = f", {gate.num_alike:,} of them heard alike each time: text or ear" if gate.num_alike else ""
        table.add_row("never passed", f"{gate.num_rejected:,} rows{alike}")
    if gate.rejections:
        told = sorted(gate.rejections.items(), key=lambda pair: -pair[1])
        table.add_row("rejected by", ", ".join(f"{kind} {count:,}" for kind, count in told))
    if gate.unheard:
        table.add_row("unheard", f"{gate.num_unheard:,} rows; clips by {_counts(gate.unheard)}")
    if gate.vain_s > 0:
        share = gate.vain_s / max(gate.vain_s + audio_s, 1e-9)
        table.add_row("spoken in vain", f"{gate.vain_s:,.0f} s of audio, {100 * share:.1f} %")
    costs = ", ".join(f"{name} {1000 * cost:.3g} ms" for name, cost in gate.costs.items())
    table.add_row("cost of judges", f"per second of audio: {costs}")


def add_verdicts(table: Table, verdicts: VerdictCounts) -> None:
    """Rows about the verdicts of a whole output."""
    if verdicts.num_again:
        table.add_row("passed when spoken again", f"{verdicts.num_again:,}")
    if verdicts.num_rejected:
        table.add_row("rejected by judges", f"{verdicts.num_rejected:,}")
    if verdicts.num_unheard:
        table.add_row("unheard by judges", f"{verdicts.num_unheard:,}")


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())
