"""TextGrids and CTMs: nothing is lost between the manifests and the files, whatever the words are."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from support.outputs import replace_part
from typer.testing import CliRunner

from speechmill.actors.records.part_name import PartName
from speechmill.actors.records.record import Record
from speechmill.cluster.storage import Storage, open_storage
from speechmill.jobs.cli.main import app
from speechmill.jobs.export.alignment import ctm_lines, export_alignment, filled, text_grid
from speechmill.jobs.output.reader import load_part

WriteOutput = Callable[..., Storage]
WORDS = [("Don't", 0.01, 0.02), ('say "x"', 0.02, 0.05), ("\u2028no\nway", 0.06, 0.07)]
_INTERVAL = re.compile(r'xmin = ([0-9.]+)\n +xmax = ([0-9.]+)\n +text = "((?:[^"]|"")*)"\n')


def aligned(storage: Storage) -> list[Record]:
    """Give the rows of the first part an alignment."""
    part = PartName.parse(next(iter(storage.list("manifest/"))).key)
    records = [replace(record, alignment=WORDS) if record.audio else record for record in load_part(storage, part)]
    replace_part(storage, part, records)
    return [record for record in records if record.audio]


def intervals(text: str) -> list[tuple[str, float, float]]:
    """The intervals of a TextGrid, read by its published grammar."""
    found = [(m[3].replace('""', '"'), float(m[1]), float(m[2])) for m in _INTERVAL.finditer(text)]
    assert f"intervals: size = {len(found)}" in text
    return found


@given(st.lists(st.tuples(st.text(max_size=4), st.floats(-1, 5), st.floats(-1, 5)), max_size=8), st.floats(0.01, 4))
def test_intervals_fill_the_clip_without_gap_or_overlap(
    words: list[tuple[str, float, float]], duration_s: float
) -> None:
    made = list(filled(words, duration_s))
    assert made[0][1] == 0
    assert abs(made[-1][2] - duration_s) < 2e-4
    assert all(one[2] == other[1] for one, other in pairwise(made))
    assert all(begin < end for _, begin, end in made)


def test_a_text_grid_holds_the_words_where_they_are(write_output: WriteOutput) -> None:
    record = aligned(write_output("files", "wav"))[0]
    found = intervals(text_grid(record))
    assert [word for word, _, _ in found if word] == ["Don't", 'say "x"', " no way"]
    assert [(begin, end) for word, begin, end in found if word] == [(0.01, 0.02), (0.02, 0.05), (0.06, 0.07)]
    assert found[-1][2] == record.duration_s
    assert [len(line.split(" ")) for line in ctm_lines(record)] == [5, 5, 5]
    assert next(ctm_lines(record)).startswith("000000000-id_0 1 0.0100 0.0100 Don't")


def test_an_export_has_every_aligned_row_and_says_what_has_none(tmp_path: Path, write_output: WriteOutput) -> None:
    storage = write_output("webdataset", "wav")
    records = aligned(storage)
    target = open_storage(str(tmp_path / "grids"))
    made = export_alignment(storage, target, "textgrid")
    assert (made.num_rows, made.num_without, made.num_words) == (4, 5, 12)
    assert len(list(target.list())) == len(records) == 4
    done = CliRunner().invoke(app, ["alignment", storage.uri, "--to", "ctm", "-o", str(tmp_path / "ctm")])
    assert done.exit_code == 0, done.stderr
    assert "4 rows, 12 words; 5 spoken rows have no alignment" in done.stdout
    assert len((tmp_path / "ctm" / "words.ctm").read_text().splitlines()) == 12
    refused = CliRunner().invoke(app, ["alignment", storage.uri, "--to", "praat"])
    assert refused.exit_code == 2
    assert "textgrid" in refused.stderr
