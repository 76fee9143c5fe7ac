"""No damage to an output goes unnamed, but for what nobody can tell from the output as it was.

Each case takes a sound output, does one thing to one object, and asks `verify`. Where that names nothing, a reader
has to be given the same as before: the same clips, records, texts, tar members, table columns and job. And the object
has to be one of those that may be spelt in several ways (`MAY_BE_OTHERWISE`).
"""

from __future__ import annotations

import io
import json
import random
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from support.damages import damages_of, members_of
from support.outputs import begin, commit, complete, job_file

from speechmill.actors.audio.encoding import encode, pcm16, pcm_sha256, sha256
from speechmill.actors.records.record import SIDECAR, Record
from speechmill.actors.records.utterance import Failure
from speechmill.cluster.containers import container_of
from speechmill.cluster.storage import open_storage
from speechmill.cluster.storage.local.store import LocalStorage
from speechmill.errors import SpeechmillError
from speechmill.jobs.output.output_file import OutputFile
from speechmill.jobs.output.reader import Layout, load_part, read
from speechmill.jobs.verify import verify
from speechmill.jobs.verify.parts import is_manifest

KINDS = ["files wav", "files flac", "webdataset wav", "webdataset flac", "parquet wav", "parquet flac", "text"]
RATE = 8000
MAY_BE_OTHERWISE = {
    "plan": "it only saves reading",
    "driver.json": "it says who writes, not what",
    "job.json": "JSON in any order and spelling",
    "text": "JSON lines in any spelling",
    "tar": "the order of the clips, each before its JSON file",
    "parquet": "bytes of a table that belong to no column, its checksums, or its statistics",
}


def rows(kind: str) -> Iterator[list[Record]]:
    """Two shards, of which one has a row that failed; the rows have no audio yet."""
    for shard in (range(3), range(3, 5)):
        told = [
            {"row": row, "id": f"id {row}", "text": f"Row {row}.", "voice": "a", "seed": row, "speed": 1.0}
            for row in shard
        ]
        made: list[Record] = []
        for some in told:
            common = {"error": None, "model": "tone", "model_revision": "1", "metadata": {"k": some["row"]}, **some}
            refined = f"row {some['row']} ." if kind == "text" else "x"
            made.append(Record(status="ok", refined=refined, **common))
        yield (
            [*made[:-1], Record.of_failure(Failure(2, "id 2", "too long", "Row 2."), "tone", "1")]
            if 2 in shard
            else made
        )


def spoken(record: Record, audio: str, writer: Any) -> Record:
    """The row with its clip in the part."""
    pcm = pcm16((0.5 * np.sin(np.arange(60 + 9 * record.row) / (3 + record.row))).astype(np.float32))
    encoded = encode(pcm, RATE, audio)
    fields: dict[str, Any] = {name: getattr(record, name) for name in Record.__dataclass_fields__}
    fields |= {"refined": None, "sample_rate": RATE, "num_samples": len(pcm), "duration_s": len(pcm) / RATE}
    key, member = writer.add(record.row, record.id, encoded, {name: fields[name] for name in SIDECAR})
    fields |= {"audio": key, "member": member, "audio_format": audio, "audio_bytes": len(encoded), "num_segments": 1}
    return Record(**(fields | {"audio_sha256": sha256(encoded), "pcm_sha256": pcm_sha256(pcm)}))


