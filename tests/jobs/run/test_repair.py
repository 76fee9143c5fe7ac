"""An output that was complete and has lost something: it is damaged, and `--repair` speaks that again and no more."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support.outputs import reopen, shard_keys
from typer.testing import CliRunner

import speechmill
from speechmill.cluster.storage import Storage, open_storage
from speechmill.errors import OutputDamaged
from speechmill.jobs.cli.main import app
from speechmill.jobs.output.output_file import OutputFile
from speechmill.jobs.output.status import status
from speechmill.jobs.verify import verify

pytestmark = pytest.mark.usefixtures("hosted_replicas")
NUM_ROWS = 40
CONTAINERS = ["files", "webdataset", "parquet"]


def job_of(folder: Path, container: str) -> speechmill.Job:
    rows = "".join(f"id-{row},Row {row} {'la ' * (row * 7 % 20)}\n" for row in range(NUM_ROWS))
    (folder / "corpus.csv").write_text("id,text\n" + rows, encoding="utf-8")
    return speechmill.Job(
        input={"uri": str(folder / "corpus.csv")},
        model={"name": "tone", "options": {"audio_char_s": 0.002}},
        output={"uri": str(folder / "out"), "container": container},
        cluster={"replicas": 1},
        sharding={"shard_rows": 8},
    )


def keys(storage: Storage, prefix: str) -> list[str]:
    return [entry.key for entry in storage.list(prefix)]


def lose_a_manifest(storage: Storage) -> None:
    storage.delete(keys(storage, "manifest/")[:1])


def lose_all_manifests(storage: Storage) -> None:
    storage.delete(keys(storage, "manifest/"))


def lose_the_audio_of_a_shard(storage: Storage) -> None:
    storage.delete(shard_keys(storage, "000000-0001"))


def replace_a_manifest(storage: Storage) -> None:
    """By one of a run that never was."""
    key = keys(storage, "manifest/")[0]
    storage.put(key.replace(".n", ".n9"), storage.get(key))
    storage.delete([key])


SEEN_BY_NAMES = [lose_a_manifest, lose_all_manifests, lose_the_audio_of_a_shard, replace_a_manifest]


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("damage", SEEN_BY_NAMES)
def test_what_is_missing_is_damaged_for_status_and_run_and_repaired(
    tmp_path: Path, container: str, damage: Callable[[Storage], None]
) -> None:
    """Story: over an output without manifests, status and run said "complete"."""
    job = job_of(tmp_path, container)
    whole = {clip.id: clip.samples.tobytes() for clip in speechmill.read(job.run().output)}
    storage = open_storage(job.spec.output.uri)
    damage(storage)
    before = keys(storage, "")

    assert status(storage).is_complete
    assert status(storage).is_damaged
    told = CliRunner().invoke(app, ["status", storage.uri])
    assert (told.exit_code, "damaged" in told.stdout) == (1, True)
    with pytest.raises(OutputDamaged, match=r"was complete and is damaged.*--repair"):
        job.run()
    assert keys(storage, "") == before, "nothing was written"

    result = job.run(repair=True)
    assert (result.num_rows, result.num_ok) == (NUM_ROWS, NUM_ROWS)
    assert 0 < result.new_rows <= NUM_ROWS
    report = verify(storage, sweep=True)
    assert (report.problems, report.is_complete, report.num_ok) == ((), True, NUM_ROWS)
    assert {clip.id: clip.samples.tobytes() for clip in speechmill.read(storage.uri)} == whole
    assert not status(storage).is_damaged
    assert job.run().new_rows == 0


@pytest.mark.parametrize("container", CONTAINERS)
def test_a_flipped_bit_is_found_by_repair_and_costs_its_part_alone(tmp_path: Path, container: str) -> None:
    job = job_of(tmp_path, container)
    job.run()
    storage = open_storage(job.spec.output.uri)
    key = shard_keys(storage, "000000-0002")[-1]
    data = bytearray(storage.get(key))
    data[len(data) // 2] ^= 4
    storage.put(key, bytes(data))
    assert not verify(storage).is_ok
    result = job.run(repair=True)
    assert 0 < result.new_rows < NUM_ROWS / 2
    report = verify(storage, sweep=True)
    assert (report.problems, report.is_complete, report.num_ok) == ((), True, NUM_ROWS)


def test_a_sound_output_is_repaired_by_writing_nothing(tmp_path: Path) -> None:
    job = job_of(tmp_path, "webdataset")
    job.run()
    storage = open_storage(job.spec.output.uri)
    before = {entry.key: entry.version for entry in storage.list("")}
    assert job.run(repair=True).new_rows == 0
    after = {entry.key: entry.version for entry in storage.list("")}
    assert {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)} <= {"driver.json"}


def test_a_run_completes_nothing_over_parts_that_are_gone(tmp_path: Path) -> None:
    """Killed before its mark; then somebody deletes clips: they are spoken again, not believed."""
    job = job_of(tmp_path, "webdataset")
    job.run()
    storage = open_storage(job.spec.output.uri)
    reopen(storage)
    lose_the_audio_of_a_shard(storage)
    assert 0 < job.run().new_rows < NUM_ROWS
    assert verify(storage).is_ok
    assert OutputFile.load(storage).complete is not None


def test_the_command_line_repairs(tmp_path: Path) -> None:
    job = job_of(tmp_path, "files")
    file = tmp_path / "job.yaml"
    file.write_text(json.dumps(job.spec.model_dump(mode="json", exclude_unset=True)), encoding="utf-8")
    assert CliRunner().invoke(app, ["run", str(file)]).exit_code == 0
    lose_a_manifest(open_storage(job.spec.output.uri))
    told = CliRunner().invoke(app, ["run", str(file)])
    assert told.exit_code == 1
    assert "--repair" in told.stderr
    assert CliRunner().invoke(app, ["run", str(file), "--repair"]).exit_code == 0
    assert CliRunner().invoke(app, ["status", job.spec.output.uri]).exit_code == 0
