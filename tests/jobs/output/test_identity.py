"""What makes two runs the same job, and what is read off an output that is already there."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.outputs import begin, job_file

from speechmill.actors.batcher.stats import BatchStats
from speechmill.actors.models.base import ModelConfig
from speechmill.actors.models.registry import describe
from speechmill.actors.records.keys import ROOT_KEY
from speechmill.actors.records.part_name import PartName
from speechmill.cluster.sharding.sharding import CostModel
from speechmill.cluster.storage import open_storage
from speechmill.errors import JobChanged, JobError
from speechmill.jobs.output.complete import Complete
from speechmill.jobs.output.identity import Identity, JobFile, identity_of
from speechmill.jobs.output.ledger import Ledger
from speechmill.jobs.output.output_file import OutputFile
from speechmill.jobs.spec.job import JobSpec


def identity(**sections: Any) -> Identity:
    spec = JobSpec.parse({"input": {"uri": "a.csv"}, "output": {"uri": "o"}, "model": {"name": "tone"}} | sections)
    info = describe(ModelConfig(spec.model.name, voice=spec.model.voice, options=spec.model.options))
    return identity_of(spec, info, "cpu", corpus_fingerprint="abc")


@pytest.mark.parametrize(
    ("sections", "key"),
    [
        ({"seed": 1}, "seed"),
        ({"text": {"pause_s": 0.5}}, "text.pause_s"),
        ({"output": {"uri": "o", "audio": "wav"}}, "output.audio"),
        ({"output": {"uri": "o", "container": "parquet"}}, "output.container"),
        ({"model": {"name": "tone", "speed": 1.5}}, "model.speed"),
        ({"model": {"name": "tone", "voice": "x"}}, "model.voice"),
        ({"model": {"name": "tone", "options": {"audio_char_s": 1.0}}}, "model.options.audio_char_s"),
        ({"input": {"uri": "a.csv", "text": "body"}}, "input.text"),
        ({"input": {"uri": "a.csv", "delimiter": ";"}}, "input.delimiter"),
        ({"input": {"uri": "a.csv", "format": "ljspeech", "columns": ["id", "text"]}}, "input.columns"),
        ({"sharding": {"shard_rows": 3}}, "sharding.shard_rows"),
    ],
)
def test_what_decides_the_audio_or_its_place_is_part_of_it(sections: dict[str, Any], key: str) -> None:
    (difference,) = identity().differences(identity(**sections))
    assert difference.startswith(f"{key}: ")
    assert identity().fingerprint != identity(**sections).fingerprint


@pytest.mark.parametrize(
    "sections",
    [
        {"name": "x"},
        {"cluster": {"replicas": 3, "address": "auto"}},
        {"model": {"name": "tone", "batch_size": 9}},
        {"failure": {"max_failed_rows": 3}},
        {"input": {"uri": "moved/a.csv"}},
        {"input": {"uri": "a.csv", "header": True}},
        {"output": {"uri": "elsewhere"}},
    ],
)
def test_what_decides_neither_is_not(sections: dict[str, Any]) -> None:
    assert identity().fingerprint == identity(**sections).fingerprint


def test_a_job_that_says_nothing_of_a_new_key_is_the_one_that_it_was() -> None:
    """Outputs that were begun before a key came go on."""
    keys = {key for key in identity().keys if key.startswith("input.")}
    assert keys == {"input.id", "input.text", "input.seed", "input.voice", "input.speed", "input.max_chars"}


def test_a_file_without_a_header_is_another_corpus() -> None:
    (header, columns) = identity().differences(identity(input={"uri": "a", "header": False, "columns": ["text"]}))[::-1]
    assert header.startswith("input.header: null there, false now")
    assert columns.startswith('input.columns: null there, ["text"] now')


def test_a_job_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path))
    assert OutputFile.read(storage) is None
    job = JobFile("1.0", {"name": "x"}, identity(), "cpu", CostModel(0.1, 0.2, 0.3))
    claim = begin(storage, job)
    found = OutputFile.load(storage)
    assert (found.job, found.complete, found.root.run) == (job, None, 1)
    claim.complete(Complete(3, 2, 1, 1.5, BatchStats(cells_total=7)))
    found = OutputFile.load(storage)
    assert (found.job, found.complete) == (job, Complete(3, 2, 1, 1.5, BatchStats(cells_total=7)))
    assert set(job.body["cost"]) == {"base_s", "char_s", "audio_char_s"}, "as outputs have it that began earlier"
    by_bytes = replace(job, cost=replace(job.cost, unit="bytes"))
    assert JobFile.of(by_bytes.body, "out").cost == by_bytes.cost
    job.refuse_if_changed(identity(), "out")
    with pytest.raises(JobChanged, match="seed: 0 there, 1 now"):
        job.refuse_if_changed(identity(seed=1), "out")


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"speechmill": 1, "spec": 3}', b"\xff", b'{"cost": []}'])
def test_damaged_files_of_ours_are_named(tmp_path: Path, content: bytes) -> None:
    storage = open_storage(str(tmp_path))
    storage.put(ROOT_KEY, content)
    with pytest.raises(JobError, match=r"job\.json"):
        OutputFile.read(storage)


@pytest.mark.parametrize("mark", [None, [], {}, {"num_rows": 3}, {"num_rows": 1, "num_ok": 1, "num_failed": "0"}])
def test_a_damaged_mark_of_completeness_is_named(tmp_path: Path, mark: object) -> None:
    storage = open_storage(str(tmp_path))
    begin(storage, job_file()).complete(Complete(1, 1, 0, 0.5))
    body = json.loads(storage.get(ROOT_KEY)) | {"complete": mark}
    storage.put(ROOT_KEY, json.dumps(body).encode())
    with pytest.raises(JobError, match=r"job\.json has a mark of completeness that cannot be read"):
        OutputFile.read(storage)


def test_the_ledger_is_read_off_the_names() -> None:
    names = (PartName(0, 0, 10, 2, 1_500, "aa"), PartName(0, 1, 5, 0, 500, "bb"), PartName(1, None, 0, 3, 0, "cc"))
    ledger = Ledger.of(names)
    assert (len(ledger), ledger.totals.num_ok, ledger.totals.num_failed) == (3, 15, 5)
    assert ledger.totals.audio_s == pytest.approx(2.0)
    assert ledger.is_done("000000-0001", "bb")
    assert ledger.is_done("000001-rejected", "cc")
    assert not ledger.is_done("000000-0002", "dd")
    with pytest.raises(JobChanged, match="000000-0001 was committed with other rows"):
        ledger.is_done("000000-0001", "ee")


def test_a_second_manifest_of_a_shard_is_not_counted_twice(tmp_path: Path) -> None:
    ledger = Ledger()
    ledger.add(PartName(0, 0, 10, 0, 100, "aa"))
    ledger.add(PartName(0, 0, 9, 1, 90, "aa"))
    assert (ledger.totals.num_ok, ledger.totals.num_failed) == (10, 0)
