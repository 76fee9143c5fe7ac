"""Verifying: a sound output has no fault, and every kind of damage is found and named."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
from support.outputs import FreeLease, edit_job, rename_parts, replace_part, shard_keys

from speechmill.actors.audio.encoding import FORMATS, encode, pcm16, sha256
from speechmill.actors.records.keys import DRIVER_KEY
from speechmill.actors.records.manifest import content_digest, decode_records
from speechmill.actors.records.part_name import PartName
from speechmill.actors.records.record import Record
from speechmill.cluster.containers import CONTAINERS
from speechmill.cluster.storage import Entry, S3Options, Storage, open_storage
from speechmill.cluster.storage.local.store import LocalStorage
from speechmill.errors import JobError
from speechmill.jobs.output.claim import Claim
from speechmill.jobs.output.output_file import OutputFile
from speechmill.jobs.output.reader import read
from speechmill.jobs.verify import MAX_NAMED, VerifyReport, verify

WriteOutput = Callable[..., Storage]
every_container = pytest.mark.parametrize("container", list(CONTAINERS))


def keys(storage: Storage, prefix: str) -> list[str]:
    return [entry.key for entry in storage.list(prefix)]


def manifest(storage: Storage) -> str:
    return keys(storage, "manifest/000000/0000")[0]


def rewrite(storage: Storage, change: Callable[[list[Record]], list[Record]]) -> None:
    """Replace the first shard's manifest by one of other records, under the name that fits them, and in the root."""
    key = manifest(storage)
    replace_part(storage, PartName.parse(key), change(list(decode_records(storage.get(key), key))))


def edit_row(storage: Storage, row: int, **changes: object) -> None:
    rewrite(storage, lambda records: [replace(r, **changes) if r.row == row else r for r in records])


def only_problem(report: VerifyReport) -> str:
    assert not report.is_ok
    assert report.num_problems == len(report.problems) == 1, report.problems
    return report.problems[0]


@pytest.mark.parametrize("audio", list(FORMATS))
@every_container
def test_a_sound_output_has_no_fault(container: str, audio: str, write_output: WriteOutput) -> None:
    storage = write_output(container, audio)
    calls: list[tuple[int, int]] = []
    report = verify(storage, progress=lambda done, total: calls.append((done, total)))
    assert report.problems == ()
    assert report.is_ok
    assert report.is_complete
    assert (report.num_rows, report.num_ok, report.num_failed, report.num_missing) == (11, 9, 2, 0)
    assert (report.num_parts, report.num_clips, report.num_orphans, report.num_strays) == (3, 9, 0, 0)
    assert report.audio_bytes > 0
    assert report.audio_s == pytest.approx(sum(600 + 37 * row for row in range(10) if row != 2) / 8000, abs=0.01)
    assert calls == [(1, 3), (2, 3), (3, 3)]


@every_container
def test_an_output_on_s3_is_written_read_verified_and_swept(container: str, write_output: WriteOutput, s3_env) -> None:
    options = S3Options(endpoint_url=s3_env.endpoint)
    storage = write_output(container, "flac", open_storage(f"s3://{s3_env.new_bucket()}/run", options))
    storage.put("audio/000000-0000-aaa.tar", b"x")
    report = verify(storage, sweep=True)
    assert report.problems == ()
    assert (report.num_clips, report.num_orphans, report.num_swept) == (9, 1, 1)
    assert len(list(read(storage.uri, options))) == 9
    storage.delete(shard_keys(storage, "000000-0001"))
    assert "does not exist" in verify(storage).problems[0]


def test_where_nothing_is_there_is_nothing_to_verify(tmp_path) -> None:
    with pytest.raises(JobError, match="no speechmill output here"):
        verify(LocalStorage(tmp_path))


def test_an_unfinished_output_is_sound_but_not_complete(write_output: WriteOutput) -> None:
    storage = write_output("webdataset", "flac", is_complete=False)
    storage.delete([manifest(storage)])
    report = verify(storage)
    assert report.is_ok
    assert not report.is_complete
    assert (report.num_rows, report.num_missing, report.num_parts) == (None, 5, 2)
    assert report.orphans == tuple(keys(storage, "audio/000000-0000-"))
    assert report.num_orphans == 1


