"""Text in while audio goes out: rows whose texts arrive at several paces, beside a job, each compared with itself.

MiniCPM-o's speech model with random weights. A third of the texts is there at once, a third comes at the pace of a
language model, a third stops in the middle for a while. Then every row is drawn alone, with its whole text:
`equal_codes` is the share of rows that have the same codes. `useful_slots` is the share of all slots in which a row was
drawn, over all steps. The first audio is counted from the moment at which the text's first ten tokens are there. The
first chunk leaves at step `first_chunk_step`; upstream draws 25 steps, and holds their audio back until 25 more are
drawn (`upstream_step`).

    python benchmarks/duplex.py [--rows 64] [--job-rows 64] [--size full] [--device cuda] [--tiny]
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from chattts import device_name
from common import machine, parsed, show

from speechmill.actors.engine.growth import Growth
from speechmill.actors.engine.shared import Drawn
from speechmill.actors.models.base import ModelConfig
from speechmill.actors.models.minicpmo.checkpoint.layout import FULL, TINY
from speechmill.actors.models.minicpmo.checkpoint.random_weights import write_random
from speechmill.actors.models.minicpmo.model import Minicpmo
from speechmill.actors.records.stream_handle import StreamHandle
from speechmill.actors.records.text_channel import TextChannel
from speechmill.actors.records.utterance import Segment

ROOM = 2**40
VOICES = ("", "seed:7", "seed:8")
WORDS = (
    "the",
    "baker",
    "opens",
    "at",
    "five",
    "and",
    "by",
    "seven",
    "all",
    "the",
    "street",
    "smells",
    "of",
    "warm",
    "bread",
)
FIRST_TOKENS = 10
UPSTREAM_STEP = 50
BESIDE = 4
"""Rows of the job that have slots of their own."""
PACES = ("at once", "as spoken", "with a stop")
COLUMNS = ["text", "rows", "first audio p50 ms", "p99 ms"]
TINY_RUN = {"size": "tiny", "rows": 6, "job_rows": 4, "steps": 60, "tokens_per_s": 2_000.0, "stop_s": 0.05}


@dataclass
class Stream:
    """A row whose text arrives.

    Attributes:
        words: Parts of the text, and the seconds from the start at which each comes
        ready_s, first_s: Times of the tenth token and of the first audio
        end: The codes, int64 [steps, codebooks]
    """

    segment: Segment
    pace: str
    words: list[tuple[float, str]]
    channel: TextChannel = field(default_factory=TextChannel)
    ready_s: float = 0.0
    first_s: float = 0.0
    first_chunk_step: int = 0
    end: torch.Tensor | None = None


def main() -> None:
    """Streams beside a job, then each row alone."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--job-rows", type=int, default=64)
    parser.add_argument("--size", choices=("full", "tiny"), default="full")
    parser.add_argument("--steps", type=int, default=150, help="the most of each row: 3.2 s of audio")
    parser.add_argument("--tokens-per-s", type=float, default=3.0)
    parser.add_argument("--stop-s", type=float, default=1.0)
    arguments = parsed(parser, "tiny weights, few rows, fast writers", **TINY_RUN)
    with tempfile.TemporaryDirectory() as folder:
        write_random(Path(folder) / "weights", TINY if arguments.size == "tiny" else FULL, seed=0)
        figures, rows = run(arguments, Path(folder) / "weights")
    show(f"Text that arrives, MiniCPM-o, random weights, {figures['device']}", COLUMNS, rows, figures)


