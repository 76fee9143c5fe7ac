"""The service under load: how soon first audio comes over HTTP, what it waits for, and whether playback runs dry.

`speechmill serve` runs as it is, in processes of its own; a text of 309 words is asked for by 1, 4, 16 and 64 clients
at once, as pcm, with and without a job beside that borrows the replicas. Playback begins with the first audio and goes
on in real time: an underrun is a piece that comes after all before it has been played. The peer, in the same run, is
the voice's own package, in this process and without any network: what it takes to its first sentence; and
`speechmill.say` beside it.

    python benchmarks/service.py [--concurrency 1 4 16 64] [--replicas 2] [--rounds 5] [--no-job] [--tiny]
    python benchmarks/service.py --url http://127.0.0.1:8000 --ray 127.0.0.1:6379

The second measures a service that runs already, with the model and options named here; its token is taken from
SPEECHMILL_API_TOKEN.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import os
import random
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import cycle, islice, pairwise
from pathlib import Path
from typing import Any

import aiohttp
import psutil
from common import machine, num_cores, parsed, show

import speechmill

CLI = [sys.executable, "-c", "from speechmill.jobs.cli.main import main; main()"]
DEMO = Path(__file__).parent.parent / "configs" / "demo.csv"
TOKEN = "SPEECHMILL_API_TOKEN"
PORTS = range(20_000, 24_000)
PARTS = ("queue", "text", "speech")
COLUMNS = [
    "",
    "streams",
    "first p50",
    "p99",
    *PARTS,
    "transport",
    "longest gap",
    "underruns",
    "slowest RTF",
    "job rows/s",
]
TINY = {
    "model": "tone",  # hibari would be measured for several seconds
    "concurrency": [1],
    "replicas": 1,
    "rounds": 1,
    "words": 20,
    "beside_s": 0.5,
    "beside_rows": 1_000,
}


def main() -> None:
    """One service, all loads, the peer, the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 4, 16, 64])
    parser.add_argument("--replicas", type=int, default=num_cores())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-job", action="store_true")
    parser.add_argument("--url", help="of a service that runs already; without it one is started")
    parser.add_argument("--ray", help="address of the Ray that this service runs on, for the job beside")
    parser.add_argument("--model", default="hibari", help="that the service speaks with")
    parser.add_argument("--options", default="{}", help="of this model, as JSON")
    parser.set_defaults(words=309, beside_s=20.0, beside_rows=50_000)
    arguments = parsed(
        parser, "one stream of few words, one replica of tone, a small job beside it for a moment", **TINY
    )
    text = words(arguments.words)
    if arguments.url and not (arguments.ray or arguments.no_job):
        parser.error("--url needs --ray, or --no-job")
    ours, theirs = in_process(text, arguments.rounds)
    with tempfile.TemporaryDirectory() as name, service(arguments, Path(name)) as (url, ray_address):
        rows, figures = measured(arguments, url, text, Beside(arguments, Path(name), ray_address))
    rows.append(["hibari by speechmill.say, in process", "1", ms(ours), *[""] * 9])
    rows.append(["hibari's package, in process", "1", ms(theirs), *[""] * 9])
    figures |= {"say_ttfa_ms": round(1000 * ours, 1), "peer_ttfa_ms": round(1000 * theirs, 1)}
    figures |= {"ratio_peer_say": round(ours / theirs, 3)}
    figures |= {"ratio_peer_http": round(figures["ttfa_p50_ms"] / 1000 / theirs, 3)}
    figures |= {"replicas": arguments.replicas, "device": "cpu", "machine": machine()}
    show(f"{arguments.model} over HTTP, {arguments.replicas} replicas, {arguments.words} words", COLUMNS, rows, figures)


def measured(
    arguments: argparse.Namespace, url: str, text: str, beside: Beside
) -> tuple[list[list[str]], dict[str, Any]]:
    """A row for each load, and the figures of one stream alone."""
    rows: list[list[str]] = []
    figures: dict[str, Any] = {"ttfa_beside_p50_ms": None, "batch_share": None}
    asyncio.run(streams(url, text, arguments.replicas, 2))  # connections and buffers are there
    for count in arguments.concurrency:
        found = asyncio.run(streams(url, text, count, arguments.rounds))
        rows.append(line_of("speechmill", count, found, None))
        figures[f"underruns_{count}"] = found["underruns"]
        if count == arguments.concurrency[0]:
            figures |= {
                "ttfa_p50_ms": round(1000 * percentile(found["first"], 50), 1),
                "ttfa_p99_ms": round(1000 * percentile(found["first"], 99), 1),
                "rtf": round(found["rtf"], 4),
            }
    if arguments.no_job:
        return rows, figures
    beside.start()
    alone = beside.rate(arguments.beside_s)
    for count in arguments.concurrency[:2]:
        began, rows_before = time.perf_counter(), beside.num_rows
        found: dict[str, Any] = {}
        while time.perf_counter() - began < arguments.beside_s:
            found = asyncio.run(streams(url, text, count, arguments.rounds))
        rate = (beside.num_rows - rows_before) / (time.perf_counter() - began)
        rows.append(line_of("speechmill, a job beside", count, found, rate))
        if figures["batch_share"] is None:
            figures["ttfa_beside_p50_ms"] = round(1000 * percentile(found["first"], 50), 1)
            figures["batch_share"] = round(rate / alone, 3)
    beside.end()
    rows.append(["the job alone", "0", *[""] * 9, f"{alone:.1f}"])
    return rows, figures