def sound(kind: str, folder: Path, *, is_complete: bool = True) -> dict[str, bytes]:
    """The objects of a sound output of five rows and a rejected one."""
    storage = open_storage(str(folder))
    container, _, audio = kind.partition(" ")
    claim = begin(storage, job_file(container, audio or "wav", "refine" if kind == "text" else "speak"))
    written: list[Record] = []
    for index, records_of in enumerate(rows(kind)):
        records = records_of
        if audio:
            writer = container_of(container).open_part(storage, f"000000-{index:04d}-{claim.stamp}-9f{index}", audio)
            records = [spoken(r, audio, writer) if r.status == "ok" else r for r in reversed(records)]
            writer.close()
        commit(storage, claim, 0, index, records)
        written += records
    rejected = [Record.of_failure(Failure(5, "id 0", "empty text"), "tone", "1")]
    commit(storage, claim, 0, None, rejected)
    if is_complete:
        complete(claim, [*written, *rejected])
    storage.put("plan/000000.json", b'{"windows": []}')
    storage.put("driver.json", b'{"state": "free"}')
    return {entry.key: storage.get(entry.key) for entry in storage.list()}


class Bench:
    """An output on a disk, put back after each damage."""

    def __init__(self, kind: str, folder: Path, *, is_complete: bool = True) -> None:
        self.name = kind if is_complete else f"{kind}, unfinished"
        self._is_complete = is_complete
        self._sound = sound(kind, folder / "made", is_complete=is_complete)
        self._folder = folder / "out"
        self._there: dict[str, bytes] = {}
        self._put(self._sound)
        self.storage = LocalStorage(self._folder)
        assert self.named() is None
        self._before, self._given_before = self.seen(), self.given()

    def _put(self, objects: dict[str, bytes]) -> None:
        for key in self._there.keys() - objects.keys():
            (self._folder / key).unlink()
        for key, data in objects.items():
            if self._there.get(key) != data or key not in self._there:
                (self._folder / key).parent.mkdir(parents=True, exist_ok=True)
                (self._folder / key).write_bytes(data)
        self._there = dict(objects)

    def try_one(self, draw: random.Random) -> tuple[str, str, str]:
        """Damage something; what was done, to which kind of object, and what came of it: named, harmless, or MISSED."""
        while True:
            # What counts for nothing is damaged now and then only.
            key = draw.choice([key for key in sorted(self._sound) if not key.startswith(("plan", "driver"))])
            if draw.random() < 0.02:
                key = draw.choice(["plan/000000.json", "driver.json"])
            damage = draw.choice(damages_of(key, is_complete=self._is_complete))
            objects = dict(self._sound)
            damage(draw, objects, key)
            if objects != self._sound:
                break
        kind = "parquet" if key.endswith(".parquet") else "tar" if key.endswith(".tar") else key.split("/")[0]
        what = damage.__name__.replace("_", " ")
        self._put(objects)
        try:
            named = self.named()
            # What is there beside the rest is an orphan; what a complete output has lost has to be a problem.
            is_grave = named in ("problem", "refused") or not self._is_complete
            if named is not None and (is_grave or self.given() == self._given_before):
                return what, kind, named
            if kind in MAY_BE_OTHERWISE and self.seen() == self._before:
                return what, kind, "harmless"
            if kind == "manifest" and self._is_as_before_its_commit(key, objects):
                return what, kind, "not committed"
            return what, kind, f"MISSED in {self.name}, {key}"
        finally:
            self._put(self._sound)

    def named(self) -> str | None:
        """As what `verify` names something; None where it does not."""
        try:
            report = verify(self.storage)
        except SpeechmillError:
            return "refused"
        if report.num_problems:
            return "problem"
        return "orphan" if report.num_orphans else "not ours" if report.num_strays else None

    def _is_as_before_its_commit(self, key: str, objects: dict[str, bytes]) -> bool:
        """Whether the output is what it was before this manifest was written: the next run writes it again.

        So only if the job is not complete, and never of a part with audio, which is named as an orphan; but if the
        manifest is there under the number of another commit, then nothing is lost.
        """
        data = self._sound[key]
        changed = {
            other for other in objects.keys() | self._sound.keys() if objects.get(other) != self._sound.get(other)
        }
        is_gone = key not in objects and all(objects[other] == data for other in changed - {key})
        has_audio = b'"status":"ok"' in data
        return is_gone and not self._is_complete and (not has_audio or self.given() == self._given_before)

    def given(self) -> object:
        """The records that count, and their clips; whatever else lies there."""
        storage, output = self.storage, OutputFile.load(self.storage)
        keys = [entry.key for entry in storage.list("manifest/") if is_manifest(entry.key)]
        parts = [part for key in keys if (part := output.counted(key))]
        records = [record for part in parts for record in load_part(storage, part)]
        if output.is_text:
            return records
        places = [(record.audio, record.member) for record in records if record.audio is not None]
        return records, dict(Layout.of(storage, output.job.spec).container.read(storage, places))

    def seen(self) -> object:
        """All that a reader is given."""
        try:
            return self._seen()
        except (SpeechmillError, OSError, ValueError, tarfile.TarError) as error:
            return repr(error)

    def _seen(self) -> object:
        storage, output = self.storage, OutputFile.load(self.storage)
        parts = [part for entry in storage.list("manifest/") if (part := output.counted(entry.key))]
        records = [record.to_json() for part in parts for record in load_part(storage, part)]
        clips: list[Any] = []
        if not output.is_text:
            found = sorted(read(storage.uri), key=lambda clip: clip.metadata["row"])  # type: ignore[arg-type,return-value]
            clips = [(clip.id, clip.samples.tobytes(), clip.sample_rate, dict(clip.metadata)) for clip in found]
        objects: list[Any] = []
        for entry in storage.list():
            data = storage.get(entry.key)
            if entry.key.startswith("text/"):
                objects.append((entry.key, [sorted(json.loads(line).items()) for line in data.splitlines()]))
            elif entry.key.endswith(".parquet"):
                table = pq.read_table(io.BytesIO(data))
                objects.append((entry.key, str(table.schema), table.to_pylist()))
            elif entry.key.endswith(".tar"):
                objects.append((entry.key, sorted(members_of({entry.key: data}, entry.key))))
            elif entry.key.startswith("audio/"):
                objects.append((entry.key, data))
        return records, clips, objects, json.loads(storage.get("job.json"))


