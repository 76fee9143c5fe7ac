"""Whether a run holds at a hundred million rows and wastes no replica's time.

    python benchmarks/scale.py [--rows 1000000 10000000] [--parts planning makespan] [--tiny]

Each part is a benchmark of its own, whose contenders are processes: `scale_planning`, how fast a corpus is planned, in
what memory, how soon a run goes on; `scale_makespan`, how close replicas come to ending together, beside Ray Data. The
last line of output has the figures of both. Nothing here needs a GPU or a model.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import scale_makespan
import scale_planning
from common import parsed

PARTS = {"planning": scale_planning, "makespan": scale_makespan}


def main() -> None:
    """Measure the parts one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", help="of scale_planning, also 100000000; default: its own")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    arguments = parsed(parser, "both parts are", rows=None)
    tiny = ["--tiny", arguments.tiny] if arguments.tiny else []
    figures: dict[str, Any] = {}
    for name in arguments.parts:
        part = PARTS[name]
        rows = ["--rows", *arguments.rows] if name == "planning" and arguments.rows else []
        figures |= part.report(part.arguments_of([*rows, *tiny]))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
