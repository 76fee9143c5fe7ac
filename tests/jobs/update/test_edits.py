"""Updates after edits of all kinds, killed on the way and continued: as a run from scratch, and no clip is lost."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path

import pytest
from support.in_process import Killed, SpeakingHere

from speechmill.actors.records.record import Record
from speechmill.cluster.storage import open_storage
from speechmill.jobs.output.output_file import OutputFile
from speechmill.jobs.output.status import status
from speechmill.jobs.verify import verify

from .changed_corpus import CONTAINERS, Row, check_sound, job_of, objects, records, rows_of, sounds, write


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
            name, text, chapter = rows[at]
            new_text = {"text": f"Changed {fresh}", "empty": "", "reject": "xyzzy"}.get(kind, text)
            rows[at] = (f"id-{fresh}" if kind == "id" else name, new_text, fresh if kind == "chapter" else chapter)
    return rows


def is_kept(old: Mapping[int, Record], new: Record) -> bool:
    return any(
        (r.id, r.text, r.voice, r.seed, r.speed, r.status) == (new.id, new.text, new.voice, new.seed, new.speed, "ok")
        for r in old.values()
    )


@pytest.mark.parametrize(
    "seed",
    [
        pytest.param(0, marks=pytest.mark.slow),
        *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(1, 40)),
    ],
)
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
    for turn in range(3):
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


def test_a_run_that_never_ended_is_updated_too(tmp_path: Path, speaking_here: SpeakingHere) -> None:
    rows = rows_of(60)
    write(tmp_path, rows)
    job = job_of(tmp_path, "parquet")
    speaking_here.shards_left = 3
    with pytest.raises(Killed):
        job.run()
    speaking_here.shards_left = 1
    done = set(speaking_here.taken())
    rows[0] = ("id-0", "Corrected.", "0")
    rows.insert(3, ("early", "An early one.", "0"))
    write(tmp_path, rows)
    with pytest.raises(Killed):
        job.run(update=True)
    spoken = speaking_here.taken()
    speaking_here.shards_left = None
    job.run()  # the update goes on without being named
    spoken |= speaking_here.taken()
    assert spoken & done <= {"id-0"}
    storage = open_storage(job.spec.output.uri)
    check_sound(storage, job)
    scratch = job_of(tmp_path, "parquet", "scratch")
    scratch.run()
    assert sounds(storage) == sounds(open_storage(scratch.spec.output.uri))
    assert status(storage).earlier == ()


def test_updates_that_were_killed_one_after_the_other_lose_no_clip(tmp_path: Path, speaking_here: SpeakingHere) -> None:
    """Story: the second one looked at what the first had left, not at the state before, and spoke nearly all again."""
    rows = rows_of(30)
    write(tmp_path, rows)
    job = job_of(tmp_path)
    job.run()
    speaking_here.taken()
    speaking_here.shards_left = 0
    for row in (1, 2, 3):
        rows[row] = (f"id-{row}", f"Another text of {row}.", "0")
        write(tmp_path, rows)
        with pytest.raises(Killed):
            job.run(update=True)
    speaking_here.shards_left = None
    job.run()
    assert speaking_here.taken() == {"id-1", "id-2", "id-3"}
    storage = open_storage(job.spec.output.uri)
    assert status(storage).earlier == (1,)
    check_sound(storage, job)

    rows[1] = rows_of(30)[1]  # as it was first: its clip is still there
    write(tmp_path, rows)
    job.run(update=True)
    check_sound(storage, job)
