"""The main job against two peers, over the same rows, on the same cores, in the same run, the same audio kept.

package   the voice's own package (with scipy, its faster variant) in a plain loop, one process per core, FLAC files
ray-data  the voice's own package under Ray Data: map_batches with an actor per core, written as parquet
speechmill  the main job, one replica per core, container parquet

Each contender runs in a process of its own and speaks every row. "speaking" is from the moment that models are
loaded to the last row stored; "wall" is everything from an empty process to its end.

    python benchmarks/throughput.py [--rows 5000] [--corpus FILE.csv] [--tiny]
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import multiprocessing
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from common import Measured, machine, measure, num_cores, parsed, show

DEMO = Path(__file__).parent.parent / "configs" / "demo.csv"
SAMPLE_RATE = 24_000
RAY_DATA_BATCH = 16


def write_corpus(source: Path, target: Path, num_rows: int) -> None:
    """`num_rows` rows of id and text: those of the source, repeated as often as it takes."""
    with source.open(newline="", encoding="utf-8") as stream:
        texts = [row["text"] for row in csv.DictReader(stream)]
    with target.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "text"])
        writer.writerows((f"row-{n}", text) for n, text in zip(range(num_rows), itertools.cycle(texts), strict=False))


def read_corpus(path: Path) -> list[dict[str, str]]:
    """The rows of a corpus."""
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def speechmill_job(
    corpus: Path, output: Path, *, model: str = "hibari", num_replicas: int | None = None
) -> dict[str, Any]:
    """The main job."""
    import speechmill

    result = speechmill.Job(
        input={"uri": str(corpus)},
        model={"name": model},
        output={"uri": str(output), "container": "parquet", "audio": "flac"},
        cluster={"replicas": num_replicas or num_cores()},
    ).run()
    if result.num_failed:
        raise SystemExit(f"{result.num_failed} rows failed")
    return {"audio_s": result.audio_s, "speaking_s": result.speaking_s, "batch_fill": result.batch_fill}


def package_loop(corpus: Path, output: Path, *, num_processes: int | None = None) -> dict[str, Any]:
    """The plain loop: every core takes a block of the rows."""
    output.mkdir(parents=True)
    cores = num_processes or num_cores()
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(cores)
    with context.Pool(cores, initializer=_keep_barrier, initargs=(barrier,)) as pool:
        spans = pool.starmap(_speak_rows, [(corpus, output, core, cores) for core in range(cores)], chunksize=1)
    return {
        "audio_s": sum(audio_s for audio_s, _, _ in spans),
        "speaking_s": max(end for *_, end in spans) - min(start for _, start, _ in spans),
    }


def _keep_barrier(barrier: Any) -> None:
    globals()["_barrier"] = barrier


def _speak_rows(corpus: Path, output: Path, first: int, step: int) -> tuple[float, float, float]:
    import hibari
    import soundfile

    voice = hibari.Hibari()
    voice("Ready.")
    rows = read_corpus(corpus)
    # Blocks, not every n-th row: a repeated corpus would give all its longest rows to one core.
    rows = rows[first * len(rows) // step : (first + 1) * len(rows) // step]
    globals()["_barrier"].wait()
    start = time.time()
    audio_s = 0.0
    for number, row in enumerate(rows):
        samples = voice(row["text"], seed=number)
        soundfile.write(output / f"{row['id']}.flac", samples, SAMPLE_RATE, subtype="PCM_16")
        audio_s += len(samples) / SAMPLE_RATE
    return audio_s, start, time.time()


class RayDataSpeaker:
    """What Ray Data maps over batches."""

    def __init__(self) -> None:
        import hibari

        self._voice = hibari.Hibari()
        self._voice("Ready.")

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Speak a batch of rows: FLAC bytes, lengths, and when it was done."""
        import io

        import soundfile

        start = time.time()
        audio, seconds = [], []
        for text in batch["text"]:
            samples = self._voice(text, seed=0)
            buffer = io.BytesIO()
            soundfile.write(buffer, samples, SAMPLE_RATE, subtype="PCM_16", format="FLAC")
            audio.append(buffer.getvalue())
            seconds.append(len(samples) / SAMPLE_RATE)
        return {
            "id": batch["id"],
            "audio": audio,
            "audio_s": seconds,
            "start": [start] * len(audio),
            "end": [time.time()] * len(audio),
        }