def words(count: int) -> str:
    """So many words of the demo corpus, the first sentence short enough to be one."""
    with DEMO.open(newline="", encoding="utf-8") as stream:
        texts = [row["text"] for row in csv.DictReader(stream)]
    found: list[str] = []
    for text in cycle(texts):
        found += text.split()
        if len(found) >= count:
            return " ".join(found[:count]).rstrip(",;") + "."
    raise AssertionError


def in_process(text: str, rounds: int) -> tuple[float, float]:
    """Seconds to the first audio of `speechmill.say` and to that of the voice's own package; medians, taken in turn."""
    from hibari import Hibari

    theirs, ours = Hibari(), speechmill.say(text).model
    streams = (lambda: speechmill.say(text, model=ours, seed=1), lambda: theirs.stream(text, seed=1))
    seconds: list[list[float]] = [[], []]
    for _ in range(4 * rounds + 1):
        for stream, taken in zip(streams, seconds, strict=True):
            began = time.perf_counter()
            next(iter(stream()))
            taken.append(time.perf_counter() - began)
    return statistics.median(seconds[0][1:]), statistics.median(seconds[1][1:])


@contextmanager
def service(arguments: argparse.Namespace, folder: Path) -> Generator[tuple[str, str]]:
    """`speechmill serve` until the block ends, or the one that runs already; its address, and that of its Ray."""
    if arguments.url:
        yield arguments.url, arguments.ray or ""
        return
    os.environ.pop(TOKEN, None)
    port = free_port()
    most = max(arguments.concurrency)
    settings = {
        "http.port": port,
        "cluster.replicas": arguments.replicas,
        "limits.max_streams": most,
        "model.name": arguments.model,
        "model.device": "cpu",
        "model.options": arguments.options,
    }
    command = [*CLI, "serve", *[part for key, value in settings.items() for part in ("--set", f"{key}={value}")]]
    process = subprocess.Popen(command, stderr=(folder / "serve.log").open("w"))
    try:
        url = f"http://127.0.0.1:{port}"
        while process.poll() is None:
            try:
                with urllib.request.urlopen(f"{url}/ready", timeout=5) as answer:
                    if answer.status == 200:
                        break
            except OSError:
                time.sleep(0.5)
        if process.poll() is not None:
            raise SystemExit((folder / "serve.log").read_text())
        yield url, ray_of(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def free_port() -> int:
    """A port that the service can bind a moment later: no outgoing connection gets one of these, nor a Ray worker."""
    for port in random.sample(PORTS, len(PORTS)):
        with socket.socket() as trial, suppress(OSError):
            trial.bind(("127.0.0.1", port))
            return port
    raise SystemExit(f"no port of 127.0.0.1 from {PORTS[0]} to {PORTS[-1]} is free")


def ray_of(pid: int) -> str:
    """Where the Ray listens that a process has started: `auto` might find another one of this machine."""
    flag = "--gcs-address="
    for process in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.Error):
            for part in process.cmdline():
                if part.startswith(flag):
                    return part.removeprefix(flag)
    raise SystemExit("speechmill serve has started no Ray")


