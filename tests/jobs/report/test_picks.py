"""Which rows a page shows."""

from __future__ import annotations

import random
from typing import Any

from speechmill.actors.records.record import Record
from speechmill.actors.records.utterance import Failure
from speechmill.jobs.report.picks import MAX_CLIPS, Picks
from speechmill.jobs.report.summary import OTHER, Summary, kind_of


def spoken(row: int, **told: Any) -> Record:
    seconds = told.pop("seconds", 1.0 + row / 100)
    return Record(
        row=row,
        id=f"id-{row}",
        status="ok",
        error=None,
        text="A text.",
        voice="a",
        seed=row,
        speed=1.0,
        model="tone",
        model_revision="1",
        audio="audio/x.tar",
        member=f"{row}.wav",
        audio_format="wav",
        audio_bytes=10,
        audio_sha256="0",
        sample_rate=100,
        num_samples=round(100 * seconds),
        duration_s=seconds,
        pcm_sha256="0",
        num_segments=1,
        **told,
    )


def failed(row: int, reason: str = "too long") -> Record:
    return Record.of_failure(Failure(row, f"id-{row}", reason), "tone", "1")


def picked(records: list[Record], seed: int = 0) -> dict[int, tuple[str, ...]]:
    picks = Picks(seed)
    for record in records:
        picks.add(record, is_drawn=True)
    return {pick.record.row: pick.groups for pick in picks.picks()}


def test_at_most_sixty_rows_of_each_group_whatever_the_order() -> None:
    scores = random.Random(2)
    records = [
        spoken(row, scores={"whisper.wer": scores.random(), "mos": 1 + 4 * scores.random()}) for row in range(500)
    ]
    records += [failed(row) for row in range(500, 600)]
    found = picked(records)
    assert len(found) == MAX_CLIPS
    groups = [name for names in found.values() for name in names]
    assert groups.count("failed") == 12
    assert {row for row, names in found.items() if "longest" in names} == set(range(492, 500))
    assert {row for row, names in found.items() if "shortest" in names} == set(range(8))
    worst = sorted(records[:500], key=lambda record: -(record.scores or {})["whisper.wer"])[:6]
    assert {record.row for record in worst} == {row for row, names in found.items() if "worst whisper.wer" in names}
    lowest = sorted(records[:500], key=lambda record: (record.scores or {})["mos"])[:6]
    assert {record.row for record in lowest} == {row for row, names in found.items() if "worst mos" in names}
    assert groups.count("random") >= 15
    assert found == picked(random.Random(3).sample(records, len(records)))
    assert found != picked(records, seed=1)


def test_few_rows_are_all_shown_once() -> None:
    assert sorted(picked([spoken(3), failed(1), spoken(2)])) == [1, 2, 3]
    assert picked([]) == {}


def test_reasons_are_counted_without_the_words_and_numbers_of_a_row() -> None:
    assert kind_of("'abc' has 1,024 letters") == kind_of("'de' has 7 letters")
    summary = Summary()
    for row in range(3):
        summary.add_failed(failed(row, f"row {row} is empty"))
    assert summary.reasons == {"row N is empty": 3}


def test_names_that_a_hostile_output_makes_up_do_not_fill_the_memory() -> None:
    summary = Summary()
    for row in range(2_000):
        summary.add(spoken(row, scores={f"score {row}": 1.0}))
        summary.add_failed(failed(row, "x" * (row % 150) + "y" * (row // 150)))
    assert len(summary.scores) <= 12
    assert summary.reasons[OTHER] > 0
    assert len(summary.failed) == 200
