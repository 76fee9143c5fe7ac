"""Verifying: a sound output has no fault, and every kind of damage is found and named."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace

import numpy as np
import pytest

from speechmill.actors.audio import FORMATS, encode, pcm16, sha256
from speechmill.actors.manifest import PartName, Record, decode_records, encode_records
from speechmill.cluster.holder import DRIVER_KEY
from speechmill.cluster.storage import Entry, S3Options, Storage, open_storage
from speechmill.cluster.storage.local import LocalStorage
from speechmill.errors import JobError
from speechmill.jobs.containers import CONTAINERS
from speechmill.jobs.reader import read
from speechmill.jobs.verify import verify
from speechmill.jobs.verify_report import MAX_NAMED, VerifyReport

WriteOutput = Callable[..., Storage]
every_container = pytest.mark.parametrize("container", list(CONTAINERS))


def keys(storage: Storage, prefix: str) -> list[str]:
    return [entry.key for entry in storage.list(prefix)]


def manifest(storage: Storage) -> str:
    return keys(storage, "manifest/000000/0000")[0]


def rewrite(storage: Storage, change: Callable[[list[Record]], list[Record]]) -> None:
    """Replace the first shard's manifest by one of other records, under the name that fits them."""
    key = manifest(storage)
    records = change(list(decode_records(storage.get(key), key)))
    storage.delete([key])
    storage.put(PartName.of(0, 0, "ab0", records).key, encode_records(records))


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
    storage.delete(keys(storage, "audio/000000-0001"))
    assert "does not exist" in verify(storage).problems[0]


def test_where_nothing_is_there_is_nothing_to_verify(tmp_path) -> None:
    with pytest.raises(JobError, match="no speechmill output here"):
        verify(LocalStorage(tmp_path))


def test_an_unfinished_output_is_sound_but_not_complete(write_output: WriteOutput) -> None:
    storage = write_output("webdataset", "flac")
    storage.delete(["complete.json", manifest(storage)])
    report = verify(storage)
    assert report.is_ok
    assert not report.is_complete
    assert (report.num_rows, report.num_missing, report.num_parts) == (None, 5, 2)
    assert report.orphans == ("audio/000000-0000-9f0.tar",)


@every_container
def test_a_deleted_object_is_named(container: str, write_output: WriteOutput) -> None:
    storage = write_output(container, "flac")
    key = keys(storage, "audio/000000-0001")[0]
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
    assert problems[0].startswith(f"{key}: its name does not fit its content, which would be manifest/000000/0000.ok3.")
    assert problems[1] == "1 rows are in no manifest: 0"
    assert problems[2] == "complete.json has num_ok 9, the manifests have 8"
    assert len(problems) == 3


def test_a_dropped_manifest_is_named(write_output: WriteOutput) -> None:
    storage = write_output("files", "wav")
    storage.delete([manifest(storage)])
    report = verify(storage)
    assert "5 rows are in no manifest: 0 to 4" in report.problems
    assert (report.num_missing, report.num_orphans) == (5, 4)


def test_a_second_manifest_of_a_shard_is_named_once(write_output: WriteOutput) -> None:
    storage = write_output("files", "wav")
    key = manifest(storage)
    other = key.replace(".ab0.", ".ee.")
    storage.put(other, storage.get(key))
    assert only_problem(verify(storage)) == f"shard 000000-0000 has 2 manifests: {key}, {other}"


def test_a_row_in_two_shards_is_named(write_output: WriteOutput) -> None:
    storage = write_output("files", "wav")
    again = Record.from_json(storage.get(keys(storage, "manifest/000000/rej")[0]))
    rewrite(storage, lambda records: [*records, again])
    storage.put("complete.json", b'{"num_rows": 11, "num_ok": 9, "num_failed": 3}')
    assert "row 10 is in another manifest too" in only_problem(verify(storage))