def benches(folder: Path) -> list[Bench]:
    """One of each kind, and some that are not complete."""
    made = [Bench(kind, folder / kind) for kind in KINDS]
    unfinished = ("files wav", "webdataset flac", "parquet flac", "text")
    return made + [Bench(kind, folder / f"{kind} open", is_complete=False) for kind in unfinished]


def damage(folder: Path, num_damages: int, seed: int) -> Counter[tuple[str, str, str]]:
    """Try so many; how often each came out."""
    outputs, draw = benches(folder), random.Random(seed)
    found: Counter[tuple[str, str, str]] = Counter()
    for number in range(num_damages):
        found[outputs[number % len(outputs)].try_one(draw)] += 1
    return found


def shown(found: Counter[tuple[str, str, str]]) -> str:
    """A table: what was damaged, how, and what came of it."""
    lines = [
        f"{kind:12} {what:40} {came:14} {count:6}" for (what, kind, came), count in sorted(found.items(), key=_order)
    ]
    return "\n".join(lines)


def _order(item: tuple[tuple[str, str, str], int]) -> tuple[str, str, str]:
    (what, kind, came), _ = item
    return kind, what, came


@pytest.mark.parametrize("num_damages", [33, pytest.param(220, marks=pytest.mark.slow)])
def test_damages_are_named(tmp_path: Path, num_damages: int) -> None:
    found = damage(tmp_path, num_damages, seed=1)
    assert not [name for name in found if name[2].startswith("MISSED")], shown(found)
    assert sum(count for (_, _, came), count in found.items() if came == "problem") > 0.45 * num_damages


@pytest.mark.soak
def test_ten_thousand_damages_are_named(tmp_path: Path) -> None:
    found = damage(tmp_path, 10_000, seed=2)
    print("\n" + shown(found))
    assert not [name for name in found if name[2].startswith("MISSED")], shown(found)
