"""Whether a run holds at a hundred million rows and wastes no replica's time.

    python benchmarks/scale.py [--rows 1000000 10000000] [--parts planning makespan] [--tiny]

Each part is a benchmark of its own, and a process: `scale_planning`, how fast a corpus is planned, in what memory, how
soon a run goes on; `scale_makespan`, how close replicas come to ending together, beside Ray Data. The last line of
output has the figures of both. Nothing here needs a GPU or a model.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from common import parsed, report_of

PARTS = ("planning", "makespan")


def main() -> None:
    """Measure the parts one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", help="of scale_planning, also 100000000; default: its own")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    arguments = parsed(parser, "both parts are", rows=None)
    figures: dict[str, Any] = {}
    for part in arguments.parts:
        program = [str(Path(__file__).with_name(f"scale_{part}.py"))]
        program += ["--rows", *arguments.rows] if part == "planning" and arguments.rows else []
        report = report_of([*program, "--tiny", arguments.tiny] if arguments.tiny else program)
        print(report.tables, flush=True)
        figures |= report.figures
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
