"""The numbers and plots of a report in the words of the page: what its template shows, without any HTML of its own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from .charts import curve_svg, histogram_svg, timeline_svg
from .collect import Collected
from .histogram import Histogram
from .score_limits import score_limits
from .summary import NO_VOICE
from .trace_file import NUM_BINS, OUTCOMES, Timeline

_TOLD = {
    "spoken": "spoken, and counts",
    "copy": "a second attempt that ended first, and counts",
    "second": "another attempt ended first",
    "handed back": "spoken in part, as the node goes away",
    "dropped": "ended before it was spoken",
    "died": "its replica died",
}


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot, and the same as a table for readers that do not see it.

    Attributes:
        told: One line of figures under the title
        columns, rows: The table
    """

    ident: str
    title: str
    told: str
    svg: Markup
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    is_wide: bool = False


@dataclass(frozen=True, slots=True)
class VoiceRow:
    """A line of the table of voices."""

    name: str
    rows: str
    audio: str
    mean_s: str
    chars_per_s: str
    failed: str
    scores: Sequence[str]


def histograms(made: Collected) -> list[Plot]:
    """The distributions that there are values for."""
    clips = f"{made.summary.durations_s.num_values:,} clips"
    heard = f"{made.level_dbfs.num_values:,} clips that were decoded for this page"
    plots = [
        _histogram("duration", "Duration", "seconds", made.summary.durations_s, clips),
        _histogram("pace", "Characters per second", "characters per second", made.summary.chars_per_s, clips),
        _histogram("level", "Level", "dBFS, root mean square", made.level_dbfs, heard),
    ]
    limits = score_limits(made.output.job.identity.keys)
    for place, (name, values) in enumerate(sorted(made.summary.scores.items())):
        limit, of = limits.get(name), f"{values.num_values:,} clips"
        if limit is not None:
            of += f"; rejected {'below' if limit.is_lower else 'above'} {number(limit.value)}"
        plots.append(
            _histogram(f"score-{place}", f"Score {name}", "score", values, of, None if limit is None else limit.value)
        )
    return [plot for plot in plots if plot is not None]


def _histogram(
    ident: str, title: str, unit: str, values: Histogram, of: str, limit: float | None = None
) -> Plot | None:
    bins = values.bins(min(40, max(10, math.isqrt(2 * values.num_values))))
    if not bins:
        return None
    low, middle, high = (number(values.quantile(share)) for share in (0.05, 0.5, 0.95))
    told = f"{of}; median {middle}, 5 % below {low}, 5 % above {high}, from {number(values.smallest)} to "
    told += number(values.largest)
    rows = [(number(some.begin), number(some.end), f"{some.count:,}") for some in bins if some.count]
    svg = histogram_svg(bins, unit, f"Histogram of {title.lower()}: {told}", ident, limit)
    return Plot(ident, title, told, Markup(svg), ("from", "below", "clips"), rows)


def over_time(timeline: Timeline) -> list[Plot]:
    """The timeline of the replicas, the throughput, and the share of replicas that speak."""
    total = timeline.outcomes.total()
    shown = f" The first {len(timeline.bars)} are shown." if len(timeline.bars) < timeline.num_replicas else ""
    told = (
        f"{timeline.num_replicas} replicas, {total:,} attempts in {duration(timeline.seconds)}.{shown} A bar begins "
        f"when the replica is free; gaps below {timeline.merged_s:.2g} s are closed."
    )
    counts = [(name, _TOLD[name], f"{timeline.outcomes[name]:,}") for name in OUTCOMES if timeline.outcomes[name]]
    bars = timeline_svg(timeline, f"Timeline of replicas: {told}", "timeline")
    bin_s = timeline.seconds / NUM_BINS
    plots = [Plot("timeline", "Replicas", told, Markup(bars), ("outcome", "meaning", "attempts"), counts, is_wide=True)]
    curves = (
        ("throughput", "Throughput", "rows per second", timeline.rows_per_s, 1.0),
        ("busy", "Replicas that speak", "% of all replicas", timeline.busy_share, 100.0),
    )
    for ident, title, unit, values, factor in curves:
        scaled = [factor * value for value in values]
        mean, most = sum(scaled) / len(scaled), max(scaled)
        told = f"{number(mean)} {unit} on average, {number(most)} at most, in steps of {number(bin_s)} s"
        svg = curve_svg(scaled, timeline.seconds, unit, f"{title} over time: {told}", ident)
        rows = [(number(place * bin_s), number(value)) for place, value in enumerate(scaled)]
        plots.append(Plot(ident, title, told, Markup(svg), ("seconds", unit), rows, is_wide=True))
    return plots