def run(arguments: argparse.Namespace, folder: Path) -> tuple[dict[str, Any], list[list[str]]]:
    """The figures, and a line for each pace."""
    # With shapes that change, bfloat16 rounds so differently that other codes are drawn.
    options = {"max_steps": arguments.steps, "incomplete": "keep", "deterministic": arguments.device == "cuda"}
    model = Minicpmo(ModelConfig("minicpmo", arguments.device, path=str(folder), options=options))
    slots = arguments.rows + min(arguments.job_rows, BESIDE)
    if not model.reserve(ROOM, slots):
        raise SystemExit("the slots do not fit into the memory")
    for _ in model.stream(segment_of(model, 0), StreamHandle()):
        pass  # kernels and buffers are there
    streams = [stream_of(model, number, arguments) for number in range(arguments.rows)]
    job = [segment_of(model, arguments.rows + number) for number in range(arguments.job_rows)]
    before, began = model._ready.usage, time.perf_counter()  # pyright: ignore[reportPrivateUsage]
    with ThreadPoolExecutor(len(streams) + 2) as threads:
        spoken = threads.submit(lambda: sum(1 for _ in model.speak_rows(job)))
        heard = [threads.submit(listen, model, stream) for stream in streams]
        threads.submit(write, model, streams).result()
        for one in heard:
            one.result()
        duration_s = time.perf_counter() - began
        if spoken.result() != len(job):
            raise SystemExit("rows of the job are missing")
    after = model._ready.usage  # pyright: ignore[reportPrivateUsage]
    equal = [torch.equal(alone(model, stream.segment), ended(stream)) for stream in streams]
    first_ms = [1000 * (stream.first_s - stream.ready_s) for stream in streams]
    figures = {
        "equal_codes": sum(equal) / len(equal),
        "useful_slots": round((after.row_steps - before.row_steps) / (slots * (after.steps - before.steps)), 3),
        "first_chunk_step": max(stream.first_chunk_step for stream in streams),
        "upstream_step": UPSTREAM_STEP,
        "first_audio_ms": round(statistics.median(first_ms), 1),
        "rows": len(streams),
        "job_rows": len(job),
        "seconds": round(duration_s, 2),
        "device": device_name(arguments.device),
        "machine": machine(),
    }
    lines: list[list[str]] = []
    for pace in PACES:
        of_pace = sorted(one for one, stream in zip(first_ms, streams, strict=True) if stream.pace == pace)
        if of_pace:
            last = of_pace[min(len(of_pace) - 1, int(0.99 * len(of_pace)))]
            lines.append([pace, str(len(of_pace)), f"{statistics.median(of_pace):.1f}", f"{last:.1f}"])
    return figures, lines


def segment_of(model: Minicpmo, number: int) -> Segment:
    """A row with a text, a seed and a voice of its own."""
    chance = random.Random(number)
    text = " ".join(chance.choice(WORDS) for _ in range(chance.randint(14, 40)))
    voice = VOICES[number % len(VOICES)]
    return Segment(number, 0, text, model.prepare(text, voice), number, voice, 1.0)


def stream_of(model: Minicpmo, number: int, arguments: argparse.Namespace) -> Stream:
    """A row whose words come at one of the paces."""
    segment, pace = segment_of(model, number), PACES[number % len(PACES)]
    words = segment.text.split()
    at, found = 0.0, list[tuple[float, str]]()
    for place, word in enumerate(words):
        found.append((at, f" {word}" if place else word))
        if pace != "at once":
            at += 1 / arguments.tokens_per_s
        if pace == "with a stop" and place == len(words) // 2:
            at += arguments.stop_s
    return Stream(segment, pace, found)


def write(model: Minicpmo, streams: Sequence[Stream]) -> None:
    """Write all texts, each word at its time."""
    events = sorted(
        (at, number, place) for number, stream in enumerate(streams) for place, (at, _) in enumerate(stream.words)
    )
    counts, began = [0] * len(streams), time.perf_counter()
    for at, number, place in events:
        if (wait_s := began + at - time.perf_counter()) > 0:
            threading.Event().wait(wait_s)
        stream = streams[number]
        word = stream.words[place][1]
        counts[number] += len(model.prepare(word, stream.segment.voice).tokens)
        if not stream.ready_s and (counts[number] >= FIRST_TOKENS or place == len(stream.words) - 1):
            stream.ready_s = time.perf_counter()
        stream.channel.feed(word)
        if place == len(stream.words) - 1:
            stream.channel.end()


def listen(model: Minicpmo, stream: Stream) -> None:
    """Hear a stream to its end."""
    segment, listener = stream.segment, StreamHandle()
    growth = Growth(model.grow(segment), stream.channel, lambda part: model.tokens_of(part, segment.voice))
    synthesis = model._ready  # pyright: ignore[reportPrivateUsage]

    def told() -> Iterator[Drawn]:
        engine, policy = synthesis._engine("speak"), model.settings.streaming  # pyright: ignore[reportPrivateUsage]
        for drawn in engine.stream_growing(growth, policy, listener):
            stream.first_chunk_step = stream.first_chunk_step or drawn.chunk.window_end
            if drawn.end is not None:
                stream.end = drawn.end.codes
            yield drawn

    for _ in synthesis._heard(told(), listener):  # pyright: ignore[reportPrivateUsage]
        stream.first_s = stream.first_s or time.perf_counter()


def alone(model: Minicpmo, segment: Segment) -> torch.Tensor:
    """The codes of a row with nothing beside it, all of its text there."""
    rows = model.grow(segment)
    rows.feed(segment.tokens, is_last=True)
    engine = model._ready._engine("speak")  # pyright: ignore[reportPrivateUsage]
    [row] = engine.run([Growth(rows).start()])
    return row.codes


def ended(stream: Stream) -> torch.Tensor:
    """The codes of a stream that was heard to its end."""
    if stream.end is None:
        raise SystemExit(f"stream {stream.segment.row} has not ended")
    return stream.end


if __name__ == "__main__":
    main()
