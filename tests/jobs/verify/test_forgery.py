"""Edits that keep an output consistent with itself as far as they can: what still contradicts is named."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.damages import members_of, put_members
from support.outputs import edit_job, rename_parts, replace_part

from speechmill.actors.records.manifest import content_digest, decode_records, encode_records
from speechmill.actors.records.part_name import PartName
from speechmill.actors.records.record import Record
from speechmill.cluster.containers import CONTAINERS
from speechmill.cluster.storage import Storage
from speechmill.errors import JobError
from speechmill.jobs.output.status import status
from speechmill.jobs.verify import verify

WriteOutput = Callable[..., Storage]
every_container = pytest.mark.parametrize("container", list(CONTAINERS))
AUDIO = ("audio", "member", "audio_bytes", "audio_sha256", "num_samples", "duration_s", "pcm_sha256")


def key_of(storage: Storage, prefix: str) -> str:
    return next(entry.key for entry in storage.list(prefix))


def records_of(storage: Storage, shard: str = "0000") -> tuple[PartName, list[Record]]:
    key = key_of(storage, f"manifest/000000/{shard}")
    return PartName.parse(key), list(decode_records(storage.get(key), key))


def forge(storage: Storage, changes: dict[int, dict[str, Any]], shard: str = "0000") -> None:
    """Edit rows of a manifest; its name, and the root in job.json, are made to fit."""
    part, records = records_of(storage, shard)
    replace_part(storage, part, [replace(r, **changes.get(r.row, {})) for r in records])


FIELDS: dict[str, Any] = {
    "text": "I was edited",
    "id": "other-id",
    "voice": "zz",
    "seed": 1_000,
    "speed": 1.5,
    "metadata": {"a": 1},
    "model": "hibari",
    "model_revision": "x",
    "sample_rate": 4000,
    "num_segments": 99,
    "unspoken": "zzz",
    "error": "none",
}


@pytest.mark.parametrize("name", FIELDS)
def test_an_edited_manifest_is_not_the_one_that_its_name_promises(name: str, write_output: WriteOutput) -> None:
    storage = write_output("files", "wav")
    part, records = records_of(storage)
    line = json.loads(records[0].to_json()) | {name: FIELDS[name]}
    lines = storage.get(part.key).splitlines(keepends=True)
    storage.put(part.key, b"".join([json.dumps(line).encode() + b"\n", *lines[1:]]))
    assert "its content is not the one that its name promises" in verify(storage).problems[0]


@pytest.mark.parametrize("name", ["text", "id", "voice", "seed", "speed", "metadata"])
def test_rows_are_bound_to_the_digest_of_the_plan(name: str, write_output: WriteOutput) -> None:
    """Also where the hash of the content, and the root, were made to fit."""
    storage = write_output("files", "wav")
    part, records = records_of(storage)
    data = encode_records([replace(records[0], **{name: FIELDS[name]}), *records[1:]])
    storage.delete([part.key])
    storage.put(replace(part, content=content_digest(data)).key, data)
    rename_parts(storage)
    assert any("its name does not fit its content" in problem for problem in verify(storage).problems)


@pytest.mark.parametrize("name", ["text", "id", "voice", "seed", "speed", "metadata"])
@pytest.mark.parametrize("container", ["webdataset", "parquet"])
def test_what_stands_beside_a_clip_is_what_the_manifest_says(
    container: str, name: str, write_output: WriteOutput
) -> None:
    """Here the whole manifest was forged, and what it is compared with stayed."""
    storage = write_output(container, "flac")
    forge(storage, {3: {name: FIELDS[name]}})
    told = [problem for problem in verify(storage).problems if "row 3" in problem]
    assert told
    assert any(name in problem or "clip is called" in problem for problem in told), told


@pytest.mark.parametrize("name", ["model", "model_revision"])
def test_a_row_of_another_model_is_named(name: str, write_output: WriteOutput) -> None:
    storage = write_output("files", "wav")
    forge(storage, {3: {name: FIELDS[name]}})
    [problem] = verify(storage).problems
    assert "row 3: the" in problem
    assert "of its model is" in problem


def test_a_model_of_one_s_own_calls_itself_as_it_likes(write_output: WriteOutput) -> None:
    storage = write_output("files", "wav")
    edit_job(storage, lambda body: body["identity"].update({"model.name": "mine:Model"}))
    problems = verify(storage).problems
    assert problems == ("job.json: its fingerprint is not that of its identity",)


@every_container
def test_clips_that_were_swapped_are_named(container: str, write_output: WriteOutput) -> None:
    """All that the manifest says of them was swapped too."""
    storage = write_output(container, "flac")
    _, records = records_of(storage)
    first, other = ({name: getattr(records[at], name) for name in AUDIO} for at in (0, 1))
    forge(storage, {0: other, 1: first})
    told = " ".join(verify(storage).problems)
    assert "row 0" in told
    assert "row 1" in told


@pytest.mark.parametrize("shard", ["0000", "0001"])
def test_an_id_of_two_rows_is_named(shard: str, write_output: WriteOutput) -> None:
    """In one manifest, and in two; `files` has no other place that knows of ids than the clip's name."""
    storage = write_output("files", "wav")
    row = 1 if shard == "0000" else 6
    forge(storage, {row: {"id": "id 0"}}, shard)
    problems = verify(storage).problems
    assert any(f"row {row} has the id 'id 0', as another row has" in problem for problem in problems), problems


