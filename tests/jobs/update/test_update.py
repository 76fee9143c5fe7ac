"""An output whose corpus has changed: what still fits is kept, the rest is spoken, and the result is as from scratch."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from support.in_process import Killed, SpeakingHere

import speechmill
from speechmill.actors.records.manifest import Record
from speechmill.cluster.storage import Storage, open_storage
from speechmill.errors import JobChanged, JobError
from speechmill.jobs.output.holdings import counted_parts
from speechmill.jobs.output.output_file import OutputFile
from speechmill.jobs.output.reader import load_part
from speechmill.jobs.output.status import status
from speechmill.jobs.verify import corpus_of, verify

CONTAINERS = ["files", "webdataset", "parquet"]
Row = tuple[str, str, str]
"""Id, text and chapter."""


def rows_of(count: int) -> list[Row]:
    return [(f"id-{row}", f"Row {row} {'la ' * (row * 7 % 20)}", f"{row // 10}") for row in range(count)]


def write(folder: Path, rows: list[Row]) -> None:
    lines = "".join(f"{id},{text},{chapter}\n" for id, text, chapter in rows)
    (folder / "corpus.csv").write_text(f"id,text,chapter\n{lines}", encoding="utf-8")


def job_of(folder: Path, container: str = "webdataset", out: str = "out", **sections: Any) -> speechmill.Job:
    model = {"name": "tone", "options": {"audio_char_s": 0.002, "reject": "xyzzy"}}
    sharding = {"shard_rows": 8, "window_rows": 24}
    where = out if "://" in out else str(folder / out)
    output = {"uri": where, "container": container, "audio": "wav"}
    more = {"failure": {"max_failed_rows": 100}} | sections
    return speechmill.Job(
        input={"uri": str(folder / "corpus.csv")}, model=model, output=output, sharding=sharding, **more
    )


def records(storage: Storage, generation: int | None = None) -> dict[int, Record]:
    """All rows by number; each once."""
    output = OutputFile.load(storage).at(generation, "job.json")
    found = [record for part in counted_parts(storage, output) for record in load_part(storage, part)]
    assert len({record.row for record in found}) == len(found)
    return {record.row: record for record in found}


def sounds(storage: Storage, generation: int | None = None) -> dict[int, tuple[object, ...]]:
    """What a reader cares for: of each row its content, and a hash of its samples."""
    return {
        row: (r.id, r.status, r.error, r.text, r.voice, r.seed, r.speed, r.pcm_sha256, dict(r.metadata))
        for row, r in records(storage, generation).items()
    }


def objects(storage: Storage) -> dict[str, str]:
    return {entry.key: entry.version for entry in storage.list("audio/")}


def check_sound(storage: Storage, job: speechmill.Job) -> None:
    report = verify(storage, corpus=corpus_of(OutputFile.load(storage)))
    assert (report.problems, report.is_complete, report.num_orphans) == ((), True, 0)
    assert not status(storage).is_damaged
    assert job.run().new_rows == 0


@pytest.mark.parametrize("container", CONTAINERS)
def test_changed_rows_are_spoken_and_the_others_keep_their_clips(
    tmp_path: Path, speaking_here: SpeakingHere, container: str
) -> None:
    rows = rows_of(60)
    write(tmp_path, rows)
    job = job_of(tmp_path, container)
    job.run()
    storage = open_storage(job.spec.output.uri)
    before, stored = sounds(storage), objects(storage)
    speaking_here.taken()

    rows[7] = ("id-7", "Another text.", "0")
    rows[30] = ("id-30", rows[30][1], "another chapter")
    del rows[50]
    rows.append(("id-new", "A new row.", "9"))
    write(tmp_path, rows)
    with pytest.raises(JobChanged, match="--update"):
        job.run()
    result = job.run(update=True)
    assert speaking_here.taken() == {"id-7", "id-new"}
    assert (result.num_rows, result.num_ok, result.new_rows) == (60, 60, 2)
    assert stored.items() <= objects(storage).items(), "no object was touched"
    check_sound(storage, job)

    scratch = job_of(tmp_path, container, "scratch")
    scratch.run()
    assert sounds(storage) == sounds(open_storage(scratch.spec.output.uri))

    # The state before can be read, until it is swept.
    assert sounds(storage, 1) == before
    assert {clip.id for clip in speechmill.read(storage.uri, generation=1)} == {f"id-{row}" for row in range(60)}
    assert (status(storage).generation, status(storage).earlier) == (2, (1,))
    report = verify(storage, sweep=True)
    assert (report.problems, report.num_orphans) == ((), 0)
    assert report.num_earlier
    assert report.num_swept
    with pytest.raises(JobError, match="keeps no generation 1"):
        next(speechmill.read(storage.uri, generation=1))
    check_sound(storage, job)
    assert verify(storage).num_earlier == 0
    assert sounds(storage) == sounds(open_storage(scratch.spec.output.uri))
    assert len(list(speechmill.read(storage.uri))) == 60


def edited(rows: list[Row], chance: random.Random) -> list[Row]:
    """Some lines changed, removed, added, moved, doubled, or broken."""
    rows = list(rows)
    for _ in range(chance.randint(0, 6)):
        at = chance.randrange(len(rows) + 1)
        fresh = f"{chance.getrandbits(32):08x}"
        kind = chance.choice(["text", "chapter", "remove", "add", "move", "double", "empty", "reject", "id", "shuffle"])
        if kind == "add" or at == len(rows):
            rows.insert(at, (f"new-{fresh}", f"Added {fresh}", "1"))
        elif kind == "remove":
            del rows[at]
        elif kind == "move":
            rows.insert(chance.randrange(len(rows)), rows.pop(at))
        elif kind == "double":
            rows.append(rows[at])
        elif kind == "shuffle" and chance.random() < 0.2:
            chance.shuffle(rows)
        else:
            id, text, chapter = rows[at]
            new_text = {"text": f"Changed {fresh}", "empty": "", "reject": "xyzzy"}.get(kind, text)
            rows[at] = (f"id-{fresh}" if kind == "id" else id, new_text, fresh if kind == "chapter" else chapter)
    return rows


def is_kept(old: Mapping[int, Record], new: Record) -> bool:
    return any(
        (r.id, r.text, r.voice, r.seed, r.speed, r.status) == (new.id, new.text, new.voice, new.seed, new.speed, "ok")
        for r in old.values()
    )


@pytest.mark.parametrize("seed", range(4))
def test_an_update_ends_as_a_run_from_scratch(tmp_path: Path, speaking_here: SpeakingHere, seed: int) -> None:
    """Law: whatever was edited, killed, swept and edited again, of each row the same comes as from scratch.

    Rows that are as before keep their very clips, and until a sweep each complete state can be read.
    """
    chance = random.Random(seed)
    container = CONTAINERS[seed % 3]
    rows = rows_of(50)
    write(tmp_path, rows)
    job = job_of(tmp_path, container)
    job.run()
    storage = open_storage(job.spec.output.uri)
    states = {1: sounds(storage)}
    for turn in range(4):
        old, stored = records(storage), objects(storage)
        for _ in range(chance.randint(0, 2)):  # killed, and maybe edited before it goes on
            rows = edited(rows, chance)
            write(tmp_path, rows)
            speaking_here.shards_left = chance.randint(0, 2)
            try:
                job.run(update=True)
            except Killed:
                assert stored.items() <= objects(storage).items()
                assert {number: sounds(storage, number) for number in states} == states
                assert verify(storage).problems == ()
        speaking_here.shards_left = None
        speaking_here.taken()
        if chance.random() < 0.5:
            rows = edited(rows, chance)
            write(tmp_path, rows)
        job.run(update=True)

        scratch = job_of(tmp_path, container, f"scratch-{turn}")
        spoken = speaking_here.taken()
        scratch.run()
        assert sounds(storage) == sounds(open_storage(scratch.spec.output.uri))
        assert stored.items() <= objects(storage).items(), "no object was touched"
        again = [record.id for record in records(storage).values() if record.id in spoken and is_kept(old, record)]
        assert not again, "their clips were there"
        assert {number: sounds(storage, number) for number in states} == states
        check_sound(storage, job)
        states[OutputFile.load(storage).root.generation] = sounds(storage)
        speaking_here.taken()
        if chance.random() < 0.4:
            assert verify(storage, sweep=True).problems == ()
            assert verify(storage).num_earlier == 0
            states = {OutputFile.load(storage).root.generation: sounds(storage)}
