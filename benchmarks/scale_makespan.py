"""How close the replicas come to ending together, and how Ray Data does on the same rows with as many actors.

The model is tone: a batch sleeps `batch_s` + `cell_s` × rows × longest, so that one machine holds many replicas. Rows
have log-normal lengths. The lower bound is what the rows take without padding, shared out evenly:
sum(length) × cell_s / replicas. Time counts from the moment that all replicas are loaded.

speechmill  windows, shards and the pool as a job has them, with a store that keeps nothing; on 2, 8 and 64 replicas
slow        8 replicas of which one needs twice as long; the bound is that of 7.5
ray-data    map_batches on 8 actors that speak the same rows with the same model, encode nothing and write nothing:
            as read with 32 rows a batch, and handed the rows sorted by length, the best of a few batch sizes

    python benchmarks/scale_makespan.py [--rows 10000] [--bound-s 30] [--only WORDS] [--tiny]
"""

from __future__ import annotations

import argparse
import json
import logging
import operator
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from pathlib import Path
from typing import Any

from common import machine, measure, parsed, show_table

LONGEST = 1_000
RAY_DATA_ROWS = 32
BATCH_S = 0.002
COLUMNS = ["contender", "seconds", "of the bound", "idle tail", "fill", "batches", "parts", "copies"]


@dataclass(frozen=True, slots=True)
class Scale:
    """How many of what.

    replicas, compared   of speechmill; and those that one is slow of and Ray Data has as many actors as
    tuned_rows           in a batch of Ray Data, rows sorted
    has_own_rays         whether each contender has a process and a Ray of its own
    """

    replicas: tuple[int, ...] = (2, 8, 64)
    compared: int = 8
    tuned_rows: tuple[int, ...] = (8, 16, 32)
    has_own_rays: bool = True


FULL, TINY = Scale(), Scale((1,), 1, (8,), has_own_rays=False)


def lengths(num_rows: int) -> list[int]:
    """Characters of each row: log-normal, most of them short, a few very long."""
    chance = random.Random(0)
    return [min(LONGEST, max(1, round(chance.lognormvariate(4.1, 1.0)))) for _ in range(num_rows)]


def options(num_rows: int, num_replicas: int, bound_s: float) -> dict[str, Any]:
    """Of tone: such that the rows take `bound_s` without padding."""
    cell_s = bound_s * num_replicas / sum(lengths(num_rows))
    return {"audio_char_s": 0.0002, "max_length": LONGEST, "batch_s": BATCH_S, "cell_s": cell_s}


class NoPart:
    """Takes clips and keeps none."""

    def add(self, row: int, id: str, encoded: bytes, sidecar: Mapping[str, object]) -> tuple[str, None]:
        """Where it would lie."""
        return f"audio/{row}", None

    def close(self) -> None:
        """Nothing is stored."""

    def abort(self) -> None:
        """Nothing is kept."""


class NoStore:
    """A store that keeps nothing."""

    def check(self) -> None:
        """It is everywhere."""

    def open_part(self, name: str) -> NoPart:
        """A part that goes nowhere."""
        return NoPart()


class Idle:
    """Replica-seconds without work, from when the first replica has none."""

    def __init__(self) -> None:
        self.replica_s, self._since_s = 0.0, time.perf_counter()

    def look(self, num_idle: int) -> None:
        """So many have nothing to do since the last look."""
        now_s = time.perf_counter()
        self.replica_s += num_idle * (now_s - self._since_s)
        self._since_s = now_s


def plan(num_rows: int, cost: Any) -> Iterator[Any]:
    """Shards as a job cuts them."""
    from speechmill.actors.records.utterance import Utterance
    from speechmill.cluster.sharding.sharding import ShardLimits, shard_window

    rows = [Utterance(row, str(row), "a" * length, 0) for row, length in enumerate(lengths(num_rows))]
    for window, start in enumerate(range(0, num_rows, 8_192)):
        chosen = rows[start : start + 8_192]
        is_last = start + 8_192 >= num_rows
        yield from shard_window(window, chosen, cost, ShardLimits(1_000, 3_600.0), is_last=is_last)


def start_ray(num_cpus: int) -> None:
    """A Ray of its own, on which that many replicas find a place, unless this process has joined one already."""
    import ray

    if ray.is_initialized():
        return
    ray.init(
        address="local", num_cpus=num_cpus, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR
    )


def join(address: str, num_cpus: int) -> None:
    """The Ray at an address, or one of its own at `local`, for all contenders."""
    import ray

    if address == "local":
        start_ray(num_cpus)
    else:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)