def test_a_row_that_the_corpus_does_not_have_is_named(write_output: WriteOutput) -> None:
    storage = write_output("files", "wav")
    storage.put("complete.json", b'{"num_rows": 10, "num_ok": 9, "num_failed": 2}')
    assert "row 10, but the corpus has 10 rows" in only_problem(verify(storage))


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"num_rows": -1, "num_ok": 0, "num_failed": 0}'])
def test_a_broken_complete_json_is_named_and_counts_as_none(body: bytes, write_output: WriteOutput) -> None:
    storage = write_output("files", "wav")
    storage.put("complete.json", body)
    report = verify(storage)
    assert "complete.json" in only_problem(report)
    assert not report.is_complete
    with pytest.raises(JobError, match="may still be writing"):
        verify(storage, sweep=True)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"audio_bytes": 5}, "bytes where the manifest has 5"),
        ({"audio_sha256": "00"}, "SHA-256 of its bytes"),
        ({"pcm_sha256": "00"}, "SHA-256 of its samples"),
        ({"sample_rate": 16000, "duration_s": 0.0844}, "sample rate 8000 Hz where the manifest has 16000"),
        ({"num_samples": 700}, "711 samples where at most 700"),
        ({"num_samples": 712}, "711 samples where the manifest has 712"),
        ({"duration_s": 1.0}, "duration_s is 1.0"),
        ({"audio_format": "wav"}, "audio_format is 'wav', the job's is 'flac'"),
        ({"member": "nobody"}, "'nobody' is not in it"),
        ({"member": 0}, "member 0 is not in it"),
        ({"audio": "audio/000000-0001-9f1.tar"}, "not of this shard"),
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
    assert report.num_problems == 1
    assert reason in only_problem(report)
    assert report.num_orphans == 0


def test_a_clip_of_two_rows_is_named(write_output: WriteOutput) -> None:
    storage = write_output("files", "flac")
    [first] = [r for r in decode_records(storage.get(manifest(storage)), "m") if r.row == 1]
    stolen = {name: getattr(first, name) for name in ("audio", "audio_bytes", "audio_sha256", "pcm_sha256")}
    edit_row(storage, 3, **stolen, num_samples=first.num_samples, duration_s=first.duration_s)
    report = verify(storage)
    assert "row 3 has the clip of row 1" in only_problem(report)
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
    assert storage.exists("audio/000000-0000-9f0.tar")


ORPHANS = (
    "audio/000000-0000-aaa.tar",
    "audio/000000-0001-x/000000005-a.flac",
    "audio/000000-0002-b.tar",
    "audio/notes.txt",
)


@every_container
def test_orphans_are_named_and_swept_and_nothing_else_is(container: str, write_output: WriteOutput) -> None:
    storage = write_output(container, "flac")
    ours, strangers = ["plan/000000.json", "plan/000000.ids"], ["README.txt", "manifest/notes.txt", "plan/0.json"]
    kept = [*keys(storage, ""), *ours, *strangers]
    for key in (*ORPHANS, *ours, *strangers):
        storage.put(key, b"123")
    report = verify(storage)
    assert report.is_ok
    assert (set(report.orphans), report.num_orphans, report.orphan_bytes) == (set(ORPHANS), 4, 12)
    assert set(report.strays) == set(strangers)
    assert report.num_swept == 0
    swept = verify(storage, sweep=True)
    assert (swept.num_swept, swept.sweep_refused) == (4, None)
    assert sorted(keys(storage, "")) == sorted({*kept, DRIVER_KEY})  # the sweep held the lease
    assert verify(storage).num_orphans == 0


def test_nothing_is_swept_while_a_run_may_be_writing(write_output: WriteOutput) -> None:
    storage = write_output("files", "flac")
    storage.put(ORPHANS[0], b"123")
    storage.delete(["complete.json"])
    with pytest.raises(JobError, match="may still be writing"):
        verify(storage, sweep=True)
    assert storage.exists(ORPHANS[0])
    assert verify(storage, sweep=True, force=True).num_swept == 1
    assert not storage.exists(ORPHANS[0])


def test_nothing_is_swept_beside_problems(write_output: WriteOutput) -> None:
    """With its manifest lost, a shard's audio looks like an orphan; sweeping would delete the only copy."""
    storage = write_output("webdataset", "flac")
    storage.delete([manifest(storage)])
    report = verify(storage, sweep=True)
    assert report.num_swept == 0
    assert report.sweep_refused
    assert storage.exists("audio/000000-0000-9f0.tar")
    assert verify(storage, sweep=True, force=True).num_swept == 1


def test_problems_are_counted_all_and_named_up_to_a_bound(write_output: WriteOutput) -> None:
    storage = write_output("files", "flac")
    extra = MAX_NAMED + 20
    again = Record.from_json(storage.get(keys(storage, "manifest/000000/rej")[0]))
    rewrite(storage, lambda records: [*records, *(replace(again, row=11 + index) for index in range(extra))])
    for index in range(extra):
        storage.put(f"audio/stray{index}", b"")
    report = verify(storage)
    assert report.num_problems == extra + 1
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
