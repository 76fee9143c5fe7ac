"""What judges said, as it is shown: one line, a table, JSON, metrics."""

from __future__ import annotations

import io
import json
from dataclasses import replace

from rich.console import Console
from rich.table import Table

from speechmill.actors.gate.stats import NO_GATE, GateStats
from speechmill.actors.records.verdicts import NO_VERDICTS, VerdictCounts
from speechmill.jobs.cli.display import as_dict, summary
from speechmill.jobs.cli.judged import add_judged, add_verdicts, judged_line
from speechmill.jobs.output.totals import Totals
from speechmill.jobs.run.metrics import values_of
from speechmill.jobs.run.progress import Tracker

GATE = GateStats(
    num_judged=113,
    passed=(90, 5, 2),
    num_rejected=2,
    num_alike=1,
    num_unheard=1,
    rejections={"signal gap": 3, "duration longer": 10},
    unheard={"forced": 1},
    vain_s=50.0,
    judge_s={"signal": 0.05},
    judged_audio_s={"signal": 100.0},
)
SNAPSHOT = replace(Tracker(Totals(), 0.0).snapshot(1.0, []), rows_total=200, gate=GATE)


def shown(table: Table) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(table)
    return console.export_text()


def test_a_line_and_a_program_say_the_same() -> None:
    assert judged_line(GATE) == "judged 113 clips, passed 90 at once, 7 later, 2 rejected, 1 unheard"
    assert judged_line(GATE) in summary(SNAPSHOT)
    told = json.loads(json.dumps(as_dict(SNAPSHOT)))["gate"]
    assert (told["num_judged"], told["passed"], told["vain_s"]) == (113, [90, 5, 2], 50.0)
    assert told["cost_s_per_audio_s"] == {"signal": 0.0005}
    assert values_of(SNAPSHOT)["rows_passed_again"] == 7


def test_nothing_is_said_of_judges_where_there_are_none() -> None:
    plain = replace(SNAPSHOT, gate=NO_GATE)
    assert "judged" not in summary(plain)
    assert "gate" not in as_dict(plain)
    assert "clips_judged" not in values_of(plain)
    table = Table()
    add_judged(table, NO_GATE, 10.0)
    add_verdicts(table, NO_VERDICTS)
    assert table.row_count == 0


def test_the_table_names_attempts_reasons_and_costs() -> None:
    table = Table()
    table.add_column()
    table.add_column()
    add_judged(table, GATE, 450.0)
    add_verdicts(table, VerdictCounts(2, 7, 1))
    text = shown(table)
    for told in (
        "rows passed: 90 at attempt 1, 5 at attempt 2, 2 at attempt 3",
        "2 rows, 1 of them heard alike each time: text or ear",
        "duration longer 10, signal gap 3",
        "1 rows; clips by forced 1",
        "50 s of audio, 10.0 %",
        "signal 0.5 ms",
        "passed when spoken again",
    ):
        assert told in text
