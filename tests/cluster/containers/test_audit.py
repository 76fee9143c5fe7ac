"""Audits: of what a writer wrote there is no fault, and of anything else there is one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from speechmill.cluster.containers import CONTAINERS, Place, container_of
from speechmill.cluster.containers.base import ClipInfo, Fault
from speechmill.cluster.storage.local.store import LocalStorage
from speechmill.errors import JobError

PART = "000012-0003-r5f3a-7-9f2c1a"
IDS = ["a", "../../x", "a\0b", "😀" * 1024, "", "x" * 4096, "\ud800", "a\nb", "a.b", "con"]
every_container = pytest.mark.parametrize("name", list(CONTAINERS))


class CountingStorage(LocalStorage):
    """A folder that counts how often each object is read; `get` opens it too."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.reads: Counter[str] = Counter()

    def open(self, key: str) -> BinaryIO:
        self.reads[key] += 1
        return super().open(key)


def told_of(row: int, row_id: str) -> ClipInfo:
    """With what JSON, UTF-8 and parquet make something else of."""
    sidecar: Mapping[str, object] = {
        "id": row_id,
        "text": f"Row {row}: \ud800 é",
        "voice": "a" if row % 2 else "",
        "seed": 2**63 - 1 - row,
        "speed": 1.0 + row / 3,
        "metadata": {"speaker": "é", "score": float("nan"), "n": 1, "x": 1.0, "b": True, "half": "\ud800"},
        "sample_rate": 24000,
        "num_samples": 240 + row,
        "duration_s": (240 + row) / 24000,
    }
    return ClipInfo(row, row_id, sidecar)


def write(name: str, storage: LocalStorage, ids: list[str]) -> tuple[dict[Place, ClipInfo], dict[Place, bytes]]:
    writer = container_of(name).open_part(storage, PART, "flac")
    told: dict[Place, ClipInfo] = {}
    clips: dict[Place, bytes] = {}
    for row, row_id in enumerate(ids):
        clip, data = told_of(row, row_id), f"clip {row}".encode() * (row + 1)
        place = writer.add(row, row_id, data, clip.sidecar)
        told[place], clips[place] = clip, data
    writer.close()
    return told, clips


def audited(name: str, storage: LocalStorage, told: dict[Place, ClipInfo]) -> tuple[dict[Place, Any], list[Fault]]:
    found = list(container_of(name).audit(storage, told, "flac"))
    answers = [answer for answer in found if not isinstance(answer, Fault)]
    assert len(answers) == len({place for place, _ in answers})
    return dict(answers), [fault for fault in found if isinstance(fault, Fault)]


@every_container
def test_what_was_written_has_no_fault_and_is_read_once(name: str, tmp_path: Path) -> None:
    storage = CountingStorage(tmp_path)
    told, clips = write(name, storage, IDS * 12)  # parquet: more than one row group
    assert audited(name, storage, told) == (clips, [])
    assert set(storage.reads.values()) == {1}


@every_container
def test_a_clip_that_nobody_was_told_of_is_a_fault_where_it_shares_its_object(name: str, tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    told, clips = write(name, storage, IDS)
    first = next(iter(told))
    del told[first]
    answers, faults = audited(name, storage, told)
    assert answers == {place: data for place, data in clips.items() if place != first}
    assert bool(faults) == (name != "files")


@every_container
@pytest.mark.parametrize("field", ["id", "text", "voice", "seed", "speed", "metadata", "num_samples", "duration_s"])
def test_a_clip_of_which_something_else_was_told_is_a_fault(name: str, field: str, tmp_path: Path) -> None:
    """`files` keeps nothing beside a clip, but its name."""
    storage = LocalStorage(tmp_path)
    told, _ = write(name, storage, ["a", "b"])
    place, clip = list(told.items())[1]
    other: object = {"metadata": {"n": 1.0}}.get(field, 7)
    row_id = "other" if field == "id" else clip.id
    told[place] = ClipInfo(clip.row, row_id, {**clip.sidecar, field: other, "id": row_id})
    _, faults = audited(name, storage, told)
    assert bool(faults) == (name != "files" or field == "id")
    assert not faults or any("row 1" in fault.text for fault in faults), faults
    assert not any("row 0" in fault.text for fault in faults), faults


@pytest.mark.parametrize("step", [191, pytest.param(47, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["webdataset", "parquet"])
def test_cuts_and_flips_are_answered_and_raise_nothing(name: str, step: int, tmp_path: Path) -> None:
    """And of a tar, whose every byte is known, each is a fault, an error, or another clip."""
    storage = LocalStorage(tmp_path)
    told, clips = write(name, storage, ["a", "b"])
    key = next(iter(told))[0]
    whole = storage.get(key)
    for at in range(0, len(whole), step):
        for damaged in (whole[:at], whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :], whole + whole[at:]):
            storage.put(key, damaged)
            answers, faults = audited(name, storage, told)
            assert answers.keys() == told.keys()
            if name == "webdataset":
                assert faults or answers != clips, at
    storage.put(key, whole)
    assert audited(name, storage, told) == (clips, [])


@every_container
def test_an_object_that_is_gone_is_an_answer(name: str, tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    told, _ = write(name, storage, ["a", "b"])
    storage.delete([entry.key for entry in storage.list()])
    answers, _ = audited(name, storage, told)
    assert answers.keys() == told.keys()
    assert all(isinstance(answer, JobError) for answer in answers.values())
