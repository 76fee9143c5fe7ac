"""What memory by pages would add to slots of one size: rows at once, and steps, for a log-normal corpus of ChatTTS.

The true schedule (`actors.engine.schedule`) moves rows through slots, prompts and all; no network computes. Memory is
counted in positions, as the cache holds them:

slots            every row has room for the longest possible one, as the engine has it
slots_shortened  the same, if `max_steps` is no more than the corpus needs
growing          a slot of 256 positions is replaced by one of twice the size when its row has filled it
pages            a row takes blocks of 16, 64 or 256 positions as it grows

With the last two, a new row is admitted as long as memory is free. If it runs out, the row with the least progress
gives up its own, and is drawn again later.

    python benchmarks/pages.py [--rows 8000] [--slot-megabytes 141] [--positions 2240] [--most 512] [--tiny]

More rows at once are fewer steps, but each step reads more: `speed` is relative to slots of one size, if a step takes
`--step-ms`, and the card's bandwidth for the positions that its rows have written and for no others. Cards are named
by gigabytes and bytes per second that they read, as in `24:0.6e12`.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from common import machine, parsed, show

from speechmill.actors.engine.schedule import Schedule

PREFILL = 2_048
PROMPT = (24, 192)
"""Shortest and longest prompt: the tokens of a text, by its length."""
LEAST = 256
"""Positions of the first slot of a row, where slots grow."""
FULL = 0.97
"""Share of the memory up to which rows are admitted: the rest is for those that grow."""

TINY: dict[str, Any] = {
    "rows": 60,
    "median_steps": 20,
    "longest_steps": 120,
    "positions": 500,
    "slot_megabytes": 31.5,
    "most": 24,
    "cards": ["4:0.6e12", "4.2:2e12"],
}

Hold = Callable[[int], int]


@dataclass(slots=True)
class Spoken:
    """A row of the corpus: positions of its prompt, and steps until it ends."""

    prompt: int
    steps: int


@dataclass(slots=True)
class Outcome:
    """What speaking the corpus took.

    steps            of the engine
    row_steps        of rows that ended, drawn again ones counted once
    lost             steps of rows that gave up their blocks
    read             positions of the cache that all steps read
    """

    steps: int = 0
    row_steps: int = 0
    lost: int = 0
    read: int = 0

    @property
    def rows_at_once(self) -> float:
        return (self.row_steps + self.lost) / self.steps

    def seconds(self, step_s: float, position_s: float) -> float:
        """The time of all steps, if each takes `step_s`, and `position_s` for each position that it reads."""
        return self.steps * step_s + self.read * position_s


def corpus(rows: int, median: int, longest: int) -> list[Spoken]:
    """Log-normal steps, whose 99th percentile and limit is `longest`; a prompt is as long as its speech."""
    sigma = math.log(longest / median) / 2.3263
    drawn = np.random.default_rng(0).lognormal(math.log(median), sigma, rows).round().clip(4, longest).astype(int)
    least, most = PROMPT
    return [Spoken(least + (most - least) * steps // longest, steps) for steps in drawn.tolist()]


def in_blocks(size: int) -> Hold:
    """Memory in blocks of so many positions."""
    return lambda positions: -(-positions // size) * size


def doubling(longest: int) -> Hold:
    """Memory that doubles from `LEAST` on, up to that of the longest row."""
    return lambda positions: min(longest, LEAST << max(0, math.ceil(math.log2(positions / LEAST))))


def speak(found: list[Spoken], num_slots: int, hold: Hold | None = None, capacity: int = 0) -> Outcome:
    """Speak the corpus.

    hold         positions that a row takes from memory, by those that it has written; None for slots of one size
    capacity     positions that there are, for `hold`
    """
    schedule: Schedule[Spoken] = Schedule(num_slots, PREFILL)
    waiting, done, outcome = list(reversed(found)), 0, Outcome()
    while done < len(found):
        if hold is not None:
            _give_up(schedule, waiting, outcome, hold, capacity)
        _admit(schedule, waiting, hold, capacity)
        for chunk in schedule.chunks():
            schedule.filled(chunk)
        ready = schedule.num_ready
        for slot in schedule.slots[:ready]:
            slot.steps += 1
        outcome.steps += 1
        outcome.row_steps += ready
        outcome.read += sum(slot.prompt + slot.steps for slot in schedule.slots[:ready])
        ended = [number for number, slot in enumerate(schedule.slots[:ready]) if slot.steps >= slot.row.steps]
        done += len(ended)
        for number in reversed(ended):
            schedule.leave(number)
    return outcome


def _held(schedule: Schedule[Spoken], hold: Hold) -> int:
    return sum(hold(slot.prompt + slot.steps + 1) for slot in schedule.slots)


def _give_up(schedule: Schedule[Spoken], waiting: list[Spoken], outcome: Outcome, hold: Hold, capacity: int) -> None:
    """Take rows out until the others have room for their next step."""
    held = _held(schedule, hold)
    while held > capacity:
        number = min(range(len(schedule.slots)), key=lambda number: schedule.slots[number].progress)
        slot = schedule.slots[number]
        held -= hold(slot.prompt + slot.steps + 1)
        outcome.lost += slot.steps
        outcome.row_steps -= slot.steps
        schedule.leave(number)
        waiting.append(slot.row)


def _admit(schedule: Schedule[Spoken], waiting: list[Spoken], hold: Hold | None, capacity: int) -> None:
    """Let rows in while there are slots, and memory of which a part stays free for those that grow."""
    held = 0 if hold is None else _held(schedule, hold)
    while waiting and len(schedule.slots) < schedule.num_slots:
        if hold is not None:
            held += hold(waiting[-1].prompt + 1)
            if held > FULL * capacity and schedule.slots:
                return
        row = waiting.pop()
        schedule.add(row, row.prompt)
        schedule.admit()


def main() -> None:
    """Compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=8_000)
    parser.add_argument("--median-steps", type=int, default=150)
    parser.add_argument("--longest-steps", type=int, default=1_200)
    parser.add_argument("--positions", type=int, default=2_240, help="of a slot")
    parser.add_argument("--slot-megabytes", type=float, default=141.0)
    parser.add_argument("--cards", nargs="+", default=["24:0.6e12", "80:2e12"], help="gigabytes:bytes per second")
    parser.add_argument("--fixed-gigabytes", type=float, default=3.5, help="weights, CUDA, room for the vocoder")
    parser.add_argument("--most", type=int, default=512, help="rows at once at the most, as the engine has it")
    parser.add_argument("--sizes", type=int, nargs="+", default=[16, 64, 256], help="positions of a block")
    parser.add_argument("--step-ms", type=float, default=1.2, help="of a step, whatever the rows")
    compare(parsed(parser, "short rows on cards that hold few", **TINY))