def speechmill(num_rows: int, num_replicas: int, bound_s: float, *, slow: bool) -> dict[str, Any]:
    """The pool from the first shard to the last receipt."""
    from ray import cloudpickle

    from speechmill.actors.models.base import ModelConfig
    from speechmill.actors.models.registry import describe
    from speechmill.actors.replica.receipt import JobConfig, ReplicaConfig
    from speechmill.cluster.pool.pool import Pool
    from speechmill.cluster.pool.replica_source import Spawned
    from speechmill.cluster.pool.replica_state import ReplicaStatus
    from speechmill.cluster.session import ReplicaPlan
    from speechmill.cluster.sharding.sharding import CostModel

    cloudpickle.register_pickle_by_value(sys.modules[NoStore.__module__])
    start_ray(num_replicas)
    slow_file = Path(tempfile.mkdtemp()) / "slow"
    asked = {**options(num_rows, num_replicas, bound_s), "slow": 2.0, "slow_file": str(slow_file) if slow else ""}
    model = ModelConfig("tone", options=asked)
    shards = list(plan(num_rows, CostModel.of(describe(model))))
    spawned = Spawned(ReplicaPlan(num_replicas, "cpu", 0.0, 1.0), ReplicaConfig(model))
    with Pool(spawned, JobConfig(model, "wav"), NoStore()) as pool:
        while any(state.status is ReplicaStatus.STARTING for state in pool.states()):
            pool.collect(0.2)
        if slow:
            slow_file.touch()
        began_s, idle, done = time.perf_counter(), Idle(), []
        pool.feed(shards, is_all=True)
        while len(done) < len(shards):
            pool.feed([])
            num_idle = sum(state.status is not ReplicaStatus.SPEAKING for state in pool.states())
            done += pool.collect(0.05)
            idle.look(num_idle)
        took_s = time.perf_counter() - began_s
        receipts = [receipt for spoken in done for receipt in spoken.receipts]
        if sum(receipt.num_ok for receipt in receipts) != num_rows:
            raise SystemExit("rows were lost")
        batches = reduce(operator.add, (receipt.batches for receipt in receipts))
        return {
            "took_s": took_s,
            "ratio": took_s / (bound_s * num_replicas / (num_replicas - 0.5 * slow)),
            "idle_tail": idle.replica_s / num_replicas / took_s,
            "fill": batches.fill,
            "batches": batches.num_batches,
            "parts": len(receipts),
            "copies": pool.num_copies,
        }


