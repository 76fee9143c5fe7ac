"""Single clips by range: the bytes of the manifest, from each container, or an error that names the object."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from typing import Any

import pytest

from speechmill.actors.audio.encoding import sha256
from speechmill.actors.records.part_name import PartName
from speechmill.actors.records.record import Record
from speechmill.cluster.containers import CONTAINERS, container_of
from speechmill.cluster.storage import S3Options, Storage, open_storage, ranges
from speechmill.cluster.storage.ranges import RangeReader
from speechmill.errors import JobError
from speechmill.jobs.output.reader import load_part
from speechmill.jobs.report.clip_store import ClipStore, tar_index
from speechmill.jobs.report.report import make_report

WriteOutput = Callable[..., Storage]


def records_of(storage: Storage) -> list[Record]:
    parts = [PartName.parse(entry.key) for entry in storage.list("manifest/")]
    return [record for part in parts for record in load_part(storage, part) if record.audio]


@pytest.mark.parametrize("container", list(CONTAINERS))
def test_every_clip_is_found_in_any_order(container: str, write_output: WriteOutput) -> None:
    storage = write_output(container, "flac")
    store = ClipStore(storage, container_of(container))
    records = records_of(storage)
    assert len(records) == 9
    for record in [*reversed(records), *records]:
        assert sha256(store.read(record)) == record.audio_sha256


@pytest.mark.parametrize("container", list(CONTAINERS))
def test_a_clip_that_is_missing_or_changed_is_an_error_that_names_it(container: str, write_output: WriteOutput) -> None:
    storage = write_output(container, "wav")
    first, *_, last = records_of(storage)
    assert first.audio
    assert last.audio
    whole = storage.get(first.audio)
    at = whole.rindex(b"WAVEfmt ") + 60  # in the clip that was written last, which is the first row
    storage.put(first.audio, whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    storage.delete([last.audio])
    for record in (first, last):
        with pytest.raises(JobError, match=record.audio):
            ClipStore(storage, container_of(container)).read(record)


@pytest.mark.parametrize("data", [b"x" * 2000, b"\0" * 100, b""])
def test_what_is_no_tar_is_an_error_or_empty(data: bytes, write_output: WriteOutput) -> None:
    storage = write_output("webdataset", "wav")
    record = records_of(storage)[0]
    assert record.audio
    storage.put(record.audio, data)
    with pytest.raises(JobError, match=record.audio):
        ClipStore(storage, container_of("webdataset")).read(record)


def test_an_index_has_what_tarfile_finds() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for size in (0, 1, 511, 512, 513, 10_000):
            header = tarfile.TarInfo(f"member-{size}")
            header.size = size
            tar.addfile(header, io.BytesIO(bytes(size)))
    with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as tar:
        wanted = {member.name: (member.offset_data, member.size) for member in tar}
    assert tar_index(io.BytesIO(out.getvalue())) == wanted


@pytest.mark.parametrize("container", list(CONTAINERS))
def test_clips_on_s3_are_ranges_of_their_objects_and_a_report_has_them(
    container: str, write_output: WriteOutput, s3_env: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = S3Options(endpoint_url=s3_env.endpoint)
    storage = write_output(container, "flac", open_storage(f"s3://{s3_env.new_bucket()}/run", options))
    store = ClipStore(storage, container_of(container))
    records = records_of(storage)
    assert make_report(storage).page.count(b'src="data:audio/flac') == len(records)
    assert sha256(store.read(records[0])) == records[0].audio_sha256
    if container != "webdataset":
        return
    asked: list[int] = []
    fetch = RangeReader._load

    def observed(reader: RangeReader, wanted: int) -> None:
        fetch(reader, wanted)
        asked.append(len(reader._block))

    monkeypatch.setattr(RangeReader, "_load", observed)
    monkeypatch.setattr(ranges, "FIRST_BYTES", 512)
    assert sha256(store.read(records[0])) == records[0].audio_sha256
    assert sum(asked) <= (records[0].audio_bytes or 0) + 16_384, "the headers are known by now"
