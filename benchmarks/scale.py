"""Whether a run holds at a hundred million rows: how fast it is planned, in what memory, how soon it goes on.

    python benchmarks/scale.py [--rows 1000000 10000000] [--parts planning] [--quick]

Each part is a module of its own (`scale_planning`) that gives a table, and figures under the keys that the last line
of output has as JSON. Nothing here needs a GPU or a model.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import scale_planning
from common import machine, show


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the benchmark: `measured` takes the parsed arguments and gives columns, rows and figures."""

    title: str
    measured: Callable[[argparse.Namespace], tuple[list[str], list[list[str]], dict[str, Any]]]


PARTS = {"planning": Part("planning and resuming, on one core", scale_planning.measured)}


def main() -> None:
    """Measure the parts one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000], help="also 100000000")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--quick", action="store_true", help="200,000 rows: under a minute")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rows = [200_000]
    figures: dict[str, Any] = {"device": "cpu", "machine": machine()}
    for name in arguments.parts:
        columns, rows, found = PARTS[name].measured(arguments)
        figures |= found
        show(PARTS[name].title, columns, rows, figures)


if __name__ == "__main__":
    main()