class RayDataSpeaker:
    """What Ray Data maps over batches; it begins when all of them are there."""

    def __init__(self, model_options: dict[str, Any], folder: str, num_actors: int) -> None:
        from speechmill.actors.models.base import ModelConfig
        from speechmill.actors.models.tone import Tone

        self._model = Tone(ModelConfig("tone", options=model_options))
        self._folder, self._num_actors = Path(folder), num_actors
        (self._folder / str(os.getpid())).touch()

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Speak a batch of rows; when it began and ended."""
        from speechmill.actors.records.utterance import Prepared, Segment

        while len(list(self._folder.iterdir())) < self._num_actors:
            time.sleep(0.05)
        began_s = time.time()
        rows = zip(batch["row"], batch["text"], strict=True)
        self._model.speak(
            [Segment(int(row), 0, text, Prepared.of(map(ord, text)), 0, "sine", 1.0) for row, text in rows]
        )
        ends_s = time.time()
        return {"row": batch["row"], "began_s": [began_s] * len(batch["row"]), "ended_s": [ends_s] * len(batch["row"])}


def ray_data(num_rows: int, num_actors: int, bound_s: float, batch_rows: int, *, is_sorted: bool) -> dict[str, Any]:
    """Ray Data over the same rows, from the first batch to the end of the last."""
    import ray

    start_ray(num_actors + 1)  # its own tasks wait for ever beside actors that hold all
    ray.data.DataContext.get_current().enable_progress_bars = False
    order = sorted(enumerate(lengths(num_rows)), key=lambda entry: -entry[1] if is_sorted else entry[0])
    rows = [{"row": row, "text": "a" * length} for row, length in order]
    folder = tempfile.mkdtemp()
    spoken = ray.data.from_items(rows, override_num_blocks=max(num_actors * 8, 16)).map_batches(
        RayDataSpeaker,
        fn_constructor_args=(options(num_rows, num_actors, bound_s), folder, num_actors),
        batch_size=batch_rows,
        compute=ray.data.ActorPoolStrategy(size=num_actors),
        num_cpus=1,
    )
    found = spoken.take_all()
    if sorted(row["row"] for row in found) != list(range(num_rows)):
        raise SystemExit("rows were lost")
    took_s = max(row["ended_s"] for row in found) - min(row["began_s"] for row in found)
    return {"took_s": took_s, "ratio": took_s / bound_s, "batch_rows": batch_rows}


def parts(rows: int, bound_s: float, scale: Scale) -> dict[str, Callable[[], dict[str, Any]]]:
    """What is measured, by name."""
    found: dict[str, Callable[[], dict[str, Any]]] = {}
    num = scale.compared
    found["ray-data as read"] = lambda: ray_data(rows, num, bound_s, RAY_DATA_ROWS, is_sorted=False)
    for size in scale.tuned_rows:
        found[f"ray-data sorted {size}"] = partial(ray_data, rows, num, bound_s, size, is_sorted=True)
    for count in scale.replicas:
        found[f"speechmill {count}"] = partial(speechmill, rows, count, bound_s, slow=False)
    found[f"speechmill {num} slow"] = lambda: speechmill(rows, num, bound_s, slow=True)
    return found


def measured(arguments: argparse.Namespace, scale: Scale) -> dict[str, dict[str, Any]]:
    """What came of the contenders that were chosen."""
    chosen = arguments.only.split(",")
    names = [name for name in parts(0, 0.0, scale) if any(word in name for word in chosen)]
    words = ["--rows", str(arguments.rows), "--bound-s", str(arguments.bound_s)]
    words += ["--tiny", arguments.tiny] if arguments.tiny else []
    found: dict[str, dict[str, Any]] = {}
    for together in [[name] for name in names] if scale.has_own_rays else [names]:
        child = [__file__, *words, "--parts", *together]
        found |= measure(child, {"RAY_DEDUP_LOGS": "0"}).answer
    return found


def figures_of(found: dict[str, dict[str, Any]], scale: Scale) -> dict[str, Any]:
    """The figures; None for what was not run."""
    ours = f"speechmill {scale.compared}"
    tuned = [answer["took_s"] for name, answer in found.items() if "sorted" in name]
    as_read = found.get("ray-data as read")
    figures: dict[str, Any] = {"load_average": os.getloadavg()[0]}
    figures |= {f"makespan_ratio_{num}": _figure(found, f"speechmill {num}", "ratio") for num in FULL.replicas}
    figures["makespan_ratio"] = _figure(found, ours, "ratio")
    figures["makespan_ratio_slow"] = _figure(found, f"{ours} slow", "ratio")
    figures["idle_tail"] = _figure(found, ours, "idle_tail")
    took_s = found[ours]["took_s"] if ours in found else None
    figures["ratio_ray_data"] = round(as_read["took_s"] / took_s, 3) if took_s and as_read else None
    figures["ratio_ray_data_sorted"] = round(min(tuned) / took_s, 3) if took_s and tuned else None
    return figures


def line_of(name: str, answer: dict[str, Any]) -> list[str]:
    """A line of the table."""
    rest = [column.replace(" ", "_") for column in COLUMNS[3:]]
    return [name, f"{answer['took_s']:.2f}", f"{answer['ratio']:.3f}", *(_cell(answer.get(key)) for key in rest)]


def _figure(found: dict[str, dict[str, Any]], name: str, key: str) -> float | None:
    return round(found[name][key], 4) if name in found else None


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def report(arguments: argparse.Namespace) -> dict[str, Any]:
    """Compare, and print the table; the figures."""
    scale = TINY if arguments.tiny else FULL
    found = measured(arguments, scale)
    title = f"{arguments.rows} rows of log-normal lengths, bound {arguments.bound_s:g} s, {machine()}"
    show_table(title, COLUMNS, [line_of(name, answer) for name, answer in found.items()])
    about = {"makespan_rows": arguments.rows, "bound_s": arguments.bound_s, "device": "cpu", "machine": machine()}
    return figures_of(found, scale) | about


def arguments_of(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The arguments; `words` in place of those of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--bound-s", type=float, default=30.0, help="seconds that the rows take without padding")
    parser.add_argument("--only", default="", help="contenders whose names hold one of these words, with commas")
    parser.add_argument("--parts", nargs="+", help=argparse.SUPPRESS)
    how = "60 rows, one replica, which is slow; Ray Data by `--parts 'ray-data sorted 8'`, on one Ray with the others"
    return parsed(parser, how, words, rows=60, bound_s=0.2, only="slow")


def main() -> None:
    """Compare, or be one of the contenders."""
    arguments = arguments_of()
    if arguments.parts:
        scale = TINY if arguments.tiny else FULL
        if arguments.tiny:
            join(arguments.tiny, scale.compared + 1)
        chosen = parts(arguments.rows, arguments.bound_s, scale)
        print(json.dumps({name: chosen[name]() for name in arguments.parts}))
        return
    print(json.dumps(report(arguments)))


if __name__ == "__main__":
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    main()