def test_a_rejected_row_may_have_an_id_again(write_output: WriteOutput) -> None:
    storage = write_output("files", "wav")
    forge(storage, {10: {"id": "id 0"}}, "rejected")
    assert verify(storage).is_ok


def test_a_clip_of_another_run_is_named(write_output: WriteOutput) -> None:
    """An attempt of a run that was replaced: the same bytes, but of a name that a sweep may delete."""
    storage = write_output("webdataset", "wav")
    key = key_of(storage, "audio/000000-0000")
    other = key.replace("-1-9f0", "-2-9f0")
    storage.put(other, storage.get(key))
    storage.delete([key])
    _, records = records_of(storage)
    forge(storage, {record.row: {"audio": other} for record in records if record.audio})
    problems = verify(storage).problems
    assert len(problems) == 4
    assert all("which another run has written" in problem for problem in problems)


def test_a_number_of_two_commits_is_named(write_output: WriteOutput) -> None:
    """A root counts numbers: an output with one twice could be completed, and not be read then."""
    storage = write_output("files", "wav", is_complete=False)
    part, _ = records_of(storage, "rejected")
    storage.put(replace(part, stamp=part.stamp.replace(".n2", ".n1")).key, storage.get(part.key))
    storage.delete([part.key])
    [problem] = verify(storage).problems
    assert "has the number of a commit that" in problem


# Sidecars and members.


def test_sidecars_that_were_swapped_and_strange_members_are_named(write_output: WriteOutput) -> None:
    storage = write_output("webdataset", "flac")
    key = key_of(storage, "audio/")
    objects = {key: storage.get(key)}
    members = members_of(objects, key)
    names = [name for name, _ in members]
    at = [index for index, name in enumerate(names) if name.endswith(".json")]
    contents = dict(members)
    contents[names[at[0]]], contents[names[at[1]]] = contents[names[at[1]]], contents[names[at[0]]]
    contents[names[at[2]]] = b"garbage"
    put_members(objects, key, [*((name, contents[name]) for name in names), ("999999999-extra.flac", b"xyz")])
    storage.put(key, objects[key])
    assert verify(storage).problems == (
        f"{key}, row 4: the JSON file beside its clip differs from the manifest in "
        "duration_s, id, metadata, num_samples, row, seed, text",
        f"{key}, row 3: the JSON file beside its clip differs from the manifest in "
        "duration_s, id, metadata, num_samples, row, seed, text",
        f"{key}, row 1: the JSON file beside its clip is no JSON object",
        f"{key}, member '999999999-extra.flac' is no row's",
    )