def compare(arguments: argparse.Namespace) -> None:
    """Speak the corpus on each card in each way, and print it."""
    found = corpus(arguments.rows, arguments.median_steps, arguments.longest_steps)
    positions, most = arguments.positions, arguments.most
    position_bytes = 1e6 * arguments.slot_megabytes / positions
    lines, cards = list[list[str]](), dict[str, Any]()
    for gigabytes, bandwidth in (map(float, card.split(":")) for card in arguments.cards):
        room = int((0.9 * gigabytes - arguments.fixed_gigabytes) * 1e9 / position_bytes)
        slots = max(1, min(most, room // positions))
        holds = {"growing": doubling(positions), **{f"pages_{size}": in_blocks(size) for size in arguments.sizes}}
        short = max(1, min(most, room // (PROMPT[1] + arguments.longest_steps)))
        ways = {"slots": speak(found, slots), "slots_shortened": speak(found, short)}
        ways |= {name: speak(found, most, hold, max(room, positions)) for name, hold in holds.items()}
        costs = arguments.step_ms / 1e3, position_bytes / bandwidth
        base, figures = ways["slots"].seconds(*costs), dict[str, Any]()
        for name, way in ways.items():
            lost, speed = way.lost / way.row_steps, base / way.seconds(*costs)
            figures[name] = {
                "rows_at_once": round(way.rows_at_once, 1),
                "steps": way.steps,
                "row_steps": way.row_steps,
                "lost": round(lost, 4),
                "speed": round(speed, 3),
            }
            cells = [f"{way.rows_at_once:.0f}", f"{way.steps:,}", f"{100 * lost:.1f} %", f"{speed:.2f}"]
            lines.append([f"{gigabytes:g} GB, {bandwidth / 1e12:g} TB/s", name, *cells])
        cards[f"{gigabytes:g}"] = {"slots_that_fit": slots, "positions": room, **figures}
    columns = ["card", "memory", "rows at once", "steps", "drawn again", "speed"]
    all_figures = {"cards": cards, "rows": arguments.rows, "most": most, "device": "cpu", "machine": machine()}
    show(f"{arguments.rows:,} rows, log-normal, at most {most} at once", columns, lines, all_figures)


if __name__ == "__main__":
    main()
