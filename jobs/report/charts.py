"""The plots of a report as inline SVG, drawn by matplotlib.

Guaranteed: colours are those of the page (CSS variables), text stays text, ids are unique in the page, and the same
figures give the same SVG. matplotlib belongs to the extra `speechmill[report]`.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...errors import SpecError
from .histogram import Bin
from .trace_file import OUTCOMES, Timeline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Colours that no plot would choose, each replaced by a variable of the page's style.
_INK, _QUIET, _GRID, _BAR, _CARD = "#010201", "#010202", "#010203", "#010204", "#010205"
_OUTCOME = {outcome: f"#0102{16 + number:02x}" for number, outcome in enumerate(OUTCOMES)}
_VARIABLES = {_INK: "--ink", _QUIET: "--quiet", _GRID: "--grid", _BAR: "--bar", _CARD: "--card"} | {
    colour: f"--{outcome.replace(' ', '-')}" for outcome, colour in _OUTCOME.items()
}
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "speechmill",
    "font.size": 8.5,
    "text.color": _INK,
    "axes.labelcolor": _QUIET,
    "axes.edgecolor": _GRID,
    "axes.facecolor": "none",
    "xtick.color": _GRID,
    "ytick.color": _GRID,
    "xtick.labelcolor": _QUIET,
    "ytick.labelcolor": _QUIET,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "grid.color": _GRID,
    "grid.linewidth": 1.0,
    "path.simplify": True,
}
_FONT = re.compile(r"(font: (?:[a-z0-9]+ )*?[0-9.]+px) [^;\"]+")
_ID = re.compile(r'\bid="([^"]+)"')
_USE = re.compile(r'(url\(#|xlink:href="#)([^)"]+)')


def require_matplotlib() -> None:
    """Raise SpecError, which says what to install, where matplotlib is missing."""
    try:
        import matplotlib  # noqa: F401  # pyright: ignore[reportUnusedImport]
    except ImportError as error:
        raise SpecError(f'a report needs matplotlib: pip install "speechmill[report]" ({error})') from error


def histogram_svg(bins: Sequence[Bin], unit: str, label: str, ident: str, limit: float | None = None) -> str:
    """Bars of counts over an axis named `unit`; `label` tells a screen reader what is seen, `limit` is a line."""
    with _styled():
        figure, axes = _figure(4.6, 2.15)
        width = bins[0].end - bins[0].begin if bins else 1.0
        axes.bar(
            [some.begin for some in bins],
            [some.count for some in bins],
            width * 0.9,
            align="edge",
            color=_BAR,
            linewidth=0,
        )
        if limit is not None:
            axes.axvline(limit, color=_INK, linewidth=1.0, linestyle=(0, (3, 2)))
        axes.set_xlabel(unit)
        _finish(axes)
        return _svg(figure, label, ident)


def timeline_svg(timeline: Timeline, label: str, ident: str) -> str:
    """A line for each replica, a bar for what it spoke, coloured by the outcome."""
    with _styled():
        figure, axes = _figure(9.6, 0.75 + 0.26 * max(2, len(timeline.bars)))
        unit, per_unit = _time_unit(timeline.seconds)
        for line, bars in enumerate(timeline.bars.values()):
            for outcome in OUTCOMES:
                spans = [
                    (bar.began_s / per_unit, (bar.ended_s - bar.began_s) / per_unit)
                    for bar in bars
                    if bar.outcome == outcome
                ]
                if spans:
                    axes.broken_barh(spans, (line - 0.34, 0.68), facecolors=_OUTCOME[outcome], linewidth=0)
        axes.set_yticks(range(len(timeline.bars)), [str(replica) for replica in timeline.bars])
        axes.set_ylim(len(timeline.bars) - 0.4, -0.6)
        axes.set_xlim(0, timeline.seconds / per_unit)
        axes.tick_params(length=0)
        axes.grid(axis="x")
        axes.set_axisbelow(True)
        axes.set_xlabel(f"{unit} since the first task")
        axes.set_ylabel("replica")
        return _svg(figure, label, ident)


def curve_svg(values: Sequence[float], seconds: float, unit: str, label: str, ident: str) -> str:
    """Values of equal bins over time."""
    with _styled():
        figure, axes = _figure(9.6, 1.9)
        time_unit, per_unit = _time_unit(seconds)
        edges = [place * seconds / len(values) / per_unit for place in range(len(values) + 1)]
        axes.stairs(values, edges, fill=True, color=_BAR, alpha=0.35, linewidth=0)
        axes.stairs(values, edges, color=_BAR, linewidth=1.4)
        axes.set_xlim(0, seconds / per_unit)
        axes.set_xlabel(f"{time_unit} since the first task")
        axes.set_ylabel(unit)
        _finish(axes)
        return _svg(figure, label, ident)


def _styled() -> Any:
    require_matplotlib()
    import matplotlib

    return matplotlib.rc_context(_STYLE)


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    figure.patch.set_alpha(0)
    return figure, figure.subplots()


def _finish(axes: Axes) -> None:
    from matplotlib.ticker import EngFormatter, MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(4, integer=axes.get_ylim()[1] >= 4))
    if axes.get_ylim()[1] >= 10_000:
        axes.yaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_ylim(bottom=0)
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    axes.tick_params(length=0)


def _time_unit(seconds: float) -> tuple[str, float]:
    units: Mapping[str, float] = {"hours": 3600.0, "minutes": 60.0, "seconds": 1.0}
    return next(((name, size) for name, size in units.items() if seconds >= 3 * size), ("seconds", 1.0))


def _svg(figure: Figure, label: str, ident: str) -> str:
    """The figure as an element of an HTML page."""
    from markupsafe import escape

    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = _ID.sub(rf'id="{ident}-\1"', text)
    text = _USE.sub(rf"\1{ident}-\2", text)
    text = _FONT.sub(r"\1 system-ui, sans-serif", text)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    head, _, rest = text.partition(">")
    size = re.search(r'viewBox="[^"]+"', head)
    assert size and math.prod(figure.get_size_inches()) > 0, "matplotlib says how large its figure is"
    spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f'<svg {spaces} {size[0]} role="img" aria-label="{escape(label)}">{rest}'