@every_container
def test_a_deleted_object_is_named(container: str, write_output: WriteOutput) -> None:
    storage = write_output(container, "flac")
    key = shard_keys(storage, "000000-0001")[0]
    storage.delete([key])
    assert only_problem(verify(storage)).startswith(f"{key} does not exist; manifest/000000/0001.")


@every_container
@pytest.mark.parametrize("audio", ["wav", "opus"])
def test_a_flipped_byte_of_audio_is_named_with_its_row(container: str, audio: str, write_output: WriteOutput) -> None:
    storage = write_output(container, audio)
    [record] = [r for r in decode_records(storage.get(manifest(storage)), "m") if r.row == 3]
    place, answer = next(iter(CONTAINERS[container].read(storage, [(record.audio or "", record.member)])))
    assert isinstance(answer, bytes)
    whole = storage.get(place[0])
    at = whole.index(answer) + len(answer) - 5
    storage.put(place[0], whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    for decode in (True, False):
        report = verify(storage, decode=decode)
        # A table's checksum covers a page, which holds every clip of a row group.
        assert all(problem.startswith(place[0]) for problem in report.problems)
        assert "row 3" in " ".join(report.problems)
        assert report.num_problems == (4 if container == "parquet" else 1)


@pytest.mark.parametrize(("container", "keep"), [("webdataset", 0.5), ("parquet", 0.9), ("files", 0.5)])
def test_a_truncated_object_is_named(container: str, keep: float, write_output: WriteOutput) -> None:
    storage = write_output(container, "wav")
    key = keys(storage, "audio/000000-0000")[0]
    whole = storage.get(key)
    storage.put(key, whole[: int(len(whole) * keep)])
    report = verify(storage)
    assert not report.is_ok
    assert all(problem.startswith(key) or key in problem for problem in report.problems)
    assert report.num_orphans == 0


def test_a_dropped_line_is_named(write_output: WriteOutput) -> None:
    storage = write_output("webdataset", "wav")
    key = manifest(storage)
    storage.put(key, b"".join(storage.get(key).splitlines(keepends=True)[1:]))
    problems = verify(storage).problems
    assert "its content is not the one that its name promises" in problems[0]
    assert problems[1] == "5 rows are in no manifest: 0 to 4"
    assert problems[2] == "the job was completed with num_ok 9, the manifests have 5"
    assert problems[3].startswith("the job was completed with num_failed 2, the manifests have 1")


def test_a_line_that_was_never_there_is_named(write_output: WriteOutput) -> None:
    """Under the name of the manifest as it was, but for the hash of its content; that is in the root."""
    storage = write_output("webdataset", "wav")
    key = manifest(storage)
    data = b"".join(storage.get(key).splitlines(keepends=True)[1:])
    storage.delete([key])
    storage.put(replace(PartName.parse(key), content=content_digest(data)).key, data)
    rename_parts(storage)
    problems = verify(storage).problems
    assert "its name does not fit its content, which would be manifest/000000/0000.ok3." in problems[0]
    assert problems[1:4] == (
        f"{keys(storage, 'audio/000000-0000')[0]}, member '000000000-id_0.wav' is no row's",
        f"{keys(storage, 'audio/000000-0000')[0]}, member '000000000-id_0.json' is no row's",
        "1 rows are in no manifest: 0",
    )
    assert problems[4] == "the job was completed with num_ok 9, the manifests have 8"


def test_a_dropped_manifest_is_named(write_output: WriteOutput) -> None:
    storage = write_output("files", "wav")
    storage.delete([manifest(storage)])
    report = verify(storage)
    assert "5 rows are in no manifest: 0 to 4" in report.problems
    assert report.problems[0].startswith("2 of 3 manifests are there; restore them")
    assert (report.num_missing, report.num_orphans) == (5, 4)


def test_a_dropped_manifest_of_an_earlier_run_is_named_before_the_job_is_complete(write_output: WriteOutput) -> None:
    """A run that was replaced has no more to say, so what the next one adopted has to be there."""
    storage = write_output("files", "wav", is_complete=False)
    found = OutputFile.load(storage)
    Claim.resume(storage, FreeLease(), found, (), storage.list, lambda part: None)
    assert verify(storage).is_ok
    storage.delete([manifest(storage)])
    assert only_problem(verify(storage)) == "of run 1, 3 manifests were there when the next one began; 2 are there"


def test_a_second_manifest_of_a_shard_is_named_once(write_output: WriteOutput) -> None:
    storage = write_output("files", "wav")
    key = manifest(storage)
    other = replace(PartName.parse(key), stamp=PartName.parse(key).stamp.replace(".n0", ".n3")).key
    storage.put(other, storage.get(key))
    rename_parts(storage)
    assert only_problem(verify(storage)) == f"shard 000000-0000 has 2 manifests: {key}, {other}"


def test_a_second_manifest_that_the_root_does_not_name_counts_for_nothing(write_output: WriteOutput) -> None:
    storage = write_output("files", "wav")
    key = manifest(storage)
    other = replace(PartName.parse(key), stamp=PartName.parse(key).stamp.replace(".n0", ".n3")).key
    storage.put(other, storage.get(key))
    report = verify(storage)
    assert (report.is_ok, report.orphans) == (True, (other,))


def test_a_row_in_two_shards_is_named(write_output: WriteOutput) -> None:
    storage = write_output("files", "wav")
    again = Record.from_json(storage.get(keys(storage, "manifest/000000/rej")[0]))
    rewrite(storage, lambda records: [*records, again])
    edit_job(storage, lambda body: body["complete"].update(num_rows=11, num_ok=9, num_failed=2))
    problems = verify(storage).problems
    assert "row 10 is in another manifest too" in " ".join(problems)
    assert "num_failed 2, the manifests have 3" in problems[-1]


def test_a_row_that_the_corpus_does_not_have_is_named(write_output: WriteOutput) -> None:
    storage = write_output("files", "wav")
    edit_job(storage, lambda body: body["complete"].update(num_rows=10, num_ok=9, num_failed=1))
    problems = verify(storage).problems
    assert "row 10, but the corpus has 10 rows" in problems[0]
    assert problems[1:] == ("the job was completed with num_failed 1, the manifests have 2",)


@pytest.mark.parametrize("mark", [None, [], {}, {"num_rows": -1, "num_ok": 0, "num_failed": 0, "audio_s": 0}])
def test_a_broken_mark_is_named(mark: object, write_output: WriteOutput) -> None:
    storage = write_output("files", "wav")
    edit_job(storage, lambda body: body.update(complete=mark))
    for sweep in (False, True):
        with pytest.raises(JobError, match=r"job\.json has a mark of completeness that cannot be read"):
            verify(storage, sweep=sweep)


@pytest.mark.parametrize("name", ["speechmill", "device", "cost", "spec", "complete", "commit"])
def test_an_edited_job_json_is_named(name: str, write_output: WriteOutput) -> None:
    """Its hash holds whatever else cannot be known; in any other spelling, it is the same object."""
    storage = write_output("files", "wav")
    body = json.loads(storage.get("job.json"))
    storage.put("job.json", json.dumps(dict(reversed(body.items()))).encode())
    assert verify(storage).is_ok
    edits: dict[str, Any] = {
        "speechmill": "2",
        "device": "cuda",
        "cost": {**body["cost"], "char_s": 2.0},
        "spec": {**body["spec"], "name": "another"},
        "complete": {**body["complete"], "audio_s": body["complete"]["audio_s"] + 0.001},
        "commit": {**body["commit"], "nonce": "0" * 32},
    }
    storage.put("job.json", json.dumps({**body, name: edits[name]}).encode())
    assert only_problem(verify(storage)).startswith("job.json was changed after it was written")


def test_a_job_json_that_has_lost_its_root_is_refused(write_output: WriteOutput) -> None:
    """It once passed for one of format 2, under which no manifest of format 3 counts: all was an orphan, and sound."""
    storage = write_output("files", "wav")
    storage.put("job.json", storage.get("job.json").replace(b'"commit"', b'"comlit"'))
    with pytest.raises(JobError, match=r"job\.json does not say which manifests count"):
        verify(storage)


def test_a_job_json_that_contradicts_itself_is_named(write_output: WriteOutput) -> None:
    storage = write_output("files", "wav")
    edit_job(storage, lambda body: body["identity"].update({"output.audio": "flac"}))
    problems = verify(storage).problems
    assert problems == (
        "job.json: its fingerprint is not that of its identity",
        "job.json: output.audio is 'wav' in the specification and 'flac' in the identity",
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"audio_bytes": 5}, "bytes where the manifest has 5"),
        ({"audio_sha256": "00"}, "SHA-256 of its bytes"),
        ({"pcm_sha256": "00"}, "SHA-256 of its samples"),
        ({"sample_rate": 16000, "duration_s": 711 / 16000}, "sample rate 8000 Hz where the manifest has 16000"),
        ({"num_samples": 700, "duration_s": 700 / 8000}, "711 samples where at most 700"),
        ({"num_samples": 712, "duration_s": 712 / 8000}, "711 samples where the manifest has 712"),
        ({"duration_s": 1.0}, "duration_s is 1.0"),
        ({"audio_format": "wav"}, "audio_format is 'wav', the job's is 'flac'"),
        ({"member": "nobody"}, "'nobody' is not in it"),
        ({"member": 0}, "member 0 is not in it"),
        ({"audio": "audio/000000-0001-r0000-1-9f1.tar"}, "not of this shard"),
        ({"audio": "job.json"}, "not of this shard"),
        ({"audio": "../../etc/passwd"}, "not of this shard"),
        ({"audio": "audio/000000-0000-../x"}, "does not exist"),
    ],
)
def test_a_manifest_that_lies_about_a_clip_is_named(
    changes: dict[str, object], reason: str, write_output: WriteOutput
) -> None:
    storage = write_output("webdataset", "flac")
    edit_row(storage, 3, **changes)
    report = verify(storage)
    assert not report.is_ok
    assert sum(reason in problem for problem in report.problems) == 1, report.problems
    assert report.num_orphans == 0


