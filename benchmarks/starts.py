"""What a start costs: cold commands, the seconds of their clock and of the CPU, children included.

    python benchmarks/starts.py [--peer PYTHON] [--tries 3]

Ten rows by the embedded voice, `say`, `plan` and `status`, each in a fresh process, beside a bare `ray.init`. With
--peer, an interpreter that has another version of speechmill, both take their turns: the same machine in the same run.
The least of the tries counts, since other work of the machine only adds.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common import machine, parsed

RAY = "ray init"
TEXT = "The mill stands by the river, and the wheel turns all day."
_RAY = "import ray, logging; ray.init(address='local', include_dashboard=False, logging_level=logging.ERROR)"
_MAIN = "import sys; from speechmill.jobs.cli.main import main; sys.argv[0] = 'speechmill'; main()"


def timed(command: Sequence[str], *, may_fail: bool = False) -> tuple[float, float]:
    """Seconds of the clock and of the CPU of a command and its children; infinite for one that may fail, and does."""
    before, began = os.times(), time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wall_s, after = time.perf_counter() - began, os.times()
    if done.returncode and may_fail:
        return float("inf"), float("inf")
    if done.returncode:
        raise SystemExit(f"{command}: {done.stderr[-2000:]}")
    cpu_s = after.children_user - before.children_user + after.children_system - before.children_system
    return wall_s, cpu_s


def commands(folder: Path, num_rows: int) -> dict[str, list[str]]:
    """What is timed, without the interpreter, by name."""
    corpus, out = folder / "corpus.csv", folder / "out"
    with corpus.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerows([["text"], *([f"{TEXT} {row}"] for row in range(num_rows))])
    job = folder / "job.yaml"
    job.write_text(f"{{input: {{uri: {corpus}}}, output: {{uri: {out}}}}}", encoding="utf-8")
    speechmill = ["-c", _MAIN]
    return {
        "run": [*speechmill, "run", str(job), "--overwrite"],
        "say": [*speechmill, "say", TEXT, "-o", str(folder / "say.wav")],
        "plan": [*speechmill, "plan", str(job)],
        "status": [*speechmill, "status", str(out)],
        # On a busy machine Ray may give itself up.
        RAY: ["-c", _RAY],
    }


def main() -> None:
    """Time everything; print a table and the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", help="an interpreter with another version of speechmill")
    parser.add_argument("--tries", type=int, default=3)
    parser.add_argument("--rows", type=int, default=10)
    options = parsed(parser, "one try of `say` and `plan`", tries=1, rows=2, peer=None)
    pythons = {"this": sys.executable} | ({"peer": options.peer} if options.peer else {})
    figures: dict[str, Any] = {"rows": options.rows, "machine": machine()}
    print("| | " + " | ".join(f"{name}: seconds, CPU seconds" for name in pythons) + " |")
    print("|---|" + "---|" * len(pythons))
    with tempfile.TemporaryDirectory() as place:
        os.environ["SPEECHMILL_CACHE"] = f"{place}/cache"
        made: dict[str, dict[str, list[str]]] = {}
        for name in pythons:
            folder = Path(place) / name
            folder.mkdir()
            made[name] = commands(folder, options.rows)
        for command in made["this"]:
            if options.tiny and command not in {"say", "plan"}:
                continue
            best = {name: (float("inf"), float("inf")) for name in pythons}
            for _ in range(options.tries):
                for name, python in pythons.items():
                    found = timed([python, *made[name][command]], may_fail=command == RAY)
                    best[name] = (min(best[name][0], found[0]), min(best[name][1], found[1]))
            print(
                f"| {command} | " + " | ".join(f"{wall:.1f}, {cpu:.1f}" for wall, cpu in best.values()) + " |",
                flush=True,
            )
            figures[f"{command.replace(' ', '_')}_s"], figures[f"{command.replace(' ', '_')}_cpu_s"] = best["this"]
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