def test_a_byte_of_a_tar_that_carries_nothing_is_named_too(write_output: WriteOutput) -> None:
    """Times, owners, padding and the zeros at the end."""
    storage = write_output("webdataset", "flac")
    key = key_of(storage, "audio/")
    whole = storage.get(key)
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        first = next(iter(tar))
    places = {137: "bad checksum", 300: "bad checksum", 512 + first.size: "not written", len(whole) - 1: "end of its"}
    for at, reason in places.items():
        storage.put(key, whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        [problem] = [problem for problem in verify(storage).problems if key in problem][:1]
        assert reason in problem, (at, problem)


# Tables.


def test_a_table_with_every_text_and_id_overwritten_is_named(write_output: WriteOutput) -> None:
    storage = write_output("parquet", "flac")
    key = key_of(storage, "audio/")
    table = pq.read_table(io.BytesIO(storage.get(key)))
    for name, value in (("text", "WRONG"), ("id", "same-id")):
        at = table.column_names.index(name)
        table = table.set_column(at, table.schema.field(at), pa.array([value] * table.num_rows))
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    storage.put(key, buffer.getvalue())
    problems = verify(storage).problems
    assert len(problems) == 5
    assert all(problem.endswith("differs from the manifest in text, id") for problem in problems[:4]), problems
    assert problems[4].endswith(
        "the statistics of row group 0 are not those of its rows"
    )  # pyarrow's are of the audio too


def test_a_table_with_each_row_twice_is_named(write_output: WriteOutput) -> None:
    storage = write_output("parquet", "flac")
    key = key_of(storage, "audio/")
    table = pq.read_table(io.BytesIO(storage.get(key)))
    buffer = io.BytesIO()
    pq.write_table(pa.concat_tables([table, table]), buffer)
    storage.put(key, buffer.getvalue())
    assert verify(storage).problems[0] == f"{key}, it has 8 rows, of which the manifest names 4"


def test_statistics_that_lie_are_named(write_output: WriteOutput) -> None:
    """A reader that looks for a seed skips what they say does not have it."""
    storage = write_output("parquet", "flac")
    key = key_of(storage, "audio/")
    whole = storage.get(key)
    statistic = whole.rindex((4).to_bytes(8, "little"))  # the largest seed, near the end
    storage.put(key, whole[:statistic] + (3).to_bytes(8, "little") + whole[statistic + 8 :])
    assert verify(storage).problems == (f"{key}, the statistics of row group 0 are not those of its rows",)


# The output as a whole.


@every_container
def test_an_output_that_lost_all_of_a_kind_is_damaged(container: str, write_output: WriteOutput) -> None:
    """It was called complete, and 11 rows were said to be there."""
    for prefix in ("manifest/", "audio/"):
        storage = write_output(container, "flac")
        storage.delete([entry.key for entry in storage.list(prefix)])
        assert status(storage).is_damaged
        assert not verify(storage).is_ok
        storage.delete([entry.key for entry in storage.list()])


def test_a_mark_of_other_rows_is_named(write_output: WriteOutput) -> None:
    storage = write_output("files", "wav")
    edit_job(storage, lambda body: body["complete"].update(num_rows=6, num_ok=6, num_failed=0))
    assert status(storage).is_damaged
    assert any("num_ok 6, the manifests have 9" in problem for problem in verify(storage).problems)


# Format 2.


@every_container
def test_an_output_of_format_2_is_verified_and_not_swept(container: str, write_output: WriteOutput) -> None:
    storage = write_output(container, "flac", format=2)
    storage.put("audio/000000-0000-late.tar", b"x")
    report = verify(storage, sweep=True)
    assert (report.problems, report.is_complete, report.num_clips) == ((), True, 9)
    assert (report.orphans, report.num_swept) == (("audio/000000-0000-late.tar",), 0)
    assert report.sweep_refused is not None
    assert "the output is of an older version" in report.sweep_refused
    assert storage.exists("audio/000000-0000-late.tar")


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"num_rows": -1, "num_ok": 0, "num_failed": 0, "audio_s": 0}'])
def test_a_broken_complete_json_of_format_2_is_named(body: bytes, write_output: WriteOutput) -> None:
    storage = write_output("files", "wav", format=2)
    storage.put("complete.json", body)
    with pytest.raises(JobError, match=r"job\.json|complete\.json"):
        verify(storage)


def test_damage_to_an_output_of_format_2_is_named(write_output: WriteOutput) -> None:
    """What its names do not hold, its counts, its clips and what stands beside them do."""
    storage = write_output("webdataset", "wav", format=2)
    part, records = records_of(storage)
    storage.put(part.key, encode_records([replace(records[0], text="I was edited"), *records[1:]]))
    assert [problem.partition(", ")[2] for problem in verify(storage).problems] == [
        "row 0: the JSON file beside its clip differs from the manifest in text"
    ]
    storage.delete([part.key])
    assert "5 rows are in no manifest: 0 to 4" in verify(storage).problems


def test_an_unfinished_output_of_format_2_is_verified(write_output: WriteOutput) -> None:
    storage = write_output("files", "wav", format=2, is_complete=False)
    report = verify(storage)
    assert (report.is_ok, report.is_complete, report.num_clips) == (True, False, 9)
