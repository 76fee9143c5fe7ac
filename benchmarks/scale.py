"""Whether a run holds at a hundred million rows and wastes no replica's time.

    python benchmarks/scale.py [--rows 1000000 10000000] [--parts planning makespan] [--quick]

Each part is a module of its own that gives a table, and figures under the keys that the last line of output has as
JSON: `scale_planning`, how fast a corpus is planned, in what memory, how soon a run goes on; `scale_makespan`, how
close replicas come to ending together, beside Ray Data. Nothing here needs a GPU or a model.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import scale_makespan
import scale_planning
from common import machine, show


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the benchmark: `measured` takes the parsed arguments and gives columns, rows and figures."""

    title: str
    measured: Callable[[argparse.Namespace], tuple[list[str], list[list[str]], dict[str, Any]]]


def _makespan(arguments: argparse.Namespace) -> tuple[list[str], list[list[str]], dict[str, Any]]:
    return scale_makespan.measured(*((2_000, 5.0) if arguments.quick else (10_000, 30.0)))


PARTS = {
    "planning": Part("planning and resuming, on one core", scale_planning.measured),
    "makespan": Part("from the first row to the last, rows of log-normal lengths", _makespan),
}


def main() -> None:
    """Measure the parts one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000], help="also 100000000")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--quick", action="store_true", help="200,000 rows to plan, 2,000 to speak")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rows = [200_000]
    figures: dict[str, Any] = {"device": "cpu", "machine": machine()}
    for name in arguments.parts:
        columns, rows, found = PARTS[name].measured(arguments)
        figures |= found
        show(PARTS[name].title, columns, rows, figures)


if __name__ == "__main__":
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    main()
