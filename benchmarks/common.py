"""What the benchmarks share: `--tiny`, the machine in words, CPU time of a process tree, one table, one JSON line."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

SAMPLE_S = 0.25


class ProgramFailed(SystemExit):
    """A program that ended with another status than 0. Unhandled it ends its caller with status 1, and says so."""


def parsed(
    parser: argparse.ArgumentParser, how: str, words: Sequence[str] | None = None, /, **tiny: Any
) -> argparse.Namespace:
    """The arguments, with `--tiny` among them: then those named in `tiny` have these values, whatever else was given.

    how     what a tiny run leaves out or makes small
    words   to be parsed; None for those of the command line
    """
    about = f"all code, no figures, as the tests run it: {how}. With an address, on the Ray there where one is needed"
    parser.add_argument("--tiny", nargs="?", const="local", metavar="ADDRESS", help=about)
    arguments = parser.parse_args(words)
    if arguments.tiny:
        vars(arguments).update(tiny)
    return arguments


def machine() -> str:
    """Processor and cores, as the figures are quoted with."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return f"{model}, {num_cores()} cores"


def num_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Measured:
    """A finished child: the JSON it printed last, its wall seconds, and CPU seconds of its whole process tree.

    root_cpu_s   of the child itself; `peak_root_bytes` is its largest resident size
    """

    answer: dict[str, Any]
    wall_s: float
    cpu_s: float
    root_cpu_s: float
    peak_root_bytes: int


class _Sampler(threading.Thread):
    """Watches a process tree: CPU seconds of every process that was ever seen in it."""

    def __init__(self, root: psutil.Process) -> None:
        super().__init__(daemon=True)
        self._root = root
        self._stopped = threading.Event()
        self.cpu_s: dict[tuple[int, float], float] = {}
        self.peak_root_bytes = 0

    def run(self) -> None:
        """Sample until stopped."""
        while not self._stopped.wait(SAMPLE_S):
            self._sample()

    def _sample(self) -> None:
        try:
            self.peak_root_bytes = max(self.peak_root_bytes, self._root.memory_info().rss)
            processes = [self._root, *self._root.children(recursive=True)]
        except psutil.Error:
            return
        for process in processes:
            try:
                times = process.cpu_times()
                self.cpu_s[process.pid, process.create_time()] = times.user + times.system
            except psutil.Error:
                continue

    def stop(self) -> None:
        """End the sampling."""
        self._stopped.set()
        self.join()


def measure(arguments: list[str], environment: dict[str, str] | None = None) -> Measured:
    """Run this Python on `arguments` and watch it; its last line of output has to be a JSON object."""
    began = time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})}
    )
    sampler = _Sampler(psutil.Process(child.pid))
    sampler.start()
    output, _ = child.communicate()
    wall_s = time.perf_counter() - began
    sampler.stop()
    if child.returncode:
        raise ProgramFailed(f"{' '.join(arguments)} ended with status {child.returncode}")
    answer = json.loads(output.strip().splitlines()[-1])
    root_cpu_s = next((cpu for (pid, _), cpu in sampler.cpu_s.items() if pid == child.pid), 0.0)
    return Measured(answer, wall_s, sum(sampler.cpu_s.values()), root_cpu_s, sampler.peak_root_bytes)


@dataclass(frozen=True, slots=True)
class Report:
    """What a benchmark has printed: its tables, and the figures of its last line."""

    tables: str
    figures: dict[str, Any]


def report_of(arguments: list[str]) -> Report:
    """Run this Python on a benchmark and its arguments. Raises ProgramFailed."""
    done = subprocess.run([sys.executable, *arguments], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise ProgramFailed(f"{' '.join(arguments)} ended with status {done.returncode}:\n{done.stdout}".rstrip(":\n"))
    tables, _, last = done.stdout.rstrip().rpartition("\n")
    try:
        figures = json.loads(last)
    except ValueError as error:
        raise ProgramFailed(f"{' '.join(arguments)} did not end with a line of JSON: {last[:200]!r}") from error
    return Report(tables, figures)


def show(title: str, columns: list[str], rows: list[list[str]], figures: dict[str, Any]) -> None:
    """Print one table, then the figures as the last line of output."""
    show_table(title, columns, rows)
    print(json.dumps(figures))


def show_table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """Print one table."""
    table = Table(title=title, title_justify="left")
    for position, column in enumerate(columns):
        table.add_column(column, justify="right" if position else "left")
    for row in rows:
        table.add_row(*row)
    Console(width=120).print(table)
