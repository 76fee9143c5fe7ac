"""Planning a corpus that no file holds, and going on with an output that is 99 % done.

Rows have ids of their own and lengths with a long tail. They are made as a reader makes them, and go through all that
a run does up to the pool: utterances, unique ids, windows, shards, plan log, ledger. The output to be resumed is made
up in a local folder: a plan log with ids, and empty manifests with right names; its last planned window is not done.

plan_rows_per_s    rows per second of processor time, all threads together
driver_rss_bytes   peak of the process that planned them all, with everything imported that a driver imports
resume_s           from the start of the process to the first shard in hand that is not committed
resume_further_s   to the first shard of a window that was never planned: all earlier ids are loaded by then
resume_cpu_s       processor time up to then, all threads together: what is above it was waiting, for a disk or a core

    python benchmarks/scale_planning.py [--rows 1000000 10000000] [--tiny]
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from common import machine, measure, parsed, show_table

import speechmill.jobs.run.driver
from speechmill.actors.records.part_name import PartName
from speechmill.cluster.sharding.sharding import CostModel, ShardLimits
from speechmill.cluster.storage import Storage, open_storage
from speechmill.cluster.storage.local.store import LocalStorage
from speechmill.jobs.corpus import Corpus, InputFile, InputOptions, Position
from speechmill.jobs.corpus.reader import START, RawRow, Reader
from speechmill.jobs.output.ledger import Ledger, list_manifests, window_digest
from speechmill.jobs.output.plan_log import PlanLog, WindowPlan
from speechmill.jobs.planning.planner import Planner

assert speechmill.jobs.run.driver, "its imports count"
WINDOW_ROWS = 8_192
COST, LIMITS = CostModel(0.002, 0.0004, 0.065), ShardLimits(1_000, 3_600.0)
SHARDS_A_WINDOW = 9
FINGERPRINT = "5" * 64
DONE = 0.99


def long_tailed_texts(num_texts: int) -> list[str]:
    """Texts of 8 to 2,000 characters, half of them under 70."""
    lengths = np.random.default_rng(0).lognormal(4.2, 0.8, num_texts).clip(8, 2_000).astype(int).tolist()
    words = "la so mi re do fa ti ut " * 100
    return [words[:length] for length in lengths]


class SyntheticReader(Reader):
    """Makes rows out of their numbers, in the place of one that reads them."""

    unit = "row"

    def __init__(self, file: InputFile) -> None:
        super().__init__(file, InputOptions("synthetic"))
        self._texts = long_tailed_texts(1 << 16)

    def columns(self) -> tuple[str, ...]:
        """The columns of every row."""
        return ("id", "text")

    def rows(self, wanted: Sequence[str] | None, start: Position = START) -> Iterator[RawRow]:
        """Rows from a number on."""
        del wanted
        first = start.number % len(self._texts)
        texts = islice(cycle(self._texts[first:] + self._texts[:first]), self.file.size - start.number)
        for number, text in enumerate(texts, start.number + 1):
            self.offset = self.number = number
            yield number, {"id": f"id-{number}", "text": text}


class SyntheticCorpus(Corpus):
    """A corpus of so many rows; with `is_unique`, nothing has to be remembered of them."""

    def __init__(self, num_rows: int, *, is_unique: bool = False) -> None:
        self.options = InputOptions("synthetic")
        self.files = (InputFile("synthetic", "synthetic", num_rows, "1", "parquet"),)
        self.fingerprint = "synthetic"
        self._has_ids = not is_unique

    def refuse_changed(self, files: Sequence[InputFile] | None = None) -> None:
        """It never changes."""

    def open_reader(self, file: InputFile) -> Reader:
        """The one reader there is."""
        return SyntheticReader(file)


class QuickStorage(LocalStorage):
    """A local store that does not wait for the disk."""

    def put(self, key: str, data: bytes | Path) -> None:
        """Write a file."""
        path = Path(self.uri) / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data if isinstance(data, bytes) else data.read_bytes())


def planner(corpus: Corpus, storage: Storage) -> tuple[Planner, Ledger]:
    """What a driver sets up over an output."""
    log = PlanLog.read(storage, FINGERPRINT, WINDOW_ROWS)
    listed = (PartName.parse(entry.key) for entry in list_manifests(storage, len(log.windows)) if entry.size)
    ledger = Ledger.of(listed, log.windows)
    return Planner(corpus, log, ledger, COST, LIMITS), ledger


def plan(num_rows: int, output: Path) -> dict[str, Any]:
    """Plan a corpus from scratch, as if its shards were committed at once."""
    windows, ledger = planner(SyntheticCorpus(num_rows), open_storage(str(output)))
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    num_shards = 0
    for planned in windows:
        num_shards += len(planned.todo)
        for shard in planned.todo:
            ledger.add(PartName(shard.window, shard.index, len(shard.utterances), 0, 1_000, shard.digest))
    cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - wall_s
    assert ledger.totals.num_rows == num_rows, "rows are conserved"
    return {"rows_per_s": num_rows / cpu_s, "wall_s": wall_s, "num_shards": num_shards}


def make_up(num_rows: int, output: Path) -> None:
    """An output of which 99 % of the windows are done, and one more is begun."""
    storage = QuickStorage(output)
    log = PlanLog(storage, FINGERPRINT, WINDOW_ROWS)
    numbers = random.Random(0)
    for window in range(int(DONE * (num_rows // WINDOW_ROWS)) - 1):
        end = (window + 1) * WINDOW_ROWS
        parts = [
            PartName(window, n, 910, 0, 9_000_000, f"{numbers.getrandbits(48):012x}") for n in range(SHARDS_A_WINDOW)
        ]
        for part in parts:
            storage.put(part.key, b"-")
        digest = window_digest({part.shard_id: part.digest for part in parts})
        ids = np.random.default_rng(window).integers(0, 1 << 64, WINDOW_ROWS, np.uint64)
        place = Position(0, end, end)
        log.add(WindowPlan(WINDOW_ROWS, place, len(parts), digest, b"", 40.0, end / num_rows), ids)
    log.close()
    windows, _ = planner(SyntheticCorpus(num_rows, is_unique=True), storage)
    begun = next(planned for planned in windows if planned.todo)
    for shard in begun.todo[:-1]:
        storage.put(PartName(shard.window, shard.index, len(shard.utterances), 0, 1_000, shard.digest).key, b"-")


def resume(num_rows: int, output: Path) -> dict[str, Any]:
    """Go on with an output until a window comes that was never planned."""
    began = psutil.Process().create_time()
    windows, ledger = planner(SyntheticCorpus(num_rows), open_storage(str(output)))
    done = ledger.totals.num_rows
    starts = ((time.time() - began, time.process_time()) for planned in windows if planned.todo)
    (first_s, _), (further_s, cpu_s) = islice(starts, 2)
    return {"resume_s": first_s, "resume_further_s": further_s, "resume_cpu_s": cpu_s, "rows_done": done}


def measured(counts: Sequence[int]) -> tuple[list[list[str]], dict[str, Any]]:
    """Plan and resume corpora of so many rows, each in a process of its own: lines of the table, and figures."""
    table: list[list[str]] = []
    sizes: list[dict[str, Any]] = []
    for num_rows in counts:
        folder = Path(tempfile.mkdtemp())
        try:
            planned = measure([__file__, "--part", "plan", "--rows", str(num_rows), "--output", str(folder / "new")])
            measure([__file__, "--part", "make_up", "--rows", str(num_rows), "--output", str(folder / "old")])
            resumed = measure([__file__, "--part", "resume", "--rows", str(num_rows), "--output", str(folder / "old")])
        finally:
            shutil.rmtree(folder)
        found = {
            "rows": num_rows,
            "plan_rows_per_s": round(planned.answer["rows_per_s"]),
            "driver_rss_bytes": planned.peak_root_bytes,
            "resume_s": round(resumed.answer["resume_s"], 2),
            "resume_further_s": round(resumed.answer["resume_further_s"], 2),
            "resume_cpu_s": round(resumed.answer["resume_cpu_s"], 2),
            "resume_rss_bytes": resumed.peak_root_bytes,
        }
        sizes.append(found)
        mib = [f"{found[name] / 2**20:,.0f} MiB" for name in ("driver_rss_bytes", "resume_rss_bytes")]
        seconds = [f"{found[name]:.1f} s" for name in ("resume_s", "resume_further_s")]
        table.append([f"{num_rows:,}", f"{found['plan_rows_per_s']:,}", mib[0], *seconds, mib[1]])
    return table, {**sizes[-1], "planning": sizes}


def report(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure all, and print the table; the figures."""
    lines, figures = measured(arguments.rows)
    columns = ["rows", "rows/s", "peak", "resumes in", "further in", "peak resumed"]
    show_table("planning and resuming, on one core", columns, lines)
    return figures | {"device": "cpu", "machine": machine()}


def arguments_of(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The arguments; `words` in place of those of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000], help="also 100000000")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path, help=argparse.SUPPRESS)
    return parsed(parser, "three windows", words, rows=[3 * WINDOW_ROWS])


def main() -> None:
    """Measure, or be one of the processes that are measured."""
    arguments = arguments_of()
    if arguments.part:
        print(json.dumps(PARTS[arguments.part](arguments.rows[0], arguments.output) or {}))
        return
    print(json.dumps(report(arguments)))


PARTS: dict[str, Callable[[int, Path], dict[str, Any] | None]] = {"plan": plan, "make_up": make_up, "resume": resume}

if __name__ == "__main__":
    main()