def voice_rows(made: Collected) -> tuple[Sequence[str], list[VoiceRow]]:
    """The names of the scores, and a line for each voice."""
    names = sorted(made.summary.scores)
    return names, [
        VoiceRow(
            name,
            f"{voice.num_ok + voice.num_failed:,}",
            duration(voice.audio_s),
            f"{voice.audio_s / voice.num_ok:.2f}" if voice.num_ok else "–",
            f"{voice.chars_per_s:.1f}" if voice.audio_s else "–",
            f"{voice.num_failed:,}",
            ["–" if (mean := voice.mean_score(score)) is None else number(mean) for score in names],
        )
        for name, voice in made.summary.by_voice.items()
    ]


def read_note(made: Collected) -> str:
    """How many rows the distributions are made of."""
    choice, summary = made.choice, made.summary
    rows = choice.totals.num_rows
    if choice.is_whole:
        return f"Distributions, voices and reasons: all {rows:,} rows. Counts: all rows."
    return (
        f"Distributions and voices: {summary.num_rows:,} of {rows:,} rows, those of parts drawn at random by the seed. "
        f"Failed rows: {summary.num_failed_read:,} of {choice.totals.num_failed:,} were read. Longest and shortest "
        "clips: of the parts read, those with the longest and shortest clips on average among them. Counts of rows and "
        "hours: all rows."
    )


def tiles(made: Collected) -> Sequence[tuple[str, str, str]]:
    """The main figures: name, value, and what to know of it."""
    totals, summary = made.choice.totals, made.summary
    mean = totals.audio_s / totals.num_ok if totals.num_ok else 0.0
    found = [
        ("Rows", f"{totals.num_rows:,}", "committed"),
        ("Spoken" if not made.output.is_text else "Refined", f"{totals.num_ok:,}", ""),
        ("Failed", f"{totals.num_failed:,}", share(totals.num_failed, totals.num_rows)),
    ]
    if not made.output.is_text:
        found += [("Audio", duration(totals.audio_s), f"{mean:.1f} s a clip" if mean else "")]
    found += [
        (
            "Voices",
            f"{len(summary.voices.keys() - {NO_VOICE}):,}",
            "in the rows read" if not made.choice.is_whole else "",
        )
    ]
    if totals.num_unspoken:
        found.append(("Text left out", f"{totals.num_unspoken:,}", "rows with unspoken text"))
    found += [(f"Judged {name}", f"{count:,}", "of the rows read") for name, count in sorted(summary.verdicts.items())]
    again = sum(count for attempts, count in summary.attempts.items() if attempts > 1)
    if again:
        found.append(("Spoken again", f"{again:,}", "of the rows read"))
    return found


def number(value: float) -> str:
    """Three digits, four where there is no fraction."""
    if math.isnan(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.3g}"


def duration(seconds: float) -> str:
    """As in "1.2 h"."""
    for size, unit in ((3600.0, "h"), (60.0, "min")):
        if seconds >= size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:.1f} s"


def share(part: int, whole: int) -> str:
    """As in "0.4 %"; "" of nothing."""
    return f"{100 * part / whole:.2g} %" if part and whole else ""


def groups_of(made: Collected) -> Mapping[str, int]:
    """The groups that rows were picked for, with the number of rows in each."""
    counts: dict[str, int] = {}
    for pick in made.picks:
        for group in pick.groups:
            counts[group] = counts.get(group, 0) + 1
    order = ["random", "longest", "shortest", *sorted(name for name in counts if name.startswith("worst"))]
    order += ["rejected", "failed"]
    return {name: counts[name] for name in order if name in counts}
