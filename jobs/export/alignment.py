"""Alignments for other tools: a Praat TextGrid a clip, or one CTM for all.

Guaranteed: rows come part by part, one part in memory; a CTM is written whole or not at all, and so is each TextGrid.
Rows without an alignment are counted and left out. Formats: TextGrid in its long text form
(https://www.fon.hum.uva.nl/praat/manual/TextGrid_file_formats.html), CTM as NIST's sclite reads it.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ...actors.records.record import Record
from ...cluster.containers.base import stem
from ...cluster.storage import Storage
from ..output.holdings import counted_parts
from ..output.output_file import OutputFile
from ..output.reader import load_part

FORMATS = ("textgrid", "ctm")
CTM_NAME = "words.ctm"
_LEAST_S = 1e-4
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class ExportedAlignment:
    """The counts of an export: rows that are in it, spoken rows without an alignment, and words."""

    num_rows: int
    num_without: int
    num_words: int


def export_alignment(storage: Storage, target: Storage, form: str) -> ExportedAlignment:
    """Write the alignments of an output.

    Args:
        storage: Where the output is
        target: Where the files go: `<row>-<id>.TextGrid`, or CTM_NAME
        form: One of FORMATS

    Raises:
        JobError: There is no output, or a manifest is damaged
    """
    records = spoken_records(storage)
    num_rows = num_without = num_words = 0
    with tempfile.TemporaryDirectory(prefix="speechmill-") as folder:
        path = Path(folder) / CTM_NAME
        with path.open("w", encoding="utf-8", errors="backslashreplace") as ctm:
            for record in records:
                if not record.alignment:
                    num_without += 1
                    continue
                num_rows, num_words = num_rows + 1, num_words + len(record.alignment)
                if form == "ctm":
                    ctm.writelines(ctm_lines(record))
                else:
                    text = text_grid(record).encode("utf-8", "backslashreplace")
                    target.put(f"{stem(record.row, record.id)}.TextGrid", text)
        if form == "ctm":
            target.put(CTM_NAME, path)
    return ExportedAlignment(num_rows, num_without, num_words)


def spoken_records(storage: Storage) -> Iterator[Record]:
    """The spoken rows of an output, part by part."""
    output = OutputFile.load(storage)
    for part in counted_parts(storage, output):
        if part.num_ok:
            yield from (record for record in load_part(storage, part) if record.audio is not None)


def ctm_lines(record: Record) -> Iterator[str]:
    """A line a word: clip, channel, begin and duration in seconds, word. A clip is called as in a container."""
    clip = stem(record.row, record.id)
    for word, begin, end in record.alignment or ():
        yield f"{clip} 1 {begin:.4f} {max(0.0, end - begin):.4f} {_SPACE.sub('_', word) or '_'}\n"


def text_grid(record: Record) -> str:
    """A TextGrid of one tier, `words`; what lies between words is an interval without text.

    Args:
        record: A row with an alignment
    """
    duration_s = record.duration_s or 0.0
    intervals = list(filled(record.alignment or (), duration_s))
    head = (
        'File type = "ooTextFile"\nObject class = "TextGrid"\n\n'
        f"xmin = 0\nxmax = {duration_s:.6f}\ntiers? <exists>\nsize = 1\nitem []:\n    item [1]:\n"
        f'        class = "IntervalTier"\n        name = "words"\n        xmin = 0\n        xmax = {duration_s:.6f}\n'
        f"        intervals: size = {len(intervals)}\n"
    )
    lines = (
        f"        intervals [{number}]:\n            xmin = {begin:.6f}\n            xmax = {end:.6f}\n"
        f'            text = "{_SPACE.sub(" ", word).replace(chr(34), chr(34) * 2)}"\n'
        for number, (word, begin, end) in enumerate(intervals, start=1)
    )
    return head + "".join(lines)


def filled(words: Iterable[tuple[str, float, float]], duration_s: float) -> Iterator[tuple[str, float, float]]:
    """Words and the silences between them, without gap or overlap from 0 to the end of the clip."""
    last = 0.0
    for word, *place in words:
        begin, end = (min(max(seconds, last), duration_s) for seconds in place)
        if end - begin < _LEAST_S:
            continue
        if begin - last >= _LEAST_S:
            yield "", last, begin
            last = begin
        yield word, last, end
        last = end
    if duration_s - last >= _LEAST_S or not last:
        yield "", last, duration_s
