"""Reading an output back gives the clips that went in, and refuses what is not what was promised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from support.outputs import edit_job

from speechmill.actors.audio.encoding import FORMATS, pcm16
from speechmill.actors.records.part_name import PartName
from speechmill.cluster.containers import CONTAINERS
from speechmill.cluster.storage import Storage
from speechmill.errors import JobError, SpecError
from speechmill.jobs.output.reader import read

WriteOutput = Callable[..., Storage]
SPOKEN = [0, 1, 3, 4, 5, 6, 7, 8, 9]


@pytest.mark.parametrize("audio", list(FORMATS))
@pytest.mark.parametrize("container", list(CONTAINERS))
def test_what_was_written_is_read(container: str, audio: str, write_output: WriteOutput) -> None:
    storage = write_output(container, audio)
    clips = list(read(storage.uri))
    assert sorted(clip.metadata["row"] for clip in clips) == SPOKEN  # pyright: ignore[reportArgumentType]
    for clip in clips:
        row = clip.metadata["row"]
        assert isinstance(row, int)
        assert (clip.id, clip.sample_rate, len(clip.samples)) == (f"id {row}", 8000, 600 + 37 * row)
        assert clip.samples.dtype == np.float32
        expected = {"text": f"Row {row}.", "voice": "a", "seed": row, "speed": 1.0, "speaker": f"s{row}"}
        assert expected.items() <= clip.metadata.items()
        if FORMATS[audio].is_lossless:
            times = np.arange(len(clip.samples)) / 8000
            tone = (0.5 * np.sin(2 * np.pi * (200 + 20 * row) * times)).astype(np.float32)
            assert np.array_equal(pcm16(clip.samples), pcm16(tone))


def test_an_unfinished_output_gives_what_is_committed(write_output: WriteOutput) -> None:
    storage = write_output("files", "wav", is_complete=False)
    storage.delete([entry.key for entry in storage.list("manifest/000000/0001")])
    assert sorted(clip.id for clip in read(storage.uri)) == ["id 0", "id 1", "id 3", "id 4"]


@pytest.mark.parametrize(
    ("job", "error", "reason"),
    [
        (None, JobError, "no speechmill output here"),
        (b"{", JobError, "is not a speechmill job: Expecting property name"),
        (b"[]", JobError, "JSON object"),
        (b"[" * 100_000, JobError, "is not a speechmill job: maximum recursion depth"),
        (b"{}", JobError, "is not a speechmill job: speechmill is missing; restore"),
        ({}, JobError, r"spec\.output"),
        ({"output": 3}, JobError, r"spec\.output"),
        ({"output": {"container": "zip", "audio": "wav"}}, SpecError, "zip"),
        ({"output": {"container": "files", "audio": "aac"}}, SpecError, "aac"),
    ],
)
def test_what_is_no_output_is_refused_at_once(
    job: bytes | dict[str, object] | None, error: type[Exception], reason: str, write_output: WriteOutput
) -> None:
    storage = write_output("files", "wav")
    if isinstance(job, dict):
        edit_job(storage, lambda body: body.update(spec=job))
    else:
        storage.delete(["job.json"])
    if isinstance(job, bytes):
        storage.put("job.json", job)
    with pytest.raises(error, match=reason):
        read(storage.uri)


def test_a_clip_that_is_not_what_was_promised_is_refused(write_output: WriteOutput) -> None:
    storage = write_output("files", "wav")
    key = next(iter(storage.list("audio/"))).key
    storage.put(key, storage.get(key)[:-1] + b"\x77")
    with pytest.raises(JobError, match=r"row 0: these are not the bytes"):
        list(read(storage.uri))
    storage.delete([key])
    with pytest.raises(JobError, match="000000000-id_0"):
        list(read(storage.uri))


def second_manifest(storage: Storage) -> None:
    """Of the first shard, with the number of a commit that comes later."""
    key = next(iter(storage.list("manifest/000000/0000"))).key
    name = PartName.parse(key)
    storage.put(replace(name, stamp=name.stamp.replace(".n0", ".n7")).key, storage.get(key))


def test_a_shard_that_was_committed_twice_is_refused(write_output: WriteOutput) -> None:
    storage = write_output("files", "wav", is_complete=False)
    second_manifest(storage)
    with pytest.raises(JobError, match="000000-0000 has two manifests"):
        list(read(storage.uri))


def test_what_the_root_does_not_name_is_not_read(write_output: WriteOutput) -> None:
    """A manifest that lands after the job is complete, as that of a driver that was replaced may."""
    storage = write_output("files", "wav")
    second_manifest(storage)
    assert len(list(read(storage.uri))) == len(SPOKEN)


def test_a_complete_output_that_has_lost_a_manifest_is_refused(write_output: WriteOutput) -> None:
    storage = write_output("files", "wav")
    storage.delete([next(iter(storage.list("manifest/000000/0001"))).key])
    with pytest.raises(JobError, match="does not hold the manifests that it had when it was completed"):
        list(read(storage.uri))


@pytest.mark.parametrize("container", list(CONTAINERS))
def test_an_output_of_format_2_is_read(container: str, write_output: WriteOutput) -> None:
    storage = write_output(container, "flac", format=2)
    assert sorted(clip.metadata["row"] for clip in read(storage.uri)) == SPOKEN  # pyright: ignore[reportArgumentType]