def test_a_clip_of_two_rows_is_named(write_output: WriteOutput) -> None:
    storage = write_output("files", "flac")
    [first] = [r for r in decode_records(storage.get(manifest(storage)), "m") if r.row == 1]
    stolen = {name: getattr(first, name) for name in ("audio", "audio_bytes", "audio_sha256", "pcm_sha256")}
    edit_row(storage, 3, **stolen, num_samples=first.num_samples, duration_s=first.duration_s)
    report = verify(storage)
    assert "row 3 has the clip of row 1" in report.problems[0]
    assert report.num_orphans == 1


def test_audio_that_does_not_decode_is_named(write_output: WriteOutput) -> None:
    storage = write_output("files", "flac")
    [record] = [r for r in decode_records(storage.get(manifest(storage)), "m") if r.row == 3]
    storage.put(record.audio or "", b"noise")
    edit_row(storage, 3, audio_bytes=5, audio_sha256=sha256(b"noise"))
    assert "decode as audio" in only_problem(verify(storage))
    assert verify(storage, decode=False).is_ok


def test_a_clip_much_longer_than_promised_is_not_decoded(write_output: WriteOutput) -> None:
    storage = write_output("files", "flac")
    [record] = [r for r in decode_records(storage.get(manifest(storage)), "m") if r.row == 3]
    long = encode(pcm16(np.zeros(1 << 20, dtype=np.float32)), 8000, "flac")
    storage.put(record.audio or "", long)
    edit_row(storage, 3, audio_bytes=len(long), audio_sha256=sha256(long))
    assert f"{1 << 20} samples where at most 711" in only_problem(verify(storage))


