"""What a report shows of an output, read from its manifests and from some of its clips.

Guaranteed: names of all manifests are listed, and about `max_rows` rows are read, in flat memory. What is damaged or
missing becomes a problem of the report, and the rest is shown. Nothing is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from ...actors.records.keys import MANIFEST_PREFIX
from ...actors.records.record import Record
from ...cluster.storage import Storage
from ...errors import JobError
from ..corpus.parallel import in_order
from ..output.output_file import OutputFile
from ..output.reader import Layout, load_part
from ..output.status import Status, status
from .clip_store import ClipStore
from .histogram import Histogram
from .part_choice import ChosenPart, PartChoice
from .picks import Best, Pick, Picks
from .score_limits import score_limits
from .sound import Sound, sound_of
from .summary import Summary

MAX_ROWS = 200_000
MAX_PROBLEMS = 100
NUM_LEVEL_PARTS = 24
NUM_LEVELS = 256


@dataclass(slots=True)
class Collected:
    """The content of a report.

    Attributes:
        state: As `speechmill status` has it; None where the names are too damaged for it
        choice: Which parts were read; its totals are those of all names
        level_dbfs: Of `num_heard` clips: the random ones that were decoded
        sounds: By row, of the picks that have a clip
        problems: What is missing or damaged, at most MAX_PROBLEMS of `num_problems`
    """

    output: OutputFile
    choice: PartChoice
    summary: Summary
    picks: Sequence[Pick]
    worst_by: Mapping[str, str]
    level_dbfs: Histogram
    sounds: dict[int, Sound]
    problems: list[str]
    num_problems: int = 0
    state: Status | None = None

    def add_problem(self, problem: str) -> None:
        """Note a problem."""
        self.num_problems += 1
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem)


def collect(storage: Storage, seed: int = 0, max_rows: int = MAX_ROWS) -> Collected:
    """Read an output for a report.

    Args:
        storage: Where the output is
        seed: Of what is drawn
        max_rows: About how many rows the distributions are made of

    Raises:
        StorageMissing: There is no output
        JobError: `job.json` is damaged
    """
    output, choice = OutputFile.load(storage), PartChoice(seed, max_rows)
    summary, picks = Summary(), Picks(seed, score_limits(output.job.identity.keys))
    made = Collected(output, choice, summary, (), picks.worst_by, Histogram(), {}, [])
    try:
        made.state = status(storage)
        for problem in made.state.problems:
            made.add_problem(problem)
    except JobError as error:
        made.add_problem(str(error))
    for entry in storage.list(MANIFEST_PREFIX):
        try:
            part = output.counted(entry.key) if entry.size else None
        except JobError as error:
            made.add_problem(str(error))
            continue
        if part is not None:
            choice.add(part)
    heard: list[Record] = []
    chosen = list(choice.chosen())
    num_drawn = sum(part.is_random for part in chosen)
    per_part = max(1, -(-NUM_LEVELS // max(1, min(num_drawn, NUM_LEVEL_PARTS))))
    for number, (part, found) in enumerate(in_order(partial(_load, storage), chosen)):
        if isinstance(found, JobError):
            made.add_problem(str(found))
            continue
        is_heard = part.is_random and number < NUM_LEVEL_PARTS
        drawn = Best(per_part)
        for record in found:
            if part.is_random:
                summary.add(record)
            if record.status == "failed":
                summary.add_failed(record)
            elif is_heard and record.audio is not None:
                drawn.add(-float(record.row * 0x9E3779B97F4A7C15 % (1 << 52)), record)
            picks.add(record, is_drawn=is_heard)
        heard.extend(drawn)
    made.picks, made.worst_by = picks.picks(), picks.worst_by
    if not output.is_text:
        _listen(made, ClipStore(storage, Layout.of(storage, output.job.spec).container), heard[:NUM_LEVELS])
    return made


def _load(storage: Storage, chosen: ChosenPart) -> tuple[ChosenPart, list[Record] | JobError]:
    try:
        return chosen, load_part(storage, chosen.part)
    except JobError as error:
        return chosen, error


def _listen(made: Collected, store: ClipStore, heard: Sequence[Record]) -> None:
    """Read the clips that are shown, and those whose level is measured; those of one object after each other."""
    shown = {pick.record.row: pick.record for pick in made.picks if pick.record.audio is not None}
    drawn = {record.row for record in heard}
    wanted = shown | {record.row: record for record in heard}

    def listened(record: Record) -> tuple[Record, Sound]:
        return record, sound_of(store, record, is_shown=record.row in shown)

    order = sorted(wanted.values(), key=lambda record: (record.audio or "", record.row))
    for record, sound in in_order(listened, order, num_threads=4):
        if record.row in shown:
            made.sounds[record.row] = sound
        if sound.is_damaged:
            made.add_problem(sound.note)
        elif record.row in drawn and sound.level_dbfs is not None:
            made.level_dbfs.add(sound.level_dbfs)
