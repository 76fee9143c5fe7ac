"""A job with judges against the same job without, in turns, on the same replicas: what listening to every clip costs.

ratio            median RTFx with judges / median RTFx without; the runs alternate, so that a busy minute meets both
cost             seconds that each judge took per second of audio, as the replicas measured it

    python benchmarks/gate.py [--judges signal duration] [--where replica] [--rows 2000] [--repeats 3] [--tiny]
    python benchmarks/gate.py --judges signal duration forced --where actors --replicas 1
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from common import machine, num_cores, parsed, show
from throughput import DEMO, write_corpus


def run(arguments: argparse.Namespace, corpus: Path, output: Path, judges: list[str]) -> Any:
    """One job; its result. Cuts nothing that a judge rejects: a row that is spoken twice would cost twice."""
    import speechmill

    place = {"where": arguments.where, "cpus": arguments.judge_cpus}
    options: dict[str, Any] = json.loads(arguments.options)
    quality = {"judges": judges, "attempts": 1, "on_reject": "keep", "place": place}
    quality |= {"options": {name: value for name, value in options.items() if name in judges}}
    model = {"name": arguments.model} | ({"options": {"audio_char_s": 0.01}} if arguments.model == "tone" else {})
    return speechmill.Job(
        input={"uri": str(corpus)},
        model=model,
        output={"uri": str(output), "container": "parquet", "audio": "flac"},
        cluster={"address": arguments.tiny or "local", "replicas": arguments.replicas},
        **({"quality": quality} if judges else {}),
    ).run()


def compare(arguments: argparse.Namespace) -> None:
    """Run both jobs in turns, and print what they reached."""
    rates: dict[str, list[float]] = {"without": [], "with": []}
    costs: dict[str, list[float]] = {}
    result: Any = None
    with tempfile.TemporaryDirectory() as folder:
        write_corpus(arguments.corpus, Path(folder) / "corpus.csv", arguments.rows)
        for repeat in range(arguments.repeats):
            for name, judges in (("without", []), ("with", arguments.judges)):
                result = run(arguments, Path(folder) / "corpus.csv", Path(folder) / f"{name}-{repeat}", judges)
                rates[name].append(result.rtfx)
            for judge, cost in result.gate.costs.items():
                costs.setdefault(judge, []).append(cost)
    figures = {
        "ratio": round(median(rates["with"]) / median(rates["without"]), 4),
        "rtfx": round(median(rates["with"]), 2),
        "rtfx_without": round(median(rates["without"]), 2),
        "cost_s_per_audio_s": {judge: round(median(found), 6) for judge, found in costs.items()},
        "num_judged": result.gate.num_judged,
        "num_rejected": result.gate.num_rejected,
        "num_unheard": result.gate.num_unheard,
        "where": arguments.where,
        "rows": arguments.rows,
        "replicas": arguments.replicas,
        "cores": num_cores(),
        "device": "cpu",
        "machine": machine(),
    }
    lines = [[name, *(f"{rate:.1f}" for rate in found)] for name, found in rates.items()]
    title = f"{', '.join(arguments.judges)} in {arguments.where}: {figures['ratio']:.3f} of the rate without"
    show(title, ["judges", *(f"RTFx, run {number + 1}" for number in range(arguments.repeats))], lines, figures)


def main() -> None:
    """Compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=DEMO, help="csv with a column text")
    parser.add_argument("--rows", type=int, default=2_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--model", default="hibari")
    parser.add_argument("--judges", nargs="+", default=["signal", "duration"])
    parser.add_argument("--options", default="{}", help="of judges, by name, as JSON")
    parser.add_argument("--where", choices=["replica", "actors"], default="replica")
    parser.add_argument("--judge-cpus", type=float, default=1.0, help="cores that an actor holds")
    parser.add_argument("--replicas", type=int, default=1)
    compare(parsed(parser, "a few rows of tone", rows=12, repeats=1, model="tone"))


if __name__ == "__main__":
    main()