@pytest.mark.parametrize("body", [b"{}\n", b"\xff\n", b"no end"])
def test_a_broken_manifest_is_named_and_its_audio_is_no_orphan(body: bytes, write_output: WriteOutput) -> None:
    storage = write_output("webdataset", "flac")
    key = manifest(storage)
    storage.put(key, body)
    report = verify(storage)
    assert key in report.problems[0]
    assert report.num_orphans == 0
    assert verify(storage, sweep=True, force=True).num_swept == 0
    assert len(keys(storage, "audio/000000-0000-")) == 1


ORPHANS = (
    "audio/000000-0000-aaa.tar",
    "audio/000000-0001-x/000000005-a.flac",
    "audio/000000-0002-b.tar",
)
"""Of the names of format 2, which count for nothing in an output of format 3."""
NEVER_OURS = ("audio/notes.txt", "audio/000000-0002-r0bad0-1-c.tar")
"""Named, but of no run of this output: they may be anybody's."""


@every_container
def test_orphans_are_named_and_swept_and_nothing_else_is(container: str, write_output: WriteOutput) -> None:
    storage = write_output(container, "flac")
    ours, strangers = ["plan/000000.json", "plan/000000.ids"], ["README.txt", "manifest/notes.txt", "plan/0.json"]
    kept = [*keys(storage, ""), *ours, *strangers, *NEVER_OURS]
    for key in (*ORPHANS, *NEVER_OURS, *ours, *strangers):
        storage.put(key, b"123")
    report = verify(storage)
    assert report.is_ok
    assert (set(report.orphans), report.num_orphans, report.orphan_bytes) == ({*ORPHANS, *NEVER_OURS}, 5, 15)
    assert set(report.strays) == set(strangers)
    assert report.num_swept == 0
    swept = verify(storage, sweep=True)
    assert (swept.num_swept, swept.sweep_refused) == (3, None)
    assert sorted(keys(storage, "")) == sorted({*kept, DRIVER_KEY})  # the sweep held the lease
    assert set(verify(storage).orphans) == set(NEVER_OURS)