async def streams(url: str, text: str, count: int, rounds: int) -> dict[str, Any]:
    """So many clients, each asking `rounds` times, one after the other."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(url, connector=connector, headers=authorization()) as client:
        heard = await asyncio.gather(*(listen(client, text, number, rounds) for number in range(count)))
    pieces = [stream for streams in heard for stream in streams]
    firsts = [arrivals[0][0] for arrivals, _ in pieces]
    gaps = [later[0] - sooner[0] for arrivals, _ in pieces for sooner, later in pairwise(arrivals)]
    return {
        "first": firsts,
        "parts": {part: statistics.median(parts[part] for _, parts in pieces) for part in PARTS},
        "transport": statistics.median(
            first - sum(parts.values()) for first, (_, parts) in zip(firsts, pieces, strict=True)
        ),
        "gap": max(gaps, default=0.0),
        "underruns": sum(underruns(arrivals) for arrivals, _ in pieces),
        "rtf": max(arrivals[-1][0] * 24_000 / sum(count for _, count in arrivals) for arrivals, _ in pieces),
    }


def authorization() -> Mapping[str, str]:
    """The header that a service with a token asks for."""
    token = os.environ.get(TOKEN)
    return {"Authorization": f"Bearer {token}"} if token else {}


async def listen(
    client: aiohttp.ClientSession, text: str, seed: int, rounds: int
) -> list[tuple[list[tuple[float, int]], dict[str, float]]]:
    """Seconds from the request, and samples, of each piece; and seconds by part until the first."""
    heard = []
    for number in range(rounds):
        body = {"input": text, "response_format": "pcm", "seed": 1_000 * seed + number}
        began = time.perf_counter()
        async with client.post("/v1/audio/speech", json=body) as answer:
            if answer.status != 200:
                raise SystemExit(f"status {answer.status}: {await answer.text()}")
            arrivals = [(time.perf_counter() - began, len(data) / 2) async for data in answer.content.iter_any()]
            timing = dict(re.findall(r"(\w+);dur=([0-9.]+)", answer.headers["Server-Timing"]))
        heard.append((arrivals, {part: float(timing.get(part, 0)) / 1000 for part in PARTS}))
    return heard


class Over(Exception):
    """Nobody needs the job any more."""


class Beside(threading.Thread):
    """A job without end on the service's replicas, its driver in this process."""

    def __init__(self, arguments: argparse.Namespace, folder: Path, ray_address: str) -> None:
        super().__init__(daemon=True)
        self.num_rows = 0
        self._is_over = False
        with DEMO.open(newline="", encoding="utf-8") as stream:
            texts = [row["text"] for row in csv.DictReader(stream)]
        with (folder / "c.csv").open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows([["text"], *([text] for text in islice(cycle(texts), arguments.beside_rows))])
        self._job = speechmill.Job(
            input={"uri": str(folder / "c.csv")},
            output={"uri": str(folder / "out"), "audio": "wav", "container": "webdataset"},
            model={"name": arguments.model, "device": "cpu", "options": json.loads(arguments.options)},
            cluster={"address": ray_address, "replicas": "service"},
        )

    def run(self) -> None:
        with suppress(Over):
            self._job.run(observe=self._observe)

    def rate(self, seconds: float) -> float:
        """Rows per second over so many seconds, once it has begun."""
        while not self.num_rows:
            if not self.is_alive():
                raise SystemExit("the job beside ended before it had begun")
            time.sleep(0.2)
        before, began = self.num_rows, time.perf_counter()
        while time.perf_counter() - began < seconds or self.num_rows == before:
            if not self.is_alive():
                raise SystemExit("the job beside ended before it was measured")
            time.sleep(min(0.2, seconds))
        return (self.num_rows - before) / (time.perf_counter() - began)

    def end(self) -> None:
        """Stop it."""
        self._is_over = True
        self.join()

    def _observe(self, snapshot: Any) -> None:
        self.num_rows = snapshot.rows_done
        if self._is_over:
            raise Over


def underruns(arrivals: Sequence[tuple[float, float]]) -> int:
    """Pieces that came after everything before them had been played."""
    ends, count = arrivals[0][0], 0
    for at, samples in arrivals:
        count += at > ends
        ends = max(ends, at) + samples / 24_000
    return count


def percentile(values: Sequence[float], percent: int) -> float:
    """The smallest value that so many percent do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, -(-percent * len(ordered) // 100) - 1)]


def ms(seconds: float) -> str:
    """Milliseconds, for the table."""
    return f"{1000 * seconds:.1f} ms"


def line_of(name: str, count: int, found: dict[str, Any], rows_per_s: float | None) -> list[str]:
    """A row of the table."""
    parts = [ms(found["parts"][part]) for part in PARTS]
    first = [ms(percentile(found["first"], 50)), ms(percentile(found["first"], 99))]
    rest = [ms(found["transport"]), ms(found["gap"]), str(found["underruns"]), f"{found['rtf']:.3f}"]
    return [name, str(count), *first, *parts, *rest, "" if rows_per_s is None else f"{rows_per_s:.1f}"]


if __name__ == "__main__":
    os.environ["RAY_AUTH_MODE"] = "disabled"  # the service's Ray and the job's driver are two processes
    main()
