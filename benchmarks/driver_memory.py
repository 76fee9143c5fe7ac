"""The driver's memory over a large corpus: it has to stay flat, whatever the number of rows.

Speaks `--rows` rows (default 1,000,000) with the tone model at zero cost, and compares the driver's largest resident
size with its own before the job: everything imported, a Ray joined, and nothing done.

    python benchmarks/driver_memory.py [--rows 1000000] [--replicas 2] [--tiny]
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import psutil
from common import machine, measure, num_cores, parsed, show

WORDS = "la so mi re do fa ti ut"


def write_corpus(path: Path, num_rows: int) -> None:
    """Rows of id, text and one column of metadata."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "text", "topic"])
        for row in range(num_rows):
            writer.writerow([f"row-{row:09d}", f"Row {row} " + WORDS * (1 + row * 7 % 4), "music"])


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """The resident size at rest, then the job."""
    import speechmill
    import speechmill.jobs.run.driver
    from speechmill.cluster.session import session

    assert speechmill.jobs.run.driver
    with nullcontext() if arguments.tiny else session("local"):
        idle_bytes = psutil.Process().memory_info().rss
        result = speechmill.Job(
            input={"uri": str(arguments.corpus)},
            model={"name": "tone", "options": {"audio_char_s": 0.0005}},
            output={"uri": str(arguments.output), "container": "parquet"},
            cluster={"replicas": arguments.replicas},
        ).run()
    return {"num_ok": result.num_ok, "speaking_s": result.speaking_s, "idle_bytes": idle_bytes}


def main() -> None:
    """Compare, or be the driver."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--replicas", type=int, default=num_cores())
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--corpus", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path, help=argparse.SUPPRESS)
    arguments = parsed(parser, "200 rows, one replica, without Ray", rows=200, replicas=1)
    if arguments.child:
        print(json.dumps(run(arguments)))
        return
    num_rows = arguments.rows
    folder = Path(tempfile.mkdtemp())
    try:
        write_corpus(folder / "corpus.csv", num_rows)
        paths = ["--corpus", str(folder / "corpus.csv"), "--output", str(folder / "out")]
        found = measure([__file__, *sys.argv[1:], "--child", *paths])
    finally:
        shutil.rmtree(folder)
    at_rest = found.answer["idle_bytes"]
    above = found.peak_root_bytes - at_rest
    rows_per_s = found.answer["num_ok"] / found.answer["speaking_s"]
    figures = {
        "rows": num_rows,
        "num_ok": found.answer["num_ok"],
        "idle_bytes": at_rest,
        "peak_bytes": found.peak_root_bytes,
        "above_idle_bytes": above,
        "rows_per_s": round(rows_per_s),
        "device": "cpu",
        "machine": machine(),
    }
    columns = ["rows", "idle driver", "peak driver", "above idle", "rows/s"]
    sizes = [f"{size / 2**20:,.0f} MiB" for size in (at_rest, found.peak_root_bytes, above)]
    show("driver memory, tone at zero cost", columns, [[f"{num_rows:,}", *sizes, f"{rows_per_s:,.0f}"]], figures)


if __name__ == "__main__":
    main()