def test_nothing_is_swept_while_a_run_may_be_writing(write_output: WriteOutput) -> None:
    storage = write_output("files", "flac", is_complete=False)
    storage.put(ORPHANS[0], b"123")
    with pytest.raises(JobError, match="may still be writing"):
        verify(storage, sweep=True)
    assert storage.exists(ORPHANS[0])
    assert verify(storage, sweep=True, force=True).num_swept == 1
    assert not storage.exists(ORPHANS[0])


def test_nothing_is_swept_beside_problems(write_output: WriteOutput) -> None:
    """With its manifest lost, a shard's audio looks like an orphan; sweeping would delete the only copy.

    Not by force either: nothing tells which audio the lost manifest named.
    """
    storage = write_output("webdataset", "flac")
    storage.delete([manifest(storage)])
    report = verify(storage, sweep=True)
    assert report.num_swept == 0
    assert report.sweep_refused
    assert len(keys(storage, "audio/000000-0000-")) == 1
    assert verify(storage, sweep=True, force=True).num_swept == 0
    assert len(keys(storage, "audio/000000-0000-")) == 1


def test_problems_are_counted_all_and_named_up_to_a_bound(write_output: WriteOutput) -> None:
    storage = write_output("files", "flac")
    extra = MAX_NAMED + 20
    again = Record.from_json(storage.get(keys(storage, "manifest/000000/rej")[0]))
    rewrite(
        storage, lambda records: [*records, *(replace(again, row=11 + index, id=f"x{index}") for index in range(extra))]
    )
    for index in range(extra):
        storage.put(f"audio/stray{index}", b"")
    report = verify(storage)
    assert report.num_problems == extra + 1, report.problems[-1]
    assert report.num_orphans == extra
    assert len(report.problems) == len(report.orphans) == MAX_NAMED


def test_a_listing_out_of_order_is_refused(write_output: WriteOutput) -> None:
    """Shards are merged with the listing; out of order, a committed object would pass for an orphan."""

    class Disordered(LocalStorage):
        def list(self, prefix: str = "") -> Iterator[Entry]:
            entries = list(super().list(prefix))
            return iter([*entries[1:], entries[0]] if not prefix else entries)

    storage = write_output("files", "flac")
    with pytest.raises(JobError, match="order of its keys"):
        verify(Disordered(storage.uri))


def test_the_report_is_plain_data(write_output: WriteOutput) -> None:
    assert json.loads(json.dumps(asdict(verify(write_output("files", "wav")))))["num_ok"] == 9
