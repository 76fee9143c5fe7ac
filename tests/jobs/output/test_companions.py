"""What tools open an output by: metadata.csv in the order of the corpus, and a card that replaces no other."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from support.outputs import FreeLease, begin, edit_job, job_file, reopen
from support.rows_output import row_id, row_text, write_rows

from speechmill.actors.models.base import ModelConfig
from speechmill.actors.models.registry import describe
from speechmill.cluster.storage import Storage, open_storage
from speechmill.jobs.output.card import MARK, card
from speechmill.jobs.output.complete import Complete
from speechmill.jobs.output.output_file import OutputFile
from speechmill.jobs.run.completion import write_companions
from speechmill.jobs.verify import verify

MARK_OF_200 = Complete(200, 199, 1, 20.0)


def header_of(storage: Storage) -> dict[str, object]:
    return yaml.safe_load(storage.get("README.md").decode().split("---\n")[1])


def table_of(storage: Storage) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(storage.get("metadata.csv").decode(), newline="")))


def test_metadata_names_every_clip_once_in_the_order_of_the_corpus(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path / "out"))
    records = write_rows(storage, "files")
    found = table_of(storage)
    assert [line["id"] for line in found] == [row_id(row) for row in range(200) if row != 3]
    assert [line["file_name"] for line in found] == sorted(line["file_name"] for line in found)
    assert {line["file_name"] for line in found} == {entry.key for entry in storage.list("audio/")}
    first = found[0]
    assert first["text"] == row_text(0)
    assert first["normalized_text"] == "row number 0"
    assert json.loads(first["metadata"]) == {"chapter": 0}
    assert float(first["duration_s"]) == records[0].duration_s
    report = verify(storage)
    assert (report.problems, report.orphans, report.strays) == ((), (), ())


@pytest.mark.parametrize(
    ("container", "paths"),
    [
        ("files", ["metadata.csv", "audio/**"]),
        ("webdataset", ["audio/*.tar"]),
        ("parquet", ["audio/*.parquet"]),
    ],
)
def test_the_card_names_the_files_that_are_the_data(container: str, paths: list[str], tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path))
    write_rows(storage, container, 20)
    header = header_of(storage)
    assert header["configs"] == [{"config_name": "default", "data_files": [{"split": "train", "path": paths}]}]
    assert storage.exists("metadata.csv") == (container == "files")
    assert verify(storage).strays == ()


def test_the_card_tells_the_licence_and_what_a_hostile_name_cannot_change() -> None:
    job = job_file("webdataset", key_prefixes=16)
    made = {"model": "chattts", "model_revision": "1", "weights_licence": "CC-BY-NC-4.0"}
    job = replace(job, spec={**job.spec, "name": "x\n---\n# <b>|"}, provenance=made)
    text = card(job, MARK_OF_200)
    assert "not for commercial use" in text
    assert "CC-BY-NC-4.0" in text
    assert yaml.safe_load(text.split("---\n")[1])["configs"][0]["data_files"][0]["path"] == ["audio/*/*.tar"]
    assert "<b>" not in text.split("---\n", 2)[2]
    assert text.count("\n---\n") == 1


def test_a_card_of_the_users_own_stays(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path))
    storage.put("README.md", b"mine")
    write_rows(storage, "parquet", 10)
    assert storage.get("README.md") == b"mine"
    begin(storage, job_file("files"))
    assert storage.get("README.md") == b"mine"


def test_an_output_begun_anew_keeps_neither_card_nor_table_of_the_old_one(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path))
    write_rows(storage, "files", 10)
    begin(storage, job_file("parquet"))
    assert not storage.exists("README.md")
    assert not storage.exists("metadata.csv")


def test_what_is_missing_is_written_again_and_what_is_there_stays(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path))
    write_rows(storage, "files", 10)
    table = storage.get("metadata.csv")
    storage.put("README.md", MARK.encode())
    storage.delete(["metadata.csv"])
    write_companions(storage, MARK_OF_200, only_missing=True)
    assert storage.get("metadata.csv") == table
    assert storage.get("README.md") == MARK.encode()
    write_companions(storage, MARK_OF_200)
    assert b"199" not in storage.get("README.md") != MARK.encode()


def test_the_table_of_a_continued_output_is_that_of_all_its_runs(tmp_path: Path) -> None:
    from speechmill.jobs.output.claim import Claim

    storage = open_storage(str(tmp_path))
    write_rows(storage, "files", 50)
    table = storage.get("metadata.csv")
    reopen(storage)
    Claim.resume(storage, FreeLease(), OutputFile.load(storage), (), storage.list, lambda part: None)
    write_companions(storage, MARK_OF_200)
    assert storage.get("metadata.csv") == table


def test_provenance_is_kept_in_the_job_and_its_absence_is_read(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path))
    made = {"model": "tone", "model_revision": "1", "weights_licence": None, "is_synthetic": True}
    begin(storage, replace(job_file("files"), provenance=made))
    assert OutputFile.load(storage).job.provenance == made
    edit_job(storage, lambda body: body.pop("provenance"))
    assert OutputFile.load(storage).job.provenance == {}


def test_the_models_name_the_licence_of_their_weights() -> None:
    hibari = describe(ModelConfig("hibari"))
    assert (hibari.licence, hibari.is_noncommercial) == ("Apache-2.0", False)
    assert replace(hibari, licence="CC-BY-NC-4.0").is_noncommercial
    assert not replace(hibari, licence="").is_noncommercial
