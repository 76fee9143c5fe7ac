"""Whole runs through a double of an endpoint that fails in every way: every row ends once, killed and continued."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.faulty_endpoint import GOOD, RATE, Answer, FaultyEndpoint, told
from support.in_process import Killed, SpeakingHere

import speechmill
from speechmill.actors.records.manifest import decode_records
from speechmill.actors.records.record import Record
from speechmill.cluster.storage import open_storage
from speechmill.errors import JobChanged
from speechmill.jobs.output.output_file import OutputFile
from speechmill.jobs.verify import verify

MAX_ATTEMPTS = 6
PASSING = [
    told(429, "slow down", Retry_After="0.005"),
    told(500, "oh no"),
    told(503, "not now"),
    Answer(breaks=True),
    Answer(cut=31),
    Answer(cut=31, is_chunked=True),
    Answer(short=31),
    Answer(rate=16_000),
    Answer(body=b""),
]
"""Faults that pass; a row meets up to three. Two requests more may take too long on a busy machine."""


def fault(body: dict[str, Any], number: int) -> Answer:
    """A row's faults by its text: every fifth text is refused or fails for ever, the others pass in the end."""
    kind = body["input"].partition(" ")[0]
    if kind == "Refused":
        return told(400, "this text is refused")
    if kind == "Poisoned":
        return told(500, "this text breaks the model")
    chance = random.Random(body["input"])
    faults = chance.choices(PASSING, k=chance.choice([0, 0, 0, 1, 2, 3]))
    if kind == "Hanging":
        faults = [Answer(hangs=True)]
    return faults[number] if number < len(faults) else GOOD


@pytest.fixture
def double() -> Iterator[FaultyEndpoint]:
    running = FaultyEndpoint(fault)
    yield running
    running.close()


def rows_of(count: int) -> list[str]:
    kinds = {3: "Refused", 8: "Poisoned"}
    return [
        f"{'Hanging' if row == 5 else kinds.get(row % 20, 'Spoken')} row {row} {'la ' * (row * 7 % 20)}".strip()
        for row in range(count)
    ]


def job_of(folder: Path, double: FaultyEndpoint, texts: list[str], **options: Any) -> speechmill.Job:
    corpus = folder / "corpus.csv"
    corpus.write_text("id,text,seed\n" + "".join(f"id-{row},{text},{row}\n" for row, text in enumerate(texts)))
    quick = {"retry_s": 0.002, "timeout_s": 1.0, "max_attempts": MAX_ATTEMPTS, "away_s": 60, "concurrency": 6}
    return speechmill.Job(
        input={"uri": str(corpus)},
        model={
            "name": "openai",
            "options": {"urls": double.url, "sample_rate": RATE, "seed_field": "seed", **quick, **options},
        },
        output={"uri": str(folder / "out")},
        cluster={"replicas": 1},
        sharding={"shard_rows": 16},
        failure={"max_failed_rows": 0.2},
    )


def records(job: speechmill.Job) -> list[Record]:
    """All rows of the output; each is there once."""
    storage = open_storage(job.spec.output.uri)
    output = OutputFile.load(storage)
    keys = [entry.key for entry in storage.list("manifest/") if output.counted(entry.key)]
    found = [record for key in keys for record in decode_records(storage.get(key), key)]
    assert max(Counter(record.id for record in found).values()) == 1
    return found


def run_killed_and_continued(folder: Path, double: FaultyEndpoint, here: SpeakingHere, count: int) -> None:
    texts = rows_of(count)
    job = job_of(folder, double, texts)
    here.shards_left = count // 40
    with pytest.raises(Killed):
        job.run()
    here.shards_left = None
    job.run()

    ended = {record.id: (record.status, record.error or "") for record in records(job)}
    assert set(ended) == {f"id-{row}" for row in range(count)}
    for row, text in enumerate(texts):
        status, error = ended[f"id-{row}"]
        if text.startswith("Refused"):
            assert (status, "400: this text is refused" in error) == ("failed", True)
        elif text.startswith("Poisoned"):
            assert status == "failed" and re.search(
                f"{MAX_ATTEMPTS} requests have failed; the last: .*500: this text breaks", error
            )
        else:
            assert (status, error) == ("ok", "")
    asked = double.inputs
    assert all(asked[text] == 1 for text in texts if text.startswith("Refused"))
    # A request that was refused for a while is no attempt; a killed shard's rows are asked for again.
    waits = sum(status in (429, 503) for status in (fault({"input": t}, n).status for t in texts for n in range(3)))
    assert sum(asked.values()) <= (MAX_ATTEMPTS + 1) * count + waits
    for clip in speechmill.read(job.spec.output.uri):
        spoken = double.speech({"input": texts[int(clip.id[3:])], "seed": int(clip.id[3:])})
        assert len(clip.samples) == len(spoken)
    assert verify(open_storage(job.spec.output.uri)).is_ok
    before = len(double.requests)
    job.run()
    assert len(double.requests) == before, "a complete output asks for nothing"


@pytest.mark.slow
def test_every_row_ends_once_whatever_the_endpoint_does(
    tmp_path: Path, double: FaultyEndpoint, speaking_here: SpeakingHere
) -> None:
    run_killed_and_continued(tmp_path, double, speaking_here, 40)


@pytest.mark.soak
def test_five_hundred_rows_end_once_whatever_the_endpoint_does(
    tmp_path: Path, double: FaultyEndpoint, speaking_here: SpeakingHere
) -> None:
    run_killed_and_continued(tmp_path, double, speaking_here, 500)


def test_an_output_is_continued_at_another_address_and_not_with_another_model(
    tmp_path: Path, double: FaultyEndpoint, speaking_here: SpeakingHere
) -> None:
    texts = [f"Spoken {row}." for row in range(24)]
    double.answer = lambda body, number: GOOD
    speaking_here.shards_left = 1
    with pytest.raises(Killed):
        job_of(tmp_path, double, texts).run()
    speaking_here.shards_left = None
    moved = FaultyEndpoint()
    try:
        with pytest.raises(JobChanged, match=r"model\.options\.model"):
            job_of(tmp_path, moved, texts, model="another").run()
        job = job_of(tmp_path, moved, texts, max_attempts=2)
        job.run()
        assert len(records(job)) == 24
        assert 0 < len(moved.requests) < 24
        assert {record.model_revision for record in records(job)} == {"served"}
    finally:
        moved.close()