def ray_data(corpus: Path, output: Path) -> dict[str, Any]:
    """The same under Ray Data."""
    import logging

    import pyarrow.parquet as pq
    import ray

    # One logical CPU more than speakers: its read and write tasks would wait for ever beside actors that hold them all.
    ray.init(address="local", num_cpus=num_cores() + 1, include_dashboard=False, logging_level=logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False
    rows = ray.data.read_csv(str(corpus), override_num_blocks=max(num_cores() * 8, 16))
    spoken = rows.map_batches(
        RayDataSpeaker, batch_size=RAY_DATA_BATCH, compute=ray.data.ActorPoolStrategy(size=num_cores()), num_cpus=1
    )
    spoken.write_parquet(str(output))
    stored = time.time()
    table = pq.read_table(output, columns=["audio_s", "start", "end"]).to_pydict()
    return {"audio_s": sum(table["audio_s"]), "speaking_s": stored - min(table["start"])}


def ray_data_speaker(corpus: Path, output: Path) -> dict[str, Any]:
    """What Ray Data maps, over one batch and without Ray Data."""
    del output
    rows = read_corpus(corpus)
    spoken = RayDataSpeaker()({key: [row[key] for row in rows] for key in ("id", "text")})
    return {"audio_s": sum(spoken["audio_s"]), "speaking_s": max(spoken["end"]) - min(spoken["start"])}


Contender = Callable[[Path, Path], dict[str, Any]]
CONTENDERS: dict[str, Contender] = {"package": package_loop, "ray-data": ray_data, "speechmill": speechmill_job}


def tiny_contenders() -> dict[str, Contender]:
    """Ray Data would start a Ray of its own, and hibari in a job is measured for several seconds."""
    job = partial(speechmill_job, model="tone", num_replicas=1)
    return {"package": partial(package_loop, num_processes=1), "ray-data": ray_data_speaker, "speechmill": job}


def compare(corpus: Path, num_rows: int, repeats: int, *, is_tiny: bool) -> None:
    """Run every contender in turn, `repeats` times, and print what came of the best speaking time of each."""
    best: dict[str, Measured] = {}
    for _, name in itertools.product(range(repeats), CONTENDERS):
        with tempfile.TemporaryDirectory() as folder:
            child = [__file__, "--contender", name, "--corpus", str(corpus), "--output", f"{folder}/out"]
            environment = {"OMP_NUM_THREADS": "1", "RAY_DEDUP_LOGS": "0"}
            found = measure([*child, "--tiny"] if is_tiny else child, environment)
        if name not in best or rtfx(found) > rtfx(best[name]):
            best[name] = found
    ours = best["speechmill"]
    figures = {
        "rtfx": round(rtfx(ours), 1),
        "ratio_package_loop": round(rtfx(ours) / rtfx(best["package"]), 3),
        "ratio_ray_data": round(rtfx(ours) / rtfx(best["ray-data"]), 3),
        "ratio_package_loop_wall": round(wall_rtfx(ours) / wall_rtfx(best["package"]), 3),
        "ratio_ray_data_wall": round(wall_rtfx(ours) / wall_rtfx(best["ray-data"]), 3),
        "cpu_s_per_audio_s": round(ours.cpu_s / ours.answer["audio_s"], 5),
        "driver_cpu_share": round(ours.root_cpu_s / ours.cpu_s, 4),
        "batch_fill": ours.answer["batch_fill"],
        "rows": num_rows,
        "cores": num_cores(),
        "device": "cpu",
        "machine": machine(),
    }
    columns = ["contender", "RTFx speaking", "RTFx wall", "CPU s / audio s", "parent's CPU", "speaking s", "wall s"]
    lines = [
        [
            name,
            f"{rtfx(found):.1f}",
            f"{wall_rtfx(found):.1f}",
            f"{found.cpu_s / found.answer['audio_s']:.5f}",
            f"{100 * found.root_cpu_s / found.cpu_s:.1f} %",
            f"{found.answer['speaking_s']:.1f}",
            f"{found.wall_s:.1f}",
        ]
        for name, found in best.items()
    ]
    show(f"{num_rows} rows, {ours.answer['audio_s'] / 3600:.2f} h of audio, {machine()}", columns, lines, figures)


def rtfx(found: Measured) -> float:
    """Seconds of audio per second of speaking."""
    return found.answer["audio_s"] / found.answer["speaking_s"]


def wall_rtfx(found: Measured) -> float:
    """Seconds of audio per second from process start to end."""
    return found.answer["audio_s"] / found.wall_s


def main() -> None:
    """Compare, or be one of the contenders."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=DEMO, help="csv with a column text")
    parser.add_argument("--rows", type=int, default=5_000)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--contender", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path, help=argparse.SUPPRESS)
    how = "a few rows, a process each; what Ray Data maps runs without it, the job speaks tone"
    arguments = parsed(parser, how, rows=6, repeats=1)
    if arguments.contender:
        contenders = tiny_contenders() if arguments.tiny else CONTENDERS
        print(json.dumps(contenders[arguments.contender](arguments.corpus, arguments.output)))
        return
    folder = Path(tempfile.mkdtemp())
    try:
        write_corpus(arguments.corpus, folder / "corpus.csv", arguments.rows)
        compare(folder / "corpus.csv", arguments.rows, arguments.repeats, is_tiny=bool(arguments.tiny))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    main()
